"""What reading documents costs: `python -m benchmarks.parse DIR` over a folder of feed files.

Milliseconds are CPU time: of the work in this process, and of the way through the parser's child process, its start
and the way there and back included. `bare_feedparser` is feedparser as it is installed, with sanitising and URL
resolving off; `feedparser_share` is the part of our reading that is spent in it, with our tuning of it.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import feedparser

from aggregator.adapters.parser_pool import ParserPool
from aggregator.model.feed import Validators
from aggregator.model.poll import Fetched, FetchFailed, PollOutcome, Read
from aggregator.settings.values import Polling

URL = "https://feeds.example/all.xml"
ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of one round over all documents: the least of several."""

    cpu: float
    wall: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    documents = read_folder(arguments.parse_args().folder)
    print(json.dumps(report(documents), indent=2))


def read_folder(folder: Path) -> list[Fetched]:
    """Every file that is not a table of contents, as if it had been fetched."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in (".csv", ".md")]
    return [
        Fetched(
            feed_id=str(path.relative_to(folder)),
            url=URL,
            status=200,
            body=path.read_bytes(),
            content_type=None,
            validators=Validators(),
        )
        for path in paths
    ]


def report(documents: Sequence[Fetched]) -> dict[str, object]:
    """The whole document to print."""
    bare = cost(lambda: [bare_feedparser(document.body) for document in documents])  # before our tuning is imported
    from aggregator.flows.ingest import ingest
    from aggregator.steps.parse import dispatch as step

    outcomes = [ingest(document) for document in documents]
    failures = Counter(str(outcome.cause) for outcome in outcomes if isinstance(outcome, FetchFailed))
    here = cost(lambda: [ingest(document) for document in documents])
    inside = Stopwatch(vars(step)["read"])
    with patch.object(step, "read", inside):
        watched = cost(lambda: [ingest(document) for document in documents], rounds=1)
    there = cost(lambda: through_child(documents, ingest))
    octets = sum(len(document.body) for document in documents)
    return {
        "files": len(documents),
        "octets": octets,
        "read": sum(isinstance(outcome, Read) for outcome in outcomes),
        "failed": failures.total(),
        "failures": dict(failures),
        "entries": sum(len(outcome.reading.feed.entries) for outcome in outcomes if isinstance(outcome, Read)),
        "ms_per_feed": per_feed(here.cpu, documents),
        "mb_per_s": round(octets / 1e6 / here.cpu, 2),
        "feedparser_share": round(inside.seconds / watched.cpu, 3),
        "bare_feedparser_ms_per_feed": per_feed(bare.cpu, documents),
        "ratio_to_bare_feedparser": round(here.cpu / bare.cpu, 3),
        "through_child_process": {
            "ms_per_feed": per_feed(there.cpu, documents),
            "mb_per_s": round(octets / 1e6 / there.cpu, 2),
            "ratio_to_bare_feedparser": round(there.cpu / bare.cpu, 3),
        },
        "wall_ms_per_feed": {"here": per_feed(here.wall, documents), "through_child": per_feed(there.wall, documents)},
    }


def through_child(documents: Sequence[Fetched], read: Callable[[Fetched], PollOutcome]) -> None:
    """A pool of one child, from its start to its end."""
    with ParserPool(Polling(parse_processes=1, parse_cpu=timedelta(seconds=60)), read=read) as pool:
        for _ in pool.parse(documents):
            pass


def bare_feedparser(body: bytes) -> object:
    """feedparser alone, which may give up: then that is what it costs."""
    headers = {"content-location": URL, "content-type": "application/xml"}
    try:
        return feedparser.parse(
            io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        return error


class Stopwatch:
    """A function, and the CPU time spent in it."""

    def __init__(self, work: Callable[..., dict[str, object]]) -> None:
        self.work, self.seconds = work, 0.0

    def __call__(self, *arguments: object, **named: object) -> dict[str, object]:
        start = cpu_seconds()
        try:
            return self.work(*arguments, **named)
        finally:
            self.seconds += cpu_seconds() - start


def cost(work: Callable[[], object], *, rounds: int = ROUNDS) -> Cost:
    """The least of several rounds; its CPU time counts the child processes that ended in it."""
    costs = []
    for _ in range(rounds):
        cpu, wall = cpu_seconds(), time.perf_counter()
        work()
        costs.append((cpu_seconds() - cpu, time.perf_counter() - wall))
    return Cost(cpu=min(cpu for cpu, _ in costs), wall=min(wall for _, wall in costs))


def cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def per_feed(seconds: float, documents: Sequence[Fetched]) -> float:
    return round(1000 * seconds / max(1, len(documents)), 2)


if __name__ == "__main__":
    main()
