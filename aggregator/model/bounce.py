"""What comes back: a mail that was read, the bounces of a Subscriber, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class BounceKind(StrEnum):
    """What a mail to us says; only `hard` and `soft` count against an address."""

    HARD = "hard"
    SOFT = "soft"
    DELIVERED = "delivered"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto-reply"
    UNSUBSCRIBE = "unsubscribe"
    OTHER = "other"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncedRecipient:
    """What a mail says of one address: `hard`, `soft` or `delivered`.

    `status`: the code of RFC 3463, "" when the mail has none; `diagnostic`: the server's words on one line.
    `policy`: refused for what we are or send. `names_address`: the address itself is said to be no good.
    `delayed`: the server goes on trying.
    """

    address: str
    kind: BounceKind
    status: str = ""
    diagnostic: str = ""
    policy: bool = False
    names_address: bool = False
    delayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceReading:
    """One mail, read. `recipients` is empty when it names none: then only its own address tells whose it is.

    `sent_to`: the addresses this mail went to, the envelope's first. `returned_from`: the envelope senders of the
    mail it speaks of. `reason`: one line for people.
    """

    kind: BounceKind
    recipients: tuple[BouncedRecipient, ...] = ()
    sent_to: tuple[str, ...] = ()
    returned_from: tuple[str, ...] = ()
    message_id: str = ""
    original_message_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A bounce that counts against a Subscriber; `digest` names the mail that brought it."""

    digest: bytes
    at: datetime
    kind: BounceKind
    issue_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceHistory:
    """What is known of a Subscriber's mail: scored bounces, and the days on which a letter that did not come back was
    accepted, both in any order."""

    strikes: tuple[Strike, ...] = ()
    accepted: tuple[date, ...] = ()


class BounceAction(StrEnum):
    NOTHING = "nothing"
    SCORED = "scored"
    DISABLE = "disable"
    SUPPRESS = "suppress"


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceVerdict:
    """What a bounce leads to, with the Subscriber's score after it and the reason on one line."""

    action: BounceAction
    score: float = 0.0
    reason: str = ""
