"""Letters that a person holds back: of a newsletter, or of one Issue.

A letter that is held has no time at which it is due, so that those who claim need not pass it by each time; that of an
Issue made meanwhile loses its time when it is found due.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, select, update

from aggregator.adapters.store.claiming import IS_HELD, of_newsletters
from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.mail_tables import deliveries, holds, issues
from aggregator.model.delivery import DeliveryState
from aggregator.model.sending import Held, Hold

WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
CANCELLED = "cancelled by a person"
_ALL = 0
"""In the place of an Issue's id."""


class SqlHoldStore:
    """`mail_ports.HoldStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hold(self, hold: Hold) -> bool:
        """Let no letter of it be claimed from now on; False when it is held already."""
        row = upsert(holds).values(newsletter_id=hold.newsletter_id, issue_id=hold.issue_id or _ALL, since=hold.since)
        with self._database.write_ledger() as connection:
            fresh = connection.execute(row.on_conflict_do_nothing()).rowcount == 1
            connection.execute(update(deliveries).where(_waits(), _of(hold)).values(next_attempt_at=None))
        return fresh

    def resume(self, hold: Hold, now: datetime) -> bool:
        """Let its letters be sent, those at once that waited; False when it is not held."""
        theirs = (holds.c.newsletter_id == hold.newsletter_id, holds.c.issue_id == (hold.issue_id or _ALL))
        free = update(deliveries).where(_waits(), _of(hold), deliveries.c.next_attempt_at.is_(None), ~IS_HELD)
        with self._database.write_ledger() as connection:
            held = connection.execute(delete(holds).where(*theirs)).rowcount == 1
            connection.execute(free.values(next_attempt_at=now))
        return held

    def holds(self) -> Sequence[Held]:
        """All there are, by newsletter."""
        query = (
            select(holds.c.newsletter_id, issues.c.number, holds.c.since)
            .join_from(holds, issues, issues.c.id == holds.c.issue_id, isouter=True)
            .order_by(holds.c.newsletter_id, holds.c.issue_id)
        )
        with self._database.read() as connection:
            return [Held(**row) for row in connection.execute(query).mappings()]

    def park(self, now: datetime) -> int:
        """Take the time from letters that are held and due; returns how many."""
        with self._database.read() as connection:
            if not connection.scalar(select(exists(select(holds.c.newsletter_id)))):
                return 0
        due = update(deliveries).where(deliveries.c.next_attempt_at <= now, IS_HELD)
        with self._database.write_ledger() as connection:
            return connection.execute(due.values(next_attempt_at=None)).rowcount

    def cancel(self, hold: Hold) -> int:
        """Hold an Issue, and let its letters that wait never be sent; returns how many."""
        self.hold(hold)
        end = {"state": DeliveryState.CANCELLED.value, "settled_at": hold.since, "reply": CANCELLED}
        with self._database.write_ledger() as connection:
            return connection.execute(update(deliveries).where(_waits(), _of(hold)).values(end)).rowcount

    def resend_uncertain(self, issue_id: int, now: datetime) -> int:
        """Queue the letters of an Issue that are in doubt once more, under their Message-IDs; returns how many."""
        doubtful = (deliveries.c.issue_id == issue_id, deliveries.c.state == DeliveryState.UNCERTAIN.value)
        again = {"state": DeliveryState.QUEUED.value, "next_attempt_at": now}
        with self._database.write_ledger() as connection:
            return connection.execute(update(deliveries).where(*doubtful).values(again)).rowcount


def _waits() -> ColumnElement[bool]:
    return deliveries.c.state.in_(WAITING)


def _of(hold: Hold) -> ColumnElement[bool]:
    if hold.issue_id is None:
        return of_newsletters([hold.newsletter_id])
    return deliveries.c.issue_id == hold.issue_id
