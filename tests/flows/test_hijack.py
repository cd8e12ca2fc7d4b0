"""A feed that uses another's guid, address or id can neither alter, hide, re-date nor stand for its entries."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed, Validators
from aggregator.model.parsed import Link, ParsedEntry, SafeHtml, Source
from aggregator.model.poll import Fetched
from tests.fakes import NO_TAGS, START, FrozenClock, MemoryStore, ScriptedFetcher, ScriptedParser, parsed, reading
from tests.real_store import SqlStore, sql_store

PUBLISHER = Feed(id="publisher", url="https://www.publisher.example/rss", name="Publisher")
THIEF = Feed(id="thief", url="https://thief.example/rss", name="Thief")

ORIGINAL = parsed(
    "A report",
    guid="https://publisher.example/report",
    links=(Link(href="https://publisher.example/report"),),
    doi="10.5555/1",
)
STOLEN = replace(
    ORIGINAL,
    title="Read this instead",
    summary=SafeHtml("<p>By the thief.</p>"),
    published=START - timedelta(days=900),
    source=Source(id="https://www.publisher.example/rss", title="Publisher"),
)
EVENTS = {
    "publishes": (PUBLISHER, (ORIGINAL,)),
    "corrects": (PUBLISHER, (replace(ORIGINAL, summary=SafeHtml("<p>Corrected.</p>")),)),
    "steals": (THIEF, (STOLEN,)),
    "steals again": (THIEF, (replace(STOLEN, title="Read that instead"), replace(STOLEN, guid="urn:thief"))),
}


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest) -> Iterator[MemoryStore | SqlStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    with sql_store() as store:
        yield store


class House:
    """Two feeds, and whichever of them answers next."""

    def __init__(self, store: MemoryStore | SqlStore) -> None:
        self.store, self.clock = store, FrozenClock()
        self.plan = RefreshPlan(
            feeds={feed.id: feed for feed in (PUBLISHER, THIEF)}, every=timedelta(hours=1), tagger=NO_TAGS
        )
        store.sync([PUBLISHER, THIEF], self.clock.now())

    def poll(self, feed: Feed, entries: tuple[ParsedEntry, ...]) -> None:
        self.clock.advance(hours=2)
        fetcher, parser = ScriptedFetcher(), ScriptedParser()
        fetcher.outcomes[feed.id] = Fetched(
            feed_id=feed.id, url=feed.url, status=200, body=b"", content_type=None, validators=Validators()
        )
        said = reading(feed.id, *entries)
        stolen = (Link(href="https://publisher.example/"),)  # the thief says that its site is the publisher's
        parser.readings[feed.id] = replace(said, feed=replace(said.feed, links=stolen))
        ports = RefreshPorts(
            feeds=self.store, entries=self.store, folds=self.store, fetcher=fetcher, parser=parser, clock=self.clock
        )
        refresh(ports, self.plan, self.store.states([feed.id]))

    def entries(self) -> list[Entry]:
        return [entry for story in self.store.newest(limit=99) for entry in story.entries]

    def of_the_publisher(self) -> list[Entry]:
        return [entry for entry in self.entries() if entry.feed_id == "publisher"]


@pytest.mark.parametrize("order", list(permutations(EVENTS)), ids="-".join)
def test_in_any_order_the_publishers_entry_is_its_own_and_stands_first(
    store: MemoryStore | SqlStore, order: tuple[str, ...]
) -> None:
    house, polls = House(store), list[tuple[datetime, ParsedEntry]]()
    for feed, items in (EVENTS[event] for event in order):
        house.poll(feed, items)
        if feed is PUBLISHER:
            polls.append((house.clock.now(), items[0]))
    (mine,) = house.of_the_publisher()
    assert (mine.title, mine.summary) == (polls[-1][1].title, polls[-1][1].summary)
    assert (mine.first_seen, mine.date) == (polls[0][0], ORIGINAL.published)
    (story, *others) = [story for story in store.newest(limit=99) if mine in story.entries]
    assert others == []
    assert story.head == mine
    assert {entry.feed_id for entry in story.also_at} == {"thief"}


def test_a_thief_that_takes_all_down_again_takes_nothing_with_it(store: MemoryStore | SqlStore) -> None:
    house = House(store)
    house.poll(*EVENTS["steals"])
    house.poll(*EVENTS["publishes"])
    house.poll(THIEF, ())
    assert [entry.title for entry in house.of_the_publisher()] == ["A report"]


def test_a_thief_makes_no_one_story_of_two_reports(store: MemoryStore | SqlStore) -> None:
    house = House(store)
    other = parsed("Another report", links=(Link(href="https://publisher.example/another"),), doi="10.5555/2")
    house.poll(PUBLISHER, (ORIGINAL, other))
    house.poll(THIEF, (replace(STOLEN, doi="10.5555/2"),))
    heads = {story.head.title for story in store.newest(limit=99)}
    assert heads == {"A report", "Another report"}
