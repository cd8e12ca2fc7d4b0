"""Subscribers and their Subscriptions: who gets what, and that a person who left stays away."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, literal, select, tuple_, update

from aggregator.adapters.store.consents import note_consents
from aggregator.adapters.store.editions import place, read_edition
from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.entries import chunks
from aggregator.adapters.store.mail_tables import deliveries, editions, issues, subscribers, subscriptions
from aggregator.adapters.store.suppressions import suppressed_among
from aggregator.mail_ports import Runs
from aggregator.model.consent import LEFT, Act, Evidence
from aggregator.model.delivery import DeliveryState, Subscriber, Subscription, SubscriptionState
from aggregator.model.edition import OWN, Choices, Edition
from aggregator.model.newcomer import Enlisted, Newcomer
from aggregator.model.newsletter import Newsletter

WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
NOBODY = 0
"""The id of no Subscriber."""
PAGE = 1000
"""Subscriptions read at a time where all are asked for."""


class SqlSubscriberStore:
    """`mail_ports.SubscriberStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enlist(
        self,
        newsletter: Newsletter,
        people: Sequence[Newcomer],
        evidence: Evidence,
        now: datetime,
        *,
        runs: Runs,
        last_seq: int,
    ) -> Enlisted:
        """Subscribe people who agreed, some thousand at most, all or none."""
        with self._database.write_ledger() as connection:
            sorting = _sort(connection, newsletter.id, people)
            by_choices: dict[Choices, list[Newcomer]] = {}
            for person in sorting.fresh:
                by_choices.setdefault(person.choices, []).append(person)
            for choices, those in by_choices.items():
                due_at = runs(choices.applied(newsletter))[0]
                edition_id = place(connection, newsletter, choices, NOBODY, due_at=due_at, last_seq=last_seq)
                ids = _subscribe(connection, newsletter.id, edition_id, those, evidence.source, now)
                note_consents(connection, ids, newsletter.id, Act.IMPORTED, evidence, now)
        return sorting.report

    def foresee(self, newsletter_id: str, people: Sequence[Newcomer]) -> Enlisted:
        """What `enlist` would do; nothing is written."""
        with self._database.read() as connection:
            return _sort(connection, newsletter_id, people).report

    def put(
        self,
        people: Sequence[Subscriber],
        newsletter_id: str,
        state: SubscriptionState,
        source: str,
        now: datetime,
    ) -> tuple[int, int]:
        """Add subscriptions of some thousand people at most; returns (added, already there)."""
        if not people:
            return 0, 0
        rows = [
            {"email": person.email, "email_key": person.email.lower(), "name": person.name, "created_at": now}
            for person in people
        ]
        columns = (
            "subscriber_id",
            "newsletter_id",
            "edition_id",
            "state",
            "consent_source",
            "created_at",
            "changed_at",
        )
        moment = literal(now, subscriptions.c.created_at.type)
        own = select(editions.c.id).where(editions.c.newsletter_id == newsletter_id, editions.c.key == OWN)
        added = select(
            subscribers.c.id,
            literal(newsletter_id),
            own.scalar_subquery(),
            literal(state.value),
            literal(source),
            moment,
            moment,
        ).where(subscribers.c.email_key.in_([row["email_key"] for row in rows]))
        with self._database.write_ledger() as connection:
            connection.execute(upsert(subscribers).on_conflict_do_nothing(), rows)
            result = connection.execute(
                upsert(subscriptions).from_select(columns, added.order_by(subscribers.c.id)).on_conflict_do_nothing()
            )
        return result.rowcount, len(people) - result.rowcount

    def standing(self, emails: Collection[str], newsletter_id: str) -> Sequence[Subscription]:
        """The subscriptions these addresses have to it, whatever their state."""
        theirs = subscribers.c.email_key.in_({email.lower() for email in emails})
        return self._subscriptions(whole_subscription().where(subscriptions.c.newsletter_id == newsletter_id, theirs))

    def subscriptions(self, newsletter_id: str | None = None) -> Sequence[Subscription]:
        """By newsletter, then in order of arrival."""
        return list(self.every_subscription(newsletter_id))

    def every_subscription(self, newsletter_id: str | None = None) -> Iterator[Subscription]:
        """The same, read a page at a time, however many there are."""
        query = (
            whole_subscription()
            if newsletter_id is None
            else whole_subscription().where(subscriptions.c.newsletter_id == newsletter_id)
        )
        stands = tuple_(subscriptions.c.newsletter_id, subscriptions.c.subscriber_id)
        after: ColumnElement[bool] | None = None
        while True:
            page = self._subscriptions((query if after is None else query.where(after)).limit(PAGE))
            yield from page
            if len(page) < PAGE:
                return
            after = stands > tuple_(literal(page[-1].newsletter_id), literal(page[-1].subscriber.id))

    def _subscriptions(self, query: Select[Any]) -> list[Subscription]:
        with self._database.read() as connection:
            return [read_subscription(row) for row in connection.execute(query)]

    def choose(
        self, subscriber_id: int, newsletter: Newsletter, choices: Choices, *, due_at: datetime, last_seq: int
    ) -> Edition:
        """Give a reader the newsletter as they chose, from where they stand."""
        with self._database.write_ledger() as connection:
            id_ = place(connection, newsletter, choices, subscriber_id, due_at=due_at, last_seq=last_seq)
            connection.execute(
                update(subscriptions).where(*of_reader(subscriber_id, newsletter.id)).values(edition_id=id_)
            )
            return read_edition(connection.execute(select(editions).where(editions.c.id == id_)).one())

    def unsubscribe(self, subscriber_id: int, newsletter_id: str, now: datetime, evidence: Evidence = LEFT) -> bool:
        """True when something changed; letters still waiting are cancelled in the same transaction."""
        with self._database.write_ledger() as connection:
            return end_subscription(connection, subscriber_id, newsletter_id, now, evidence)


@dataclass(frozen=True, slots=True)
class _Sorting:
    """Newcomers by what they are to a newsletter; `fresh` are to be subscribed."""

    fresh: Sequence[Newcomer]
    report: Enlisted


def _sort(connection: Connection, newsletter_id: str, people: Sequence[Newcomer]) -> _Sorting:
    """Who is pending is taken in too: their own word is out, and somebody shows that they gave it elsewhere."""
    standing = _states(connection, newsletter_id, [person.email.lower() for person in people])
    found = suppressed_among(connection, [key for person in people for key in person.keys])
    suppressed = frozenset(person.email for person in people if not found.isdisjoint(person.keys))
    allowed = [person for person in people if person.email not in suppressed]
    states = [standing.get(person.email.lower()) for person in allowed]
    fresh = [
        person
        for person, state in zip(allowed, states, strict=True)
        if state in (None, SubscriptionState.PENDING.value)
    ]
    left = states.count(SubscriptionState.UNSUBSCRIBED.value)
    known = len(allowed) - len(fresh) - left
    return _Sorting(fresh, Enlisted(added=len(fresh), known=known, unsubscribed=left, suppressed=suppressed))


def _states(connection: Connection, newsletter_id: str, email_keys: Sequence[str]) -> Mapping[str, str]:
    query = select(subscribers.c.email_key, subscriptions.c.state).join_from(subscriptions, subscribers)
    of_letter = query.where(subscriptions.c.newsletter_id == newsletter_id)
    return {
        row.email_key: row.state
        for part in chunks(email_keys)
        for row in connection.execute(of_letter.where(subscribers.c.email_key.in_(part)))
    }


def _subscribe(
    connection: Connection, newsletter_id: str, edition_id: int, people: Sequence[Newcomer], source: str, now: datetime
) -> Sequence[int]:
    """Confirm a subscription of each, in this Edition; their ids."""
    rows = [{"email": p.email, "email_key": p.email.lower(), "name": p.name, "created_at": now} for p in people]
    connection.execute(upsert(subscribers).on_conflict_do_nothing(), rows)
    moment = literal(now, subscriptions.c.created_at.type)
    values = {
        "subscriber_id": subscribers.c.id,
        "newsletter_id": literal(newsletter_id),
        "edition_id": literal(edition_id),
        "state": literal(SubscriptionState.CONFIRMED.value),
        "consent_source": literal(source),
        "created_at": moment,
        "changed_at": moment,
    }
    query = select(*values.values()).where(subscribers.c.email_key.in_([row["email_key"] for row in rows]))
    new = upsert(subscriptions).from_select(list(values), query.order_by(subscribers.c.id))
    taken = {name: new.excluded[name] for name in ("edition_id", "state", "consent_source", "changed_at")}
    pending = subscriptions.c.state == SubscriptionState.PENDING.value
    confirmed = new.on_conflict_do_update(
        index_elements=["subscriber_id", "newsletter_id"], set_=taken, where=pending
    ).returning(subscriptions.c.subscriber_id)
    return list(connection.scalars(confirmed))


def of_reader(subscriber_id: int, newsletter_id: str) -> tuple[ColumnElement[bool], ...]:
    """One person's subscription to one newsletter."""
    return subscriptions.c.subscriber_id == subscriber_id, subscriptions.c.newsletter_id == newsletter_id


def end_subscription(
    connection: Connection, subscriber_id: int, newsletter_id: str, now: datetime, evidence: Evidence
) -> bool:
    """Whether there was one; its letters still waiting are cancelled, and it is noted how it ended."""
    standing = (
        *of_reader(subscriber_id, newsletter_id),
        subscriptions.c.state != SubscriptionState.UNSUBSCRIBED.value,
    )
    left = {"state": SubscriptionState.UNSUBSCRIBED.value, "changed_at": now}
    if not connection.execute(update(subscriptions).where(*standing).values(left)).rowcount:
        return False
    of_letter = deliveries.c.issue_id.in_(select(issues.c.id).where(issues.c.newsletter_id == newsletter_id))
    cancel_waiting(connection, subscriber_id, now, of_letter)
    note_consents(connection, [subscriber_id], newsletter_id, Act.UNSUBSCRIBED, evidence, now)
    return True


def cancel_waiting(connection: Connection, subscriber_id: int, now: datetime, *which: ColumnElement[bool]) -> None:
    """No letter that still waits goes to this person any more, of those that `which` narrows."""
    waiting = (deliveries.c.subscriber_id == subscriber_id, deliveries.c.state.in_(WAITING), *which)
    cancelled = {"state": DeliveryState.CANCELLED.value, "settled_at": now, "next_attempt_at": None}
    connection.execute(update(deliveries).where(*waiting).values(cancelled))


def whole_subscription() -> Select[Any]:
    """Subscriptions with their Subscribers and what these chose."""
    return (
        select(subscriptions, subscribers.c.email, subscribers.c.name, editions.c.choices)
        .join_from(subscriptions, subscribers)
        .join(editions, editions.c.id == subscriptions.c.edition_id)
        .order_by(subscriptions.c.newsletter_id, subscriptions.c.subscriber_id)
    )


def read_subscription(row: Row[Any]) -> Subscription:
    """The Subscription of a row with its Subscriber's columns and its Edition's `choices`."""
    return Subscription(
        subscriber=Subscriber(id=row.subscriber_id, email=row.email, name=row.name),
        newsletter_id=row.newsletter_id,
        state=SubscriptionState(row.state),
        consent_source=row.consent_source,
        changed_at=row.changed_at,
        choices=Choices(**row.choices),
    )
