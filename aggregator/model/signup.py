"""Somebody asks for newsletters on the site: what they asked, and what may become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from aggregator.model.consent import Evidence
from aggregator.model.edition import Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """A form, read. `asked`: the newsletters by id, each as it is wanted. `mailboxes` and `network` are keyed hashes
    that mails and forms are counted by, of `mailboxes` the first is to be written; `keys` all under which the address
    may be suppressed; `domain` is that of the mail that asks to confirm."""

    email: str
    asked: Mapping[str, Choices]
    language: str
    domain: str
    mailboxes: tuple[str, ...]
    network: str
    evidence: Evidence
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpCounts:
    """What was asked lately: forms of this network and mails of the whole site in the last hour, mails to this mailbox
    in the last 30 days, and whether one of the last day still waits for its reader."""

    network: int = 0
    site: int = 0
    address: int = 0
    waits: bool = False
    is_suppressed: bool = False


class SignUpVerdict(StrEnum):
    """What a form leads to: a mail, no mail, or the word to come back later, which says nothing about an address."""

    MAIL = "mail"
    NO_MAIL = "no mail"
    LATER = "later"
    CEILING = "ceiling"


class ConfirmOutcome(StrEnum):
    """What the button of a link did."""

    CONFIRMED = "confirmed"
    ALREADY = "already"
    EXPIRED = "expired"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A newsletter that a mail asks to confirm; `is_done` once that was used."""

    newsletter_id: str
    is_done: bool
    choices: Choices | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """What one mail asks its reader to confirm."""

    subscriber_id: int
    email: str
    nonce: str
    language: str
    newsletters: tuple[Asked, ...]
    message_id: str
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A mail of one purpose to one person, and where it stands; states are those of a Delivery.

    `newsletter_ids`: what it is about; `nonce` makes its link one of its own.
    """

    id: int
    kind: str
    email: str
    message_id: str
    created_at: datetime
    subscriber_id: int | None = None
    newsletter_ids: tuple[str, ...] = ()
    nonce: str = ""
    language: str = ""
    attempts: int = 0
    subject: str = ""
    lines: tuple[str, ...] = field(default=())
    """What an alert to the admin says."""
