"""What an entry is about, and why: its feed's tags, the publisher's categories, the taxonomy, then our rules.

The step between `decide` and folding of a refresh. Everything it knows is compiled once, into a `Tagger` that
processes can share; each tag says what gave it, where, by which words, and under which version of the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from aggregator.model.channel import TagRule
from aggregator.model.entry import Field, Origin, Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import Category, ParsedEntry
from aggregator.model.taxonomy import Taxonomy
from aggregator.steps.tagging.category_map import CategoryMap, compile_categories, meant_by
from aggregator.steps.tagging.gazetteer import FOCUS, HOME, MAX_FOCUS, Sense, compile_gazetteer, places
from aggregator.steps.tagging.lexicon import Beginnings, Lexicon
from aggregator.steps.tagging.passages import Passages, passages_of
from aggregator.steps.tagging.publication_types import Types, compile_types, kind_of
from aggregator.steps.tagging.regions import Holders, around, compile_regions
from aggregator.steps.tagging.rules import CompiledRule, compile_rules
from aggregator.steps.tagging.scoring import Find, Score, foremost, score
from aggregator.steps.tagging.topics import MAX_TOPICS, Topics, compile_topics, scale_for, subjects
from aggregator.subject import Subject, Text, category_words, entry_subject, tag_name

MAX_CATEGORIES = 50
MAX_LABEL = 200
MAX_MENTIONS = 30

Tags = dict[tuple[str, Origin], Tag]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagger:
    """The taxonomy and the rules, ready for use; `labels` by tag, `version` of the taxonomy."""

    gazetteer: Lexicon[Sense]
    holders: Holders
    topics: Topics
    types: Types
    beginnings: Beginnings
    """Of the phrases of `gazetteer` and all `topics`."""
    categories: CategoryMap
    labels: Mapping[str, str]
    rules: tuple[CompiledRule, ...]
    version: str


def compile_tagger(taxonomy: Taxonomy, rules: Sequence[TagRule] = (), *, language: str = "en") -> Tagger:
    """Make a tagger whose labels are in this language where there are any; raises QueryError."""
    gazetteer, topics = compile_gazetteer(taxonomy), compile_topics(taxonomy)
    return Tagger(
        gazetteer=gazetteer,
        holders=compile_regions(taxonomy),
        topics=topics,
        beginnings=gazetteer.beginnings | topics[""].beginnings,
        types=compile_types(taxonomy),
        categories=compile_categories(taxonomy),
        labels={
            tag: label.get(language[:2]) or label.get("en") or next(iter(label.values()), "")
            for tag, label in taxonomy.labels().items()
        },
        rules=compile_rules(rules),
        version=taxonomy.version,
    )


def tag_entry(entry: ParsedEntry, feed: Feed, tagger: Tagger, now: datetime) -> tuple[Tag, ...]:
    """All tags of an entry, each name once per origin, always in the same order."""
    own = _feed_tags(feed.id, feed.name, feed.options.tags)
    given: Tags = {(tag.name, tag.origin): tag for tag in (*_categories(entry), *own)}
    names = {name for name, _ in given}
    known: dict[str, Tag] = {}
    passages = passages_of(entry, tagger.beginnings)
    for tag in _known(entry, feed, passages, tagger):
        if tag.name not in names:
            known.setdefault(tag.name, tag)
    given |= {(tag.name, tag.origin): tag for tag in known.values()}
    if tagger.rules:
        given |= _ruled(tagger.rules, _subject(entry, feed, passages, given, now), now)
    return tuple(given.values())


# --- what others say ------------------------------------------------------------------------------


def _categories(entry: ParsedEntry) -> Iterator[Tag]:
    found: dict[str, Tag] = {}
    for category in entry.categories[:MAX_CATEGORIES]:
        if tag := _category_tag(category):
            found.setdefault(tag.name, tag)
    return iter(found.values())


@lru_cache(maxsize=1024)  # entries of one feed share theirs
def _category_tag(category: Category) -> Tag | None:
    label = _label(category)
    name = tag_name("category", label)
    if name.endswith(":"):
        return None
    return Tag(name=name, origin="category", field="category", label=label, rule=category.scheme)


def _label(category: Category) -> str:
    """The publisher's words, on one line."""
    return " ".join(category_words(category)[: 4 * MAX_LABEL].split())[:MAX_LABEL]


@lru_cache(maxsize=64)
def _feed_tags(id_: str, name: str, tags: tuple[str, ...]) -> tuple[Tag, ...]:
    publisher = f"publisher:{id_}"
    names = tags if any(tag.startswith("publisher:") for tag in tags) else (*tags, publisher)
    return tuple(Tag(name=tag, origin="feed", field="feed", label=name if tag == publisher else None) for tag in names)


# --- what the taxonomy says -----------------------------------------------------------------------


def _known(entry: ParsedEntry, feed: Feed, passages: Passages, tagger: Tagger) -> Iterator[Tag]:
    """Tags from the taxonomy, the publisher's categories before the text; of one name, the first counts."""
    mapped = [_mapped(tag, words, tagger) for tag, words in _meant(entry, tagger)]
    found = places(passages, tagger.gazetteer)
    countries = [*_of(mapped, "country"), *_focus(found, "country", feed, tagger)]
    yield from countries
    yield from _topics(entry, feed, passages, _of(mapped, "topic"), tagger)
    yield from _types(entry, passages, _of(mapped, "type"), tagger)
    yield from _of(mapped, "region")
    yield from _focus(found, "region", feed, tagger)
    yield from (
        _tag(tagger, region, origin="gazetteer", rule=f"{country} lies in it")
        for region, country in around((tag.name for tag in countries), tagger.holders)
    )
    yield from (tag for tag in mapped if tag.namespace not in ("country", "topic", "type", "region"))
    yield from _mentions(found, countries, tagger)


def _meant(entry: ParsedEntry, tagger: Tagger) -> Iterator[tuple[str, str]]:
    return meant_by(map(_label, entry.categories[:MAX_CATEGORIES]), tagger.categories)


def _focus(found: Iterable[Find], namespace: str, feed: Feed, tagger: Tagger) -> Iterator[Tag]:
    scores = score((find for find in found if find.tag.startswith(namespace)), FOCUS, each_word=False)
    home = f"country:{(feed.country or '').lower()}"
    if home in scores:
        scores[home].add(Find(home, "text", "the publisher's own"), HOME)
    for name, own in foremost(scores, FOCUS, MAX_FOCUS):
        yield _scored(name, own, "gazetteer", tagger)


def _topics(entry: ParsedEntry, feed: Feed, passages: Passages, mapped: Sequence[Tag], tagger: Tagger) -> Iterator[Tag]:
    """At most three: those the publisher names, the ones that the text speaks of most before others."""
    language = (entry.language or feed.language or "")[:2]
    scale = scale_for(passages)
    scores = score(subjects(passages, tagger.topics, language), scale, each_word=True)
    named = {tag.name: tag for tag in mapped}
    ranked = sorted(named.values(), key=lambda tag: -scores[tag.name].total if tag.name in scores else 0.0)
    own = (_scored(name, found, "taxonomy", tagger) for name, found in foremost(scores, scale, MAX_TOPICS))
    yield from (*ranked, *(tag for tag in own if tag.name not in named))[:MAX_TOPICS]


def _types(entry: ParsedEntry, passages: Passages, mapped: Sequence[Tag], tagger: Tagger) -> Iterator[Tag]:
    yield from mapped
    found = kind_of(entry.title, passages.title_words, None if mapped else entry.url, tagger.types)
    if found:
        yield _tag(tagger, found.tag, origin="taxonomy", field=found.field, matched=found.matched)


def _mentions(found: Iterable[Find], focus: Iterable[Tag], tagger: Tagger) -> Iterator[Tag]:
    """Every country named, also in passing."""
    first: dict[str, tuple[Field | None, str | None]] = {tag.name: (tag.field, tag.matched) for tag in focus}
    for find in found:
        if find.tag.startswith("country:"):
            first.setdefault(find.tag, (find.field, find.matched))
    for name, (field, matched) in list(first.items())[:MAX_MENTIONS]:
        yield Tag(
            name=f"mentions:{name.partition(':')[2]}",
            origin="gazetteer",
            label=tagger.labels.get(name),
            field=field,
            matched=matched,
            version=tagger.version,
        )


def _of(tags: Iterable[Tag], namespace: str) -> list[Tag]:
    return [tag for tag in tags if tag.namespace == namespace]


def _mapped(name: str, words: str, tagger: Tagger) -> Tag:
    return _tag(tagger, name, origin="category-map", field="category", matched=words)


def _scored(name: str, found: Score, origin: Origin, tagger: Tagger) -> Tag:
    best = found.best
    return _tag(
        tagger,
        name,
        origin=origin,
        field=best.field if best else None,
        matched=best.matched if best else None,
        rule=found.reason,
    )


def _tag(
    tagger: Tagger,
    name: str,
    *,
    origin: Origin,
    field: Field | None = None,
    matched: str | None = None,
    rule: str | None = None,
) -> Tag:
    return Tag(
        name=name,
        origin=origin,
        label=tagger.labels.get(name) or None,
        field=field,
        matched=matched,
        rule=rule,
        version=tagger.version,
    )


# --- what our rules say ---------------------------------------------------------------------------


def _subject(entry: ParsedEntry, feed: Feed, passages: Passages, given: Tags, now: datetime) -> Subject:
    """The entry as rules see it, with the words that were folded already."""
    date = min(entry.published or entry.updated or now, now)
    subject = entry_subject(entry, feed, tags=(name for name, _ in given), date=date)
    subject.title = Text(passages.title_words)
    if passages.whole:
        subject.body = Text(passages.text_words)
    return subject


def _ruled(rules: Sequence[CompiledRule], subject: Subject, now: datetime) -> Tags:
    """What the rules give, each seeing the tags given before."""
    found: Tags = {}
    for rule in rules:
        if (rule.tag.name, "rule") not in found and rule.query.matches(subject, now):
            found[rule.tag.name, "rule"] = rule.tag
            subject.tags.add(rule.tag.name)
    return found
