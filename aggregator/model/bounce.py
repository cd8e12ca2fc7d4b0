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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What became of the letters of one Issue: how many there are, and the bounces, one for each reader.

    `unnamed`: those that name no address, by the domain they went to; `named`: how many do.
    """

    letters: int
    unnamed: tuple[str, ...] = ()
    named: int = 0


class BounceAction(StrEnum):
    """What follows: `disable` stops mail and tells the reader, `suppress` stops it for good."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxedMail:
    """A mail that waits in a box under a key; `envelope_recipient` is None where the box does not know it.

    `trouble`: why the box cannot read it, on one line.
    """

    key: str
    raw: bytes
    envelope_recipient: str | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A bounce of a Delivery as it is kept. `digest` names the mail; `scored`: it counts against its Subscriber;
    `came_back`, which is not kept: the letter is given up, and not tried further."""

    id: int = 0
    digest: bytes
    subscriber_id: int
    delivery_id: int
    email: str
    kind: BounceKind
    status: str
    reason: str
    received_at: datetime
    scored: bool
    came_back: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceReport:
    """Counts of one reading of a box. `known` mails were read before; `strangers` are of no Delivery of ours.

    `left`: keys of what could not be read, each with the reason. `faults`: runs held to be our relay's fault.
    """

    hard: int = 0
    soft: int = 0
    complaints: int = 0
    answers: int = 0
    unsubscribed: int = 0
    delivered: int = 0
    others: int = 0
    known: int = 0
    strangers: int = 0
    disabled: int = 0
    suppressed: int = 0
    left: tuple[tuple[str, str], ...] = ()
    faults: tuple[str, ...] = ()
