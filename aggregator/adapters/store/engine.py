"""Opening the database: one file, WAL, two engines; the only place that knows SQLite's ways.

`database.main` commits with synchronous=NORMAL: power loss may cost the last polls, which are asked for again.
`database.ledger` commits with synchronous=FULL: a `sending` mark lost would mail a person twice
(https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DatabaseError, IntegrityError

from aggregator.errors import ConflictError, StoreError

__all__ = ["Database", "among", "insert_tuples", "open_database", "upsert"]

BUSY_TIMEOUT_SECONDS = 60
"""How long a writer waits for another process's transaction before it reports the lock."""


@dataclass(frozen=True, slots=True)
class Database:
    """The two engines of one database; `write` and `read` are the only ways in."""

    main: Engine
    ledger: Engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction; raises StoreError."""
        with _translated(), self.main.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, committed whole or not at all; raises StoreError."""
        with _writing(self.main) as connection:
            yield connection

    @contextmanager
    def write_ledger(self) -> Iterator[Connection]:
        """A write transaction that is on disk when the block ends; raises StoreError."""
        with _writing(self.ledger) as connection:
            yield connection

    def close(self) -> None:
        self.main.dispose()
        self.ledger.dispose()


def open_database(url: str, *, busy_timeout: int = BUSY_TIMEOUT_SECONDS) -> Database:
    """The engines for `url` (`sqlite:///path`); makes the folder, not the tables (see `migrate.py`)."""
    path = make_url(url).database
    if path and path != ":memory:":
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the database folder {Path(path).parent}: {error.strerror}") from error
    return Database(
        main=_engine(url, synchronous="NORMAL", busy_timeout=busy_timeout),
        ledger=_engine(url, synchronous="FULL", busy_timeout=busy_timeout),
    )


def among(column: ColumnElement[int], values: Collection[int]) -> ColumnElement[bool]:
    """`column` is one of `values`, however many: one parameter, that the database takes apart."""
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


def insert_tuples(connection: Connection, statement: Insert, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows, given in the order of the table's columns, as fast as the driver takes them."""
    if rows:
        connection.exec_driver_sql(str(statement.compile(dialect=connection.dialect)), list(rows))


def _engine(url: str, *, synchronous: str, busy_timeout: int) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": busy_timeout, "check_same_thread": False},
        max_overflow=-1,  # as many as there are threads: who waits for the write lock must keep no reader waiting
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that turns into a writer fails at once when another has written meanwhile
        # (SQLITE_BUSY_SNAPSHOT); taking the write lock first makes it wait its turn instead.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with _translated(), engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(f"database: {error.orig}; please report it") from error
    except DatabaseError as error:
        raise StoreError(_cure(str(error.orig))) from error


def _cure(message: str) -> str:
    cures = {
        "locked": "another process holds it: stop that process, then run the command again",
        "I/O": "see whether the disk is full or broken; nothing was written and the work resumes by itself",
        "full": "make room on the disk; nothing was written and the work resumes by itself",
        "readonly": "make the file and its folder writable for this user",
        "read-only": "make the file and its folder writable for this user",
        "unable to open": "check that the folder exists and may be written to",
        "malformed": "restore a backup: it is damaged",
        "not a database": "name another file in AGGREGATOR_DATABASE: this one is something else",
        "no such table": "run `aggregator migrate`",
    }
    cure = next((cure for sign, cure in cures.items() if sign in message), "see the log")
    return f"database: {message}; {cure}"
