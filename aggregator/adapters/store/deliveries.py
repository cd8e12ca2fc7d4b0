"""The ledger of letters: each row goes from `queued` to its result in steps that are on disk before the next one.

deliver: **deliveries.claim** > letter > mailer.send > **deliveries.settle**
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, exists, func, select, update

from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.mail_tables import deliveries, issues, subscribers, subscriptions
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, Subscriber, SubscriptionState

LONGEST_WAIT = timedelta(days=1)
"""No letter waits longer for its next attempt; a time further off was set by a clock that was wrong."""
IN_DOUBT = "the sender stopped before the server's answer was noted"


class SqlDeliveryStore:
    """`ports.DeliveryStore` on the database; a row waits exactly while it has a `next_attempt_at`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recover(self, now: datetime) -> int:
        """Rows left `sending` by a worker that died become `uncertain`; call only while holding the worker's lock."""
        left = deliveries.c.state == DeliveryState.SENDING.value
        doubt = {"state": DeliveryState.UNCERTAIN.value, "settled_at": now, "reply": IN_DOUBT}
        lost = deliveries.c.next_attempt_at > now + LONGEST_WAIT
        with self._database.write_ledger() as connection:
            connection.execute(update(deliveries).where(lost).values(next_attempt_at=now))
            return connection.execute(update(deliveries).where(left).values(doubt)).rowcount

    def waiting(self, now: datetime, newsletter_ids: Collection[str]) -> bool:
        """Whether there is a row to claim."""
        with self._database.read() as connection:
            return connection.execute(_next(now, newsletter_ids)).first() is not None

    def claim(self, now: datetime, newsletter_ids: Collection[str]) -> Delivery | None:
        """Move the longest waiting due row of these newsletters to `sending`; to `cancelled` when its reader left."""
        claimed = (
            update(deliveries)
            .where(deliveries.c.id.in_(_next(now, newsletter_ids).with_for_update(skip_locked=True, of=deliveries)))
            .values(
                state=case((_is_wanted(), DeliveryState.SENDING.value), else_=DeliveryState.CANCELLED.value),
                settled_at=case((_is_wanted(), None), else_=now),
                attempts=deliveries.c.attempts + 1,
                claimed_at=now,
                next_attempt_at=None,
            )
            .returning(deliveries.c.id)
        )
        with self._database.write_ledger() as connection:
            id_ = connection.scalar(claimed)
            if id_ is None:
                return None
            return read_delivery(connection.execute(whole_delivery().where(deliveries.c.id == id_)).mappings().one())

    def settle(self, delivery: Delivery, result: SendResult, now: datetime, retry_at: datetime | None) -> bool:
        """Move a claimed row from `sending` to its result; False when the claim no longer stands."""
        claim = (
            deliveries.c.id == delivery.id,
            deliveries.c.state == DeliveryState.SENDING.value,
            deliveries.c.attempts == delivery.attempts,
        )
        outcome = {
            "state": result.state.value,
            "settled_at": now,
            "next_attempt_at": retry_at,
            "code": result.code,
            "policy": result.policy,
            "reply": result.reply,
        }
        with self._database.write_ledger() as connection:
            return connection.execute(update(deliveries).where(*claim).values(outcome)).rowcount == 1

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


def _next(now: datetime, newsletter_ids: Collection[str]) -> Select[tuple[int]]:
    """The id of the row to claim, found along the index of `next_attempt_at`."""
    # A join would let SQLite begin with the issues and sort every waiting row for each claim.
    newsletter = select(issues.c.newsletter_id).where(issues.c.id == deliveries.c.issue_id).scalar_subquery()
    query = select(deliveries.c.id).where(deliveries.c.next_attempt_at <= now, newsletter.in_(newsletter_ids))
    return query.order_by(deliveries.c.next_attempt_at, deliveries.c.id).limit(1)


def _is_wanted() -> ColumnElement[bool]:
    """Whether the row's reader is subscribed at this moment."""
    theirs = and_(
        subscriptions.c.subscriber_id == deliveries.c.subscriber_id,
        subscriptions.c.newsletter_id == issues.c.newsletter_id,
        subscriptions.c.state == SubscriptionState.CONFIRMED.value,
    )
    return exists().where(theirs, issues.c.id == deliveries.c.issue_id).correlate(deliveries)


def whole_delivery() -> Select[Any]:
    """Deliveries with all that `read_delivery` makes of them."""
    return (
        select(deliveries, issues.c.newsletter_id, issues.c.edition_id, issues.c.number)
        .add_columns(subscribers.c.email, subscribers.c.name)
        .join_from(deliveries, issues)
        .join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
    )


def read_delivery(row: RowMapping) -> Delivery:
    """A row as a Delivery."""
    return Delivery(
        id=row["id"],
        issue_id=row["issue_id"],
        newsletter_id=row["newsletter_id"],
        edition_id=row["edition_id"],
        issue_number=row["number"],
        subscriber=Subscriber(id=row["subscriber_id"], email=row["email"], name=row["name"]),
        state=DeliveryState(row["state"]),
        message_id=row["message_id"],
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        reply=row["reply"],
        policy=row["policy"],
        settled_at=row["settled_at"],
    )
