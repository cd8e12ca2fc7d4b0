"""Hard cases, written by hand: tags a text has to have and must not have, and why; `tests/data/tagging` holds them."""

import json
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pytest

from aggregator.model.feed import Feed
from aggregator.model.parsed import ParsedEntry, SafeHtml
from aggregator.settings.taxonomy_files import shipped_taxonomy
from aggregator.steps.tagging.tagger import compile_tagger, tag_entry
from aggregator.steps.tagging.topics import MAX_TOPICS

FOLDER = Path(__file__).parents[2] / "data" / "tagging"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FEED = Feed(id="north", url="https://north.example/feed", name="North")
TAGGER = compile_tagger(shipped_taxonomy())
CASES = [
    pytest.param(json.loads(line), id=f"{path.stem}-{number}")
    for path in sorted(FOLDER.glob("*.jsonl"))
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
]


@pytest.mark.parametrize("case", CASES)
def test_a_text_has_the_tags_that_a_person_would_give_it(case: dict[str, str]) -> None:
    entry = ParsedEntry(title=case["title"], summary=SafeHtml(f"<p>{escape(case['text'])}</p>"), language=case["lang"])
    names = [tag.name for tag in tag_entry(entry, FEED, TAGGER, NOW)]
    assert set(case["has"]) <= set(names), case["why"]
    assert not set(case["not"]) & set(names), case["why"]
    assert sum(name.startswith("topic:") for name in names) <= MAX_TOPICS
