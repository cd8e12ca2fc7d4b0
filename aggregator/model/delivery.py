"""Who reads: Subscribers, their Subscriptions, and one Delivery per letter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from aggregator.model.edition import Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    id: int = 0
    email: str
    name: str | None = None


class SubscriptionState(StrEnum):
    """`disabled`: mail to them came back too often; they are told, and can take it up again."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    subscriber: Subscriber
    newsletter_id: str
    state: SubscriptionState
    consent_source: str
    changed_at: datetime
    choices: Choices = field(default_factory=Choices)


class DeliveryState(StrEnum):
    """`accepted` means that the server answered 250 after the dot, nothing more."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One Issue to one Subscriber; `attempts` counts the claims, and so tells an old claim from a new one.

    `domain`: of the address, as it was when the row was made. `claimed_by`: the worker who claimed it last.
    """

    id: int
    issue_id: int
    newsletter_id: str
    edition_id: int
    issue_number: int
    subscriber: Subscriber
    state: DeliveryState
    message_id: str
    domain: str = ""
    attempts: int = 0
    claimed_by: str | None = None
    next_attempt_at: datetime | None = None
    reply: str | None = None
    policy: bool = False
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What the mail server said of one message: the new state and its words, on one line.

    `policy`: refused, or put off, for what we are or send, not for the address (RFC 3463 3.8).
    `server_down`: the fault is the whole server's (connect, greeting, login): stop the run, blame no recipient.
    """

    state: DeliveryState
    reply: str
    code: int | None = None
    policy: bool = False
    server_down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """Counts by final state of one sending run; `paused` names why it stopped early.

    `resent`: letters in doubt that are tried once more, as their newsletter asks.
    """

    accepted: int = 0
    deferred: int = 0
    refused: int = 0
    uncertain: int = 0
    cancelled: int = 0
    resent: int = 0
    paused: str | None = None
