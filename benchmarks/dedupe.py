"""How well entries are folded: precision, recall and F1 on labelled entries, and what folding costs.

    python -m benchmarks.dedupe eval/dedup_entries.jsonl [eval/dedup_pairs.jsonl] [more_entries.jsonl …]

One JSON document on stdout. Each line of an entries file is what a reader of the feed sees (`id feed url title summary
content published lang`), with the `cluster` it belongs to, which is read by the scorer alone; each line of a pairs file
is `a b label kind`. A file of entries finds its pairs beside it (`entries` in its name, `pairs` in theirs).

Entries come one by one, in the order of the file, through the flow that polls feeds: each as the newest of a document
with what its feed listed before, into a SQLite file.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.entries import SqlEntryStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.kinship import SqlFoldStore
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.flows.ingest import keyed
from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.entry import Reading
from aggregator.model.feed import Feed, Validators
from aggregator.model.parsed import Link, ParsedEntry, ParsedFeed, RawEntry, RawFeed
from aggregator.model.poll import FetchOutcome, FetchRequest, PollOutcome, Read, ServerWishes
from aggregator.model.taxonomy import Taxonomy
from aggregator.steps.normalise import normalise
from aggregator.steps.tagging.tagger import compile_tagger

LISTED = 20
"""Entries of a feed's document."""
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A set of entries with their clusters, and pairs of them."""

    name: str
    entries: Sequence[Row]
    pairs: Sequence[Row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--folds", action="store_true", help="list the stories found, with their titles")
    given = parser.parse_args()
    results = [judged(labelled, listed=given.folds) for labelled in read_sets(given.files)]
    print(json.dumps({"sets": results}, indent=2, ensure_ascii=False))


def read_sets(paths: Sequence[Path]) -> Iterator[Labelled]:
    """The sets in these files; pairs belong to every set that holds both entries."""
    rows = {path: _rows(path) for path in paths}
    pairs = [row for found in rows.values() for row in found if "label" in row]
    for path, entries in rows.items():
        if "cluster" not in entries[0]:
            continue
        beside = path.with_name(path.name.replace("entries", "pairs"))
        own = _rows(beside) if not pairs and beside != path and beside.exists() else pairs
        ids = {row["id"] for row in entries}
        yield Labelled(f"{path.parent.name}/{path.name}", entries, [row for row in own if {row["a"], row["b"]} <= ids])


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


# --- folding --------------------------------------------------------------------------------------


def judged(labelled: Labelled, *, listed: bool) -> dict[str, object]:
    """The scores of one set, and what it cost."""
    readings, sketch_ms = read_documents(labelled.entries)
    with TemporaryDirectory() as folder:
        stream = Stream(Path(folder) / "wire.db")
        for row, reading in zip(labelled.entries, readings, strict=True):
            stream.poll(row, reading)
        fold_ms = 1000 * stream.spent / len(readings)
        found, octets = stream.stories(), stream.folding_octets()
        stream.close()
    result: dict[str, object] = {"set": labelled.name, "entries": len(readings), "stories": len(set(found.values()))}
    result |= scores(labelled, found)
    result["ms_per_entry"] = {"sketch": round(sketch_ms, 3), "poll_with_sqlite": round(fold_ms, 3)}
    result["folding_octets_per_entry"] = round(octets / len(readings))
    if listed:
        result["folds"] = folds(labelled.entries, found)
    return result


def read_documents(entries: Sequence[Row]) -> tuple[list[Reading], float]:
    """Each entry as the first of its feed's document when it came, and milliseconds per entry sketched."""
    documents: defaultdict[str, list[ParsedEntry]] = defaultdict(list)
    readings, spent, count = [], 0.0, 0
    for row in entries:
        document = documents[row["feed"]]
        document.insert(0, normalise(RawFeed(format="rss20", entries=(_raw(row),)), url=row["feed"]).entries[0])
        del document[LISTED:]
        started = time.process_time()
        readings.append(keyed(row["feed"], ParsedFeed(format="rss20", entries=tuple(document))))
        spent, count = spent + time.process_time() - started, count + len(document)
    return readings, 1000 * spent / count


def _raw(row: Row) -> RawEntry:
    published = _moment(row)
    return RawEntry(
        guid=f"urn:{row['id']}",
        title=row["title"],
        links=(Link(href=row["url"]),) if row.get("url") else (),
        summary=row.get("summary") or "",
        content=row.get("content") or "",
        language=row.get("lang"),
        published=published,
        published_raw=row.get("published"),
    )


def _moment(row: Row) -> datetime:
    return datetime.fromisoformat(row["published"]).astimezone(UTC)


@dataclass
class Stream:
    """Feeds that publish one entry at a time, and the flow that polls them on a SQLite file."""

    path: Path
    moment: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    reads: dict[str, Read] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    """Of each entry; of one that the publisher only renamed, that of the entry it was."""
    spent: float = 0.0
    feeds: dict[str, Feed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.database = open_database(f"sqlite:///{self.path}")
        migrate(self.database)
        self.store = SqlFeedStore(self.database)
        self.ports = RefreshPorts(
            feeds=self.store,
            entries=SqlEntryStore(self.database),
            folds=SqlFoldStore(self.database),
            fetcher=self,
            parser=self,
            clock=self,
        )

    def poll(self, row: Row, reading: Reading) -> None:
        feed_id = row["feed"]
        self.moment = max(self.moment + timedelta(seconds=1), _moment(row))
        if feed_id not in self.feeds:
            self.feeds[feed_id] = Feed(id=feed_id, url=feed_id, name=feed_id)
            self.store.sync([*self.feeds.values()], self.moment)
        self.reads[feed_id] = Read(
            feed_id=feed_id, url=feed_id, validators=Validators(), wishes=ServerWishes(), reading=reading
        )
        plan = RefreshPlan(feeds=self.feeds, every=timedelta(hours=1), tagger=compile_tagger(Taxonomy()))
        states = self.store.states([feed_id])
        started = time.process_time()
        refresh(self.ports, plan, states)
        self.spent += time.process_time() - started
        known = self.ports.entries.known(reading.keys[0].identity)
        self.marks[row["id"]] = known[reading.keys[0].identity[0]].mark

    def fetch(self, requests: Sequence[FetchRequest]) -> Iterator[FetchOutcome]:
        return iter(())

    def parse(self, outcomes: Iterable[FetchOutcome]) -> Iterator[Sequence[PollOutcome]]:
        yield [*self.reads.values()]
        self.reads.clear()

    def now(self) -> datetime:
        return self.moment

    def stories(self) -> dict[str, str]:
        """Story by entry."""
        found = SqlStoryStore(self.database).after(0, limit=10**9)
        homes = {entry.mark: story.id for story in found for entry in story.entries}
        return {id_: homes[mark] for id_, mark in self.marks.items()}

    def folding_octets(self) -> int:
        """What the file holds for folding."""
        tables = ("fold_keys", "entry_sketches", "story_links", "ix_story_links_other")
        with self.database.read() as connection:
            rows = connection.exec_driver_sql("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").all()
        return sum(size for name, size in rows if name in tables)

    def close(self) -> None:
        self.database.close()


# --- scoring --------------------------------------------------------------------------------------


def scores(labelled: Labelled, found: Mapping[str, str]) -> dict[str, object]:
    """Pairwise precision, recall and F1: of all, by language, and which labelled pairs of each kind came out right."""
    language = {row["id"]: row["lang"] for row in labelled.entries}
    gold = _pairs({row["id"]: row["cluster"] for row in labelled.entries})
    got = _pairs(found)

    def among(kept: Callable[[str, str], bool]) -> dict[str, float]:
        right, wanted = ({pair for pair in pairs if kept(*(language[id_] for id_ in pair))} for pairs in (got, gold))
        return _f1(len(right & wanted), len(right), len(wanted))

    kinds: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    for pair in labelled.pairs:
        together = found[pair["a"]] == found[pair["b"]]
        kinds[("same " if pair["label"] else "other ") + pair["kind"]][together == bool(pair["label"])] += 1
    return {
        "all": among(lambda one, other: True),
        "same_language": among(lambda one, other: one == other),
        "cross_language": among(lambda one, other: one != other),
        "languages": {name: among(partial(_both, name)) for name in sorted({*language.values()})},
        "kinds": {kind: f"{count[True]}/{count.total()}" for kind, count in sorted(kinds.items())},
    }


def _pairs(groups: Mapping[str, str]) -> set[tuple[str, str]]:
    members: defaultdict[str, list[str]] = defaultdict(list)
    for id_, group in groups.items():
        members[group].append(id_)
    return {pair for ids in members.values() for pair in combinations(sorted(ids), 2)}


def _both(name: str, one: str, other: str) -> bool:
    return one == other == name


def _f1(right: int, found: int, wanted: int) -> dict[str, float]:
    precision, recall = right / max(1, found), right / max(1, wanted)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4), "pairs": wanted}


def folds(entries: Sequence[Row], found: Mapping[str, str]) -> list[list[str]]:
    """The titles of every story of two entries or more."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for row in entries:
        groups[found[row["id"]]].append(f"{row['id']} {row['title']}")
    return [titles for titles in groups.values() if len(titles) > 1]


if __name__ == "__main__":
    main()
