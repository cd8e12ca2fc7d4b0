"""The ledger of letters: each row goes from `queued` to its result in steps that are on disk before the next one.

deliver: **deliveries.exchange** > letter > mailer.hand > mailer.answers > **deliveries.exchange**
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, or_, select, update

from aggregator.adapters.store.claiming import (
    DUE,
    SENDING,
    claim_rows,
    of_newsletters,
    read_delivery,
    settle_rows,
    whole_delivery,
)
from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.mail_tables import deliveries, issues
from aggregator.faults import fault
from aggregator.model.delivery import Delivery, DeliveryState
from aggregator.model.sending import Claim, Exchanged, Recovered, Sent, Settlement

LONGEST_WAIT = timedelta(days=1)
"""No letter waits longer for its next attempt; a time further off was set by a clock that was wrong."""
MOST_RESENT = 3
"""A letter in doubt is sent again by itself only so many times: one that ends us each time must not go on for ever."""
IN_DOUBT = "the sender stopped before the server's answer was noted"
_TO_SERVERS = (DeliveryState.ACCEPTED, DeliveryState.REFUSED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)
"""What a letter can be once a server has heard of it."""


class SqlDeliveryStore:
    """`mail_ports.DeliveryStore` on the database; a row waits exactly while it has a `next_attempt_at`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- workers that are gone --------------------------------------------------------------------

    def recover(self, now: datetime, *, is_gone: Callable[[str], bool], resend: Collection[str] = ()) -> Recovered:
        """Rows left `sending` by workers that are gone become `uncertain`, or `queued` once more in the newsletters of
        `resend`; rows that wait for a time of a wrong clock are due now."""
        with self._database.read() as connection:
            workers = connection.scalars(select(deliveries.c.claimed_by).where(SENDING).distinct()).all()
            lost = connection.execute(_waits_too_long(now).limit(1)).first()
        gone = [worker for worker in workers if worker is None or is_gone(worker)]
        if not gone and lost is None:
            return Recovered()
        with self._database.write_ledger() as connection:
            connection.execute(update(deliveries).where(_too_far(now)).values(next_attempt_at=now))
            return _recover(connection, now, gone, resend)

    def release(self, worker: str, now: datetime) -> int:
        """Rows that this worker has claimed and handed to nobody wait again; returns how many. For who knows that every
        letter it handed over has been settled."""
        theirs = (SENDING, deliveries.c.claimed_by == worker)
        with self._database.write_ledger() as connection:
            return connection.execute(update(deliveries).where(*theirs).values(_again(now))).rowcount

    # --- claiming and settling --------------------------------------------------------------------

    def waiting(self, now: datetime, newsletter_ids: Collection[str], *, limit: int = 1) -> int:
        """How many rows there are to claim, counted up to `limit`."""
        found = select(func.count()).select_from(DUE.limit(limit).subquery())
        with self._database.read() as connection:
            return connection.execute(found, {"now": now, "newsletter_ids": list(newsletter_ids)}).scalar_one()

    def exchange(self, settled: Sequence[Settlement], now: datetime, claim: Claim | None = None) -> Exchanged:
        """Note what became of claimed rows, and claim others, in one transaction that is on disk when this returns."""
        with self._database.write_ledger() as connection:
            lost = settle_rows(connection, settled, now)
            claimed = claim_rows(connection, claim, now) if claim is not None else ()
            if claimed:
                fault("send.claimed")
        return Exchanged(claimed=claimed, lost=lost)

    def postpone(
        self, now: datetime, until: datetime, *, domain: str | None = None, newsletter_id: str | None = None
    ) -> int:
        """Let each letter to a domain, or of a newsletter, that is due now wait until then; returns how many."""
        theirs = deliveries.c.domain == domain if newsletter_id is None else of_newsletters([newsletter_id])
        sooner = update(deliveries).where(deliveries.c.next_attempt_at <= now, theirs)
        with self._database.write_ledger() as connection:
            return connection.execute(sooner.values(next_attempt_at=until)).rowcount

    # --- looking ----------------------------------------------------------------------------------

    def sent_since(self, since: datetime, *, but_by: str | None = None) -> Sequence[Sent]:
        """The letters that servers have heard of since, each at its last attempt; without those of one worker."""
        query = (
            select(deliveries.c.settled_at, deliveries.c.domain, issues.c.newsletter_id)
            .join_from(deliveries, issues)
            .where(deliveries.c.settled_at > since, deliveries.c.state.in_([state.value for state in _TO_SERVERS]))
            .where(deliveries.c.claimed_by.is_distinct_from(but_by) if but_by else literal(True))
        )
        with self._database.read() as connection:
            return [Sent(at=at, domain=domain, newsletter_id=id_) for at, domain, id_ in connection.execute(query)]

    def answered(self, limit: int) -> Sequence[Delivery]:
        """Rows the server accepted or refused, the latest first."""
        answers = deliveries.c.state.in_([DeliveryState.ACCEPTED.value, DeliveryState.REFUSED.value])
        latest = (deliveries.c.settled_at.desc(), deliveries.c.id.desc())
        return self._deliveries(whole_delivery().where(answers).order_by(*latest).limit(limit))

    def for_issue(self, issue_id: int) -> Sequence[Delivery]:
        """Every row of an issue, in the order of their ids."""
        return self._deliveries(whole_delivery().where(deliveries.c.issue_id == issue_id).order_by(deliveries.c.id))

    def counts(self) -> Mapping[DeliveryState, int]:
        """Rows by state; states without rows are left out."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        with self._database.read() as connection:
            return {DeliveryState(state): count for state, count in connection.execute(query)}

    def _deliveries(self, query: Select[Any]) -> list[Delivery]:
        with self._database.read() as connection:
            return [read_delivery(row) for row in connection.execute(query).mappings()]


# --- recovering -----------------------------------------------------------------------------------


def _recover(connection: Connection, now: datetime, gone: Sequence[str | None], resend: Collection[str]) -> Recovered:
    of_them = or_(
        deliveries.c.claimed_by.in_([worker for worker in gone if worker is not None]),
        deliveries.c.claimed_by.is_(None) if None in gone else literal(False),
    )
    left = and_(SENDING, of_them)
    again = and_(left, of_newsletters(resend), deliveries.c.attempts < MOST_RESENT)
    resent = connection.execute(update(deliveries).where(again).values(_again(now))).rowcount
    doubt = {"state": DeliveryState.UNCERTAIN.value, "settled_at": now, "reply": IN_DOUBT}
    return Recovered(uncertain=connection.execute(update(deliveries).where(left).values(doubt)).rowcount, resent=resent)


def _again(now: datetime) -> dict[str, Any]:
    return {"state": DeliveryState.QUEUED.value, "next_attempt_at": now}


def _too_far(now: datetime) -> ColumnElement[bool]:
    return deliveries.c.next_attempt_at > now + LONGEST_WAIT


def _waits_too_long(now: datetime) -> Select[tuple[int]]:
    return select(deliveries.c.id).where(_too_far(now))
