"""What an entry is about: the publisher's categories, the feed's tags, then our rules, each with its origin.

The step between `identity` and `clustering` of a refresh. Rules run in the order of feeds.yaml, and
a rule may ask for tags that earlier rules gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from aggregator.model.channel import TagRule
from aggregator.model.entry import Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import ParsedEntry
from aggregator.query import Query, parse_query
from aggregator.subject import category_words, entry_subject, tag_name

MAX_CATEGORIES = 50
MAX_LABEL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule whose query was read; `tag` is the one it gives."""

    tag: Tag
    query: Query


def compile_rules(rules: Sequence[TagRule]) -> tuple[CompiledRule, ...]:
    """Read the queries of all rules, once; raises QueryError."""
    return tuple(
        CompiledRule(
            tag=Tag(name=rule.tag, origin="rule", label=rule.label, evidence=rule.when), query=parse_query(rule.when)
        )
        for rule in rules
    )


def tag_entry(entry: ParsedEntry, feed: Feed, rules: Sequence[CompiledRule], now: datetime) -> tuple[Tag, ...]:
    """All tags of an entry: categories, feed, rules; each name once per origin, always in the same order."""
    tags = _unique((*_category_tags(entry), *_feed_tags(feed)))
    subject = entry_subject(entry, feed, tags=(name for name, _ in tags), date=_date(entry, now))
    for rule in rules:
        if (rule.tag.name, "rule") not in tags and rule.query.matches(subject, now):
            tags[rule.tag.name, "rule"] = rule.tag
            subject.tags.add(rule.tag.name)
    return tuple(tags.values())


def _category_tags(entry: ParsedEntry) -> Iterator[Tag]:
    for category in entry.categories[:MAX_CATEGORIES]:
        label = " ".join(category_words(category).split())
        name = tag_name("category", label)
        if not name.endswith(":"):
            yield Tag(name=name, origin="category", label=label[:MAX_LABEL], evidence=category.scheme)


def _feed_tags(feed: Feed) -> Iterator[Tag]:
    names = list(feed.options.tags)
    if not any(name.startswith("publisher:") for name in names):
        names.append(f"publisher:{feed.id}")
    for name in names:
        yield Tag(name=name, origin="feed", label=feed.name if name == f"publisher:{feed.id}" else None)


def _unique(tags: Iterable[Tag]) -> dict[tuple[str, str], Tag]:
    unique: dict[tuple[str, str], Tag] = {}
    for tag in tags:
        unique.setdefault((tag.name, tag.origin), tag)
    return unique


def _date(entry: ParsedEntry, now: datetime) -> datetime:
    return min(entry.published or entry.updated or now, now)
