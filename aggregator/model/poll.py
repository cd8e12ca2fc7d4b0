"""One poll: what is asked, what comes back, what it changes and what is reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aggregator.model.entry import Entry, EntryKeys, Reading
from aggregator.model.feed import FeedStatus, Rhythm, Validators


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One conditional GET to make."""

    feed_id: str
    url: str
    validators: Validators = Validators()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWishes:
    """What an answer says about when to come back (RFC 9110 10.2.3, RFC 9111 5.2)."""

    max_age: int | None = None
    expires: datetime | None = None
    retry_after: datetime | None = None


class Cause(StrEnum):
    """Why a poll failed; stored on the feed and counted."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    BLOCKED_ADDRESS = "blocked-address"
    REDIRECT = "redirect"
    STATUS = "status"
    GONE = "gone"
    TOO_BIG = "too-big"
    ENCODING = "encoding"
    EMPTY = "empty"
    NOT_A_FEED = "not-a-feed"
    PARSE_LIMIT = "parse-limit"
    PARSE = "parse"
    INTERNAL = "internal"

    @property
    def was_answered(self) -> bool:
        """Whether it takes a server's answer to fail so: this machine is online then."""
        return self not in (Cause.DNS, Cause.CONNECT, Cause.TLS, Cause.TIMEOUT, Cause.BLOCKED_ADDRESS, Cause.INTERNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A 200 with a body that differs from the last one; `body` is decoded bytes within the cap."""

    feed_id: str
    url: str
    status: int
    body: bytes
    content_type: str | None
    validators: Validators
    wishes: ServerWishes = ServerWishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    """A 304, or a 200 whose body is byte for byte the last one."""

    feed_id: str
    validators: Validators
    wishes: ServerWishes = ServerWishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """A poll that brought nothing; `message` is one line for a person, without secrets."""

    feed_id: str
    cause: Cause
    message: str
    status: int | None = None
    wishes: ServerWishes = ServerWishes()


FetchOutcome = Fetched | NotModified | FetchFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A fetch that was parsed; `fetched` no longer carries the body."""

    feed_id: str
    url: str
    validators: Validators
    wishes: ServerWishes
    reading: Reading


PollOutcome = Read | NotModified | FetchFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedUpdate:
    """Everything one poll changes, applied whole or not at all.

    `url` is the address that was asked: what it says of the feed counts as long as that is its address.
    """

    feed_id: str
    url: str
    status: FeedStatus
    validators: Validators
    rhythm: Rhythm = Rhythm()
    checked_at: datetime
    next_check_at: datetime | None
    failures: int
    error: str | None = None
    title: str | None = None
    site_url: str | None = None
    succeeded: bool = False
    new: tuple[Entry, ...] = ()
    changed: tuple[Entry, ...] = ()
    renewed: tuple[tuple[int, EntryKeys], ...] = ()
    """Entries, by id, that are as they were but for what they are known by."""
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedFeed:
    """A feed that a poll brought nothing from, and why."""

    feed_id: str
    cause: Cause
    message: str
    next_check_at: datetime | None
    """None: it is not asked again."""

    @property
    def next_try(self) -> str:
        """When it is tried again, or what that takes, as people read it."""
        if self.next_check_at is None:
            return "not tried again until its address in feeds.yaml is another"
        return f"next try {self.next_check_at:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReport:
    """`offline`: no feed could be reached, so the fault is taken to be this machine's and counted against none."""

    feeds: int = 0
    fetched: int = 0
    not_modified: int = 0
    failed: int = 0
    entries_new: int = 0
    entries_changed: int = 0
    stories_new: int = 0
    failures: tuple[FailedFeed, ...] = ()
    offline: bool = False

    @property
    def online(self) -> bool:
        """Whether any feed was reached."""
        return bool(self.fetched or self.not_modified) or any(item.cause.was_answered for item in self.failures)
