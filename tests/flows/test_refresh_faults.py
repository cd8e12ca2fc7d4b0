"""A poll that fails at its n-th statement, for every n, leaves all or nothing, and the next one makes it good."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event

from aggregator.errors import StoreError
from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.channel import TagRule
from aggregator.model.feed import Feed, Validators
from aggregator.model.parsed import Link
from aggregator.model.poll import Fetched
from aggregator.model.taxonomy import Taxonomy
from aggregator.steps.tagging.tagger import compile_tagger
from tests.fakes import FrozenClock, ScriptedFetcher, ScriptedParser, parsed, reading
from tests.real_store import SqlStore, sql_store

FEEDS = [Feed(id=id_, url=f"https://{id_}.example/rss", name=id_) for id_ in ("a", "b")]
PLAN = RefreshPlan(
    feeds={feed.id: feed for feed in FEEDS},
    every=timedelta(hours=1),
    tagger=compile_tagger(Taxonomy(), [TagRule(tag="country:jp", when="Japan")]),
)
SHARED = (Link(href="https://a.example/japan"),)
ROUNDS = (
    {"a": (parsed("Japan", links=SHARED), parsed("One", doi="10.5555/1")), "b": (parsed("Two"),)},
    # an edit, a renewed guid, a cross-post, and a correction that shows two stories to be one
    {
        "a": (parsed("Japan, edited", guid="urn:japan", links=SHARED), parsed("One", guid="urn:new", doi="10.5555/1")),
        "b": (parsed("Japan again", links=SHARED), parsed("Two", doi="10.5555/1")),
    },
)


class Failing:
    """Raises at the n-th statement from now on; counts them all."""

    def __init__(self, at: int | None) -> None:
        self.at, self.count = at, 0

    def __call__(self, *statement: object) -> None:
        self.count += 1
        if self.count == self.at:
            raise StoreError("database: disk I/O error")


@contextmanager
def failing(store: SqlStore, at: int | None) -> Iterator[Failing]:
    failure = Failing(at)
    engine = store._database.main
    event.listen(engine, "before_cursor_execute", failure)
    try:
        yield failure
    finally:
        event.remove(engine, "before_cursor_execute", failure)


def poll(store: SqlStore, clock: FrozenClock, number: int) -> None:
    fetcher, parser = ScriptedFetcher(), ScriptedParser()
    for feed_id, entries in ROUNDS[number].items():
        fetcher.outcomes[feed_id] = Fetched(
            feed_id=feed_id, url="", status=200, body=b"", content_type=None, validators=Validators(etag=str(number))
        )
        parser.readings[feed_id] = reading(feed_id, *entries)
    ports = RefreshPorts(feeds=store, entries=store, folds=store, fetcher=fetcher, parser=parser, clock=clock)
    refresh(ports, PLAN, store.states())


def stored(store: SqlStore) -> object:
    states = [(state.validators.etag, state.next_check_at, state.failures) for state in store.states()]
    return states, store.newest(limit=99), store.version()


def history(fault: int | None) -> tuple[list[object], int, object | None]:
    """What is stored after each round, how many statements the last one took, and what a fault in it left."""
    with sql_store() as store:
        clock, after, left = FrozenClock(), list[object](), None
        store.sync(FEEDS, clock.now())
        poll(store, clock, 0)
        after.append(stored(store))
        clock.advance(hours=2)
        if fault is not None:
            with failing(store, fault), pytest.raises(StoreError):
                poll(store, clock, 1)
            left = stored(store)
        with failing(store, None) as counted:
            poll(store, clock, 1)
        after.append(stored(store))
        return after, counted.count, left


def test_every_statement_may_be_the_one_that_fails() -> None:
    (before, after), statements, _ = history(fault=None)
    assert statements > 15
    for number in range(1, statements + 1):
        rounds, _, left = history(fault=number)
        assert rounds == [before, after], number
        assert left in (before, after), number
