"""The nouns of the house (`docs/how-it-works.md`): frozen values without I/O.

Datetimes are aware and in UTC. Text is text: only `SafeHtml` may hold markup, and only
`steps/normalise.py` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parseaddr
from enum import IntEnum, StrEnum
from typing import Literal, NamedTuple, NewType

from aggregator.errors import Problem

SafeHtml = NewType("SafeHtml", str)
"""Markup that went through the one policy of `steps/normalise.py`; everything else is untrusted."""


# --- what we poll ---------------------------------------------------------------------------------


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


# --- what a poll brings ---------------------------------------------------------------------------


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
    """A 304, or a 200 whose body is byte for byte the last one (`same_body`)."""

    feed_id: str
    validators: Validators
    wishes: ServerWishes = ServerWishes()
    same_body: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryKeys:
    """What an entry is known by.

    `identity`: 16-byte hashes bound to the feed: of the name (guid, else link, else title and date), then of the
    looks (title with page or text); either may be all there is.
    `digest`: 16-byte hash of all a reader can see; differs when the publisher edited the entry.
    `sketch`: what folding compares it by with entries of any feed, packed (`steps/folding/sketch.py`).
    """

    identity: tuple[bytes, ...]
    digest: bytes
    sketch: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A parsed document with the keys of its entries (same order, same length)."""

    feed: ParsedFeed
    keys: tuple[EntryKeys, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A fetch that was parsed; `fetched` no longer carries the body."""

    feed_id: str
    url: str
    validators: Validators
    wishes: ServerWishes
    reading: Reading


PollOutcome = Read | NotModified | FetchFailed


# --- what we keep ---------------------------------------------------------------------------------

Origin = Literal["category", "feed", "rule", "person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A label `namespace:slug`; `origin` says whether the publisher, feeds.yaml, a rule or a person gave it.

    `evidence` is the category's own words, or the rule's query.
    """

    name: str
    origin: Origin
    label: str | None = None
    evidence: str | None = None

    @property
    def namespace(self) -> str:
        return self.name.partition(":")[0]

    @property
    def text(self) -> str:
        """What people read: the label, else the slug in words; a country's two letters in capitals."""
        slug = self.name.partition(":")[2]
        words = slug.upper() if self.namespace == "country" else slug.replace("-", " ")
        return self.label or words[:1].upper() + words[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(ParsedEntry):
    """One item of one Feed, as stored; `id` is 0 until the store has given one."""

    id: int = 0
    mark: str = ""
    """The id of the Story it founds when it stands alone: its name in story links, the same on every replay."""
    feed_id: str
    keys: EntryKeys
    first_seen: datetime
    changed_at: datetime
    date: datetime
    """The date shown: the publisher's, clamped to first sight when it lies more than a day after it."""
    at_home: bool = False
    """Whether its address lies on its own feed's site; elsewhere it points to what others published."""
    joined_by: str | None = None
    """The rule that put it into its Story; None for the entry that founded the Story."""
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEntry:
    """What the store remembers of an entry that a poll may have brought again."""

    id: int
    mark: str
    digest: bytes
    first_seen: datetime
    date: datetime


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


class FoldKey(IntEnum):
    """Kinds of keys by which an entry is found, in the feeds of all publishers.

    A key is a 64-bit hash whose three lowest bits are its kind.
    """

    ADDRESS = 1
    DOI = 2
    TITLE = 3
    TEXT = 4
    ANCHOR = 5


FOLD_KINDS = 8
FoldKeys = Mapping[int, str]
"""The keys of an entry, each with a note. Two entries with one note on a key are nothing to each other for it: texts
of one language that share a name are no translations, and two that lead to one page are not the same."""


class Holder(NamedTuple):
    """An entry that holds a fold key, with its note."""

    entry_id: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stored entry, as far as folding compares it."""

    entry_id: int
    mark: str
    feed_id: str
    title: str
    date: datetime
    sketch: bytes


JOINED_BY_PERSON, PARTED_BY_PERSON, RELATED = "person", "person-apart", "related"
"""Rules of story links that no step applies, and the one that joins nothing."""
BY_PERSON = (JOINED_BY_PERSON, PARTED_BY_PERSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLink:
    """What was found between two entries, by their marks (`one` < `other`): the rule, how sure it is, its evidence.

    A person's word wins over every rule. `related` works belong together and are not the same.
    """

    one: str
    other: str
    rule: str
    score: float
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An entry as far as Stories are made of it; `story_id` is None until it stands in one."""

    mark: str
    feed_id: str
    first_seen: datetime
    sketch: bytes
    story_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an entry stands: a Story id, and the rule that joined it (None: it founds the Story)."""

    story_id: str
    rule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A stored entry that goes into another Story than it was in."""

    mark: str
    first_seen: datetime
    placement: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """Placements of new entries (same order), stored entries that move, and Stories that went into others:
    (id gone, id it leads to). `links` are to be stored, and `keys`, by the marks of the entries to be found by them.
    """

    placements: tuple[Placement, ...]
    moves: tuple[Move, ...] = ()
    merges: tuple[tuple[str, str], ...] = ()
    links: tuple[StoryLink, ...] = ()
    keys: Mapping[str, FoldKeys] = field(default_factory=dict)

    @property
    def founded(self) -> int:
        """Stories more than before; one that takes the place of another is none."""
        placements = (*self.placements, *(move.placement for move in self.moves))
        new = {placement.story_id for placement in placements if placement.rule is None}
        return len(new - {target for _, target in self.merges})


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The Entries that tell the same thing; `entries[0]` is the head, the others are "also at".

    The head is the first that came of those at home, so that who repeats another's publication never stands for it.

    `seq` grows by one per Story in the order of arrival; `updated` moves only on a real change.
    """

    id: str
    seq: int
    first_seen: datetime
    updated: datetime
    entries: tuple[Entry, ...]

    @property
    def head(self) -> Entry:
        return self.entries[0]

    @property
    def also_at(self) -> tuple[Entry, ...]:
        return self.entries[1:]

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Every entry's tags, each name once, the head's first; of one name, a tag that has a label."""
        seen: dict[str, Tag] = {}
        for entry in self.entries:
            for tag in entry.tags:
                if tag.name not in seen or (tag.label and not seen[tag.name].label):
                    seen[tag.name] = tag
        return tuple(seen.values())


# --- what goes out --------------------------------------------------------------------------------

Format = Literal["atom", "rss", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    title: str
    base_url: str
    """Without a trailing slash; every link we write starts with it."""
    timezone: str = "UTC"
    contact: str | None = None
    language: str = "en"


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
class Section:
    """A heading of a Digest with its Stories; the heading is "" for Stories that have no tag to go under."""

    heading: str
    stories: tuple[Story, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The Stories a query gives, in reading order; `overflow` are those past the limit, to be named briefly."""

    title: str
    sections: tuple[Section, ...]
    overflow: tuple[Story, ...] = ()

    @property
    def stories(self) -> tuple[Story, ...]:
        return tuple(story for section in self.sections for story in section.stories)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """What people subscribe to; `schedule` is in the words of `schedule.py`, in `timezone`."""

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

    @property
    def address(self) -> str:
        """The bare address of `sender`."""
        return parseaddr(self.sender)[1]

    @property
    def domain(self) -> str:
        """The domain it comes from; names of letters and lists are made in it (RFC 5322 3.6.4, RFC 2919 2)."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where a Newsletter stands: Stories up to `cursor` were considered, `due_at` is its next time,
    `next_number` its next Issue's number. Closing it names the Slot it saw, so that each closes once.
    """

    newsletter_id: str
    cursor: int
    due_at: datetime
    next_number: int


UNSUBSCRIBE_PLACEHOLDER = "https://unsubscribe.invalid/"
"""Stands in a Rendering where each letter has its reader's own address (RFC 2606: `.invalid` leads nowhere)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """A Digest as mail: three parts that never change once stored."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One number of a Newsletter, stored and never altered afterwards; numbers count from 1."""

    id: int = 0
    newsletter_id: str
    number: int
    created_at: datetime
    rendering: Rendering
    story_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    id: int = 0
    email: str
    name: str | None = None


class SubscriptionState(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    subscriber: Subscriber
    newsletter_id: str
    state: SubscriptionState
    consent_source: str
    changed_at: datetime


class DeliveryState(StrEnum):
    """`accepted` means that the server answered 250 after the dot, nothing more."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One Issue to one Subscriber; `attempts` counts the claims, and so tells an old claim from a new one."""

    id: int
    issue_id: int
    newsletter_id: str
    issue_number: int
    subscriber: Subscriber
    state: DeliveryState
    message_id: str
    attempts: int = 0
    next_attempt_at: datetime | None = None
    reply: str | None = None
    policy: bool = False
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What the mail server said of one message: the new state and its words, on one line.

    `policy`: refused for what we are or send, not for the address (RFC 3463 3.8).
    `server_down`: the fault is the whole server's (connect, greeting, login): stop the run, blame no recipient.
    """

    state: DeliveryState
    reply: str
    code: int | None = None
    policy: bool = False
    server_down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One channel in one format, as bytes to serve; `path` is the URL path without the leading slash."""

    path: str
    content_type: str
    body: bytes
    etag: str
    last_modified: datetime


# --- what a run reports ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedFeed:
    feed_id: str
    cause: Cause
    message: str
    next_check_at: datetime | None
    """None: it is not asked again."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """Counts by final state of one sending run; `paused` names why it stopped early."""

    accepted: int = 0
    deferred: int = 0
    refused: int = 0
    uncertain: int = 0
    cancelled: int = 0
    paused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the installation is doing; `problems` are the faults of a feeds.yaml that is being ignored."""

    worker_tick: datetime | None = None
    """When a worker last said that it is alive."""
    problems: tuple[Problem, ...] = ()
    feeds: Mapping[FeedStatus, int] = field(default_factory=dict)
    deliveries: Mapping[DeliveryState, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProblem:
    """A line of an imported file that was skipped; lines count from 1."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """Subscriptions of one imported file: new ones, ones that stood already, and lines that name nobody."""

    added: int = 0
    known: int = 0
    problems: tuple[LineProblem, ...] = ()
