"""Newsletters, and the Digests that become their Issues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Literal

from aggregator.model.story import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of a Digest with its Stories; both `heading` and `tag` are "" for Stories without a tag to go under."""

    heading: str
    stories: tuple[Story, ...]
    tag: str = ""
    """The name of the tag that its Stories have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The Stories a query gives, in reading order: an editor's choice (`lead`), the sections, and the `overflow`,
    those past the limit, to be named briefly.
    """

    sections: tuple[Section, ...]
    overflow: tuple[Story, ...] = ()
    lead: tuple[Story, ...] = ()

    @property
    def stories(self) -> tuple[Story, ...]:
        """Those that have a place, without the overflow."""
        return (*self.lead, *(story for section in self.sections for story in section.stories))


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A Story as it is now, and the title under which Issue `issue_number` told it."""

    story: Story
    issue_number: int
    old_title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """What people subscribe to; `schedule` is in the words of `schedule.py`, in `timezone`.

    `local`: it comes by each reader's clock, where they told their zone. `holidays`: days, as "12-25" or "2026-04-06",
    on which none goes out. `approval`: seconds that an Issue waits for a person, `at_deadline`: what becomes of it
    then. `uncertain`: what becomes of a letter that the server may have or not. `rate`: letters an hour.
    """

    id: str
    title: str
    schedule: str
    timezone: str
    sender: str
    query: str = ""
    group_by: Literal["topic", "country", "region", "type", "none"] = "none"
    max_stories: int = 40
    when_empty: Literal["skip", "send"] = "skip"
    reply_to: str | None = None
    language: str = "en"
    quiet: str | None = None
    local: bool = False
    holidays: tuple[str, ...] = ()
    approval: int | None = None
    at_deadline: Literal["send", "hold"] = "send"
    uncertain: Literal["leave", "resend"] = "leave"
    rate: int | None = None

    @property
    def address(self) -> str:
        """The bare address of `sender`."""
        return parseaddr(self.sender)[1]

    @property
    def domain(self) -> str:
        """The domain it comes from; names of letters and lists are made in it (RFC 5322 3.6.4, RFC 2919 2)."""
        return self.address.rpartition("@")[2]


UNSUBSCRIBE_PLACEHOLDER = "https://unsubscribe.invalid/"
PREFERENCES_PLACEHOLDER = "https://preferences.invalid/"
"""They stand in a Rendering where each letter has its reader's own addresses (RFC 2606: `.invalid` leads nowhere)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """A Digest as mail: three parts that never change once stored."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSummary:
    """What a list of Issues shows of each."""

    number: int
    created_at: datetime
    subject: str
    stories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One number of a Newsletter's Edition, stored and never altered afterwards; numbers count from 1.

    `titles` are those of its Stories, as told.
    """

    id: int = 0
    newsletter_id: str
    edition_id: int
    number: int
    created_at: datetime
    rendering: Rendering
    story_ids: tuple[str, ...]
    titles: tuple[str, ...] = ()

    @property
    def summary(self) -> IssueSummary:
        """What a list shows of it."""
        return IssueSummary(
            number=self.number,
            created_at=self.created_at,
            subject=self.rendering.subject,
            stories=len(self.story_ids),
        )
