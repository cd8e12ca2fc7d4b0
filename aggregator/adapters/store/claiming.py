"""The statements of sending: rows that are claimed, and rows that are settled.

deliver: **deliveries.exchange** > letter > mailer.hand > mailer.answers > **deliveries.exchange**

They are asked for many times a second, and SQLAlchemy takes longer to put one together than a database to run it: so
each is put together once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    literal_column,
    null,
    select,
    update,
)

from aggregator.adapters.store.mail_tables import deliveries, holds, issues, subscribers, subscriptions
from aggregator.adapters.store.schema import UtcDateTime
from aggregator.model.delivery import Delivery, DeliveryState, Subscriber, SubscriptionState
from aggregator.model.sending import Claim, Settlement

SENDING = deliveries.c.state == literal_column("'sending'")  # as the index of such rows says it
OF_NEWSLETTER = select(issues.c.newsletter_id).where(issues.c.id == deliveries.c.issue_id).scalar_subquery()
"""The newsletter of a row; a join would let SQLite begin with the issues and sort every waiting row for each claim."""
_NOW = bindparam("now", type_=UtcDateTime())


def _any_of(name: str) -> Any:
    return bindparam(name, expanding=True)


# --- settling -------------------------------------------------------------------------------------

_OUTCOME = ("state", "settled_at", "next_attempt_at", "code", "policy", "reply")
_REPLY = case((deliveries.c.domain == "", null()), else_=bindparam("new_reply", type_=Text()))
"""Of somebody who was erased while their letter was at hand, a server's words are not kept: they may name them."""
_SETTLEMENT = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("its_id"),
        SENDING,
        deliveries.c.attempts == bindparam("its_attempts"),
        deliveries.c.claimed_by == bindparam("its_worker"),
    )
    .values({name: bindparam(f"new_{name}") for name in _OUTCOME} | {"reply": _REPLY})
)
_SETTLED = select(
    deliveries.c.id,
    deliveries.c.attempts,
    deliveries.c.claimed_by,
    deliveries.c.state,
    deliveries.c.settled_at,
    deliveries.c.reply,
).where(deliveries.c.id.in_(_any_of("ids")))


def settle_rows(connection: Connection, settled: Sequence[Settlement], now: datetime) -> frozenset[int]:
    """Ids of those whose claim no longer stands, of which nothing is written."""
    if not settled:
        return frozenset()
    rows = [_outcome(item, now) for item in settled]
    if connection.execute(_SETTLEMENT, rows).rowcount == len(rows):
        return frozenset()
    # Some are another's by now: they say something else, or said the same at another time.
    found = {tuple(row) for row in connection.execute(_SETTLED, {"ids": [row["its_id"] for row in rows]})}
    columns = ("its_id", "its_attempts", "its_worker", "new_state", "new_settled_at", "new_reply")
    return frozenset(row["its_id"] for row in rows if tuple(row[name] for name in columns) not in found)


def _outcome(item: Settlement, now: datetime) -> dict[str, Any]:
    result = item.result
    return {
        "its_id": item.delivery.id,
        "its_attempts": item.delivery.attempts,
        "its_worker": item.delivery.claimed_by,
        "new_state": result.state.value,
        "new_settled_at": now,
        "new_next_attempt_at": item.retry_at,
        "new_code": result.code,
        "new_policy": result.policy,
        "new_reply": result.reply,
    }


# --- claiming -------------------------------------------------------------------------------------


def _is_held() -> ColumnElement[bool]:
    """Whether the row's newsletter or Issue is held."""
    theirs = (
        holds.c.newsletter_id == issues.c.newsletter_id,
        holds.c.issue_id.in_((0, issues.c.id)),
        issues.c.id == deliveries.c.issue_id,
    )
    return exists().where(*theirs).correlate(deliveries)


def _is_wanted() -> ColumnElement[bool]:
    """Whether the row's reader is subscribed at this moment."""
    theirs = and_(
        subscriptions.c.subscriber_id == deliveries.c.subscriber_id,
        subscriptions.c.newsletter_id == issues.c.newsletter_id,
        subscriptions.c.state == SubscriptionState.CONFIRMED.value,
    )
    return exists().where(theirs, issues.c.id == deliveries.c.issue_id).correlate(deliveries)


IS_HELD = _is_held()
DUE = select(deliveries.c.id).where(
    deliveries.c.next_attempt_at <= _NOW, OF_NEWSLETTER.in_(_any_of("newsletter_ids")), ~IS_HELD
)
"""Ids of rows that are due `now`, of these newsletters, and held by nobody; found along the index of their times."""
_NEXT = (
    DUE.where(deliveries.c.domain.not_in(_any_of("but_to")))
    .order_by(deliveries.c.next_attempt_at, deliveries.c.id)
    .limit(bindparam("room"))
)
_CLAIMING = (
    update(deliveries)
    .where(deliveries.c.id.in_(_NEXT))
    .values(
        state=case((_is_wanted(), DeliveryState.SENDING.value), else_=DeliveryState.CANCELLED.value),
        settled_at=case((_is_wanted(), null()), else_=_NOW),
        attempts=deliveries.c.attempts + 1,
        claimed_at=_NOW,
        claimed_by=bindparam("worker"),
        next_attempt_at=None,
    )
    .returning(
        *deliveries.c,
        *(
            select(issues.c[name]).where(issues.c.id == deliveries.c.issue_id).scalar_subquery().label(name)
            for name in ("newsletter_id", "edition_id", "number")
        ),
        *(
            select(subscribers.c[name])
            .where(subscribers.c.id == deliveries.c.subscriber_id)
            .scalar_subquery()
            .label(name)
            for name in ("email", "name")
        ),
    )
)


def claim_rows(connection: Connection, claim: Claim, now: datetime) -> tuple[Delivery, ...]:
    """The longest waiting due rows, now `sending`; `cancelled` where the reader left, which is asked in the same
    statement."""
    wish = {"now": now, "newsletter_ids": list(claim.newsletter_ids), "but_to": list(claim.but_to)}
    claimed = connection.execute(_CLAIMING, {**wish, "room": claim.room, "worker": claim.worker}).mappings()
    return tuple(sorted((read_delivery(row) for row in claimed), key=lambda delivery: delivery.id))


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


def of_newsletters(newsletter_ids: Collection[str]) -> ColumnElement[bool]:
    """Whether a row is of one of these newsletters."""
    return OF_NEWSLETTER.in_(newsletter_ids)
