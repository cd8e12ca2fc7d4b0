"""What shows that a person agreed: evidence that is only ever added to (GDPR, article 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Act(StrEnum):
    """What a person did, or was done for them."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    UNSUBSCRIBED = "unsubscribed"
    IMPORTED = "imported"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How an act came about. `source`: through what, such as a form and its version, or a person's own words.

    `wording`: the sentence that stood beside the button, in `language`. `client`, `agent`: the address and program it
    was done from. `message_id`: of the mail whose link was used, or that was sent for it.
    """

    source: str
    wording: str = ""
    language: str = ""
    client: str = ""
    agent: str = ""
    message_id: str = ""


LEFT = Evidence(source="unsubscribed")
"""How somebody left of whom no more is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One act about one newsletter, with its evidence."""

    newsletter_id: str
    act: Act
    at: datetime
    evidence: Evidence


class SuppressionReason(StrEnum):
    """Why an address gets no mail."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    FORGOTTEN = "forgotten"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """That an address gets no mail until its reader confirms that they want some; only a keyed hash of it is kept."""

    reason: str
    since: datetime
    note: str = ""
