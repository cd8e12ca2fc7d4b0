"""The rooms of the real store under one roof, on a fresh SQLite file or an emptied PostgreSQL database."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import create_engine, make_url, text

from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.entries import SqlEntryStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.kinship import SqlFoldStore
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.schema import metadata
from aggregator.adapters.store.search import SqlSearchStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.tags import SqlTagStore
from aggregator.adapters.store.wordindex import story_words


class SqlStore(SqlFeedStore, SqlEntryStore, SqlTagStore, SqlFoldStore, SqlStoryStore, SqlSearchStore):
    """`FeedStore`, `EntryStore`, `TagStore`, `FoldStore`, `StoryStore` and `SearchStore` at once."""


KINDS = ("sqlite", "postgresql")
"""The databases of the contract; PostgreSQL is the one of `DATABASE_URL`, on which databases may be made."""


@contextmanager
def sql_store(kind: str = "sqlite") -> Iterator[SqlStore]:
    """A store of its own."""
    with database_of(kind) as database:
        yield SqlStore(database)


@contextmanager
def database_of(kind: str) -> Iterator[Database]:
    """An empty database of this kind."""
    with _sqlite() if kind == "sqlite" else _postgresql() as database:
        yield database


@contextmanager
def _sqlite() -> Iterator[Database]:
    """The schema is built once and copied, so that a property test can have hundreds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "wire.db"
        path.write_bytes(_empty_file())
        database = open_database(f"sqlite:///{path}")
        try:
            yield database
        finally:
            database.close()


@cache
def _empty_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "wire.db"
        database = open_database(f"sqlite:///{path}")
        migrate(database)
        database.close()
        return path.read_bytes()


@contextmanager
def _postgresql() -> Iterator[Database]:
    """One for this process, emptied for each who asks."""
    database = _migrated_postgresql()
    tables = [table.name for table in metadata.sorted_tables] + [story_words.name]
    with database.write() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"))
    yield database


@contextmanager
def empty_database(kind: str) -> Iterator[Database]:
    """A database of this kind without any table."""
    if kind == "postgresql":
        database = _new_postgresql("bare")
        with database.write() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        yield database
        return
    with TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/wire.db")
        try:
            yield database
        finally:
            database.close()


@cache
def _migrated_postgresql() -> Database:
    database = _new_postgresql("test")
    migrate(database)
    return database


@cache
def _new_postgresql(purpose: str) -> Database:
    """A database of this process's own on the server of `DATABASE_URL`, dropped when the process ends."""
    server = os.environ.get("DATABASE_URL")
    if not server and os.environ.get("AGGREGATOR_TEST_ALL") == "1":
        pytest.fail("DATABASE_URL names no PostgreSQL server, and everything is asked for")
    if not server:
        pytest.skip("needs a PostgreSQL server: set DATABASE_URL to one on which databases may be made")
    name = f"wire_{purpose}_{os.getpid()}"
    admin = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    database = open_database(make_url(server).set(database=name).render_as_string(hide_password=False))

    @atexit.register
    def drop() -> None:
        database.close()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.dispose()

    return database
