"""A document as the parser gave it, and the same, clean.

Text is text: only `SafeHtml` may hold markup, and only `steps/normalise.py` makes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

from aggregator.model.feed import Rhythm

SafeHtml = NewType("SafeHtml", str)
"""Markup that went through the one policy of `steps/normalise.py`; everything else is untrusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An address with its relation (RFC 4287 4.2.7); `length` in octets."""

    href: str
    rel: str = "alternate"
    type: str | None = None
    length: int | None = None
    title: str | None = None
    hreflang: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    name: str
    email: str | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """The publisher's own word for a subject (RFC 4287 4.2.2)."""

    term: str
    scheme: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The feed an entry was first published in (`atom:source`, RFC 4287 4.2.11)."""

    id: str | None = None
    title: str | None = None
    link: str | None = None
    updated: datetime | None = None
    rights: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEntry:
    """One item as the parser gave it: every string still untrusted and unresolved."""

    guid: str | None = None
    title: str = ""
    title_is_html: bool = True
    links: tuple[Link, ...] = ()
    summary: str = ""
    summary_is_html: bool = True
    content: str = ""
    content_is_html: bool = True
    base_url: str | None = None
    authors: tuple[Person, ...] = ()
    published_raw: str | None = None
    published: datetime | None = None
    updated_raw: str | None = None
    updated: datetime | None = None
    categories: tuple[Category, ...] = ()
    language: str | None = None
    thumbnails: tuple[str, ...] = ()
    rights: str | None = None
    source: Source | None = None
    doi: str | None = None
    comments: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFeed:
    """A whole document as the parser gave it; `dropped` counts items beyond the limit."""

    format: str
    title: str = ""
    title_is_html: bool = True
    links: tuple[Link, ...] = ()
    base_url: str | None = None
    language: str | None = None
    rights: str | None = None
    ttl: timedelta | None = None
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[str, ...] = ()
    entries: tuple[RawEntry, ...] = ()
    dropped: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedEntry:
    """One item, clean: text without markup, absolute http(s) links, sanitised HTML.

    `published` and `updated` are what the publisher claims, in UTC, or None when absent or
    unreadable; the raw strings are kept. Enclosures are links with rel="enclosure".
    """

    guid: str | None = None
    title: str = ""
    links: tuple[Link, ...] = ()
    summary: SafeHtml = SafeHtml("")
    content: SafeHtml = SafeHtml("")
    authors: tuple[Person, ...] = ()
    published: datetime | None = None
    published_raw: str | None = None
    updated: datetime | None = None
    updated_raw: str | None = None
    categories: tuple[Category, ...] = ()
    language: str | None = None
    thumbnails: tuple[str, ...] = ()
    rights: str | None = None
    source: Source | None = None
    doi: str | None = None
    comments: str | None = None

    @property
    def url(self) -> str | None:
        """The address a reader opens: the first alternate link, else the first enclosure."""
        for rel in ("alternate", "enclosure"):
            for link in self.links:
                if link.rel == rel:
                    return link.href
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """A whole document, clean."""

    format: str
    title: str = ""
    links: tuple[Link, ...] = ()
    language: str | None = None
    rights: str | None = None
    ttl: timedelta | None = None
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[str, ...] = ()
    entries: tuple[ParsedEntry, ...] = ()
    dropped: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def rhythm(self) -> Rhythm:
        return Rhythm(ttl=self.ttl, skip_hours=self.skip_hours, skip_days=self.skip_days)
