"""Facts about the installation, on both databases."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from aggregator.adapters.store.facts import SqlFactStore
from tests.fakes import START
from tests.real_store import KINDS, database_of

LATER = START + timedelta(minutes=5)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[SqlFactStore]:
    with database_of(request.param) as database:
        yield SqlFactStore(database)


def test_the_last_tick_is_the_one_that_counts(store: SqlFactStore) -> None:
    assert store.last_tick() is None
    for moment in (START, LATER):
        store.record_tick(moment)
        assert store.last_tick() == moment


def test_the_first_time_that_no_letter_was_taken_counts_until_one_is(store: SqlFactStore) -> None:
    for moment in (START, LATER):
        store.record_unsent(moment)
        assert (store.unsent_since(), store.offline_since()) == (START, None)
    store.record_sent()
    store.record_sent()
    assert store.unsent_since() is None


def test_the_first_round_that_reached_nothing_counts_until_one_reaches_something(store: SqlFactStore) -> None:
    store.record_online()
    assert store.offline_since() is None
    store.record_offline(START)
    store.record_offline(LATER)
    assert store.offline_since() == START
    store.record_online()
    assert store.offline_since() is None
    store.record_offline(LATER)
    assert store.offline_since() == LATER
