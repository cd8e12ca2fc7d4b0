"""What the templates of an Issue are given: plain values, all of them text.

compose: ... selection > rendering (layout makes **views**, templates show them) > issue
"""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.model.newsletter import PREFERENCES_PLACEHOLDER, UNSUBSCRIBE_PLACEHOLDER
from aggregator.press.prose import one_line
from aggregator.press.tongues import Direction
from aggregator.press.wording import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceView:
    """One place where a Story can be read; no `url` when there is none that we may link to."""

    publisher: str
    host: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryView:
    """A Story as a reader sees it.

    `kind`: of publication, or "". `language` and `direction` are set where they are not the Issue's, and `reading`
    then says the language in words.
    """

    title: str
    at: PlaceView
    authors: tuple[str, ...]
    kind: str
    date: str
    reading: str
    tags: tuple[str, ...]
    excerpt: str
    also_at: tuple[PlaceView, ...]
    language: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionView:
    """A heading with its Stories; `anchor` is the name that the table of contents leads to."""

    heading: str
    anchor: str
    count: str
    stories: tuple[StoryView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionView:
    """A Story that an earlier Issue told under a title that is no longer its own, and what was said then."""

    story: StoryView
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceView:
    """Words of an editor's note; a link where they are an address."""

    text: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueView:
    """Everything the templates of an Issue may name.

    `words_language` and `words_direction` are set where our words are in another language than the Issue.
    """

    words: Words
    words_language: str
    words_direction: str
    language: str
    direction: Direction
    subject: str
    preheader: str
    title: str
    number: str
    date: str
    count: str
    note: tuple[tuple[PieceView, ...], ...]
    sections: tuple[SectionView, ...]
    corrections: tuple[CorrectionView, ...]
    brief: tuple[StoryView, ...]
    left_out: str
    shortened: bool
    why: str
    contact: str
    site_title: str
    site_url: str
    browser_url: str
    unsubscribe_url: str = UNSUBSCRIBE_PLACEHOLDER
    preferences_url: str = PREFERENCES_PLACEHOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """A place to go on to, in words of ours."""

    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """Everything the templates of a notice may name: one mail of one purpose, to one person.

    `button`: what it is for, or None. `after`: what stands behind it. `lines`: facts, each on a line of its own.
    """

    language: str
    direction: Direction
    subject: str
    preheader: str
    heading: str
    paragraphs: tuple[str, ...]
    button: LinkView | None
    after: tuple[str, ...]
    lines: tuple[str, ...]
    links: tuple[LinkView, ...]
    questions: str
    colon: str
    contact: str
    site_title: str
    site_url: str


def shown(text: str) -> str:
    """One line, in which a placeholder for a recipient's own address is no longer one."""
    line = one_line(text).replace(UNSUBSCRIBE_PLACEHOLDER, "unsubscribe.invalid")
    return line.replace(PREFERENCES_PLACEHOLDER, "preferences.invalid")


def is_placeholder(address: str) -> bool:
    """Whether a letter would put its reader's own address into this one."""
    return UNSUBSCRIBE_PLACEHOLDER in address or PREFERENCES_PLACEHOLDER in address
