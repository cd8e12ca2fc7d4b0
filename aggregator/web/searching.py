"""Search: one query asked of the newest stories, as far as a bound on stories and time allows."""

from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from aggregator.model.story import Story
from aggregator.ports import StoryStore
from aggregator.query import Query, story_subject
from aggregator.steps.finding.narrowing import required_tags

STORIES = 1000
SECONDS = 1.0
_BATCH = 100
_NARROWING = 5
"""Tags the store is asked for; more would make the statement long and the search no faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found, among how many stories, back to which; `before` is where to go on, None at the end."""

    stories: tuple[Story, ...]
    searched: int
    oldest: Story | None
    before: int | None


def search(
    store: StoryStore,
    query: Query,
    now: datetime,
    *,
    before: int | None = None,
    limit: int,
    stories: int = STORIES,
    seconds: float = SECONDS,
) -> Finding:
    """Up to `limit` matches, newest first, below the seq `before`."""
    tags = sorted(required_tags(query))[:_NARROWING]
    deadline = monotonic() + seconds
    found: list[Story] = []
    oldest: Story | None = None
    searched = 0
    while True:
        batch = store.newest(limit=_BATCH, before=before, tags=tags)
        for oldest in batch:
            searched += 1
            before = oldest.seq
            if query.matches(story_subject(oldest), now):
                found.append(oldest)
            if len(found) == limit or searched == stories or monotonic() > deadline:
                return Finding(stories=tuple(found), searched=searched, oldest=oldest, before=before)
        if len(batch) < _BATCH:
            return Finding(stories=tuple(found), searched=searched, oldest=oldest, before=None)
