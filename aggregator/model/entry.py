"""What we keep of a Feed: its Entries, what they are known by, their Tags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aggregator.model.parsed import ParsedEntry, ParsedFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryKeys:
    """What an entry is known by.

    `identity`: 16-byte hashes bound to the feed: of the name (guid, else link, else title and date), then of the
    looks (title with page or text); either may be all there is.
    `digest`: 16-byte hash of all a reader can see; differs when the publisher edited the entry.
    `sketch`: what folding compares it by with entries of any feed, packed (`steps/folding/sketch.py`).
    `folds`: what folding finds those entries by, packed (`steps/folding/keys.py`).
    """

    identity: tuple[bytes, ...]
    digest: bytes
    sketch: bytes = b""
    folds: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A parsed document with the keys of its entries (same order, same length)."""

    feed: ParsedFeed
    keys: tuple[EntryKeys, ...]


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
