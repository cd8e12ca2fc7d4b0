"""Hard cases, written by hand: for each, what two entries are to each other and why; `tests/data/folding` holds them.

A text is a list of sentences, or of `$name` and `$name:first-last` of `texts.json`. Each pair goes through all of
folding, in both orders, in one batch and in two, as polling would have it.
"""

import json
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from aggregator.flows.ingest import keyed
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.parsed import Link, RawEntry, RawFeed
from aggregator.model.story import RELATED
from aggregator.steps.decide import _entry
from aggregator.steps.folding.clustering import cluster, member_of
from aggregator.steps.folding.compare import compare
from aggregator.steps.folding.keys import keys_of
from aggregator.steps.folding.lookup import choose
from aggregator.steps.normalise import normalise
from tests.fakes import START

FOLDER = Path(__file__).parents[2] / "data" / "folding"
Side = dict[str, object]
CASES = [
    pytest.param(json.loads(line), id=f"{path.stem}-{number}")
    for path in sorted(FOLDER.glob("*.jsonl"))
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
]


@cache
def texts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((FOLDER / "texts.json").read_text("utf-8"))
    return found


def sentences(parts: list[str]) -> str:
    said: list[str] = []
    for part in parts:
        name, _, cut = part.removeprefix("$").partition(":")
        first, _, last = cut.partition("-")
        said += texts()[name][int(first or 0) : int(last) if last else None] if part.startswith("$") else [part]
    return "".join(f"<p>{sentence}</p>" for sentence in said)


def raw(side: Side) -> RawEntry:
    parts = side["text"]
    assert isinstance(parts, list)
    slug = "-".join(str(side["title"]).lower().split())
    url = str(side.get("url") or f"https://{side['feed']}.example/{slug}")
    doi = side.get("doi")
    return RawEntry(
        guid=f"urn:{side['title']}:{url}",
        title=str(side["title"]),
        title_is_html=False,
        links=(Link(href=url),),
        content=sentences(parts),
        language=str(side.get("lang", "en")),
        published=START + timedelta(days=int(str(side.get("day", 0))) - 90),
        doi=str(doi) if doi else None,
    )


def entries(one: Side, other: Side) -> list[Entry]:
    """As two documents would bring them, or one when they are of one feed."""
    one, other = {"feed": "north"} | one, {"feed": "south"} | other
    documents: dict[str, list[Side]] = {}
    for side in (one, other):
        documents.setdefault(str(side["feed"]), []).append(side)
    found = []
    for feed_id, sides in documents.items():
        url = f"https://{feed_id}.example/feed"
        document = normalise(RawFeed(format="rss20", entries=tuple(map(raw, sides))), url=url)
        read = keyed(feed_id, document)
        feed = Feed(id=feed_id, url=url, name=feed_id)
        found += [_entry(feed, item, keys, now=START) for item, keys in zip(document.entries, read.keys, strict=True)]
    return found


def verdict(pair: list[Entry]) -> str:
    choice = choose(pair, [keys_of(entry) for entry in pair], {})
    links = compare(pair, choice, {})
    placements = cluster([entry.mark for entry in pair], [member_of(entry) for entry in pair], links).placements
    if len({placement.story_id for placement in placements}) == 1:
        return "same"
    return "related" if any(link.rule == RELATED for link in links) else "other"


@pytest.mark.parametrize("case", CASES)
def test_hard_cases(case: dict[str, Side]) -> None:
    pair = entries(case["one"], case["other"])
    assert {verdict(pair), verdict(pair[::-1])} == {case["verdict"]}, case["why"]


def test_there_are_ten_cases_of_every_kind_at_least() -> None:
    counts = {path.stem: len(path.read_text("utf-8").splitlines()) for path in FOLDER.glob("*.jsonl")}
    assert len(counts) == 16
    assert min(counts.values()) >= 10
