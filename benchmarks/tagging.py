"""How well entries are tagged: `python -m benchmarks.tagging FILE…`, precision, recall and F1 as one JSON document.

Each file holds one labelled text a line, as JSON: `set`, `id`, `lang`, `title`, `text`, and the labels `countries`
(ISO codes) or `topics`, each with `…_optional` that count neither way; a `topics_scope` names the topics that were
looked for, and a text of such a set without any topic is not counted. The texts are tagged by the step that polling
uses, with the taxonomy and the rules of the shipped feeds.yaml or of the file that `--config` names. `countries` are
those a text is tagged with, `mentions` all that it names, held against the same labels.
"""

import argparse
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from time import process_time
from typing import Any

from aggregator.model.entry import Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import ParsedEntry, SafeHtml
from aggregator.settings.loading import find_shipped, load_settings
from aggregator.steps.tagging.tagger import Tagger, compile_tagger, tag_entry

Row = Mapping[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FEED = Feed(id="benchmark", url="https://benchmark.example/feed", name="Benchmark")
LABELS = {"countries": "countries", "mentions": "countries", "topics": "topics"}
"""The labels that each score is held against."""
NAMESPACES = {"countries": "country", "mentions": "mentions", "topics": "topic"}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("files", nargs="+", type=Path, metavar="FILE")
    arguments.add_argument("--config", type=Path, default=find_shipped("feeds.yaml"))
    chosen = arguments.parse_args()
    settings = load_settings(chosen.config, os.environ)
    tagger = compile_tagger(settings.taxonomy, settings.rules)
    rows = [row for path in chosen.files for row in read(path)]
    print(json.dumps(measure(rows, tagger), indent=2))


def read(path: Path) -> Iterator[Row]:
    """The labelled texts of a file."""
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def measure(rows: Sequence[Row], tagger: Tagger) -> dict[str, Any]:
    """The scores by label, set and language, and what one text costs."""
    entries = [_entry(row) for row in rows]
    started = process_time()
    tagged = [tag_entry(entry, FEED, tagger, NOW) for entry in entries]
    spent = process_time() - started
    counts: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for row, tags in zip(rows, tagged, strict=True):
        for kind, label in LABELS.items():
            if label in row and (row[label] or f"{label}_scope" not in row):
                found = _outcome(row, kind, tags)
                for language in ("all", row["lang"]):
                    counts[kind, row["set"], language] += found
    scores: dict[str, Any] = {}
    for (label, name, language), found in sorted(counts.items()):
        scores.setdefault(label, {}).setdefault(name, {})[language] = score(found)
    return {"texts": len(rows), "cpu_ms_per_text": round(1000 * spent / max(1, len(rows)), 3), **scores}


def _entry(row: Row) -> ParsedEntry:
    return ParsedEntry(title=row["title"], content=SafeHtml(escape(row["text"])), language=row["lang"])


def _outcome(row: Row, kind: str, tags: Sequence[Tag]) -> Counter[str]:
    """How many labels were found, wrongly given and missed."""
    label = LABELS[kind]
    names = {tag.name.partition(":")[2] for tag in tags if tag.namespace == NAMESPACES[kind]}
    given = {name.upper() for name in names} if label == "countries" else names
    if f"{label}_scope" in row:
        given &= set(row[f"{label}_scope"])
    right, optional = set(row[label]), set(row.get(f"{label}_optional", ()))
    return Counter(found=len(right & given), wrong=len(given - right - optional), missed=len(right - given))


def score(counts: Mapping[str, int]) -> dict[str, float]:
    """Precision, recall and F1 over all labels of a set (micro-averaged)."""
    found, wrong, missed = (counts.get(name, 0) for name in ("found", "wrong", "missed"))
    precision, recall = found / max(1, found + wrong), found / max(1, found + missed)
    f1 = 2 * found / max(1, 2 * found + wrong + missed)
    return {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3), "labels": found + missed}


if __name__ == "__main__":
    main()
