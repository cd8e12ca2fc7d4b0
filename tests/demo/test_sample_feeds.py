"""The sample feeds are what the demo says they are, read as any feed is read."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aggregator.demo.calendar import EDITION, as_of
from aggregator.demo.script import demo_settings
from aggregator.demo.server import FEEDS, TYPES
from aggregator.flows.ingest import ingest
from aggregator.model.entry import Reading
from aggregator.model.feed import Validators
from aggregator.model.parsed import ParsedEntry
from aggregator.model.poll import Fetched, Read
from aggregator.steps.folding.sketch import unpack
from aggregator.steps.tagging.tagger import compile_tagger, tag_entry

FIRST_EDITION = (
    ("alcoraya.rss", "rss20", "es", 7),
    ("caspian-ledger.rss", "rss20", "en", 7),
    ("fennmark.rdf", "rss10", "en", 7),
    ("havelbrueck.atom", "atom10", "de", 7),
    ("institut-vauclair.rss", "rss20", "fr", 9),
    ("kestrel-house.rss", "rss20", "en-gb", 8),
    ("quillmere.json", "json11", "en", 7),
    ("shirasagi.atom", "atom10", "en", 8),
    ("slow-strategy.atom", "atom10", "en", 7),
)
NAMES = [name for name, *_ in FIRST_EDITION]


@cache
def read(name: str, today: date = EDITION) -> Reading:
    path = FEEDS / name
    outcome = ingest(
        Fetched(
            feed_id=name.replace(".second", ""),
            url=f"http://127.0.0.1/{name}",
            status=200,
            body=as_of(today, path.read_bytes()),
            content_type=TYPES[path.suffix],
            validators=Validators(),
        )
    )
    assert isinstance(outcome, Read)
    return outcome.reading


def entries(name: str) -> tuple[ParsedEntry, ...]:
    return read(name).feed.entries


def all_entries() -> list[ParsedEntry]:
    return [entry for name in NAMES for entry in entries(name)]


def test_every_sample_file_is_named_here() -> None:
    assert sorted(path.name for path in FEEDS.iterdir()) == sorted([*NAMES, "kestrel-house.second.rss"])


@pytest.mark.parametrize(("name", "format_", "language", "count"), FIRST_EDITION)
def test_each_file_reads_as_its_format_and_language(name: str, format_: str, language: str, count: int) -> None:
    feed = read(name).feed
    assert (feed.format, feed.language, len(feed.entries)) == (format_, language, count)
    assert bool(feed.warnings) == (name == "caspian-ledger.rss")


def test_every_entry_has_a_title_a_summary_of_several_sentences_and_its_publishers_address() -> None:
    for entry in all_entries():
        assert entry.title
        assert entry.url
        assert 150 < len(entry.summary) < 600, entry.title
        assert (urlsplit(entry.url).hostname or "").endswith(".example")


def test_all_kinds_of_detail_occur() -> None:
    found = all_entries()
    enclosures = {link.type for entry in found for link in entry.links if link.rel == "enclosure"}
    assert len(found) >= 60
    assert enclosures == {"application/pdf", "audio/mpeg"}
    assert any(category.scheme and category.label for entry in found for category in entry.categories)
    assert any("<table>" in entry.content for entry in found)
    assert any(entry.comments for entry in found)
    assert any(len(entry.authors) > 1 for entry in found)
    assert [entry.source.title for entry in found if entry.source] == ["Institut Vauclair – Publications"]
    assert [entry.title for entry in found if not (entry.published or entry.updated)] == [
        "Tankers Without Names: A Reader's Guide"
    ]


def test_five_publications_are_cross_posted_and_share_an_address_or_doi() -> None:
    owners: dict[int, set[str]] = {}
    for name in NAMES:
        for keys in read(name).keys:
            for key in unpack(keys.sketch).urls | unpack(keys.sketch).dois:
                owners.setdefault(key, set()).add(name)
    shared = sorted(sorted(names) for names in owners.values() if len(names) > 1)
    assert shared == [
        ["alcoraya.rss", "caspian-ledger.rss", "kestrel-house.rss"],
        ["fennmark.rdf", "slow-strategy.atom"],
        ["havelbrueck.atom", "institut-vauclair.rss"],
        ["institut-vauclair.rss", "shirasagi.atom"],
        ["kestrel-house.rss", "quillmere.json"],
    ]


def test_the_second_edition_re_dates_and_re_orders_the_same_items() -> None:
    first, second = read("kestrel-house.rss"), read("kestrel-house.second.rss")
    known = {keys.identity[0]: (entry, keys.digest) for entry, keys in zip(first.feed.entries, first.keys, strict=True)}
    assert {keys.identity[0] for keys in second.keys} == set(known)
    assert [keys.identity[0] for keys in second.keys] != [keys.identity[0] for keys in first.keys]
    for entry, keys in zip(second.feed.entries, second.keys, strict=True):
        before, digest = known[keys.identity[0]]
        assert keys.digest == digest
        assert entry.published != before.published


@pytest.mark.parametrize("today", [EDITION - timedelta(days=1), EDITION, date(2027, 3, 2), date(2031, 1, 1)])
def test_the_feeds_are_of_the_last_weeks_on_any_day(today: date) -> None:
    now = datetime.combine(today, time.min, UTC)
    moments = [
        moment
        for name in (*NAMES, "kestrel-house.second.rss")
        for entry in read(name, today).feed.entries
        for moment in (entry.published, entry.updated)
        if moment
    ]
    assert now - timedelta(days=8) < max(moments) < now
    assert min(moments) > now - timedelta(weeks=7)


def test_moving_dates_keeps_the_weekday_and_every_other_octet() -> None:
    body = "<pubDate>Mon, 23 Nov 2026 08:00:00 +0100</pubDate> 2026-11-23T14:00:00Z à \xff 2026-11-23".encode("latin-1")
    moved = "<pubDate>Mon, 04 Jan 2027 08:00:00 +0100</pubDate> 2027-01-04T14:00:00Z à \xff 2026-11-23".encode(
        "latin-1"
    )
    assert as_of(date(2027, 1, 8), body) == moved
    assert as_of(EDITION, body) == body


def test_every_rule_of_the_demo_tags_something_and_the_external_publication_gets_its_four(tmp_path: Path) -> None:
    settings = demo_settings(
        tmp_path, publishers="http://127.0.0.1:1", smtp_url="smtp://127.0.0.1:2", site="http://a.b"
    )
    tagger, now = compile_tagger(settings.taxonomy, settings.rules), datetime.combine(EDITION, time.min, UTC)
    given = [
        (entry, {(tag.name, tag.origin) for tag in tag_entry(entry, feed, tagger, now)})
        for feed in settings.feeds
        if (name := feed.url.rpartition("/")[2]) in NAMES
        for entry in entries(name)
    ]
    every = {tag for _, tags in given for tag in tags}
    assert {name for name, origin in every if origin == "rule"} == {rule.tag for rule in settings.rules}
    assert {"topic:confidence-building", "topic:energy", "region:sahel", "type:podcast"} <= {name for name, _ in every}
    (external,) = [dict(tags) for entry, tags in given if "External Publications" in entry.summary]
    assert {"country:jp", "country:ru", "topic:diplomacy", "type:external-publication"} <= external.keys()
