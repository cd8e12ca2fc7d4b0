"""Single facts about the installation, by name: when the worker last ticked, since when no feed could be reached or no
letter handed over, what is followed of feeds.yaml."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, select

from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.schema import facts
from aggregator.model.applied import Applied
from aggregator.model.channel import Channel
from aggregator.model.newsletter import Newsletter

WORKER_TICK, OFFLINE_SINCE, UNSENT_SINCE, APPLIED = "worker_tick", "offline_since", "unsent_since", "applied"
FLOODED_AT = "flooded_at"

Value = TypeVar("Value", Channel, Newsletter)


class SqlFactStore:
    """`ports.AppliedStore`, and how the worker fares."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_tick(self, now: datetime) -> None:
        """Note that the worker is alive."""
        with self._database.write() as connection:
            write_fact(connection, WORKER_TICK, now.isoformat())

    def last_tick(self) -> datetime | None:
        """When the worker last noted that it is alive."""
        return self._moment(WORKER_TICK)

    def record_offline(self, now: datetime) -> None:
        """Note that no feed could be reached; the first time after one could counts."""
        self._begin(OFFLINE_SINCE, now)

    def record_online(self) -> None:
        """Note that a feed was reached."""
        self._end(OFFLINE_SINCE)

    def offline_since(self) -> datetime | None:
        """Since when no feed could be reached, None when the last round reached one."""
        return self._moment(OFFLINE_SINCE)

    def record_unsent(self, now: datetime) -> None:
        """Note that the mail server takes no letter; the first time after it took one counts."""
        self._begin(UNSENT_SINCE, now)

    def record_sent(self) -> None:
        """Note that the mail server took a letter, or had a word on one."""
        self._end(UNSENT_SINCE)

    def unsent_since(self) -> datetime | None:
        """Since when the mail server takes no letter, None when it took the last."""
        return self._moment(UNSENT_SINCE)

    def record_flood(self, now: datetime) -> None:
        """Note that more forms came in than a site of readers sends."""
        with self._database.write() as connection:
            write_fact(connection, FLOODED_AT, now.isoformat())

    def flooded_at(self) -> datetime | None:
        """When that was last so."""
        return self._moment(FLOODED_AT)

    def _begin(self, name: str, now: datetime) -> None:
        if self._moment(name) is None:
            with self._database.write() as connection:
                row = upsert(facts).values(name=name, value=now.isoformat())
                connection.execute(row.on_conflict_do_nothing())

    def _end(self, name: str) -> None:
        if self._moment(name) is not None:
            with self._database.write() as connection:
                connection.execute(delete(facts).where(facts.c.name == name))

    def _moment(self, name: str) -> datetime | None:
        with self._database.read() as connection:
            value = read_fact(connection, name)
        return datetime.fromisoformat(value) if value else None

    def record_applied(self, applied: Applied) -> None:
        """Note what is followed from now on."""
        with self._database.write() as connection:
            write_fact(connection, APPLIED, json.dumps(asdict(applied)))

    def applied(self) -> Applied:
        """What is followed, as far as this version knows such things."""
        with self._database.read() as connection:
            value = json.loads(read_fact(connection, APPLIED) or "{}")
        return Applied(
            channels=tuple(_value(Channel, row) for row in value.get("channels", ())),
            newsletters=tuple(_value(Newsletter, row) for row in value.get("newsletters", ())),
        )


def _value(kind: type[Value], row: Mapping[str, Any]) -> Value:
    """A row that another version wrote may have keys that this one does not know."""
    given: dict[str, Any] = {field.name: row[field.name] for field in fields(kind) if field.name in row}
    for name, item in given.items():
        given[name] = tuple(item) if isinstance(item, list) else item
    return kind(**given)


def read_fact(connection: Connection, name: str) -> str | None:
    """The value of a fact, None when nobody noted it."""
    return connection.scalar(select(facts.c.value).where(facts.c.name == name))


def write_fact(connection: Connection, name: str, value: str) -> None:
    """Note a fact, in the place of what it was."""
    row = upsert(facts).values(name=name, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))
