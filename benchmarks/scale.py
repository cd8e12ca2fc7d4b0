"""What an entry costs as the store grows, and what the reads of every poll and page cost then.

    python -m benchmarks.scale --entries 100000

One JSON document on stdout. Polls of 25 feeds with 25 new entries each go through the real flow (known, decide, tag,
cluster, apply) on a SQLite file; every tenth entry is also in another feed. Parsing is not in it: see
`benchmarks.parse`. Times are milliseconds by the clock; reads are the median of several.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.entries import SqlEntryStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.kinship import SqlFoldStore
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.flows.ingest import keyed
from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.channel import TagRule
from aggregator.model.feed import Feed, Validators
from aggregator.model.parsed import Category, Link, ParsedEntry, ParsedFeed, Person, SafeHtml
from aggregator.model.poll import FetchOutcome, FetchRequest, PollOutcome, Read, ServerWishes
from aggregator.settings.taxonomy_files import shipped_taxonomy
from aggregator.steps.tagging.tagger import compile_tagger

FEEDS, BATCH, ITEMS = 2000, 25, 25
FEEDS_BY_ID = {
    f"feed-{n}": Feed(id=f"feed-{n}", url=f"https://f{n}.example/rss", name=f"Tank {n}") for n in range(FEEDS)
}
ROUNDS = 7
START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
WORDS = "security energy Asia border accord treaty defence economy reform market region climate Japan Russia".split()
TOPICS = ("Energy", "Trade", "Asia", "Defence", "Climate", "Migration", "Health", "Water")
RULES = [TagRule(tag=f"topic:{word.lower()}", when=f'title:{word} OR text:"{word} reform"') for word in WORDS]
TAGGER = compile_tagger(shipped_taxonomy(), RULES)
PLAN = RefreshPlan(feeds=FEEDS_BY_ID, every=timedelta(hours=1), tagger=TAGGER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wire.db"
        database = open_database(f"sqlite:///{path}")
        migrate(database)
        points = list(grow(database, path, given.entries))
        database.close()
    print(json.dumps({"entries": given.entries, "rules": len(RULES), "points": points}, indent=2))


def grow(database: Database, path: Path, entries: int) -> Iterator[dict[str, float]]:
    """Fill the store and measure on the way: about every time it has doubled, and at the end."""
    press = Press(SqlFeedStore(database), SqlEntryStore(database), SqlFoldStore(database))
    press.feeds.sync([*FEEDS_BY_ID.values()], START)
    point = min(1000, entries)
    while press.count < entries:
        while press.count < point:
            press.poll()
        yield {
            "entries": press.count,
            "bytes_per_entry": round(path.stat().st_size / press.count),
            **{f"{name}_ms": round(cost, 2) for name, cost in reads(database, press)},
        }
        point = min(2 * press.count, entries)


def reads(database: Database, press: "Press") -> Iterator[tuple[str, float]]:
    """What a tick and a page ask."""
    feeds, entries, stories = SqlFeedStore(database), SqlEntryStore(database), SqlStoryStore(database)
    common, rare = {"topic:energy"}, {"category:rare"}
    keys = press.known_keys(10_000)
    far = START + timedelta(days=3650)
    yield "new_entry", milliseconds(press.poll) / (BATCH * ITEMS)
    yield "known_entry", milliseconds(press.poll_again) / (BATCH * ITEMS)
    yield "due_none", milliseconds(lambda: feeds.due(START - timedelta(days=1)))
    yield "due_all", milliseconds(lambda: feeds.due(far))
    yield "known_10000_keys", milliseconds(lambda: entries.known(keys))
    yield "newest_50", milliseconds(lambda: stories.newest(limit=50))
    yield "newest_50_common_tag", milliseconds(lambda: stories.newest(limit=50, tags=common))
    yield "newest_50_two_tags", milliseconds(lambda: stories.newest(limit=50, tags=common | {"country:jp"}))
    yield "newest_50_rare_tag", milliseconds(lambda: stories.newest(limit=50, tags=rare))
    yield "newest_50_both", milliseconds(lambda: stories.newest(limit=50, tags=common | rare))
    yield "newest_50_of_feed", milliseconds(lambda: stories.newest(limit=50, feed_id="feed-7"))
    yield "after_50", milliseconds(lambda: stories.after(press.count // 2, limit=50))


def milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


@dataclass
class Press:
    """Publishers whose documents are already read, and the flow that stores them."""

    feeds: SqlFeedStore
    entries: SqlEntryStore
    folds: SqlFoldStore
    count: int = 0
    reads: list[Read] = field(default_factory=list)

    def poll(self) -> None:
        """One batch of new entries."""
        first = self.count // ITEMS
        self.reads = [self._document(f"feed-{number % FEEDS}") for number in range(first, first + BATCH)]
        self.poll_again()

    def poll_again(self) -> None:
        """The last batch once more: nothing is new."""
        ports = RefreshPorts(
            feeds=self.feeds, entries=self.entries, folds=self.folds, fetcher=self, parser=self, clock=self
        )
        refresh(ports, PLAN, self.feeds.states({read.feed_id for read in self.reads}))

    def known_keys(self, count: int) -> list[bytes]:
        keys = [key for read in self.reads for item in read.reading.keys for key in item.identity]
        return [*keys, *(number.to_bytes(16) for number in range(count - len(keys)))]

    def _document(self, feed_id: str) -> Read:
        numbers = range(self.count, self.count + ITEMS)
        self.count += ITEMS
        feed = ParsedFeed(format="rss20", entries=tuple(_entry(number) for number in numbers))
        return Read(
            feed_id=feed_id,
            url="",
            validators=Validators(),
            wishes=ServerWishes(),
            reading=keyed(feed_id, feed),
        )

    def now(self) -> datetime:
        return START

    def fetch(self, requests: Sequence[FetchRequest]) -> Iterator[FetchOutcome]:
        return iter(())

    def parse(self, outcomes: Iterable[FetchOutcome]) -> Iterator[Sequence[PollOutcome]]:
        yield self.reads


def _entry(number: int) -> ParsedEntry:
    random = Random(number)
    page = number if number % 10 else max(0, number - 40 * ITEMS - 1)  # every tenth is also in another feed
    words = " ".join(random.choices(WORDS, k=250))
    categories = random.sample(TOPICS, 3) + (["Rare"] if number % 5000 == 7 else [])
    return ParsedEntry(
        guid=f"urn:entry:{number}",
        title=f"{words[:60]} {number}",
        links=(Link(href=f"https://publisher-{page % 500}.example/{page}"),),
        summary=SafeHtml(f"<p>{words[:300]}</p>"),
        content=SafeHtml(f"<p>{words}</p>"),
        authors=(Person(name="Ana Author"),),
        categories=tuple(Category(term=term) for term in categories),
        published=START - timedelta(minutes=number % 100_000),
        published_raw=f"minute {number}",
    )


if __name__ == "__main__":
    main()
