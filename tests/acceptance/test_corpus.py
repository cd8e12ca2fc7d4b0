"""Feeds of the wild, 308 of them: each yields entries or one clear reason; none crashes, hangs, leaks or gets through
unclean, and what is harmless stays."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import lxml.html
import pytest

from aggregator.adapters.parser_pool import ParserPool
from aggregator.flows.ingest import ingest
from aggregator.model.feed import Validators
from aggregator.model.poll import Cause, Fetched, FetchFailed, PollOutcome, Read
from aggregator.settings.values import Polling
from aggregator.steps.normalise import DROPPED_WHOLE, MAX_CONTENT, safe_html
from aggregator.steps.parse.dispatch import parse
from tests.steps.strict import feed_faults

FEEDS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "feeds"
pytestmark = pytest.mark.skipif(not FEEDS.exists(), reason=f"the corpus of feeds is not at {FEEDS}")

NO_FEEDS = {
    "aaa_illformed.xml": (Cause.PARSE, "not well-formed at line 7: unclosed token"),
    "channel_title.xml": (Cause.NOT_A_FEED, "not a feed: "),  # CDF, which feedparser no longer reads
    "rss_empty_document.xml": (Cause.NOT_A_FEED, "not a feed: "),
    "undeclared_namespace.xml": (Cause.PARSE, "not well-formed at line 9: unbound prefix"),
}
WORDS = {
    "double-encoded-html.xml": "…",
    "euc-kr-item.xml": "년",
    "euc-kr.xml": "년",
    "item_title.xml": "Example item",
}
"""What feedparser's own expectations in these files say of them."""


def paths() -> list[Path]:
    return [path for path in sorted(FEEDS.rglob("*")) if path.is_file() and path.name != "index.csv"]


def fetched(path: Path) -> Fetched:
    return Fetched(
        feed_id=str(path.relative_to(FEEDS)),
        url="https://feeds.example/all.xml",
        status=200,
        body=path.read_bytes(),
        content_type=None,
        validators=Validators(),
    )


def ingest_or_weigh(document: Fetched) -> PollOutcome:
    """As `ingest`; a document named "scales" is answered with the memory in use, in pages."""
    if document.feed_id != "scales":
        return ingest(document)
    pages = Path("/proc/self/statm").read_text().split()[1]
    return FetchFailed(feed_id="scales", cause=Cause.EMPTY, message=pages)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, PollOutcome]:
    with ParserPool(Polling(), read=ingest) as pool:
        return {outcome.feed_id: outcome for batch in pool.parse(map(fetched, paths())) for outcome in batch}


def test_every_file_yields_entries_or_one_clear_reason(outcomes: dict[str, PollOutcome]) -> None:
    assert len(outcomes) == len(paths()) == 308
    failed = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, FetchFailed):
            failed[Path(name).name] = outcome
        else:
            assert isinstance(outcome, Read)
            feed = outcome.reading.feed
            assert feed.entries or "the feed holds no entries" in feed.warnings, name
            assert feed.format
            assert len(outcome.reading.keys) == len(feed.entries) <= 500
    assert failed.keys() == NO_FEEDS.keys()
    for name, (cause, message) in NO_FEEDS.items():
        assert failed[name].cause is cause
        assert failed[name].message.startswith(message)
    assert sum(len(outcome.reading.feed.entries) for outcome in outcomes.values() if isinstance(outcome, Read)) > 7_000


def test_nothing_unclean_comes_through(outcomes: dict[str, PollOutcome]) -> None:
    for name, outcome in outcomes.items():
        if isinstance(outcome, Read):
            assert feed_faults(outcome.reading.feed) == [], name


def test_entries_have_words_and_an_address(outcomes: dict[str, PollOutcome]) -> None:
    entries = [entry for read in outcomes.values() if isinstance(read, Read) for entry in read.reading.feed.entries]
    assert sum(bool(entry.title or entry.summary or entry.content) for entry in entries) / len(entries) > 0.995
    assert sum(entry.url is not None for entry in entries) / len(entries) > 0.95
    assert sum(bool(entry.published or entry.updated) for entry in entries) / len(entries) > 0.94


def test_old_encodings_are_read_as_they_are_meant(outcomes: dict[str, PollOutcome]) -> None:
    for name, expected in WORDS.items():
        outcome = outcomes[f"kurtmckee+feedparser/{name}"]
        assert isinstance(outcome, Read)
        feed = outcome.reading.feed
        words = " ".join([feed.title, *(f"{entry.title} {entry.summary} {entry.content}" for entry in feed.entries)])
        assert expected in words, name


def test_words_and_links_of_harmless_entries_are_kept() -> None:
    characters = kept = 0
    for markup in _markups():
        before, after = _seen(markup), _seen(safe_html(markup, base="https://feeds.example/"))
        characters += len(before[0])
        kept += sum((Counter(before[0]) & Counter(after[0])).values())
        assert Counter(before[1]) <= Counter(after[1])
    assert characters > 1_000_000
    assert kept / characters >= 0.999


def test_a_child_does_not_grow_with_the_documents_it_has_read() -> None:
    scales = Fetched(feed_id="scales", url="", status=200, body=b"", content_type=None, validators=Validators())
    with ParserPool(Polling(parse_processes=1), read=ingest_or_weigh) as pool:

        def weight_after_reading() -> int:
            given = [*map(fetched, paths()[::8]), scales]
            found = {outcome.feed_id: outcome for batch in pool.parse(given) for outcome in batch}
            answer = found["scales"]
            assert isinstance(answer, FetchFailed)
            return int(answer.message) * os.sysconf("SC_PAGESIZE")

        weights = [weight_after_reading() for _ in range(8)]
    assert weights[-1] - weights[3] < 4 * 1024 * 1024  # once its memory has been cut into pieces of all sizes


def _markups() -> Iterator[str]:
    for path in paths()[::3]:
        if path.name not in NO_FEEDS:
            for entry in parse(path.read_bytes(), content_type=None, url="https://feeds.example/").entries:
                if entry.content_is_html and len(entry.content) <= MAX_CONTENT:
                    yield entry.content
                if entry.summary_is_html:
                    yield entry.summary


def _seen(markup: str) -> tuple[str, list[str]]:
    """The characters a reader sees, and the web links, of what no sanitiser need drop."""
    if not markup.strip():
        return "", []
    tree = lxml.html.fragment_fromstring(
        re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b]", "", markup), create_parent="div"
    )
    for part in list(tree.iter(*DROPPED_WHOLE)):
        part.drop_tree()
    links = [str(href).strip() for href in tree.xpath("//a/@href")]
    return "".join("".join(tree.itertext()).split()), [href for href in links if href.startswith(("http:", "https:"))]
