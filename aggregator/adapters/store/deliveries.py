"""The ledger of letters: each row goes from `queued` to its result in steps that are on disk before the next one.

deliver: **deliveries.exchange** > letter > mailer.hand > mailer.answers > **deliveries.exchange**
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.mail_tables import deliveries, holds, issues, subscribers, subscriptions
from aggregator.faults import fault
from aggregator.model.delivery import Delivery, DeliveryState, Subscriber, SubscriptionState
from aggregator.model.sending import Claim, Exchanged, Recovered, Sent, Settlement

LONGEST_WAIT = timedelta(days=1)
"""No letter waits longer for its next attempt; a time further off was set by a clock that was wrong."""
MOST_RESENT = 3
"""A letter in doubt is sent again by itself only so many times: one that ends us each time must not go on for ever."""
IN_DOUBT = "the sender stopped before the server's answer was noted"
_SENDING = deliveries.c.state == literal_column("'sending'")  # as the index of such rows says it
_TO_SERVERS = (DeliveryState.ACCEPTED, DeliveryState.REFUSED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)
"""What a letter can be once a server has heard of it."""


class SqlDeliveryStore:
    """`ports.DeliveryStore` on the database; a row waits exactly while it has a `next_attempt_at`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- workers that are gone --------------------------------------------------------------------

    def recover(self, now: datetime, *, is_gone: Callable[[str], bool], resend: Collection[str] = ()) -> Recovered:
        """Rows left `sending` by workers that are gone become `uncertain`, or `queued` once more in the newsletters of
        `resend`; rows that wait for a time of a wrong clock are due now."""
        with self._database.read() as connection:
            workers = connection.scalars(select(deliveries.c.claimed_by).where(_SENDING).distinct()).all()
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
        theirs = (_SENDING, deliveries.c.claimed_by == worker)
        with self._database.write_ledger() as connection:
            return connection.execute(update(deliveries).where(*theirs).values(_again(now))).rowcount

    # --- claiming and settling --------------------------------------------------------------------

    def waiting(self, now: datetime, newsletter_ids: Collection[str], *, limit: int = 1) -> int:
        """How many rows there are to claim, counted up to `limit`."""
        found = _due(now, newsletter_ids).limit(limit).subquery()
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(found)).scalar_one()

    def exchange(self, settled: Sequence[Settlement], now: datetime, claim: Claim | None = None) -> Exchanged:
        """Note what became of claimed rows, and claim others, in one transaction that is on disk when this returns."""
        with self._database.write_ledger() as connection:
            lost = _settle(connection, settled, now)
            claimed = _claim(connection, claim, now) if claim is not None else ()
            if claimed:
                fault("send.claimed")
        return Exchanged(claimed=claimed, lost=lost)

    def postpone(self, until: datetime, *, domain: str) -> int:
        """Let every letter to a domain that is due before `until` wait till then; returns how many there are."""
        sooner = (deliveries.c.next_attempt_at < until, deliveries.c.domain == domain)
        with self._database.write_ledger() as connection:
            return connection.execute(update(deliveries).where(*sooner).values(next_attempt_at=until)).rowcount

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
    left = and_(_SENDING, of_them)
    again = and_(left, _newsletter().in_(resend), deliveries.c.attempts < MOST_RESENT)
    resent = connection.execute(update(deliveries).where(again).values(_again(now))).rowcount
    doubt = {"state": DeliveryState.UNCERTAIN.value, "settled_at": now, "reply": IN_DOUBT}
    return Recovered(uncertain=connection.execute(update(deliveries).where(left).values(doubt)).rowcount, resent=resent)


def _again(now: datetime) -> dict[str, Any]:
    return {"state": DeliveryState.QUEUED.value, "next_attempt_at": now}


def _too_far(now: datetime) -> ColumnElement[bool]:
    return deliveries.c.next_attempt_at > now + LONGEST_WAIT


def _waits_too_long(now: datetime) -> Select[tuple[int]]:
    return select(deliveries.c.id).where(_too_far(now))


# --- settling -------------------------------------------------------------------------------------

_OUTCOME = ("state", "settled_at", "next_attempt_at", "code", "policy", "reply")
_settlement = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("its_id"))
    .values({name: bindparam(f"new_{name}") for name in _OUTCOME})
)


def _settle(connection: Connection, settled: Sequence[Settlement], now: datetime) -> frozenset[int]:
    """Ids of those whose claim no longer stands, of which nothing is written; nobody else writes meanwhile."""
    if not settled:
        return frozenset()
    claims = {(item.delivery.id, item.delivery.attempts, item.delivery.claimed_by): item for item in settled}
    at_hand = select(deliveries.c.id, deliveries.c.attempts, deliveries.c.claimed_by).where(
        deliveries.c.id.in_([item.delivery.id for item in settled]), _SENDING
    )
    standing = [claims.pop(claim) for row in connection.execute(at_hand) if (claim := tuple(row)) in claims]
    if standing:
        connection.execute(_settlement, [_outcome(item, now) for item in standing])
    return frozenset(item.delivery.id for item in claims.values())


def _outcome(item: Settlement, now: datetime) -> dict[str, Any]:
    result = item.result
    return {
        "its_id": item.delivery.id,
        "new_state": result.state.value,
        "new_settled_at": now,
        "new_next_attempt_at": item.retry_at,
        "new_code": result.code,
        "new_policy": result.policy,
        "new_reply": result.reply,
    }


# --- claiming -------------------------------------------------------------------------------------


def _claim(connection: Connection, claim: Claim, now: datetime) -> tuple[Delivery, ...]:
    """The longest waiting due rows, now `sending`; `cancelled` where the reader left, which is asked in the same
    statement."""
    due = _due(now, claim.newsletter_ids)
    if claim.but_to:
        due = due.where(deliveries.c.domain.not_in(claim.but_to))
    due = due.order_by(deliveries.c.next_attempt_at, deliveries.c.id).limit(claim.room)
    claimed = (
        update(deliveries)
        .where(deliveries.c.id.in_(due))
        .values(
            state=case((_is_wanted(), DeliveryState.SENDING.value), else_=DeliveryState.CANCELLED.value),
            settled_at=case((_is_wanted(), None), else_=now),
            attempts=deliveries.c.attempts + 1,
            claimed_at=now,
            claimed_by=claim.worker,
            next_attempt_at=None,
        )
        .returning(deliveries.c.id)
    )
    ids = connection.scalars(claimed).all()
    if not ids:
        return ()
    whole = whole_delivery().where(deliveries.c.id.in_(ids)).order_by(deliveries.c.id)
    return tuple(read_delivery(row) for row in connection.execute(whole).mappings())


def _due(now: datetime, newsletter_ids: Collection[str]) -> Select[tuple[int]]:
    """Ids of due rows of these newsletters that nobody holds, found along the index of `next_attempt_at`."""
    # A join would let SQLite begin with the issues and sort every waiting row for each claim.
    held = exists().where(
        holds.c.newsletter_id == issues.c.newsletter_id,
        holds.c.issue_id.in_((0, issues.c.id)),
        issues.c.id == deliveries.c.issue_id,
    )
    return select(deliveries.c.id).where(
        deliveries.c.next_attempt_at <= now, _newsletter().in_(newsletter_ids), ~held.correlate(deliveries)
    )


def _newsletter() -> Any:
    """The newsletter of a row, as a subquery of its own."""
    return select(issues.c.newsletter_id).where(issues.c.id == deliveries.c.issue_id).scalar_subquery()


def _is_wanted() -> ColumnElement[bool]:
    """Whether the row's reader is subscribed at this moment."""
    theirs = and_(
        subscriptions.c.subscriber_id == deliveries.c.subscriber_id,
        subscriptions.c.newsletter_id == issues.c.newsletter_id,
        subscriptions.c.state == SubscriptionState.CONFIRMED.value,
    )
    return exists().where(theirs, issues.c.id == deliveries.c.issue_id).correlate(deliveries)


# --- rows -----------------------------------------------------------------------------------------


def whole_delivery() -> Select[Any]:
    """What `read_delivery` reads."""
    return (
        select(deliveries, issues.c.newsletter_id, issues.c.edition_id, issues.c.number)
        .add_columns(subscribers.c.email, subscribers.c.name)
        .join_from(deliveries, issues)
        .join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
    )


def read_delivery(row: RowMapping) -> Delivery:
    """A row of the ledger as a value."""
    return Delivery(
        id=row["id"],
        issue_id=row["issue_id"],
        newsletter_id=row["newsletter_id"],
        edition_id=row["edition_id"],
        issue_number=row["number"],
        subscriber=Subscriber(id=row["subscriber_id"], email=row["email"], name=row["name"]),
        state=DeliveryState(row["state"]),
        message_id=row["message_id"],
        domain=row["domain"],
        attempts=row["attempts"],
        claimed_by=row["claimed_by"],
        next_attempt_at=row["next_attempt_at"],
        reply=row["reply"],
        policy=row["policy"],
        settled_at=row["settled_at"],
    )
