"""What is asked about our mail, what the DNS and the mail server answer, and what is thought of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from aggregator.model.mailkey import MailKey

RecordType = Literal["TXT", "MX", "A", "AAAA", "PTR"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Records of one type at one name, which is in small letters and without a dot at its end."""

    type: RecordType
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The records, none when there are none; or why nobody could say."""

    values: tuple[str, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A domain that letters come `from`, and the domain of their envelope, where bounces go."""

    sender: str
    envelope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFacts:
    """What the mail server shows of itself to who connects; `fault` is why it does not."""

    place: str
    tls: Literal["starttls", "implicit", "none"]
    logs_in: bool
    address: str | None = None
    name: str | None = None
    """What it calls itself in answer to EHLO (RFC 5321 4.1.1.1)."""
    offers_starttls: bool = False
    fault: str | None = None
    tls_fault: str | None = None
    """Why the connection cannot be made secret, certificates checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSetup:
    """What of our configuration the DNS has to agree with."""

    sendings: tuple[Sending, ...]
    keys: tuple[MailKey, ...] = ()


class Outcome(Enum):
    PASS = "pass"  # noqa: S105 (no password)
    FAIL = "fail"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One check of one thing: what was seen, and one sentence on what to do about it."""

    check: str
    subject: str
    outcome: Outcome
    seen: str
    cure: str = ""
