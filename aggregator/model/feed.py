"""What we poll: Feeds as feeds.yaml names them, and what is known of each between two polls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """Choices of one feed, stored as one JSON column."""

    every: timedelta | None = None
    tags: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A source we poll, as `feeds.yaml` names it."""

    id: str
    url: str
    name: str
    site_url: str | None = None
    country: str | None = None
    language: str | None = None
    options: FeedOptions = FeedOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What the server gave us to ask "anything new?" with: opaque, sent back as received (RFC 9110 8.8).

    `given_by` is the address that gave them where a redirect had led to another origin: they go there only.
    """

    etag: str | None = None
    last_modified: str | None = None
    body_sha256: str | None = None
    given_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """What a document says of when to read it again: `ttl`, `skipHours` and `skipDays` of RSS 2.0, in GMT."""

    ttl: timedelta | None = None
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[str, ...] = ()


class FeedStatus(StrEnum):
    """`gone`: the server says so (410); `failures` then counts the days on which it did."""

    NEW = "new"
    OK = "ok"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What the database knows of a Feed between two polls."""

    feed: Feed
    status: FeedStatus = FeedStatus.NEW
    validators: Validators = Validators()
    rhythm: Rhythm = Rhythm()
    next_check_at: datetime | None
    """None: the feed is gone, and is asked no more."""
    checked_at: datetime | None = None
    succeeded_at: datetime | None = None
    changed_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    title: str | None = None
