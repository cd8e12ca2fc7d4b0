"""What an edit of feeds.yaml would change is what it then changes, and looking writes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.flows import foresee as flow
from aggregator.flows.foresee import ForeseePlan, ForeseePorts, foresee
from aggregator.flows.refold import RefoldPorts, split
from aggregator.flows.retag import RetagPlan, retag
from aggregator.model.applied import Applied
from aggregator.model.channel import Channel
from aggregator.model.feed import Feed, FeedOptions
from aggregator.model.foresight import Difference, Foresight, Outlook, RuleUse, TagEdit
from aggregator.model.newsletter import Newsletter
from aggregator.model.parsed import Link
from aggregator.model.story import Story
from aggregator.query.grammar import parse_query
from aggregator.steps.tagging.tagger import Tagger
from aggregator.subject import story_subject
from tests.fakes import START, MemoryStore, parsed
from tests.flows.newsroom import FEEDS, Newsroom, tagger, taxonomy
from tests.mail_fakes import WEEKLY, MemoryMailStore, issue_of
from tests.real_store import KINDS, SqlStore, sql_store

AGES_AGO = START - timedelta(days=999)
RAIL = Channel(id="rail", title="Rail", query="topic:rail")
PORTS = Channel(id="ports", title="Ports", query="port")


class Followed:
    """`AppliedStore` that says what it was given."""

    value = Applied()

    def applied(self) -> Applied:
        return self.value


class Office(Newsroom):
    """A newsroom whose edits are looked at before they are followed."""

    def __init__(self, store: MemoryStore | SqlStore) -> None:
        super().__init__(store)
        self.mail, self.followed = MemoryMailStore(), Followed()

    def apply(self, *, channels: Sequence[Channel] = (), newsletters: Sequence[Newsletter] = ()) -> None:
        runs = START + timedelta(days=2), START + timedelta(days=9)
        self.mail.sync(newsletters, lambda letter: runs, self.store.last_seq())
        self.followed.value = Applied(channels=tuple(channels), newsletters=tuple(newsletters))

    def foresee(
        self,
        rules: Tagger,
        *,
        feeds: Sequence[Feed] = FEEDS,
        channels: Sequence[Channel] = (),
        newsletters: Sequence[Newsletter] = (),
        since: datetime = AGES_AGO,
    ) -> Foresight:
        ports = ForeseePorts(
            feeds=self.store, stories=self.store, newsletters=self.mail, applied=self.followed, clock=self.clock
        )
        plan = ForeseePlan(feeds=tuple(feeds), tagger=rules, channels=tuple(channels), newsletters=tuple(newsletters))
        return foresee(ports, plan, since)


@pytest.fixture(params=["memory", *KINDS])
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    if request.param == "memory":
        yield Office(MemoryStore())
        return
    with sql_store(request.param) as store:
        yield Office(store)


# --- what is foreseen is what comes ---------------------------------------------------------------

WORDS = ("rail", "port", "paris", "grain")
RULE = st.tuples(
    st.sampled_from(["topic:rail", "topic:port", "type:brief"]),
    st.sampled_from([*WORDS, "topic:rail", "NOT port", "country:fr", "feed:a", "since:2h"]),
)
TAGGERS = st.builds(
    tagger,
    st.lists(RULE, max_size=4),
    st.builds(taxonomy, st.just("1"), rail=st.sampled_from(WORDS), trade=st.sampled_from(WORDS)),
)
EDITED_FEEDS = st.sampled_from(
    [FEEDS, FEEDS[:1], (replace(FEEDS[0], options=FeedOptions(tags=("topic:rail",))), FEEDS[1])]
)
ITEM = st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True))
QUERIES = [None, "topic:rail", "port OR country:fr", "NOT type:brief"]


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(ITEM, min_size=1, max_size=8),
    before=TAGGERS,
    after=TAGGERS,
    feeds=EDITED_FEEDS,
    queries=st.tuples(st.sampled_from(QUERIES), st.sampled_from(QUERIES)),
)
def test_what_is_foreseen_is_what_the_edit_then_changes(
    items: list[tuple[str, list[str]]],
    before: Tagger,
    after: Tagger,
    feeds: tuple[Feed, ...],
    queries: tuple[str | None, str | None],
) -> None:
    office = Office(MemoryStore())
    for feed_id, words in items:  # the same words in both feeds are one Story
        page = (Link(href=f"https://a.example/{'-'.join(words)}"),)
        office.poll(before, **{feed_id: [parsed(" ".join(words), links=page)]})
    office.clock.advance(days=1)
    old, new = ([Channel(id="x", title="X", query=query)] if query is not None else [] for query in queries)
    office.apply(channels=old)
    seen = office.foresee(after, feeds=feeds, channels=new)
    was = office.stories()
    again = office.foresee(after, feeds=feeds, channels=new)
    assert (again, office.stories()) == (seen, was)
    office.follow(feeds)
    retag(office.store, RetagPlan(feeds=office.feeds, tagger=after, version="after"))
    will = office.stories()
    assert [(edit.entry, edit.gained, edit.lost) for edit in sorted(seen.entries, key=lambda edit: edit.entry)] == [
        shift for shift in _shifts(was, will) if shift[1] or shift[2]
    ]
    assert {edit.tag: (edit.gain, edit.lose) for edit in seen.tags} == _story_shifts(was, will)
    held, holds = (_held(stories, query, office) for stories, query in zip((was, will), queries, strict=True))
    counts = {(edit.come, edit.go) for edit in seen.channels} or {(0, 0)}
    assert counts == {(len(holds - held), len(held - holds))}
    office.apply(channels=new)
    assert not office.foresee(after, feeds=feeds, channels=new).changes


def _shifts(was: list[Story], will: list[Story]) -> list[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """By the ids of entries, the names gained and lost."""
    old, new = (
        {item.id: _names([item.tags]) for story in stories for item in story.entries} for stories in (was, will)
    )
    return [(id_, tuple(sorted(new[id_] - old[id_])), tuple(sorted(old[id_] - new[id_]))) for id_ in sorted(old)]


def _story_shifts(was: list[Story], will: list[Story]) -> dict[str, tuple[int, int]]:
    pairs = [(_names([old.tags]), _names([new.tags])) for old, new in zip(was, will, strict=True)]
    names = {name for old, new in pairs for name in old ^ new}
    return {
        name: (
            sum(name in new and name not in old for old, new in pairs),
            sum(name in old and name not in new for old, new in pairs),
        )
        for name in names
    }


def _names(lists: Sequence[Sequence[object]]) -> set[str]:
    return {tag.name for tags in lists for tag in tags}  # type: ignore[attr-defined]


def _held(stories: list[Story], query: str | None, office: Office) -> set[str]:
    if query is None:
        return set()
    now, wanted = office.clock.now(), parse_query(query)
    return {story.id for story in stories if wanted.matches(story_subject(story), now)}


# --- tags and rules -------------------------------------------------------------------------------


def test_tags_come_with_the_latest_titles_those_of_most_stories_first(office: Office) -> None:
    office.poll(tagger([("topic:rail", "rail")]), a=[parsed(f"Rail {n}") for n in range(5)], b=[parsed("A port")])
    seen = office.foresee(tagger([("topic:train", "rail"), ("topic:port", "port")]))
    latest = ("Rail 0", "Rail 1", "Rail 2")
    assert seen.stories == 6
    assert seen.tags == (
        TagEdit(tag="topic:rail", gain=0, lose=5, gaining=(), losing=latest),
        TagEdit(tag="topic:train", gain=5, lose=0, gaining=latest, losing=()),
        TagEdit(tag="topic:port", gain=1, lose=0, gaining=("A port",), losing=()),
    )
    assert (len(seen.entries), seen.reworded) == (6, 0)
    assert (seen.entries[-1].title, seen.entries[-1].gained, seen.entries[-1].lost) == (
        ("Rail 4", ("topic:train",), ("topic:rail",))
    )


def test_a_tag_that_another_entry_of_the_story_keeps_is_not_lost_to_it(office: Office) -> None:
    page = (Link(href="https://a.example/one"),)
    office.poll(tagger([("topic:rail", "rail")]), a=[parsed("Rail one", links=page)], b=[parsed("Rail", links=page)])
    seen = office.foresee(tagger([("topic:rail", "one")]))
    assert (seen.stories, seen.tags) == (1, ())
    assert [(edit.title, edit.lost) for edit in seen.entries] == [("Rail", ("topic:rail",))]
    assert seen.reworded == 1


def test_an_entry_without_a_title_is_named_all_the_same(office: Office) -> None:
    office.poll(tagger(), a=[replace(parsed("x"), title="")])
    assert office.foresee(tagger([("topic:x", "about")])).tags[0].gaining == ("Untitled",)


def test_rules_that_give_nothing_and_rules_that_say_nothing(office: Office) -> None:
    office.poll(tagger(), a=[parsed("Rail"), parsed("Rail and port"), parsed("Port")])
    rules = [
        ("topic:rail", "rail"),
        ("topic:sea", "port"),
        ("topic:sea", "port OR ship"),
        ("topic:zoo", "zebra"),
        ("topic:both", "rail port"),
        ("topic:zoo", "zebra"),
    ]
    seen = office.foresee(tagger(rules, taxonomy("1", rail="rail", tea="tea")))
    assert seen.silent == (
        RuleUse(tag="topic:sea", when="port OR ship", stories=0),
        RuleUse(tag="topic:zoo", when="zebra", stories=0),
    )
    assert [(use.tag, use.stories) for use in seen.loud] == [("topic:rail", 2), ("topic:sea", 2)]
    assert seen.unused == ("country:fr", "topic:tea")


def test_a_store_without_stories_has_no_loud_rules(office: Office) -> None:
    seen = office.foresee(tagger([("topic:rail", "rail")]))
    assert (seen.stories, seen.loud, [use.tag for use in seen.silent]) == (0, (), ["topic:rail"])
    assert not seen.changes


def test_only_stories_since_then_are_counted(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "PAGE", 2)
    office.poll(tagger(), a=[parsed(f"Old rail {n}") for n in range(5)])
    office.clock.advance(days=10)
    office.poll(tagger(), b=[parsed(f"Rail {n}") for n in range(3)])
    seen = office.foresee(
        tagger([("topic:rail", "rail")]), channels=[RAIL], since=office.clock.now() - timedelta(days=1)
    )
    assert (seen.stories, seen.tags[0].gain, seen.channels[0].come) == (3, 3, 3)


def test_a_story_that_was_split_off_does_not_hide_those_before_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands last and is as old as its entry."""
    monkeypatch.setattr(flow, "PAGE", 2)
    page = (Link(href="https://a.example/one"),)
    office.poll(tagger(), a=[parsed("Old", links=page)])
    office.poll(tagger(), b=[parsed("Old too", links=page)])
    (story,) = office.stories()
    office.clock.advance(days=10)
    office.poll(tagger(), a=[parsed("Rail 1"), parsed("Rail 2")])
    split(RefoldPorts(folds=office.store, stories=office.store, clock=office.clock), story.id, [story.entries[1].id])
    assert office.stories()[-1].head.title == "Old too"
    seen = office.foresee(tagger([("topic:rail", "rail")]), since=office.clock.now() - timedelta(days=1))
    assert (seen.stories, seen.tags[0].gain) == (2, 2)


# --- feeds, channels, newsletters -----------------------------------------------------------------


def test_feeds_are_told_by_what_differs(office: Office) -> None:
    moved = replace(
        FEEDS[0],
        url="https://a.example/new",
        country="FR",
        options=FeedOptions(every=timedelta(hours=6), tags=("topic:rail",), headers=(("X", "secret"),)),
    )
    seen = office.foresee(tagger(), feeds=[moved, replace(FEEDS[1], id="c", name="Sea")])
    assert [(edit.kind, edit.id, edit.name) for edit in seen.feeds] == [
        ("changed", "a", "A"),
        ("added", "c", "Sea"),
        ("removed", "b", "B"),
    ]
    assert seen.feeds[0].differences == (
        Difference(key="country", before=None, after="FR"),
        Difference(key="every", before=None, after=timedelta(hours=6)),
        Difference(key="tags", before=(), after=("topic:rail",)),
        Difference(key="url", before="https://a.example/rss", after="https://a.example/new"),
    )
    assert seen.changes


def test_channels_are_told_by_the_stories_that_come_and_go(office: Office) -> None:
    office.poll(tagger([("topic:rail", "rail")]), a=[parsed("Rail"), parsed("A port"), parsed("A rail port")])
    office.apply(channels=[RAIL, PORTS, replace(RAIL, id="gone")])
    seen = office.foresee(
        tagger([("topic:rail", "port")]),
        channels=[RAIL, replace(PORTS, query="NOT port", size=9), replace(PORTS, id="new")],
    )
    assert [(edit.id, edit.kind, edit.come, edit.go) for edit in seen.channels] == [
        ("rail", "same", 1, 1),
        ("ports", "changed", 1, 2),
        ("new", "added", 2, 0),
        ("gone", "removed", 0, 2),
    ]
    assert [(one.key, one.before, one.after) for one in seen.channels[1].differences] == [
        ("query", "port", "NOT port"),
        ("size", 50, 9),
    ]


def test_a_channel_of_another_version_that_no_longer_reads_gives_nothing(office: Office) -> None:
    office.poll(tagger(), a=[parsed("A port")])
    office.apply(channels=[replace(PORTS, query="smell:port")])
    (edit,) = office.foresee(tagger(), channels=[PORTS]).channels
    assert (edit.kind, edit.come, edit.go) == ("changed", 1, 0)


def test_newsletters_are_told_by_when_they_come_and_what_waits(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "PAGE", 1)
    office.poll(tagger(), a=[parsed("Before the cursor, port")])
    quiet, gone = replace(WEEKLY, id="quiet"), replace(WEEKLY, id="gone")
    office.apply(newsletters=[replace(WEEKLY, query="port"), quiet, gone])
    office.poll(tagger(), a=[parsed("A port"), parsed("Rail")])
    edited = replace(WEEKLY, query="topic:rail", schedule="daily 07:30", sender="Wire <new@example.org>")
    seen = office.foresee(
        tagger([("topic:rail", "rail")]),
        newsletters=[edited, quiet, replace(WEEKLY, id="new")],
        since=office.clock.now() + timedelta(days=1),
    )
    due, daily = START + timedelta(days=2), datetime(2026, 11, 25, 6, 30, tzinfo=UTC)
    monday = datetime(2026, 11, 30, 6, 30, tzinfo=UTC)
    assert [(edit.id, edit.kind, edit.before, edit.after) for edit in seen.newsletters] == [
        ("weekly", "changed", Outlook(due_at=due, waiting=1), Outlook(due_at=daily, waiting=1)),
        ("new", "added", None, Outlook(due_at=monday, waiting=0)),
        ("gone", "removed", Outlook(due_at=due, waiting=2), None),
    ]
    assert [one.key for one in seen.newsletters[0].differences] == ["from", "query", "schedule"]
    assert seen.stories == 0


def test_a_newsletter_whose_stories_change_by_tags_alone_is_named(office: Office) -> None:
    letter = replace(WEEKLY, query="topic:rail")
    office.apply(newsletters=[letter])
    office.poll(tagger(), a=[parsed("Rail")])
    (edit,) = office.foresee(tagger([("topic:rail", "rail")]), newsletters=[letter]).newsletters
    assert edit.before
    assert edit.after
    assert (edit.kind, edit.before.waiting, edit.after.waiting) == ("same", 0, 1)
    assert edit.before.due_at == edit.after.due_at


def test_what_a_newsletter_has_told_does_not_wait_for_it(office: Office) -> None:
    """A story that was merged away and split off again has a new place, above what the newsletter has seen."""
    office.apply(newsletters=[WEEKLY])
    office.poll(tagger(), a=[parsed("Rail"), parsed("A port")])
    slot = office.mail.slot("weekly")
    told = issue_of(slot, START, office.stories()[0].id)
    office.mail.record(slot, up_to=slot.cursor, next_due=None, issue=told, domain="example.org")
    (edit,) = office.foresee(tagger(), newsletters=[replace(WEEKLY, title="New")]).newsletters
    assert edit.before
    assert (edit.before.waiting, edit.after) == (1, edit.before)


def test_a_newsletter_that_comes_back_goes_on_where_it_was(office: Office) -> None:
    office.apply(newsletters=[WEEKLY])
    office.apply()
    office.poll(tagger(), a=[parsed("Rail")])
    (edit,) = office.foresee(tagger(), newsletters=[WEEKLY]).newsletters
    assert (edit.kind, edit.before) == ("added", None)
    office.apply(newsletters=[WEEKLY])
    assert edit.after == Outlook(due_at=office.mail.slot("weekly").due_at, waiting=1)


@pytest.mark.parametrize(("before", "after"), list(product([(), (RAIL,)], repeat=2)))
def test_what_is_named_alike_is_no_edit(before: tuple[Channel, ...], after: tuple[Channel, ...]) -> None:
    office = Office(MemoryStore())
    office.apply(channels=before)
    assert office.foresee(tagger(), channels=after).changes == (before != after)
