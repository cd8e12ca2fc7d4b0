"""How much a Story weighs: what many publishers tell stands before what one does, then the newest.

compose: ... stories > **weight** in selection and layout > issue
"""

from __future__ import annotations

from aggregator.model.entry import Entry
from aggregator.model.story import Story
from aggregator.urls import host_of


def sources(story: Story) -> int:
    """By how many publishers it is told: as many as it has both feeds and hosts.

    Feeds of one institute have one host or one `publisher` tag; what one feed links to elsewhere is told by it alone.
    A host under another's, as m.example.org is, is no other.
    """
    publishers = {_publisher(entry) for entry in story.entries}
    if len(publishers) == 1:
        return 1
    hosts = {host_of(entry.url) if entry.url else entry.feed_id for entry in story.entries}
    own = [host for host in hosts if not any(host.endswith(f".{other}") for other in hosts)]
    return min(len(publishers), len(own))


def _publisher(entry: Entry) -> str:
    tags = (tag.name for tag in entry.tags if tag.namespace == "publisher" and tag.origin == "feed")
    return next(tags, entry.feed_id)


def by_weight(story: Story) -> tuple[int, float, int]:
    """Sorts the biggest first; of equal ones the newest, and of one date the one that came last."""
    return -sources(story), -story.head.date.timestamp(), -story.seq
