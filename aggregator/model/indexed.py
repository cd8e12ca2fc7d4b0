"""Search: a Story's place in the order of dates, its words as the index holds them, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from aggregator.model.story import Story

SEQ_BITS = 28
"""A place is the second of the date with the Story's `seq` below it; both fit 63 bits for 268 million Stories."""
MAX_SECOND = (1 << 34) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def second_of(moment: datetime) -> int:
    """The whole seconds since 1970, in the bounds that a place can hold."""
    return min(max((moment - _EPOCH) // timedelta(seconds=1), 0), MAX_SECOND)


def place_of(story: Story) -> int:
    """Where a Story stands by the date of its head, and among those of one second by its arrival."""
    return second_of(story.head.date) << SEQ_BITS | story.seq


def seq_of(place: int) -> int:
    """The `seq` of the Story at this place."""
    return place & ((1 << SEQ_BITS) - 1)


class Order(StrEnum):
    """How a search puts what it finds: the newest date first, the last that came first, or the best match first."""

    DATE = "date"
    ARRIVAL = "arrival"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryWords:
    """A Story as the search index holds it: tokens with a space between; `names` are tags, feeds and languages."""

    place: int
    title: str
    text: str
    author: str
    category: str
    names: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A Story that changed since the index took it in; None: it is gone. `turn` tells this change from a later one."""

    seq: int
    turn: int
    story: Story | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """The answer to a `Stale`: what the index shall hold of it, None: nothing."""

    seq: int
    turn: int
    words: StoryWords | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a search found; `further` is the place to go on below, None when that is all."""

    stories: tuple[Story, ...]
    further: int | None = None
