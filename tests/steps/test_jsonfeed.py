"""JSON Feed 1.0 and 1.1, as written by people who read the format and by others."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from aggregator.model.parsed import Link, Person, RawFeed
from aggregator.model.poll import Cause
from aggregator.steps.parse.dispatch import parse
from aggregator.steps.parse.jsonfeed import looks_like_json, parse_json_feed
from aggregator.steps.parse.limits import NotAFeedError

VERSION = "https://jsonfeed.org/version/1.1"


def read(*items: Any, limit: int = 500, **document: Any) -> RawFeed:
    body = json.dumps({"version": VERSION, "title": "T", "items": list(items)} | document)
    return parse_json_feed(body.encode(), limit=limit)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", True),
        (b"\xef\xbb\xbf \r\n\t{", True),
        (b"[1]", False),
        (b"<rss/>", False),
        (b"", False),
    ],
)
def test_a_document_that_begins_with_a_brace_is_json(body: bytes, expected: bool) -> None:
    assert looks_like_json(body) is expected


@pytest.mark.parametrize(
    ("version", "format_", "warned"),
    [
        ("https://jsonfeed.org/version/1", "json1", False),
        ("https://jsonfeed.org/version/1.1", "json11", False),
        ("http://jsonfeed.org/version/1.1/", "json11", False),
        ("https://jsonfeed.org/version/9", "json", True),
        (1.1, "json", True),
        (None, "json", True),
    ],
)
def test_the_version_is_known_or_missed(version: Any, format_: str, warned: bool) -> None:
    feed = read({"id": "1"}, version=version)
    assert feed.format == format_
    assert feed.warnings == (("the document names no known version of JSON Feed",) if warned else ())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"items": [}', "not valid JSON: Expecting value: line 1 column 12 (char 11): '{\"items\": [}'"),
        (b'{"a": "\xff"}', "not valid JSON: 'utf-8' codec can't decode byte 0xff"),
        (b'{"title": "x"}', 'JSON without a list of items, not a feed: \'{"title": "x"}\''),
        (b'{"items": {}}', "JSON without a list of items, not a feed"),
        (b'{"version":"x","items":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "not valid JSON: maximum recursion"),
    ],
)
def test_other_json_says_why_it_is_no_feed(body: bytes, message: str) -> None:
    with pytest.raises(NotAFeedError) as caught:
        parse(body, content_type="application/json", url="https://x.example/")
    assert caught.value.cause is Cause.NOT_A_FEED
    assert caught.value.message.startswith(message)
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    "value", [None, 5, 1e300, True, "", " ", "x", [], ["x"], {}, {"name": 3}, [{"url": None}], [[]]]
)
@pytest.mark.parametrize(
    "name",
    "id url external_url title content_html content_text summary image banner_image date_published date_modified "
    "author authors tags language attachments".split(),
)
def test_a_value_of_another_type_spoils_nothing(name: str, value: Any) -> None:
    feed = read({name: value}, {"id": "good", "title": "Good"}, **{name: value})
    assert feed.entries[-1].title == "Good"


def test_an_id_may_be_a_number_of_any_length() -> None:
    body = b'{"version":"","items":[{"id":' + b"9" * 100_000 + b'},{"id":7},{"id":1.5}]}'
    assert [entry.guid for entry in parse_json_feed(body).entries] == ["9" * 100_000, "7", "1.5"]


def test_items_that_are_none_are_counted() -> None:
    feed = read(7, "x", None, {"id": "1"})
    assert (len(feed.entries), feed.warnings) == (1, ("3 items are no objects and were left out",))


def test_a_feed_without_items_says_so() -> None:
    assert read().warnings == ("the feed holds no entries",)


def test_the_newest_are_kept_whichever_way_the_list_is_sorted() -> None:
    oldest_first = read(*({"id": str(day), "date_published": f"2026-11-{day:02}"} for day in range(1, 8)), limit=2)
    assert [entry.guid for entry in oldest_first.entries] == ["6", "7"]
    assert oldest_first.dropped == 5
    undated = read({"id": "1", "date_modified": "2026-11-01"}, {"id": "2"}, {"id": "3"}, limit=2)
    assert [entry.guid for entry in undated.entries] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T08:00:00+01:00", datetime(2026, 11, 24, 7, tzinfo=UTC)),
        ("2026-11-24T08:00:00", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 08:00:00 GMT", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
    ],
)
def test_a_date_is_rfc_3339_or_what_mail_uses(text: str, moment: datetime | None) -> None:
    (entry,) = read({"id": "1", "date_published": text}).entries
    assert (entry.published, entry.published_raw) == (moment, text)


def test_links_say_what_they_are() -> None:
    feed = read(
        {"external_url": "https://doi.org/10.5555/x?y#z", "attachments": [{"url": "a.mp3", "size_in_bytes": -1}, {}]},
        {"url": "https://x.example/1", "external_url": "https://y.example/"},
        home_page_url="https://x.example/",
        next_url="https://x.example/2.json",
    )
    outside, both = feed.entries
    assert outside.links == (Link(href="https://doi.org/10.5555/x?y#z"), Link(href="a.mp3", rel="enclosure"))
    assert outside.doi == "10.5555/x"
    assert [(link.href, link.rel) for link in both.links] == [
        ("https://x.example/1", "alternate"),
        ("https://y.example/", "related"),
    ]
    assert [link.rel for link in feed.links] == ["alternate", "next"]


def test_authors_of_the_feed_stand_in_for_an_entrys_own() -> None:
    feed = read(
        {"id": "1"}, {"id": "2", "author": {"name": "One"}}, authors=[{"name": "All", "url": "https://x.example"}]
    )
    assert [entry.authors for entry in feed.entries] == [
        (Person(name="All", uri="https://x.example"),),
        (Person(name="One"),),
    ]
