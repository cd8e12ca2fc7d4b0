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


Origin = Literal["feed", "category", "category-map", "gazetteer", "taxonomy", "rule", "person"]
Field = Literal["title", "lead", "text", "url", "category", "feed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A label `namespace:slug`, and why an entry has it.

    `origin`: feeds.yaml (`feed`), the publisher's category as it stands or as a synonym of ours (`category`,
    `category-map`), the names of places, the taxonomy, a rule or a person. `field` and `matched`: where, and by which
    words as they were folded. `rule`: the rule's query, the words with their points, the category's scheme.
    `version`: of the taxonomy or rule that gave it; None when no upgrade can make it stale.
    """

    name: str
    origin: Origin
    label: str | None = None
    field: Field | None = None
    matched: str | None = None
    rule: str | None = None
    version: str | None = None

    @property
    def namespace(self) -> str:
        return self.name.partition(":")[0]

    @property
    def text(self) -> str:
        """What people read: the label, else the slug in words; a country's two letters in capitals."""
        slug = self.name.partition(":")[2]
        words = slug.upper() if self.namespace in ("country", "mentions") else slug.replace("-", " ")
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
