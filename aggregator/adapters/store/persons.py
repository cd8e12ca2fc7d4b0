"""One person: all that is kept about them, and its end.

preferences: ... > **everything, erase**. What is left of an erased person are counts, and the keyed hash that keeps
their address out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Row,
    Select,
    String,
    Update,
    cast,
    delete,
    exists,
    or_,
    select,
    union,
    update,
)

from aggregator.adapters.store.confirmations import settle_choices
from aggregator.adapters.store.consents import drop_consents, note_consents, read_consents
from aggregator.adapters.store.engine import Database, among
from aggregator.adapters.store.mail_tables import (
    bounces,
    deliveries,
    editions,
    issues,
    notices,
    subscribers,
    subscriptions,
    suppressions,
)
from aggregator.adapters.store.notices import queue_notice
from aggregator.adapters.store.subscribers import (
    cancel_waiting,
    end_subscription,
    read_subscription,
    whole_subscription,
)
from aggregator.adapters.store.suppressions import add_suppression, lift_suppressions
from aggregator.mail_ports import Runs
from aggregator.model.consent import Act, Evidence, Suppression, SuppressionReason
from aggregator.model.delivery import DeliveryState, Subscriber, SubscriptionState
from aggregator.model.edition import OWN, Choices
from aggregator.model.newsletter import Newsletter
from aggregator.model.person import DisabledReader, KeptBounce, KeptDelivery, KeptNotice, Person, PersonalData

FORGOTTEN = Evidence(source="erased")
_CONFIRMED, _CANCELLED = SubscriptionState.CONFIRMED, DeliveryState.CANCELLED.value
DISABLED = "disabled"
"""The kind of a notice that says that mail came back."""
Kept = TypeVar("Kept", KeptDelivery, KeptBounce, KeptNotice)


class SqlPersonStore:
    """`people_ports.PersonStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, email: str) -> Person | None:
        """The person of this address, in letters of any size."""
        return self._person(subscribers.c.email_key == email.strip().lower())

    def person(self, subscriber_id: int) -> Person | None:
        """The person of that id; None for one who was erased."""
        return self._person(subscribers.c.id == subscriber_id)

    def everything(self, subscriber_id: int, keys: Collection[str]) -> PersonalData | None:
        """All that is kept about a person, `keys` being the hashes of their address."""
        with self._database.read() as connection:
            person = _person(connection, subscribers.c.id == subscriber_id)
            if person is None:
                return None
            suppressed = connection.execute(select(suppressions).where(suppressions.c.key.in_(keys))).first()
            return PersonalData(
                person=person,
                consents=tuple(read_consents(connection, subscriber_id)),
                deliveries=_kept(KeptDelivery, connection, _deliveries(subscriber_id)),
                bounces=_kept(KeptBounce, connection, _bounces(subscriber_id)),
                notices=_kept(KeptNotice, connection, _notices(person.subscriber)),
                suppression=Suppression(reason=suppressed.reason, since=suppressed.since) if suppressed else None,
            )

    def end_all(self, subscriber_id: int, evidence: Evidence, now: datetime) -> int:
        """End every subscription of a person, and let no mail go that still waits; how many there were."""
        theirs = select(subscriptions.c.newsletter_id).where(subscriptions.c.subscriber_id == subscriber_id)
        with self._database.write_ledger() as connection:
            letters = connection.scalars(theirs.order_by(subscriptions.c.newsletter_id)).all()
            connection.execute(_waiting(subscriber_id).values(state=_CANCELLED, settled_at=now, next_attempt_at=None))
            return sum(end_subscription(connection, subscriber_id, letter, now, evidence) for letter in letters)

    def erase(self, subscriber_id: int, keys: Sequence[str], now: datetime) -> bool:
        """Take out all that tells who a person is, and keep their address out by the first of `keys`, its hashes;
        whether there was one."""
        with self._database.write_ledger() as connection:
            person = _person(connection, subscribers.c.id == subscriber_id)
            if person is None:
                return False
            cancel_waiting(connection, subscriber_id, now)
            drop_consents(connection, subscriber_id)
            for item in person.subscriptions:
                note_consents(connection, [subscriber_id], item.newsletter_id, Act.FORGOTTEN, FORGOTTEN, now)
            _blank(connection, person.subscriber)
            add_suppression(connection, keys[0], SuppressionReason.FORGOTTEN.value, now)
            connection.execute(update(suppressions).where(suppressions.c.key.in_(keys)).values(note=""))
        return True

    def prefer(
        self,
        subscriber_id: int,
        newsletter: Newsletter,
        choices: Choices,
        evidence: Evidence,
        now: datetime,
        *,
        keys: Collection[str],
        runs: Runs,
        last_seq: int,
    ) -> Act | None:
        """Give a reader a newsletter as they chose, from where they stand; what they did, None for nothing."""
        with self._database.write_ledger() as connection:
            person = _person(connection, subscribers.c.id == subscriber_id)
            present = person.subscription(newsletter.id) if person else None
            if person is None or (present and present.state is _CONFIRMED and present.choices == choices):
                return None
            act = Act.CHANGED if present and present.state is _CONFIRMED else Act.CONFIRMED
            settle_choices(connection, subscriber_id, newsletter, choices, evidence, now, runs=runs, last_seq=last_seq)
            note_consents(connection, [subscriber_id], newsletter.id, act, evidence, now)
            if act is Act.CONFIRMED:
                lift_suppressions(connection, keys)
        return act

    def disabled(self) -> Sequence[DisabledReader]:
        """Everybody whose mail came back too often, in order of arrival."""
        off = subscriptions.c.state == SubscriptionState.DISABLED.value
        query = select(subscriptions, subscribers.c.email).join_from(subscriptions, subscribers).where(off)
        told = select(notices.c.subscriber_id, notices.c.created_at).where(notices.c.kind == DISABLED)
        letters: dict[int, list[Row[Any]]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query.order_by(subscriptions.c.subscriber_id, subscriptions.c.newsletter_id)):
                letters.setdefault(row.subscriber_id, []).append(row)
            moments: dict[int, list[datetime]] = {}
            for row in connection.execute(told):
                moments.setdefault(row.subscriber_id, []).append(row.created_at)
        return [
            DisabledReader(
                subscriber_id=id_,
                email=rows[0].email,
                since=max(row.changed_at for row in rows),
                newsletter_ids=tuple(row.newsletter_id for row in rows),
                told_at=tuple(moments.get(id_, ())),
            )
            for id_, rows in letters.items()
        ]

    def tell_disabled(self, reader: DisabledReader, domain: str, now: datetime) -> None:
        """Queue a mail that says so, whose link takes each of their newsletters up again."""
        with self._database.write_ledger() as connection:
            queue_notice(
                connection,
                DISABLED,
                email=reader.email,
                domain=domain,
                now=now,
                subscriber_id=reader.subscriber_id,
                newsletter_id=reader.newsletter_ids[0],
                facts={"asked": dict.fromkeys(reader.newsletter_ids)},
            )

    def _person(self, which: Any) -> Person | None:
        with self._database.read() as connection:
            return _person(connection, which)


def _person(connection: Connection, which: Any) -> Person | None:
    row = connection.execute(select(subscribers).where(which, subscribers.c.email != "")).first()
    if row is None:
        return None
    theirs = whole_subscription().where(subscriptions.c.subscriber_id == row.id)
    return Person(
        subscriber=Subscriber(id=row.id, email=row.email, name=row.name),
        since=row.created_at,
        subscriptions=tuple(read_subscription(item) for item in connection.execute(theirs)),
    )


def _kept(kind: type[Kept], connection: Connection, query: Select[Any]) -> tuple[Kept, ...]:
    rows: Iterable[Any] = connection.execute(query).mappings()
    return tuple(kind(**row) for row in rows)


def _deliveries(subscriber_id: int) -> Select[Any]:
    ledger = ("state", "created_at", "settled_at", "message_id", "reply")
    query = select(issues.c.newsletter_id, issues.c.number, issues.c.subject, *(deliveries.c[name] for name in ledger))
    return (
        query.join_from(deliveries, issues).where(deliveries.c.subscriber_id == subscriber_id).order_by(deliveries.c.id)
    )


def _bounces(subscriber_id: int) -> Select[Any]:
    query = select(bounces.c.kind, bounces.c.status, bounces.c.reason, bounces.c.received_at)
    return query.where(bounces.c.subscriber_id == subscriber_id).order_by(bounces.c.id)


def _notices(subscriber: Subscriber) -> Select[Any]:
    columns = ("kind", "newsletter_id", "state", "created_at", "settled_at", "message_id")
    return select(*(notices.c[name] for name in columns)).where(_of(subscriber)).order_by(notices.c.id)


def _waiting(subscriber_id: int) -> Update:
    """Mails that ask or tell, and were not sent yet."""
    return update(notices).where(notices.c.subscriber_id == subscriber_id, notices.c.next_attempt_at.is_not(None))


def _of(subscriber: Subscriber) -> Any:
    return or_(notices.c.subscriber_id == subscriber.id, notices.c.email == subscriber.email)


def _editions(subscriber_id: int) -> CompoundSelect[Any]:
    """The ids of those a person has, and of those whose letters they got before."""
    now = select(subscriptions.c.edition_id).where(subscriptions.c.subscriber_id == subscriber_id)
    before = select(issues.c.edition_id).join_from(deliveries, issues)
    return union(now, before.where(deliveries.c.subscriber_id == subscriber_id))


def _unread(edition_ids: Collection[int]) -> Update:
    """Of these Editions, those which nobody has and nobody is to join: what was chosen there was one person's word."""
    others = editions.alias()
    kept = (
        exists().where(subscriptions.c.edition_id == editions.c.id),
        exists().where(others.c.base_id == editions.c.id),
    )
    return update(editions).where(among(editions.c.id, edition_ids), editions.c.key != OWN, *(~one for one in kept))


def _blank(connection: Connection, subscriber: Subscriber) -> None:
    """The row stays, so that its id is never another's: old links name it. A server's words may name the person."""
    id_ = subscriber.id
    had = connection.scalars(_editions(id_)).all()
    connection.execute(delete(notices).where(_of(subscriber)))
    connection.execute(delete(subscriptions).where(subscriptions.c.subscriber_id == id_))
    connection.execute(_unread(had).values(choices={}, key="erased " + cast(editions.c.id, String)))
    connection.execute(update(deliveries).where(deliveries.c.subscriber_id == id_).values(reply=None, domain=""))
    connection.execute(update(bounces).where(bounces.c.subscriber_id == id_).values(reason=""))
    gone = {"email": "", "email_key": f"erased {id_}", "name": None}
    connection.execute(update(subscribers).where(subscribers.c.id == id_).values(gone))
