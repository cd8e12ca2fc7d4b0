"""Search: search.find > stories.numbered > does the query match? > Finding.

The index narrows and the matcher decides: what is found is what the query means and nothing else, also where the index
is behind, or knows less than the matcher.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from aggregator.model.indexed import Finding, Order, seq_of
from aggregator.model.story import Story
from aggregator.ports import Clock, SearchStore, StoryStore
from aggregator.query.matching import Query
from aggregator.subject import story_subject

SECONDS = 1.0
"""How long one search may look; the Finding then says where to go on."""
BATCH = 100
"""Stories looked at together, once the first page of them was not enough."""
RANKED = 1000
"""How many places a search by relevance is given, of which some may not match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindPorts:
    """What searching needs of the world."""

    search: SearchStore
    stories: StoryStore
    clock: Clock


def find(
    ports: FindPorts,
    query: Query,
    *,
    limit: int,
    order: Order = Order.DATE,
    below: int | None = None,
    seconds: float = SECONDS,
) -> Finding:
    """Up to `limit` matches in this order, below a place; `further` is None by relevance, which has one page."""
    now = ports.clock.now()
    deadline = monotonic() + seconds
    found: list[Story] = []
    last = below
    for place, story in _candidates(ports, query, now, order, below, limit + 1):
        if story and query.matches(story_subject(story), now):
            if len(found) == limit:
                return _finding(found, order, last)
            found.append(story)
        last = place
        if monotonic() > deadline:
            return _finding(found, order, last)
    return _finding(found, order, None)


def _finding(found: list[Story], order: Order, further: int | None) -> Finding:
    return Finding(stories=tuple(found), further=None if order is Order.RELEVANCE else further)


def _candidates(
    ports: FindPorts, query: Query, now: datetime, order: Order, below: int | None, size: int
) -> Iterator[tuple[int, Story | None]]:
    """The Stories at the places that the index names; None for one that is gone since."""
    asked = RANKED if order is Order.RELEVANCE else size
    while True:
        places = ports.search.find(query, now, order=order, below=below, limit=asked)
        for start in range(0, len(places), size):
            some = places[start : start + size]
            stories = ports.stories.numbered([seq_of(place) for place in some])
            yield from ((place, stories.get(seq_of(place))) for place in some)
        if len(places) < asked or order is Order.RELEVANCE:
            return
        below, size = places[-1], max(size, BATCH)
        asked = size
