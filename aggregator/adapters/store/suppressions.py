"""Addresses that get no mail, as keyed hashes: what is here wins over every list and every stranger.

subscribe, import: ... > **suppressions** > subscribers.enlist. Only a person who confirms that they want mail takes
theirs out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.entries import chunks
from aggregator.adapters.store.mail_tables import suppressions
from aggregator.model.consent import Suppression


class SqlSuppressionStore:
    """`people_ports.SuppressionStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def suppress(self, key: str, suppression: Suppression) -> bool:
        """Keep that an address gets no mail; False when that stood already, which stays as it is."""
        with self._database.write_ledger() as connection:
            return add_suppression(connection, key, suppression.reason, suppression.since, suppression.note)

    def suppression(self, keys: Collection[str]) -> Suppression | None:
        """What stands under one of these hashes of one address."""
        query = select(suppressions).where(suppressions.c.key.in_(keys)).order_by(suppressions.c.since)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Suppression(reason=row.reason, since=row.since, note=row.note)

    def among(self, keys: Collection[str]) -> Collection[str]:
        """Those of these hashes, of any number of addresses, that stand here."""
        with self._database.read() as connection:
            return suppressed_among(connection, keys)

    def suppressions(self) -> Mapping[tuple[str, str], int]:
        """How many there are, by the name of the secret they are hashed with, and by reason."""
        name = func.substr(suppressions.c.key, 1, 4)
        query = select(name, suppressions.c.reason, func.count()).group_by(name, suppressions.c.reason)
        with self._database.read() as connection:
            return {(secret, reason): count for secret, reason, count in connection.execute(query)}


def add_suppression(connection: Connection, key: str, reason: str, since: datetime, note: str = "") -> bool:
    """Whether it is new: what stands already says more of how it came."""
    row = upsert(suppressions).values(key=key, reason=reason, since=since, note=note)
    return bool(connection.execute(row.on_conflict_do_nothing()).rowcount)


def lift_suppressions(connection: Connection, keys: Collection[str]) -> bool:
    """Let an address have mail again; whether it had none."""
    return bool(connection.execute(delete(suppressions).where(suppressions.c.key.in_(keys))).rowcount)


def suppressed_among(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of these hashes that stand here."""
    return {
        key
        for part in chunks(keys)
        for key in connection.scalars(select(suppressions.c.key).where(suppressions.c.key.in_(part)))
    }
