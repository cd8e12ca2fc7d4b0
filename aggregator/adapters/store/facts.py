"""Single facts about the installation, by name: when the worker last ticked."""

from datetime import datetime

from sqlalchemy import select

from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.schema import facts

WORKER_TICK = "worker_tick"


class SqlFactStore:
    """Reads and writes the `facts` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_tick(self, now: datetime) -> None:
        """Note that the worker is alive."""
        with self._database.write() as connection:
            row = upsert(facts).values(name=WORKER_TICK, value=now.isoformat())
            connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))

    def last_tick(self) -> datetime | None:
        """When the worker last noted that it is alive."""
        with self._database.read() as connection:
            value = connection.scalar(select(facts.c.value).where(facts.c.name == WORKER_TICK))
        return datetime.fromisoformat(value) if value else None
