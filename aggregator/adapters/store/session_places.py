"""Who sends for a PostgreSQL database, by advisory locks of sessions: the server gives them free when a session ends.

https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

import secrets
from hashlib import blake2b

from sqlalchemy import BigInteger, Connection, Engine, create_engine, func, literal, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from aggregator.adapters.store.engine import Database
from aggregator.errors import StoreError


class SessionPlaces:
    """`mail_ports.Places` on PostgreSQL: a worker holds the lock of its name by a session of its own."""

    def __init__(self, database: Database) -> None:
        self._engine: Engine = create_engine(database.ledger.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._name = ""
        self._session: Connection | None = None

    def mine(self) -> str:
        """The name of this worker, taken when first asked for, and another when the session was lost since; raises
        StoreError."""
        if self._session is not None and not self._lives(self._session):
            self._session = None
        if self._session is None:
            self._name, self._session = secrets.token_hex(8), self._open()
            self._session.execute(select(func.pg_advisory_lock(_number(self._name))))
        return self._name

    def leave(self) -> None:
        """Give the name up: what was claimed in it and is not settled is whoever comes next to name."""
        if self._session is not None:
            session, self._session = self._session, None
            session.close()

    def is_gone(self, worker: str) -> bool:
        """Whether no session holds this name any more; raises StoreError where that cannot be seen."""
        if worker == self._name and self._session is not None:
            return False
        session = self._open()
        try:
            return bool(session.scalar(select(func.pg_try_advisory_lock(_number(worker)))))
        except DatabaseError as error:
            raise _unseen(error) from error
        finally:
            session.close()

    def _open(self) -> Connection:
        try:
            return self._engine.connect()
        except DatabaseError as error:
            raise _unseen(error) from error

    @staticmethod
    def _lives(session: Connection) -> bool:
        try:
            return bool(session.scalar(select(literal(1))))
        except DatabaseError:
            session.invalidate()
            session.close()
            return False


def _number(worker: str) -> object:
    """The number of a name's lock; 62 bits, the upper two clear, so that none is one of the engine's."""
    number = int.from_bytes(blake2b(worker.encode(), digest_size=8, person=b"worker").digest()) >> 2
    return literal(number, BigInteger)


def _unseen(error: DatabaseError) -> StoreError:
    words = str(error.orig).partition("\n")[0]
    return StoreError(f"database: cannot see which workers live: {words}; see that the PostgreSQL server runs")
