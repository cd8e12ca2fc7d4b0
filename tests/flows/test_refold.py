"""A person's word over Stories, and the rules of a new version over what is stored, on both stores."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.errors import NotFoundError, UsageError
from aggregator.flows.refold import RefoldPorts, merge, refold, split, story_of
from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.feed import Feed, Validators
from aggregator.model.parsed import Link, ParsedEntry, SafeHtml
from aggregator.model.poll import Cause, Fetched, FetchFailed
from aggregator.model.story import Clustering, Story
from tests.fakes import NO_TAGS, FrozenClock, MemoryStore, ScriptedFetcher, ScriptedParser, parsed, reading
from tests.real_store import SqlStore, sql_store

FEEDS = [Feed(id=id_, url=f"https://{id_}.example/rss", name=id_) for id_ in ("a", "b", "c")]
PLAN = RefreshPlan(feeds={feed.id: feed for feed in FEEDS}, every=timedelta(hours=1), tagger=NO_TAGS)
PAGE = (Link(href="https://a.example/report"),)
TEXT = SafeHtml(
    "<p>The council of Riga has voted for a bridge that will cost four hundred million euros, and nobody in the hall "
    "could say from which of its budgets the money is to be taken once the loan of the bank has been spent.</p>"
)


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest) -> Iterator["House"]:
    if request.param == "memory":
        yield House(MemoryStore())
        return
    with sql_store() as store:
        yield House(store)


class House:
    """Three feeds, what they say next, and the flows on one store."""

    def __init__(self, store: MemoryStore | SqlStore) -> None:
        self.store, self.clock = store, FrozenClock()
        store.sync(FEEDS, self.clock.now())

    def poll(self, **documents: tuple[ParsedEntry, ...]) -> None:
        self.clock.advance(hours=2)
        fetcher, parser = ScriptedFetcher(), ScriptedParser()
        for feed in FEEDS:
            fetcher.outcomes[feed.id] = FetchFailed(feed_id=feed.id, cause=Cause.STATUS, message="503")
        for feed_id, items in documents.items():
            fetcher.outcomes[feed_id] = Fetched(
                feed_id=feed_id, url="", status=200, body=b"", content_type=None, validators=Validators()
            )
            parser.readings[feed_id] = reading(feed_id, *items)
        ports = RefreshPorts(
            feeds=self.store, entries=self.store, folds=self.store, fetcher=fetcher, parser=parser, clock=self.clock
        )
        refresh(ports, PLAN, self.store.states())

    @property
    def ports(self) -> RefoldPorts:
        return RefoldPorts(folds=self.store, stories=self.store, clock=self.clock)

    def titles(self) -> list[list[str]]:
        return sorted(sorted(entry.title for entry in story.entries) for story in self.stories())

    def stories(self) -> list[Story]:
        return list(self.store.after(0, limit=99))

    def story_of(self, title: str) -> Story:
        return next(story for story in self.stories() if title in [entry.title for entry in story.entries])

    def id_of(self, title: str) -> int:
        return next(entry.id for story in self.stories() for entry in story.entries if entry.title == title)


def shared(house: House) -> None:
    """Two feeds with one page, a third with another."""
    house.poll(a=(parsed("One", links=PAGE),))
    house.poll(b=(parsed("Two", links=PAGE),), c=(parsed("Three"),))
    assert house.titles() == [["One", "Two"], ["Three"]]


def test_a_split_holds_against_the_rules_and_leads_nowhere_else(house: House) -> None:
    shared(house)
    version = house.store.version()
    leaving, staying = split(house.ports, house.story_of("Two").id, [house.id_of("Two")])
    assert ([entry.title for entry in leaving.entries], [entry.title for entry in staying.entries]) == (
        ["Two"],
        ["One"],
    )
    assert house.store.version() != version
    house.poll(b=(parsed("Two", links=PAGE, summary=SafeHtml("<p>Edited.</p>")),))
    assert refold(house.ports, house.clock.now() - timedelta(days=90)).moved == ()
    assert house.titles() == [["One"], ["Three"], ["Two"]]


def test_a_third_that_goes_with_both_brings_the_parted_not_together(house: House) -> None:
    shared(house)
    split(house.ports, house.story_of("Two").id, [house.id_of("Two")])
    house.poll(c=(parsed("Four", links=PAGE), parsed("Three")))
    assert ["One", "Two"] not in house.titles()
    assert sum(len(titles) == 2 for titles in house.titles()) == 1


def test_a_merge_holds_and_the_younger_address_leads_to_the_older(house: House) -> None:
    shared(house)
    young, old = house.story_of("Three"), house.story_of("One")
    merged = merge(house.ports, [young.id, old.id])
    assert (merged.id, house.store.get(young.id)) == (old.id, merged)
    assert refold(house.ports, house.clock.now() - timedelta(days=90)).moved == ()
    assert house.titles() == [["One", "Three", "Two"]]
    assert [entry.joined_by for entry in merged.entries if entry.title == "Three"] == ["person"]


def test_the_last_word_counts(house: House) -> None:
    shared(house)
    for _ in range(2):
        split(house.ports, house.story_of("Two").id, [house.id_of("Two")])
        assert house.titles() == [["One"], ["Three"], ["Two"]]
        merge(house.ports, [house.story_of("One").id, house.story_of("Two").id])
        assert house.titles() == [["One", "Two"], ["Three"]]


def test_several_entries_leave_together(house: House) -> None:
    shared(house)
    merge(house.ports, [house.story_of("One").id, house.story_of("Three").id])
    split(house.ports, house.story_of("One").id, [house.id_of("Two"), house.id_of("Three")])
    assert house.titles() == [["One"], ["Three", "Two"]]


def test_what_cannot_be_is_said(house: House) -> None:
    shared(house)
    story = house.story_of("One")
    with pytest.raises(NotFoundError, match="nothing"):
        merge(house.ports, ["nothing", story.id])
    with pytest.raises(UsageError, match="two stories"):
        merge(house.ports, [story.id, story.id])
    with pytest.raises(NotFoundError, match="no entry 99"):
        split(house.ports, story.id, [99])
    for ids in ([], [entry.id for entry in story.entries]):
        with pytest.raises(UsageError, match="not all"):
            split(house.ports, story.id, ids)


def forgotten(house: House) -> None:
    """As a version without rules would have left it: every entry alone."""
    house.poll(a=(parsed("A bridge for Riga", content=TEXT),))
    house.poll(b=(parsed("A bridge for Riga", content=TEXT, links=PAGE),), c=(parsed("Three"),))
    links = house.store.links([entry.mark for story in house.stories() for entry in story.entries])
    (story,) = [story for story in house.stories() if len(story.entries) == 2]
    parted = split(house.ports, story.id, [story.entries[1].id])
    assert len(parted) == 2
    said = house.store.links([story.entries[0].mark])
    house.store.rearrange(Clustering(placements=()), house.clock.now(), dropped=[*links, *said])
    assert [len(titles) for titles in house.titles()] == [1, 1, 1]


def test_new_rules_fold_what_is_stored_and_say_so(house: House) -> None:
    forgotten(house)
    told: list[int] = []
    report = refold(house.ports, house.clock.now() - timedelta(days=90), progress=told.append)
    assert (report.entries, [link.rule for link in report.found], report.lost, told) == (3, ["same-text"], (), [3])
    ((mark, came_from, placement),) = report.moved
    assert (came_from, placement.story_id, placement.rule) == (
        mark,
        house.story_of("A bridge for Riga").id,
        "same-text",
    )
    assert [len(titles) for titles in house.titles()] == [2, 1]
    assert refold(house.ports, house.clock.now() - timedelta(days=90)) == replace(report, found=(), moved=())


def test_what_no_rule_finds_any_more_comes_apart(house: House) -> None:
    shared(house)
    one, three = house.story_of("One").head, house.story_of("Three").head
    merge(house.ports, [house.story_of("One").id, house.story_of("Three").id])
    a, b = sorted((one.mark, three.mark))
    (said,) = [link for link in house.store.links([one.mark]) if (link.one, link.other) == (a, b)]
    kept = [link for link in house.store.links([three.mark]) if link != said]
    old_rule = replace(said, rule="a-rule-of-old")
    house.store.rearrange(Clustering(placements=(), links=()), house.clock.now(), dropped=[said, *kept])
    house.store.rearrange(Clustering(placements=(), links=(old_rule,)), house.clock.now())
    report = refold(house.ports, house.clock.now() - timedelta(days=90))
    assert report.lost == (old_rule,)
    assert [move.mark for move in report.moved] == [three.mark]
    assert house.titles() == [["One", "Two"], ["Three"]]


def test_what_was_seen_before_is_left_alone(house: House) -> None:
    forgotten(house)
    assert refold(house.ports, house.clock.now() + timedelta(days=1)).entries == 0
    assert [len(titles) for titles in house.titles()] == [1, 1, 1]


def test_a_story_is_found_by_its_id_or_by_the_number_of_an_entry(house: House) -> None:
    shared(house)
    story = house.story_of("Two")
    assert story_of(house.ports, story.id) == story == story_of(house.ports, str(house.id_of("Two")))
    for name in ("99", "nobody"):
        with pytest.raises(NotFoundError, match=name):
            story_of(house.ports, name)
