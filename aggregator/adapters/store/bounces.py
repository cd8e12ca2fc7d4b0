"""Bounces as they are kept, and what they do to a Subscriber's mail, in one transaction.

box.mails > reading > **bounces.delivery** > bouncing > **bounces.record_bounce** > box.done
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, select, update

from aggregator.adapters.store.claiming import read_delivery, whole_delivery
from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.mail_tables import bounces, deliveries, issues, subscribers, subscriptions, suppressions
from aggregator.adapters.store.subscribers import cancel_waiting, end_subscription
from aggregator.errors import NotFoundError
from aggregator.model.bounce import Bounce, BounceAction, BounceHistory, BounceKind, BounceVerdict, RunOutcome, Strike
from aggregator.model.consent import Evidence, SuppressionReason
from aggregator.model.delivery import Delivery, DeliveryState, SubscriptionState

BY_BOUNCE, BY_COMPLAINT = SuppressionReason.BOUNCE.value, SuppressionReason.COMPLAINT.value
"""Why an address is suppressed here: the first a person can take back, the second its reader alone."""
LONGEST_MEMORY = 400
"""Strikes and accepted letters of a Subscriber that are looked at, the latest: more than a year of a daily letter."""
COUNTED = (BounceKind.HARD.value, BounceKind.SOFT.value)
_GIVEN = (DeliveryState.ACCEPTED.value, DeliveryState.UNCERTAIN.value)


class SqlBounceStore:
    """`mail_ports.BounceStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def delivery(self, delivery_id: int) -> Delivery | None:
        """The Delivery of that id."""
        with self._database.read() as connection:
            row = connection.execute(whole_delivery().where(deliveries.c.id == delivery_id)).mappings().one_or_none()
        return None if row is None else read_delivery(row)

    def known(self, digest: bytes) -> bool:
        """Whether this mail is recorded."""
        with self._database.read() as connection:
            return connection.execute(select(bounces.c.id).where(bounces.c.digest == digest)).first() is not None

    def of_delivery(self, delivery_id: int) -> Sequence[Bounce]:
        """Bounces of one Delivery, a hundred at most, the latest first."""
        theirs = _kept().where(bounces.c.delivery_id == delivery_id).order_by(bounces.c.id.desc()).limit(100)
        with self._database.read() as connection:
            return [_bounce(row) for row in connection.execute(theirs)]

    def history(self, subscriber_id: int) -> BounceHistory:
        """Scored bounces of a Subscriber, and the days on which a letter was accepted that did not come back."""
        theirs = (
            select(bounces.c.digest, bounces.c.received_at, bounces.c.kind, deliveries.c.issue_id)
            .join_from(bounces, deliveries, deliveries.c.id == bounces.c.delivery_id)
            .where(bounces.c.subscriber_id == subscriber_id, bounces.c.scored)
            .order_by(bounces.c.received_at.desc(), bounces.c.id.desc())
        )
        came_back = exists().where(bounces.c.delivery_id == deliveries.c.id, bounces.c.kind.in_(COUNTED))
        arrived = (
            select(deliveries.c.settled_at)
            .where(
                deliveries.c.subscriber_id == subscriber_id,
                deliveries.c.state == DeliveryState.ACCEPTED.value,
                deliveries.c.settled_at.is_not(None),
                ~came_back,
            )
            .order_by(deliveries.c.settled_at.desc())
        )
        with self._database.read() as connection:
            return BounceHistory(
                strikes=tuple(
                    Strike(digest=row.digest, at=row.received_at, kind=BounceKind(row.kind), issue_id=row.issue_id)
                    for row in connection.execute(theirs.limit(LONGEST_MEMORY))
                ),
                accepted=tuple({moment.date() for moment in connection.scalars(arrived.limit(LONGEST_MEMORY))}),
            )

    def run(self, issue_id: int) -> RunOutcome:
        """What became of an Issue's letters so far, scored or not."""
        theirs = deliveries.c.issue_id == issue_id
        letters = select(func.count()).where(theirs, deliveries.c.state != DeliveryState.CANCELLED.value)
        named = func.max(bounces.c.status.like("5.1.%").cast(bounces.c.id.type))
        back = (
            select(deliveries.c.domain, named.label("named"))
            .join_from(deliveries, bounces, bounces.c.delivery_id == deliveries.c.id)
            .where(theirs, bounces.c.kind.in_(COUNTED))
            .group_by(deliveries.c.id, deliveries.c.domain)
        )
        with self._database.read() as connection:
            rows = connection.execute(back).all()
            return RunOutcome(
                letters=connection.scalar(letters) or 0,
                unnamed=tuple(row.domain for row in rows if not row.named),
                named=sum(bool(row.named) for row in rows),
            )

    def record_bounce(self, bounce: Bounce, verdict: BounceVerdict, *, key: str, now: datetime) -> bool:
        """Keep the bounce and do what follows from it; False, with nothing written, for a mail that is recorded."""
        row = {
            "subscriber_id": bounce.subscriber_id,
            "delivery_id": bounce.delivery_id,
            "kind": bounce.kind.value,
            "status": bounce.status,
            "reason": bounce.reason,
            "received_at": bounce.received_at,
            "scored": bounce.scored,
            "digest": bounce.digest,
        }
        with self._database.write_ledger() as connection:
            if not connection.execute(upsert(bounces).values(row).on_conflict_do_nothing()).rowcount:
                return False
            if bounce.came_back:
                _mark(connection, bounce)
            if bounce.kind is BounceKind.COMPLAINT:
                _end_complained(connection, bounce, now)
            if verdict.action is BounceAction.SUPPRESS:
                reason = BY_COMPLAINT if bounce.kind is BounceKind.COMPLAINT else BY_BOUNCE
                _suppress(connection, key, reason, bounce.status, now)  # a server's words often hold the address
            if verdict.action in (BounceAction.SUPPRESS, BounceAction.DISABLE):
                _stop(connection, bounce.subscriber_id, now)
        return True

    def pardon(self, issue_id: int) -> Mapping[int, str]:
        """Let no bounce of this Issue count; the Subscribers for whom one did, with their addresses."""
        of_issue = select(deliveries.c.id).where(deliveries.c.issue_id == issue_id)
        scored = (bounces.c.scored, bounces.c.delivery_id.in_(of_issue))
        theirs = select(subscribers.c.id, subscribers.c.email).join(bounces).where(*scored)
        with self._database.write_ledger() as connection:
            pardoned = {row.id: row.email for row in connection.execute(theirs)}
            connection.execute(update(bounces).where(*scored).values(scored=False))
        return pardoned

    def enable(self, subscriber_id: int, keys: Collection[str], now: datetime) -> bool:
        """Let a Subscriber stopped by bounces have mail again, unless more than bounces stands against it."""
        theirs = suppressions.c.key.in_(keys)
        with self._database.write_ledger() as connection:
            lifted = connection.execute(delete(suppressions).where(theirs, suppressions.c.reason == BY_BOUNCE)).rowcount
            if connection.execute(select(suppressions.c.key).where(theirs)).first():
                return False
            turned = _turn(connection, subscriber_id, SubscriptionState.DISABLED, SubscriptionState.CONFIRMED, now)
        return bool(lifted or turned)

    def bounces(self, limit: int) -> Sequence[Bounce]:
        """The latest first."""
        with self._database.read() as connection:
            return [_bounce(row) for row in connection.execute(_kept().order_by(bounces.c.id.desc()).limit(limit))]

    def forgive(self, bounce_id: int) -> Bounce:
        """Let one bounce not count; raises NotFoundError."""
        with self._database.write_ledger() as connection:
            row = connection.execute(_kept().where(bounces.c.id == bounce_id)).one_or_none()
            if row is None:
                raise NotFoundError(f"no bounce {bounce_id}; `aggregator bounces list` numbers those there are")
            connection.execute(update(bounces).where(bounces.c.id == bounce_id).values(scored=False))
        return _bounce(row)


def _mark(connection: Connection, bounce: Bounce) -> None:
    """The Delivery came back, or was complained of; one that was refused, or is being sent, stays what it is."""
    complained = bounce.kind is BounceKind.COMPLAINT
    state = DeliveryState.COMPLAINED if complained else DeliveryState.BOUNCED
    before = (*_GIVEN, DeliveryState.BOUNCED.value) if complained else _GIVEN
    theirs = (deliveries.c.id == bounce.delivery_id, deliveries.c.state.in_(before))
    connection.execute(update(deliveries).where(*theirs).values(state=state.value))


def _end_complained(connection: Connection, bounce: Bounce, now: datetime) -> None:
    """End the subscription that a complaint is about, as its reader would."""
    of_letter = (
        select(issues.c.newsletter_id)
        .join_from(issues, deliveries, deliveries.c.issue_id == issues.c.id)
        .where(deliveries.c.id == bounce.delivery_id)
    )
    newsletter_id = connection.execute(of_letter).scalar_one()
    end_subscription(connection, bounce.subscriber_id, newsletter_id, now, Evidence(source=bounce.reason))


def _suppress(connection: Connection, key: str, reason: str, note: str, now: datetime) -> None:
    """A complaint is more than a bounce; what else stands there stays."""
    row = {"key": key, "reason": reason, "since": now, "note": note}
    new = upsert(suppressions).values(row)
    if reason == BY_COMPLAINT:
        worse = new.on_conflict_do_update(
            index_elements=[suppressions.c.key],
            set_={"reason": reason, "since": now, "note": note},
            where=suppressions.c.reason == BY_BOUNCE,
        )
        connection.execute(worse)
    else:
        connection.execute(new.on_conflict_do_nothing())


def _stop(connection: Connection, subscriber_id: int, now: datetime) -> None:
    """No more mail: subscriptions are disabled, letters that wait are cancelled."""
    _turn(connection, subscriber_id, SubscriptionState.CONFIRMED, SubscriptionState.DISABLED, now)
    cancel_waiting(connection, subscriber_id, now)


def _turn(
    connection: Connection, subscriber_id: int, old: SubscriptionState, new: SubscriptionState, now: datetime
) -> int:
    theirs = (subscriptions.c.subscriber_id == subscriber_id, subscriptions.c.state == old.value)
    changed = {"state": new.value, "changed_at": now}
    return connection.execute(update(subscriptions).where(*theirs).values(changed)).rowcount


def _kept() -> Select[Any]:
    return select(bounces, subscribers.c.email).join(subscribers, subscribers.c.id == bounces.c.subscriber_id)


def _bounce(row: Any) -> Bounce:
    return Bounce(
        id=row.id,
        digest=row.digest,
        subscriber_id=row.subscriber_id,
        delivery_id=row.delivery_id,
        email=row.email,
        kind=BounceKind(row.kind),
        status=row.status,
        reason=row.reason,
        received_at=row.received_at,
        scored=row.scored,
    )
