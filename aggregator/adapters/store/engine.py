"""Opening the database, SQLite or PostgreSQL: two engines; the only place that knows the ways of each.

`database.main` commits without waiting for the disk: power loss may cost the last polls, which are asked for again.
`database.ledger` waits: a `sending` mark lost would mail a person twice. On SQLite that is synchronous=NORMAL and FULL
(https://www.sqlite.org/pragma.html#pragma_synchronous), on PostgreSQL synchronous_commit=off and on
(https://www.postgresql.org/docs/current/wal-async-commit.html).

SQLite has one writer at a time; on PostgreSQL a lock of ours makes it so for each engine, as what is read before it is
written (the last id, where a newsletter stands) must hold until it is.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    create_engine,
    event,
    make_url,
    select,
)
from sqlalchemy import cast as as_type
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite's takes the same form, so this compiles for both
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from aggregator.errors import ConfigError, ConflictError, Problem, StoreError

__all__ = ["Database", "Insert", "among", "insert_tuples", "open_database", "open_existing", "upsert"]

BUSY_TIMEOUT_SECONDS = 60
"""How long a writer waits for another process's transaction before it reports the lock."""
ATTEMPT_SECONDS = 1
"""How long it waits for the lock before it looks whether it is in a hurry."""


@dataclass(frozen=True, slots=True)
class Database:
    """The two engines of one database; `write` and `read` are the only ways in."""

    main: Engine
    ledger: Engine

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.main.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction, in which nothing changes; raises StoreError."""
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


def open_database(
    url: str, *, busy_timeout: int = BUSY_TIMEOUT_SECONDS, hurried: Callable[[], bool] = lambda: False
) -> Database:
    """The engines for `url` (`sqlite:///path` or `postgresql://…`), not the tables (see `migrate.py`).

    Who waits for SQLite's lock while `hurried` gives up within a second.
    """
    parts = _parts(url)
    if parts.get_backend_name() == "sqlite":
        path = Path(parts.database or "")
        _make_folder(path.parent)
        _refuse_another_kind(path)
        main, ledger = (_sqlite(parts, durable, busy_timeout, hurried) for durable in (False, True))
    else:
        main, ledger = (_postgresql(parts, durable, busy_timeout) for durable in (False, True))
    return Database(main=main, ledger=ledger)


def open_existing(url: str) -> Database:
    """The same for a database that is there; raises StoreError, and makes nothing, when it is not."""
    parts = _parts(url)
    if parts.get_backend_name() == "sqlite" and not Path(parts.database or "").is_file():
        raise StoreError(f"database: there is none yet at {parts.database}; `aggregator poll` makes it")
    return open_database(url)


def among(column: ColumnElement[int], values: Collection[int]) -> ColumnElement[bool]:
    """`column` is one of `values`, however many: one parameter, that the database takes apart."""
    listed = _Listed(json.dumps(list(values))).table_valued("value")
    return column.in_(select(as_type(listed.c.value, BigInteger)))


def insert_tuples(connection: Connection, statement: Insert, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows, given in the order of the table's columns, as fast as the driver takes them."""
    if rows and connection.dialect.positional:
        text, writers = _prepared(statement, connection.dialect)
        columns = zip(writers, zip(*rows, strict=True), strict=True)
        written = (values if write is None else map(write, values) for write, values in columns)
        connection.exec_driver_sql(text, [*zip(*written, strict=True)])
    elif rows:
        names = statement.table.columns.keys()
        connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


@lru_cache(maxsize=32)
def _prepared(statement: Insert, dialect: Dialect) -> tuple[str, Sequence[Callable[[Any], Any] | None]]:
    """What the driver is told, and how it takes the values of each column, where not as they are."""
    kinds = (column.type.dialect_impl(dialect) for column in statement.table.columns)
    return str(statement.compile(dialect=dialect)), [kind.bind_processor(dialect) for kind in kinds]


class _Listed(FunctionElement[Any]):
    """The values of a JSON array as rows of one column, `value`."""

    inherit_cache = True


@compiles(_Listed, "sqlite")
def _listed_sqlite(element: _Listed, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Listed, "postgresql")
def _listed_postgresql(element: _Listed, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS json))"


# --- opening --------------------------------------------------------------------------------------


def _parts(url: str) -> URL:
    try:
        parts = make_url(url)
    except ArgumentError as error:
        raise StoreError(
            "cannot read the address of the database: it begins with sqlite:/// or postgresql://"
        ) from error
    if parts.get_backend_name() == "sqlite":
        return parts
    if find_spec("psycopg") is None:
        raise StoreError("PostgreSQL needs a driver: pip install 'aggregator[postgres]'")
    return parts.set(drivername="postgresql+psycopg")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the database folder {folder}: {error.strerror}") from error


def _refuse_another_kind(path: Path) -> None:
    """A file that SQLite did not write is somebody's, and named before anything touches it."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
    except OSError:  # none yet, or one that SQLite will say more about
        return
    if start and start != _SQLITE:
        message = "is not an SQLite database; name another file in AGGREGATOR_DATABASE, or restore a backup over it"
        raise ConfigError((Problem(file=str(path), line=0, column=0, key="", message=message),))


_SQLITE = b"SQLite format 3\0"
"""How its files begin (https://www.sqlite.org/fileformat.html 1.2)."""
_AS_MANY_AS_THREADS = -1
"""Connections beyond the pool's five: who waits for the write lock must keep no reader waiting."""


def _sqlite(url: URL, durable: bool, busy_timeout: int, hurried: Callable[[], bool]) -> Engine:
    # The ledger's connections only write, and so wait for nothing but the lock.
    patience = min(busy_timeout, ATTEMPT_SECONDS) if durable else busy_timeout
    engine = create_engine(
        url,
        connect_args={"timeout": patience, "check_same_thread": False},
        json_serializer=_json,
        max_overflow=_AS_MANY_AS_THREADS,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        for pragma in ("journal_mode=WAL", f"synchronous={'FULL' if durable else 'NORMAL'}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that turns into a writer fails at once when another has written meanwhile
        # (SQLITE_BUSY_SNAPSHOT); taking the write lock first makes it wait its turn instead.
        if connection.get_execution_options().get("writes", False):
            _take_lock(connection, busy_timeout, hurried, changes_patience=not durable)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _json(value: object) -> str:
    """As `json.dumps` has it, which takes ten times as long to say that there is nothing."""
    return "[]" if value == [] else json.dumps(value)


def _take_lock(
    connection: Connection, busy_timeout: int, hurried: Callable[[], bool], *, changes_patience: bool
) -> None:
    """Begin as a writer. SQLite lets nobody interrupt who waits for the lock, so it waits a little at a time."""
    until = monotonic() + busy_timeout
    if changes_patience:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={1000 * min(busy_timeout, ATTEMPT_SECONDS)}").close()
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE").close()
                return
            except OperationalError as error:
                if "locked" not in str(error.orig) or hurried() or monotonic() >= until:
                    raise
    finally:
        if changes_patience:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={1000 * busy_timeout}").close()


def _postgresql(url: URL, durable: bool, busy_timeout: int) -> Engine:
    commit = "on" if durable else "off"
    settings = {"synchronous_commit": commit, "lock_timeout": f"{max(1, 1000 * busy_timeout)}", "timezone": "UTC"}
    engine = create_engine(
        url,
        connect_args={"options": " ".join(f"-c {name}={value}" for name, value in settings.items())},
        max_overflow=_AS_MANY_AS_THREADS,
        pool_pre_ping=True,
        execution_options={"preserve_rowcount": True},  # of inserts too, as SQLite's driver does
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader sees the moment of its first statement to its end; a writer sees what those before it committed.
        if connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITING + durable})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine


_WRITING = 0x6167677265676100
"""The number of the lock of those who write, and with one added of those who write the ledger."""


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with _translated(), engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(f"database: {_first_line(error)}; please report it") from error
    except DatabaseError as error:
        raise StoreError(_cure(_first_line(error))) from error


def _first_line(error: DatabaseError) -> str:
    return str(error.orig).partition("\n")[0]


def _cure(message: str) -> str:
    cures = {
        "lock timeout": "another process holds it: stop that process, then run the command again",
        "locked": "another process holds it: stop that process, then run the command again",
        "I/O": "see whether the disk is full or broken; nothing was written and the work resumes by itself",
        "full": "make room on the disk; nothing was written and the work resumes by itself",
        "readonly": "make the file and its folder writable for this user",
        "read-only": "make the file and its folder writable for this user",
        "unable to open": "check that the folder exists and may be written to",
        "malformed": "restore a backup: it is damaged",
        "not a database": "name another file in AGGREGATOR_DATABASE: this one is something else",
        "no such module": "the SQLite of this Python was built without FTS5, which search needs: use another Python",
        "no such table": "run `aggregator migrate`",
        "relation": "run `aggregator migrate`",
        "onnection": "see that the PostgreSQL server runs, and takes this address, user and password",
    }
    cure = next((cure for sign, cure in cures.items() if sign in message), "see the log")
    return f"database: {message}; {cure}"
