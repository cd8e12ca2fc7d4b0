"""Merged feeds: what feeds.yaml says of the site, its rules and its Channels, and the bytes they become."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Format = Literal["atom", "rss", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    title: str
    base_url: str
    """Without a trailing slash; every link we write starts with it."""
    timezone: str = "UTC"
    contact: str | None = None
    language: str = "en"
    source_url: str | None = None
    """Where the source of this program is offered, as its licence asks of who serves a changed one (AGPL-3.0, 13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRule:
    """`tag` is given to every entry that `when` matches."""

    tag: str
    when: str
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A merged feed we publish; id "" is the feed of everything, at `/feed.atom`."""

    id: str
    title: str
    query: str = ""
    formats: tuple[Format, ...] = ("atom", "rss", "json")
    description: str | None = None
    size: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One channel in one format, as bytes to serve; `path` is the URL path without the leading slash."""

    path: str
    content_type: str
    body: bytes
    etag: str
    last_modified: datetime
