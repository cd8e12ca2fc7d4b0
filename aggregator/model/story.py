"""Stories, and what folding finds them by and by what reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from aggregator.model.entry import Entry, Tag


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
FoldKeys = Mapping[int, int]
"""The keys of an entry, each with a note. Two entries with one note on a key are nothing to each other for it, but for
the note 0, that says nothing: texts of one language that share a name are no translations, and two that lead to one
page are not the same."""


Holder = tuple[int, int]
"""An entry that holds a fold key, by its id, with its note."""


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
