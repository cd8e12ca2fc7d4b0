"""What passes between the ledger, the mailer and who sends: claims, letters, answers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from aggregator.model.delivery import Delivery, SendResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One letter to hand to a mail server; `key` tells its answer from others.

    `sender` and `recipient` are of the envelope (RFC 5321 2.3.1); `envelope_id` comes back in a report of a server that
    offers DSN (RFC 3461 4.4), and is left out where it is "". `in_lines`: the message is known to consist of lines that
    end with CRLF, and of nothing else; `dotless`: also that none of them begins with a dot. `signature`: what makes the
    headers that go on top, which takes longer than all else of a letter and can be done beside it.
    """

    key: int
    message: bytes
    sender: str
    recipient: str
    envelope_id: str = ""
    in_lines: bool = False
    dotless: bool = False
    signature: Callable[[bytes], bytes] | None = None

    def whole(self) -> bytes:
        """The message with its signature."""
        return self.message if self.signature is None else self.signature(self.message) + self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of the letter with this key; `error` is a fault of ours that was met on the way, of which `result`
    tells whether a server may have the letter."""

    key: int
    result: SendResult
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A claimed Delivery, what became of it, and when it is tried again, if it is."""

    delivery: Delivery
    result: SendResult
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """At most `room` due rows of these newsletters are asked for, in the name of `worker`; none to a domain that has
    had its share."""

    worker: str
    newsletter_ids: Collection[str]
    room: int = 1
    but_to: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """`claimed`: rows now `sending`, or `cancelled` as their reader has left. `lost`: ids of rows whose claim no longer
    stood when they were to be settled."""

    claimed: tuple[Delivery, ...] = ()
    lost: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What workers that are gone had left `sending`: now in doubt, or queued once more."""

    uncertain: int = 0
    resent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """That a letter of a newsletter went to a domain."""

    at: datetime
    domain: str
    newsletter_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """That a person holds letters back: those of one Issue, or all of a newsletter."""

    newsletter_id: str
    issue_id: int | None = None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A Hold as people name it, by the number of the Issue."""

    newsletter_id: str
    number: int | None
    since: datetime
