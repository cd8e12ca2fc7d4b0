"""Where the CPU time of a first poll goes: milliseconds a feed, step by step, in one process without a network.

    python -m benchmarks.shares --feeds 200

The documents of `feedtext.py` go through `ingest` and the polling flow into a SQLite file, batch by batch as in a poll,
with the shipped taxonomy and rules. Each step is timed where the flows call it, so a step within another counts in
both; `transport` is what a document and its outcome cost on their way to the parser's process and back.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from aggregator.adapters.garbage import look_seldom
from aggregator.adapters.parser_pool import BATCH
from aggregator.adapters.store import feeds as feed_store
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.entries import SqlEntryStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.kinship import SqlFoldStore
from aggregator.adapters.store.migrate import migrate
from aggregator.flows import ingest, refresh
from aggregator.model.feed import Feed, Validators
from aggregator.model.poll import Fetched, FetchOutcome, FetchRequest, PollOutcome
from aggregator.settings.loading import find_shipped, load_settings
from aggregator.steps.tagging.tagger import compile_tagger
from benchmarks.feedtext import FeedText

STEPS: Sequence[tuple[ModuleType | type, tuple[str, ...]]] = (
    (ingest, ("parse", "normalise", "identify", "sketches", "with_sketch")),
    (refresh, ("decide", "language_of", "tag_entry", "keys_of", "choose", "compare", "cluster")),
    (SqlEntryStore, ("known",)),
    (SqlFoldStore, ("holders", "candidates", "kin")),
    (SqlFeedStore, ("apply",)),
    (feed_store, ("found_stories", "insert_entries", "write_sketches", "write_links")),
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Shares:
    """CPU seconds by what was called."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    def watch(self) -> None:
        """Time the steps, from now on."""
        for holder, names in STEPS:
            for name in names:
                setattr(holder, name, self.timed(name, getattr(holder, name)))

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            started = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.spent[name] += time.process_time() - started

        return call


class Documents:
    """A fetcher, a parser and a clock of documents that are there already."""

    def __init__(self, bodies: Sequence[bytes], feeds: Sequence[Feed], shares: Shares) -> None:
        self._fetched = [
            Fetched(
                feed_id=feed.id,
                url=feed.url,
                status=200,
                body=body,
                content_type="application/xml; charset=utf-8",
                validators=Validators(),
            )
            for body, feed in zip(bodies, feeds, strict=True)
        ]
        self._sent = shares.timed("transport", lambda value: pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)))

    def fetch(self, requests: Sequence[FetchRequest]) -> Iterator[FetchOutcome]:
        return iter(self._fetched)

    def parse(self, outcomes: Iterable[FetchOutcome]) -> Iterator[Sequence[PollOutcome]]:
        waiting = [outcome for outcome in outcomes if isinstance(outcome, Fetched)]
        for start in range(0, len(waiting), BATCH):
            yield [self._sent(ingest.ingest(self._sent(fetched))) for fetched in waiting[start : start + BATCH]]

    def now(self) -> datetime:
        return NOW


def measure(feeds: int, size: int, folder: Path) -> dict[str, float]:
    """Milliseconds a feed, in all and by step, the most first."""
    text = FeedText(size=size, seed=1, now=NOW)
    known = [Feed(id=f"f{n}", url=f"https://tank-{n}.example/feed", name=f"Feed {n}") for n in range(feeds)]
    shipped = load_settings(find_shipped("feeds.yaml"), {})
    tagger = compile_tagger(shipped.taxonomy, shipped.rules)
    database = open_database(f"sqlite:///{folder}/wire.db")
    migrate(database)
    store, shares = SqlFeedStore(database), Shares()
    store.sync(known, NOW)
    documents = Documents([text.feed(number) for number in range(feeds)], known, shares)
    ports = refresh.RefreshPorts(
        feeds=store,
        entries=SqlEntryStore(database),
        folds=SqlFoldStore(database),
        fetcher=documents,
        parser=documents,
        clock=documents,
    )
    plan = refresh.RefreshPlan(feeds={feed.id: feed for feed in known}, every=timedelta(hours=1), tagger=tagger)
    look_seldom()
    shares.watch()
    shares.timed("all", refresh.refresh)(ports, plan, store.states())
    database.close()
    ranked = sorted(shares.spent.items(), key=lambda item: -item[1])
    return {name: round(1000 * spent / feeds, 3) for name, spent in ranked}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=200)
    parser.add_argument("--size", type=int, default=86_000, help="mean octets of a feed")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        print(json.dumps(measure(options.feeds, options.size, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
