"""One contract for every store of tags given anew, the fake included; and what is followed of feeds.yaml is kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest
from sqlalchemy import text

from aggregator.adapters.store.facts import SqlFactStore
from aggregator.model.applied import Applied, Tagging
from aggregator.model.channel import Channel
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed, FeedStatus, Validators
from aggregator.model.poll import FeedUpdate
from aggregator.model.story import Clustering, Placement
from aggregator.ports import FeedStore, StoryStore, TagStore
from aggregator.steps.decide import mark_of
from tests.fakes import START, MemoryStore, parsed, reading
from tests.mail_fakes import WEEKLY
from tests.real_store import KINDS, SqlStore, database_of, sql_store

FEED = Feed(id="ifri", url="https://ifri.example/rss", name="Ifri")
OLD = Tag(name="country:jp", origin="rule", rule="Tokyo", version="1")
NEW = (
    Tag(name="country:fr", origin="gazetteer", label="France", field="title", matched="paris", rule="x", version="2"),
    Tag(name="topic:energy", origin="person"),
)
LATER = START + timedelta(hours=1)


class Store(FeedStore, TagStore, StoryStore, Protocol):
    """What these tests ask of a store."""


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield filled(MemoryStore())
        return
    with sql_store(request.param) as store:
        yield filled(store)


def entry(title: str) -> Entry:
    item = parsed(title)
    keys = reading("ifri", item).keys[0]
    return Entry(
        **{name: getattr(item, name) for name in item.__dataclass_fields__},
        feed_id="ifri",
        keys=keys,
        mark=mark_of("ifri", keys),
        first_seen=START,
        changed_at=START,
        date=START,
        tags=(OLD,),
    )


def poll(store: FeedStore, *new: Entry, changed: tuple[Entry, ...] = ()) -> None:
    update = FeedUpdate(
        feed_id="ifri",
        url=FEED.url,
        status=FeedStatus.OK,
        validators=Validators(),
        checked_at=START,
        next_check_at=LATER,
        failures=0,
        new=new,
        changed=changed,
    )
    store.apply([update], Clustering(placements=tuple(Placement(story_id=item.mark) for item in new)))


def filled(store: Store) -> Store:
    """Three entries, a Story each."""
    store.sync([FEED], START)
    poll(store, entry("One"), entry("Two"), entry("Three"))
    return store


def tags_of(store: StoryStore) -> dict[str, tuple[Tag, ...]]:
    return {story.head.title: story.head.tags for story in store.after(0, limit=9)}


def test_nothing_is_begun_at_first_and_nothing_is_to_do_in_an_empty_store(store: Store) -> None:
    assert store.tagging() == Tagging()
    with sql_store() as empty:
        assert empty.begin("v1") == empty.tagging() == Tagging(version="v1", below=0)
        assert empty.tagged(below=9, limit=9) == []


def test_entries_come_latest_first_with_their_tags(store: Store) -> None:
    begun = store.begin("v 1")
    assert begun == store.tagging()
    first = store.tagged(below=begun.below, limit=2)
    assert [item.title for item in first] == ["Three", "Two"]
    assert first[0].tags == (OLD,)
    assert [item.title for item in store.tagged(below=first[-1].id, limit=2)] == ["One"]


def test_tags_are_replaced_and_their_stories_shown_anew_but_not_as_new(store: Store) -> None:
    begun = store.begin("v1")
    three, two, _ = store.tagged(below=begun.below, limit=3)
    version, updated = store.version(), [story.updated for story in store.after(0, limit=9)]
    assert store.retag(begun, two.id, [replace(three, tags=NEW), replace(two, tags=())]) == {three.id, two.id}
    assert tags_of(store) == {"One": (OLD,), "Two": (), "Three": NEW}
    assert store.tagging() == Tagging(version="v1", below=two.id)
    assert store.version() != version
    assert [story.updated for story in store.after(0, limit=9)] == updated
    assert [story.head.title for story in store.newest(limit=9, tags=["topic:energy"])] == ["Three"]


def test_a_batch_that_changes_nothing_moves_on_and_leaves_pages_as_they_are(store: Store) -> None:
    version = store.version()
    assert store.retag(store.begin("v1"), 0, []) == set()
    assert (store.tagging().below, store.version()) == (0, version)


def test_an_entry_that_was_edited_meanwhile_keeps_the_tags_of_its_edit(store: Store) -> None:
    begun = store.begin("v1")
    three, two, _ = store.tagged(below=begun.below, limit=3)
    edited = replace(two, title="Two!", keys=EntryKeys(identity=(b"t" * 16,), digest=b"d" * 16), tags=(NEW[1],))
    poll(store, changed=(edited,))
    assert store.retag(begun, two.id, [replace(three, tags=NEW), replace(two, tags=())]) == {three.id}
    assert tags_of(store) == {"One": (OLD,), "Two!": (NEW[1],), "Three": NEW}


def test_who_was_overtaken_writes_nothing(store: Store) -> None:
    begun = store.begin("v1")
    (three,) = store.tagged(below=begun.below, limit=1)
    store.begin("v2")
    assert store.retag(begun, 0, [replace(three, tags=NEW)]) is None
    assert tags_of(store)["Three"] == (OLD,)
    assert store.tagging() == replace(begun, version="v2")


def test_what_came_since_it_was_begun_is_to_do_once_it_is_begun_anew(store: Store) -> None:
    """A poll that began under older rules ends after the new ones are in force."""
    begun = store.begin("v1")
    poll(store, entry("Four"))
    assert "Four" not in [item.title for item in store.tagged(below=begun.below, limit=9)]
    anew = store.begin("v1")
    assert "Four" in [item.title for item in store.tagged(below=anew.below, limit=9)]
    assert store.retag(begun, 0, []) is None


def test_the_index_learns_of_tags_given_anew() -> None:
    with sql_store() as store:
        filled(store)
        _drain(store)
        begun = store.begin("v1")
        (three,) = store.tagged(below=begun.below, limit=1)
        store.retag(begun, 0, [replace(three, tags=NEW)])
        assert [stale.story.head.title for stale in store.stale(9) if stale.story] == ["Three"]


def _drain(store: SqlStore) -> None:
    with store._database.write() as connection:
        connection.execute(text("DELETE FROM stale_stories"))


# --- what is followed -----------------------------------------------------------------------------

CHANNEL = Channel(id="asia", title="Asia", query="region:asia", formats=("atom", "json"), size=9)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_followed_is_kept(kind: str) -> None:
    with database_of(kind) as database:
        facts = SqlFactStore(database)
        assert facts.applied() == Applied()
        applied = Applied(channels=(CHANNEL,), newsletters=(WEEKLY,))
        facts.record_applied(applied)
        assert facts.applied() == applied
        facts.record_applied(Applied())
        assert facts.applied() == Applied()
        facts.record_tick(START)
        assert facts.last_tick() == START


def test_what_another_version_noted_is_read_as_far_as_it_is_known() -> None:
    with database_of("sqlite") as database:
        facts = SqlFactStore(database)
        channel = '{"id": "asia", "title": "Asia", "formats": ["atom"], "sound": "loud"}'
        noted = f'{{"channels": [{channel}], "pages": 1}}'
        with database.write() as connection:
            connection.execute(text("INSERT INTO facts VALUES ('applied', :noted)"), {"noted": noted})
        assert facts.applied() == Applied(channels=(Channel(id="asia", title="Asia", formats=("atom",)),))
