"""Stored entries follow an edited feeds.yaml, while polls go on, on every store."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from aggregator.flows import retag as flow
from aggregator.flows.retag import Retagging, RetagPlan, retag
from aggregator.model.applied import Tagging
from aggregator.model.entry import Tag
from aggregator.steps.tagging.tagger import Tagger
from tests.fakes import MemoryStore, parsed
from tests.flows.newsroom import FEEDS, Newsroom, tagger, taxonomy
from tests.real_store import KINDS, sql_store

OLD = tagger([("topic:rail", "rail"), ("topic:port", "port")])
NEW = tagger([("topic:train", "rail"), ("topic:port", "port")])
TITLES = ("The rail plan", "A port report", "The port by rail", "No word of it", "Rail again")


@pytest.fixture(params=["memory", *KINDS])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Newsroom]:
    monkeypatch.setattr(flow, "BATCH", 2)
    if request.param == "memory":
        yield filled(Newsroom(MemoryStore()))
        return
    with sql_store(request.param) as store:
        yield filled(Newsroom(store))


def filled(room: Newsroom) -> Newsroom:
    room.poll(OLD, a=[parsed(title) for title in TITLES])
    return room


def plan(room: Newsroom, rules: Tagger = NEW, version: str = "new") -> RetagPlan:
    return RetagPlan(feeds=room.feeds, tagger=rules, version=version)


FOLLOWED = {
    "The rail plan": ["topic:train"],
    "A port report": ["topic:port"],
    "The port by rail": ["topic:train", "topic:port"],
    "No word of it": [],
    "Rail again": ["topic:train"],
}


def test_stored_tags_follow_the_rules_and_what_changed_is_counted(room: Newsroom) -> None:
    report = retag(room.store, plan(room))
    assert room.tags() == FOLLOWED
    assert report == Retagging(entries=5, changed=3, gained={"topic:train": 3}, lost={"topic:rail": 3}, done=True)
    assert room.store.tagging() == Tagging(version="new", below=0)


def test_the_version_that_was_reached_is_not_done_again_unless_asked_for(room: Newsroom) -> None:
    retag(room.store, plan(room))
    version = room.store.version()
    assert retag(room.store, plan(room)) == Retagging(done=True)
    assert retag(room.store, plan(room), anew=True) == Retagging(entries=5, done=True)
    assert room.store.version() == version


def test_readers_do_not_see_stories_as_new(room: Newsroom) -> None:
    before = [(story.id, story.seq, story.updated) for story in room.stories()]
    version = room.store.version()
    room.clock.advance(days=1)
    retag(room.store, plan(room))
    assert [(story.id, story.seq, story.updated) for story in room.stories()] == before
    assert room.store.version() != version


def test_who_is_stopped_goes_on_from_there_the_latest_first(room: Newsroom) -> None:
    done: list[int] = []
    report = retag(room.store, plan(room), progress=done.append, should_stop=lambda: bool(done))
    assert (done, report.done, report.changed) == ([2], False, 1)
    assert [title for title, tags in room.tags().items() if "topic:train" in tags] == ["The rail plan"]
    rest = retag(room.store, plan(room), anew=True)
    assert (rest.entries, rest.done, room.tags()) == (3, True, FOLLOWED)


def test_what_was_begun_under_other_rules_is_begun_anew(room: Newsroom) -> None:
    stops = iter([False, True])
    retag(room.store, plan(room, tagger(), "other"), should_stop=lambda: next(stops))
    assert retag(room.store, plan(room)).entries == 5
    assert room.tags() == FOLLOWED


def test_polls_write_between_two_batches_and_what_they_bring_stays(room: Newsroom) -> None:
    """One brings a new entry; one edits an entry that was given its tags already, and one that was not."""
    polled: list[int] = []

    def poll(count: int) -> None:
        if not polled:
            room.poll(NEW, a=[parsed("Night train by rail")])
            edits = [replace(parsed(title), title=f"{title} as port") for title in (TITLES[0], TITLES[4])]
            room.poll(NEW, a=edits)
        polled.append(count)

    report = retag(room.store, plan(room), progress=poll)
    assert (report.done, polled) == (True, [2, 4, 5])
    renamed = {"The rail plan": "The rail plan as port", "Rail again": "Rail again as port"}
    expected = {renamed.get(title, title): tags for title, tags in FOLLOWED.items()}
    expected |= {title: ["topic:train", "topic:port"] for title in renamed.values()}
    assert room.tags() == expected | {"Night train by rail": ["topic:train"]}


class OvertakenStore(MemoryStore):
    """Another begins anew between the first reading and its writing; or a publisher's edit is stored there."""

    meanwhile = staticmethod(lambda: None)

    def tagged(self, *, below: int, limit: int):  # type: ignore[no-untyped-def]
        found = super().tagged(below=below, limit=limit)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return found


def test_an_edit_between_reading_and_writing_keeps_its_own_tags() -> None:
    room = filled(Newsroom(store := OvertakenStore()))
    edited = replace(parsed(TITLES[0]), title="A port for rail")
    store.meanwhile = lambda: room.poll(NEW, a=[edited])
    report = retag(store, plan(room))
    assert (report.changed, report.lost["topic:rail"]) == (2, 2)
    assert room.tags()["A port for rail"] == ["topic:train", "topic:port"]


def test_who_is_overtaken_leaves_the_rest_to_the_other() -> None:
    room = filled(Newsroom(store := OvertakenStore()))
    store.meanwhile = lambda: store.begin("newer")
    assert retag(store, plan(room)) == Retagging()
    assert store.tagging() == Tagging(version="newer", below=6)
    assert room.tags()["The rail plan"] == ["topic:rail"]


def test_a_persons_tags_and_those_of_feeds_that_left_stay(room: Newsroom) -> None:
    room.poll(OLD, b=[parsed("Rail of another feed")])
    by_hand = Tag(name="topic:pick", origin="person")
    begun = room.store.begin("by hand")
    entries = {entry.title: entry for entry in room.store.tagged(below=begun.below, limit=9)}
    picked = entries["The rail plan"]
    room.store.retag(begun, 0, [replace(picked, tags=(by_hand, *picked.tags))])
    room.follow(FEEDS[:1])
    retag(room.store, plan(room))
    assert room.tags() == FOLLOWED | {
        "The rail plan": ["topic:train", "topic:pick"],
        "Rail of another feed": ["topic:rail"],
    }


def test_another_version_of_the_taxonomy_rewrites_only_what_it_changes(room: Newsroom) -> None:
    before, after = (tagger(taxonomy=words) for words in (taxonomy("1", rail="rail"), taxonomy("2", rail="train")))
    room.poll(before, b=[parsed("Paris by rail"), parsed("Paris"), parsed("A train")])
    report = retag(room.store, plan(room, after))
    (france,) = (tag for tag in room.tags_of("Paris") if tag.name == "country:fr")
    assert (france.version, report.gained["topic:rail"], report.lost["topic:rail"]) == ("1", 1, 4)
    assert all(tag.version == "2" for tag in room.tags_of("Paris by rail") if tag.origin == "gazetteer")


def test_an_empty_store_is_done_at_once() -> None:
    assert retag(MemoryStore(), RetagPlan(feeds={}, tagger=NEW, version="new")) == Retagging(done=True)
