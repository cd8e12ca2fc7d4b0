"""Whatever publishers do, an entry is stored once, first seen once and keeps its Story: polling against an oracle."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.feed import Feed, Validators
from aggregator.model.poll import Cause, Fetched, FetchFailed
from aggregator.model.story import Story
from tests.fakes import NO_TAGS, FrozenClock, MemoryStore, ScriptedFetcher, ScriptedParser, reading
from tests.flows.publishers import FEEDS, WHIMS, Expected, Poll, Whim, publish
from tests.real_store import SqlStore, sql_store

WHIM = st.tuples(st.sampled_from(WHIMS), st.integers(0, len(FEEDS) - 1), st.integers(0, 29))
HISTORIES = st.lists(st.lists(WHIM, min_size=6, max_size=20), min_size=4, max_size=8)
BATCHES = st.sampled_from([1, 2, 100])
LIMIT = 1000


Store = MemoryStore | SqlStore


class Reader:
    """The polling flow on one store, and what it showed after each poll."""

    def __init__(self, store: Store, batch: int) -> None:
        self.store, self.clock = store, FrozenClock()
        self.fetcher, self.parser = ScriptedFetcher(), ScriptedParser(batch=batch)
        feeds = [Feed(id=id_, url=f"https://{id_}.example/rss", name=id_) for id_ in FEEDS]
        self.plan = RefreshPlan(feeds={feed.id: feed for feed in feeds}, every=timedelta(hours=1), tagger=NO_TAGS)
        store.sync(feeds, self.clock.now())
        self.first_seen: dict[str, datetime] = {}
        self.story_of: dict[str, str] = {}

    def poll(self, poll: Poll) -> None:
        self.clock.advance(hours=2)
        for feed_id, entries in poll.documents.items():
            if entries is None:
                self.fetcher.outcomes[feed_id] = FetchFailed(feed_id=feed_id, cause=Cause.STATUS, message="503")
                continue
            self.parser.readings[feed_id] = reading(feed_id, *entries)
            self.fetcher.outcomes[feed_id] = Fetched(
                feed_id=feed_id, url="", status=200, body=b"", content_type=None, validators=Validators()
            )
        ports = RefreshPorts(
            feeds=self.store,
            entries=self.store,
            folds=self.store,
            fetcher=self.fetcher,
            parser=self.parser,
            clock=self.clock,
        )
        refresh(ports, self.plan, self.store.states())

    def stories(self) -> Mapping[str, Story]:
        return {story.id: story for story in self.store.after(0, limit=LIMIT)}

    def members(self) -> Mapping[str, list[str | None]]:
        return {id_: [entry.rights for entry in story.entries] for id_, story in self.stories().items()}

    def check(self, expected: Expected) -> None:
        """Every publication is one entry with its last words; none moved in time, or out of its Story."""
        stories = self.stories()
        entries = [entry for story in stories.values() for entry in story.entries]
        assert sorted(str(entry.rights) for entry in entries) == sorted(expected.words)
        assert {entry.rights: (entry.title, entry.summary) for entry in entries} == expected.words
        for entry in entries:
            assert self.first_seen.setdefault(str(entry.rights), entry.first_seen) == entry.first_seen
        assert {frozenset(str(entry.rights) for entry in story.entries) for story in stories.values()} == set(
            expected.stories
        )
        self._check_ids(stories)

    def _check_ids(self, stories: Mapping[str, Story]) -> None:
        now = {str(entry.rights): story.id for story in stories.values() for entry in story.entries}
        for name, before in self.story_of.items():
            found = self.store.get(before)
            assert found is not None
            assert found.id == now[name]
        self.story_of = now


def replayed(store: Store, polls: Iterable[Poll], batch: int) -> Reader:
    reader = Reader(store, batch)
    for poll in polls:
        reader.poll(poll)
        reader.check(poll.expected)
    return reader


def one_entry_each(history: list[list[Whim]]) -> None:
    replayed(MemoryStore(), publish(history), batch=len(FEEDS))


def same_in_parts(history: list[list[Whim]], batch: int) -> None:
    polls = list(publish(history))
    whole, parts = replayed(MemoryStore(), polls, len(FEEDS)), replayed(MemoryStore(), polls, batch)
    assert whole.members() == parts.members()


def same_in_sql(history: list[list[Whim]], batch: int) -> None:
    polls = list(publish(history))
    with sql_store() as store:
        assert replayed(store, polls, batch).members() == replayed(MemoryStore(), polls, batch).members()


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_a_publication_is_one_entry_whatever_its_publisher_does(history: list[list[Whim]]) -> None:
    one_entry_each(history)


@settings(max_examples=40, deadline=None)
@given(HISTORIES, BATCHES)
def test_a_replay_in_any_batch_size_gives_the_same_stories(history: list[list[Whim]], batch: int) -> None:
    same_in_parts(history, batch)


@settings(max_examples=20, deadline=None)
@given(HISTORIES, BATCHES)
def test_the_real_store_keeps_the_same(history: list[list[Whim]], batch: int) -> None:
    same_in_sql(history, batch)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(HISTORIES, BATCHES)
def test_many_histories(history: list[list[Whim]], batch: int) -> None:
    same_in_parts(history, batch)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(HISTORIES, BATCHES)
def test_many_histories_in_the_real_store(history: list[list[Whim]], batch: int) -> None:
    same_in_sql(history, batch)
