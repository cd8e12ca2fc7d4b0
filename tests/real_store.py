"""The rooms of the real store under one roof, on a fresh SQLite file."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.entries import SqlEntryStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.kinship import SqlFoldStore
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.search import SqlSearchStore
from aggregator.adapters.store.stories import SqlStoryStore


class SqlStore(SqlFeedStore, SqlEntryStore, SqlFoldStore, SqlStoryStore, SqlSearchStore):
    """`FeedStore`, `EntryStore`, `FoldStore`, `StoryStore` and `SearchStore` at once."""


@contextmanager
def sql_store() -> Iterator[SqlStore]:
    """A store of its own; the schema is built once and copied, so that a property test can have hundreds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "wire.db"
        path.write_bytes(_empty_database())
        database = open_database(f"sqlite:///{path}")
        try:
            yield SqlStore(database)
        finally:
            database.close()


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "wire.db"
        database = open_database(f"sqlite:///{path}")
        migrate(database)
        database.close()
        return path.read_bytes()
