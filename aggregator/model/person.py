"""A Subscriber with all that is kept about them, as they may see it (GDPR, article 15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aggregator.model.consent import Consent, Suppression
from aggregator.model.delivery import Subscriber, Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A Subscriber and what they are subscribed to, by newsletter."""

    subscriber: Subscriber
    since: datetime
    subscriptions: tuple[Subscription, ...] = ()

    def subscription(self, newsletter_id: str) -> Subscription | None:
        """Theirs to this newsletter, whatever its state."""
        return next((item for item in self.subscriptions if item.newsletter_id == newsletter_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisabledReader:
    """A person whose mail came back too often: since when, for which newsletters, and when they were told of it."""

    subscriber_id: int
    email: str
    since: datetime
    newsletter_ids: tuple[str, ...]
    told_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelivery:
    """A letter as the ledger has it."""

    newsletter_id: str
    number: int
    subject: str
    state: str
    created_at: datetime
    settled_at: datetime | None
    message_id: str
    reply: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBounce:
    """A mail that came back, or a complaint."""

    kind: str
    status: str
    reason: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNotice:
    """A mail of one purpose, such as one that asked to confirm."""

    kind: str
    newsletter_id: str | None
    state: str
    created_at: datetime
    settled_at: datetime | None
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """Everything that is kept about a person."""

    person: Person
    consents: tuple[Consent, ...] = ()
    deliveries: tuple[KeptDelivery, ...] = ()
    bounces: tuple[KeptBounce, ...] = ()
    notices: tuple[KeptNotice, ...] = ()
    suppression: Suppression | None = None
