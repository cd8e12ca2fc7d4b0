"""Feeds that are polled under one feeds.yaml and then looked at under another, on either store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.channel import TagRule
from aggregator.model.entry import Tag
from aggregator.model.feed import Feed, Validators
from aggregator.model.parsed import ParsedEntry
from aggregator.model.poll import Fetched
from aggregator.model.story import Story
from aggregator.model.taxonomy import Country, Labels, Taxonomy, Topic
from aggregator.steps.tagging.tagger import Tagger, compile_tagger
from tests.fakes import FrozenClock, MemoryStore, ScriptedFetcher, ScriptedParser, reading
from tests.real_store import SqlStore

FEEDS = tuple(Feed(id=id_, url=f"https://{id_}.example/rss", name=id_.title(), language="en") for id_ in ("a", "b"))


def tagger(rules: Sequence[tuple[str, str]] = (), taxonomy: Taxonomy | None = None) -> Tagger:
    """A tagger of these rules: pairs of tag and query."""
    return compile_tagger(taxonomy or Taxonomy(), [TagRule(tag=tag, when=when) for tag, when in rules])


def taxonomy(version: str, **topics: str) -> Taxonomy:
    """France, and topics with one word each, that says the topic alone."""
    label: Labels = {"en": "France"}
    return Taxonomy(
        countries=(Country(id="fr", label=label, names=("Paris",)),),
        topics=tuple(Topic(id=id_, label={"en": id_}, words={"en": (f"{word}!",)}) for id_, word in topics.items()),
        version=version,
    )


class Newsroom:
    """Two feeds, what they say next, and what is stored of it."""

    def __init__(self, store: MemoryStore | SqlStore) -> None:
        self.store, self.clock = store, FrozenClock()
        self.follow(FEEDS)

    def follow(self, feeds: Sequence[Feed]) -> None:
        self.feeds: Mapping[str, Feed] = {feed.id: feed for feed in feeds}
        self.store.sync(feeds, self.clock.now())

    def poll(self, rules: Tagger, **documents: Sequence[ParsedEntry]) -> None:
        """Poll the named feeds, an hour after the last poll, under a feeds.yaml that tags so."""
        self.clock.advance(hours=1)
        fetcher, parser = ScriptedFetcher(), ScriptedParser()
        for feed_id, items in documents.items():
            fetcher.outcomes[feed_id] = Fetched(
                feed_id=feed_id, url="", status=200, body=b"", content_type=None, validators=Validators()
            )
            parser.readings[feed_id] = reading(feed_id, *items)
        ports = RefreshPorts(
            feeds=self.store, entries=self.store, folds=self.store, fetcher=fetcher, parser=parser, clock=self.clock
        )
        plan = RefreshPlan(feeds=self.feeds, every=timedelta(hours=1), tagger=rules)
        refresh(ports, plan, self.store.states(documents))

    def stories(self) -> list[Story]:
        return list(self.store.after(0, limit=999))

    def tags(self, *, but: str = "publisher") -> dict[str, list[str]]:
        """Names of tags by an entry's title, those of one namespace left out."""
        return {
            entry.title: [tag.name for tag in entry.tags if tag.namespace != but]
            for story in self.stories()
            for entry in story.entries
        }

    def tags_of(self, title: str) -> tuple[Tag, ...]:
        return next(entry.tags for story in self.stories() for entry in story.entries if entry.title == title)
