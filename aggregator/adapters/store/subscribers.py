"""Subscribers and their Subscriptions: who gets what, and that a person who left stays away."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, literal, select, update

from aggregator.adapters.store.editions import place, read_edition
from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.mail_tables import deliveries, editions, issues, subscribers, subscriptions
from aggregator.model.delivery import DeliveryState, Subscriber, Subscription, SubscriptionState
from aggregator.model.edition import OWN, Choices, Edition
from aggregator.model.newsletter import Newsletter

WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)


class SqlSubscriberStore:
    """`ports.SubscriberStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        return self._subscriptions(subscriptions.c.newsletter_id == newsletter_id, theirs)

    def subscriptions(self, newsletter_id: str | None = None) -> Sequence[Subscription]:
        """By newsletter, then in order of arrival."""
        return self._subscriptions(*([] if newsletter_id is None else [subscriptions.c.newsletter_id == newsletter_id]))

    def _subscriptions(self, *conditions: ColumnElement[bool]) -> Sequence[Subscription]:
        query = select(subscriptions, subscribers.c.email, subscribers.c.name).join(subscribers).where(*conditions)
        query = query.order_by(subscriptions.c.newsletter_id, subscriptions.c.subscriber_id)
        with self._database.read() as connection:
            return [
                Subscription(
                    subscriber=Subscriber(id=row.subscriber_id, email=row.email, name=row.name),
                    newsletter_id=row.newsletter_id,
                    state=SubscriptionState(row.state),
                    consent_source=row.consent_source,
                    changed_at=row.changed_at,
                )
                for row in connection.execute(query)
            ]

    def choose(
        self, subscriber_id: int, newsletter: Newsletter, choices: Choices, *, due_at: datetime, last_seq: int
    ) -> Edition:
        """Give a reader the newsletter as they chose, from where they stand."""
        theirs = (
            subscriptions.c.subscriber_id == subscriber_id,
            subscriptions.c.newsletter_id == newsletter.id,
        )
        with self._database.write_ledger() as connection:
            id_ = place(connection, newsletter, choices, subscriber_id, due_at=due_at, last_seq=last_seq)
            connection.execute(update(subscriptions).where(*theirs).values(edition_id=id_))
            return read_edition(connection.execute(select(editions).where(editions.c.id == id_)).one())

    def unsubscribe(self, subscriber_id: int, newsletter_id: str, now: datetime) -> bool:
        """True when something changed; letters still waiting are cancelled in the same transaction."""
        theirs = (
            subscriptions.c.subscriber_id == subscriber_id,
            subscriptions.c.newsletter_id == newsletter_id,
            subscriptions.c.state != SubscriptionState.UNSUBSCRIBED.value,
        )
        waiting = (
            deliveries.c.subscriber_id == subscriber_id,
            deliveries.c.state.in_(WAITING),
            deliveries.c.issue_id.in_(select(issues.c.id).where(issues.c.newsletter_id == newsletter_id)),
        )
        left = {"state": SubscriptionState.UNSUBSCRIBED.value, "changed_at": now}
        cancelled = {"state": DeliveryState.CANCELLED.value, "settled_at": now, "next_attempt_at": None}
        with self._database.write_ledger() as connection:
            changed = connection.execute(update(subscriptions).where(*theirs).values(left)).rowcount
            if changed:
                connection.execute(update(deliveries).where(*waiting).values(cancelled))
        return bool(changed)
