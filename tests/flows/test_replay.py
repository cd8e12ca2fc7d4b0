"""The same log of fetches, in any order of feeds and any batch size, gives the same Stories with the same ids."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.feed import Feed, Validators
from aggregator.model.parsed import Link, ParsedEntry, SafeHtml
from aggregator.model.poll import Fetched
from tests.fakes import NO_TAGS, START, FrozenClock, MemoryStore, ScriptedFetcher, ScriptedParser, reading
from tests.real_store import SqlStore, sql_store

TEXTS: Mapping[str, Sequence[str]] = json.loads(
    (Path(__file__).parents[1] / "data" / "folding" / "texts.json").read_text("utf-8")
)
NAMES = ("grain", "grain.fr", "grain.de", "chips", "chips.es", "rail", "rail.fr", "cable", "boiler")
TITLES = (
    "The grain corridor after a year",
    "Weekly update",
    "Report, part 1",
    "Report, part 2",
    "One of 2025",
    "A look",
)
FEEDS = tuple(Feed(id=id_, url=f"https://{id_}.example/rss", name=id_) for id_ in ("a", "b", "c", "d"))
PLAN = RefreshPlan(feeds={feed.id: feed for feed in FEEDS}, every=timedelta(hours=1), tagger=NO_TAGS)


@dataclass(frozen=True)
class Item:
    """One publication: its text (name, first and last sentence), title, what it is known by, and what it leads to."""

    text: str
    cut: tuple[int, int]
    title: str
    page: int
    leads_to: int
    doi: int

    def shown(self, number: int, round_: int) -> ParsedEntry:
        first, last = sorted(self.cut)
        link = f"<a href='https://page.example/{self.leads_to}'>More</a>" if self.leads_to < 4 else ""
        return ParsedEntry(
            guid=f"urn:{number}",
            title=self.title,
            links=(Link(href=f"https://page.example/{self.page if self.page < 4 else number + 100}"),),
            content=SafeHtml("".join(f"<p>{said}</p>" for said in TEXTS[self.text][first : last + 1]) + link),
            published=START - timedelta(days=9, hours=round_),
            doi=f"10.5555/{self.doi}" if self.doi < 2 else None,
            rights=f"entry {number}",
        )


ITEM = st.builds(
    Item,
    text=st.sampled_from(NAMES),
    cut=st.sampled_from([(0, 4), (0, 4), (0, 2), (1, 4), (0, 1)]),
    title=st.sampled_from(TITLES),
    page=st.integers(0, 12),
    leads_to=st.integers(0, 12),
    doi=st.integers(0, 9),
)
ROUND = st.lists(st.tuples(st.integers(0, len(FEEDS) - 1), ITEM), min_size=1, max_size=6)
LOGS = st.lists(ROUND, min_size=2, max_size=4)
Poll = tuple[datetime, str, tuple[ParsedEntry, ...]]


def log_of(rounds: Iterable[Iterable[tuple[int, Item]]]) -> list[list[Poll]]:
    """What each feed listed at each time: all it had so far, the newest first."""
    listed: dict[str, tuple[ParsedEntry, ...]] = {}
    log, number = [], 0
    for round_, items in enumerate(rounds):
        moment = START + timedelta(hours=2 * round_)
        brought: set[str] = set()
        for feed, item in items:
            id_, number = FEEDS[feed].id, number + 1
            listed[id_] = (item.shown(number, round_), *listed.get(id_, ()))
            brought.add(id_)
        log.append([(moment, id_, listed[id_]) for id_ in sorted(brought)])
    return log


class Replay:
    """The polling flow on one store, at the times of a log."""

    def __init__(self, store: MemoryStore | SqlStore) -> None:
        self.store, self.clock = store, FrozenClock()
        store.sync(FEEDS, self.clock.now())

    def poll(self, polls: Sequence[Poll], batch: int) -> None:
        """Polls of one moment, so many to a batch."""
        fetcher, parser = ScriptedFetcher(), ScriptedParser(batch=batch)
        for moment, feed_id, entries in polls:
            self.clock.moment = moment
            parser.readings[feed_id] = reading(feed_id, *entries)
            fetcher.outcomes[feed_id] = Fetched(
                feed_id=feed_id, url="", status=200, body=b"", content_type=None, validators=Validators()
            )
        ports = RefreshPorts(
            feeds=self.store, entries=self.store, folds=self.store, fetcher=fetcher, parser=parser, clock=self.clock
        )
        states = {state.feed.id: state for state in self.store.states()}
        refresh(ports, PLAN, [states[feed_id] for _, feed_id, _ in polls])

    def stories(self) -> dict[str, list[str]]:
        return {
            story.id: sorted(str(entry.rights) for entry in story.entries) for story in self.store.after(0, limit=999)
        }


def as_it_came(store: MemoryStore | SqlStore, log: list[list[Poll]]) -> dict[str, list[str]]:
    replay = Replay(store)
    for polls in log:
        replay.poll(polls, batch=99)
    return replay.stories()


def backwards_one_by_one(store: MemoryStore | SqlStore, log: list[list[Poll]]) -> dict[str, list[str]]:
    replay = Replay(store)
    for polls in log:
        replay.poll(polls[::-1], batch=1)
    return replay.stories()


def feed_by_feed(store: MemoryStore | SqlStore, log: list[list[Poll]]) -> dict[str, list[str]]:
    """All of one feed before anything of the next: what was seen last may come first."""
    replay = Replay(store)
    polls = [poll for round_ in log for poll in round_]
    for feed in FEEDS[::-1]:
        for poll in polls:
            if poll[1] == feed.id:
                replay.poll([poll], batch=1)
    return replay.stories()


def same_in_any_order(rounds: list[list[tuple[int, Item]]]) -> None:
    log = log_of(rounds)
    stories = as_it_came(MemoryStore(), log)
    assert backwards_one_by_one(MemoryStore(), log) == stories
    assert feed_by_feed(MemoryStore(), log) == stories


def same_in_sql(rounds: list[list[tuple[int, Item]]]) -> None:
    log = log_of(rounds)
    with sql_store() as store:
        assert feed_by_feed(store, log) == as_it_came(MemoryStore(), log)


@settings(max_examples=150, deadline=None)
@given(LOGS)
def test_the_order_of_a_log_changes_nothing(rounds: list[list[tuple[int, Item]]]) -> None:
    same_in_any_order(rounds)


@settings(max_examples=25, deadline=None)
@given(LOGS)
def test_nor_does_it_in_the_real_store(rounds: list[list[tuple[int, Item]]]) -> None:
    same_in_sql(rounds)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(LOGS)
def test_many_logs(rounds: list[list[tuple[int, Item]]]) -> None:
    same_in_any_order(rounds)
