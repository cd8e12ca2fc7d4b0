"""Tags of a stored entry under other rules than it came by: what `plan` foresees is what `retag` writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

from aggregator.model.channel import TagRule
from aggregator.model.entry import Entry, Tag
from aggregator.model.feed import Feed
from aggregator.steps.tagging.tagger import Tagger, tag_entry


def renewed(entry: Entry, feeds: Mapping[str, Feed], tagger: Tagger) -> tuple[Tag, ...]:
    """The tags an entry has by this tagger, and those a person gave; `entry.tags` where but versions differ.

    Rules see it as on the day it came or was last edited, so that the same rules always give the same tags. An entry
    of a feed that is no longer named keeps what it has.
    """
    feed = feeds.get(entry.feed_id)
    if feed is None:
        return entry.tags
    by_person = (tag for tag in entry.tags if tag.origin == "person")
    tags = (*tag_entry(entry, feed, tagger, entry.changed_at), *by_person)
    return entry.tags if _meaning(tags) == _meaning(entry.tags) else tags


def _meaning(tags: Iterable[Tag]) -> list[Tag]:
    return [replace(tag, version=None) for tag in tags]


def version_of(feeds: Iterable[Feed], rules: Sequence[TagRule], *, taxonomy: str, language: str, program: str) -> str:
    """A short text, another when anything is that entries are tagged by; `taxonomy` and `program` are versions."""
    own = sorted((feed.id, feed.name, feed.country, feed.language, feed.options.tags) for feed in feeds)
    given = repr((program, taxonomy, language, [(rule.tag, rule.when, rule.label) for rule in rules], own))
    return blake2b(given.encode(errors="surrogatepass"), digest_size=8).hexdigest()
