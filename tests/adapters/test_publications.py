"""One contract for the stores of publications, the one in memory included."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aggregator.adapters.shelf import Shelf
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.publications import SqlPublicationStore
from aggregator.errors import StoreError
from aggregator.model.channel import Publication
from aggregator.ports import PublicationStore
from tests.fakes import START
from tests.real_store import KINDS, database_of

ATOM = Publication(
    path="channels/japan.atom",
    content_type="application/atom+xml; charset=utf-8",
    body=b"<feed/>\x00\xff",
    etag='"1"',
    last_modified=START,
)
RSS = replace(ATOM, path="channels/japan.rss", etag='"2"')


@pytest.fixture(params=["shelf", *KINDS])
def store(request: pytest.FixtureRequest) -> Iterator[PublicationStore]:
    if request.param == "shelf":
        yield Shelf()
        return
    with database_of(request.param) as database:
        yield SqlPublicationStore(database)


def test_a_publication_comes_back_byte_for_byte(store: PublicationStore) -> None:
    assert store.put([ATOM, RSS]) == 2
    assert (store.get(ATOM.path), store.get(RSS.path)) == (ATOM, RSS)
    assert store.etags() == {ATOM.path: '"1"', RSS.path: '"2"'}


def test_nothing_is_stored_under_an_unknown_path(store: PublicationStore) -> None:
    assert store.get("channels/none.atom") is None
    assert store.etags() == {}


def test_only_what_differs_is_written(store: PublicationStore) -> None:
    store.put([ATOM, RSS])
    changed = replace(RSS, body=b"<rss/>", etag='"3"', last_modified=START + timedelta(hours=1))
    assert store.put([replace(ATOM, body=b"not looked at"), changed]) == 1
    assert (store.get(ATOM.path), store.get(RSS.path)) == (ATOM, changed)
    assert store.put([ATOM, changed]) == 0


@pytest.mark.parametrize("claimed", [START, START - timedelta(days=3)], ids=["same", "earlier"])
def test_last_modified_moves_whenever_the_bytes_do(store: PublicationStore, claimed: datetime) -> None:
    store.put([ATOM])
    store.put([replace(ATOM, body=b"<feed>fewer</feed>", etag='"4"', last_modified=claimed)])
    found = store.get(ATOM.path)
    assert found is not None
    assert (found.etag, found.last_modified) == ('"4"', START + timedelta(seconds=1))


def test_nothing_to_put_is_no_change(store: PublicationStore) -> None:
    assert store.put([]) == 0


def test_pruning_keeps_what_is_named(store: PublicationStore) -> None:
    store.put([ATOM, RSS])
    assert store.prune([RSS.path, "channels/new.rss"]) == 1
    assert store.etags() == {RSS.path: '"2"'}
    assert store.prune([]) == 1
    assert store.etags() == {}


def test_a_database_without_tables_says_what_to_do(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(StoreError, match="aggregator migrate"):
        SqlPublicationStore(database).etags()
    database.close()
