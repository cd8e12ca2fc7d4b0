"""Channels: Stories out of the store, one publication per channel and format into it.

    stories.newest > selection > feedwriter > publications.put

What did not change keeps its bytes and its ETag, so publishing again costs readers nothing. A channel that cannot be
written stays as it was, and stops no other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import structlog

from aggregator.errors import StoreError
from aggregator.model.channel import Channel, Format, Publication, Site
from aggregator.model.feed import Feed
from aggregator.model.story import Story
from aggregator.ports import Clock, PublicationStore, StoryStore
from aggregator.query.grammar import parse_query
from aggregator.steps.feedwriter.contents import path_of
from aggregator.steps.feedwriter.writer import write_channel
from aggregator.steps.finding.narrowing import required_tags
from aggregator.steps.selection import matching

SCANNED = 5_000
"""A channel is filled from this many of the newest Stories (of those with the tags its query demands), no more:
a query that nothing matches must not read the whole store."""
PAGE = 200
"""Stories read at a time, at least."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPorts:
    """What publishing needs of the world."""

    stories: StoryStore
    publications: PublicationStore
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What feeds.yaml says of publishing; `channels` includes the one of everything, whose id is ""."""

    site: Site
    channels: tuple[Channel, ...]
    feeds: Mapping[str, Feed]


def publish(ports: PublishPorts, plan: PublishPlan, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Bring all publications up to date and drop those of channels no longer planned; returns how many changed.

    `should_stop` is asked between two channels.
    """
    now, changed = ports.clock.now(), 0
    for channel in plan.channels:
        if should_stop():
            return changed
        try:
            changed += ports.publications.put(_written(ports, plan, channel, now))
        except StoreError:
            raise
        except Exception as error:  # a fault of ours in one Story, say
            log.error("publish.failed", channel=channel.id, exc_info=error)
    planned = [path_of(channel, name) for channel in plan.channels for name in channel.formats]
    return changed + ports.publications.prune(planned)


def build(plan: PublishPlan, channel: Channel, format: Format, stories: Sequence[Story]) -> Publication:
    """One format of any channel, of these Stories, without storing it."""
    return write_channel(channel, stories, format, site=plan.site, feeds=plan.feeds)


def _written(ports: PublishPorts, plan: PublishPlan, channel: Channel, now: datetime) -> list[Publication]:
    stories = stories_of(ports.stories, channel, now)
    return [write_channel(channel, stories, name, site=plan.site, feeds=plan.feeds) for name in channel.formats]


def stories_of(stories: StoryStore, channel: Channel, now: datetime) -> list[Story]:
    """The newest Stories the channel's query gives, by the order of their first sight."""
    query = parse_query(channel.query)
    candidates = _newest(stories, required_tags(query), page=max(channel.size, PAGE))
    return list(islice(matching(candidates, query, now), channel.size))


def _newest(stories: StoryStore, tags: frozenset[str], *, page: int) -> Iterator[Story]:
    """Stories from the newest down, read only as far as they are asked for."""
    read, before = 0, None
    while read < SCANNED:
        limit = min(page, SCANNED - read)
        found = stories.newest(limit=limit, before=before, tags=tags)
        yield from found
        if len(found) < limit:
            return
        read += limit
        before = found[-1].seq
