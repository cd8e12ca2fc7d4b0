"""Merged feeds as a reader's software sees them: written, then parsed back."""

import io
import json
import locale
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree

from aggregator.model.channel import Channel, Format, Publication, Site
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import Link, Person, SafeHtml, Source
from aggregator.model.story import Story
from aggregator.steps.feedwriter.contents import BEFORE_ANYTHING
from aggregator.steps.feedwriter.outgoing import printable
from aggregator.steps.feedwriter.writer import write_channel
from aggregator.steps.parse.jsonfeed import parse_json_feed
from tests.fakes import START

FORMATS: tuple[Format, ...] = ("atom", "rss", "json")
SITE = Site(title="Think Tank Wire", base_url="https://wire.example.org")
IFRI = Feed(id="ifri", url="https://ifri.example/rss", name="Ifri", site_url="https://ifri.example/", language="fr")
APPS = Feed(id="apps", url="https://apps.example/feed", name="APPS & Partners")
FEEDS = {feed.id: feed for feed in (IFRI, APPS)}
JAPAN = Channel(id="japan", title="Japan & Russia", query="country:jp")
NS = {
    "a": "http://www.w3.org/2005/Atom",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
}
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def entry(feed_id: str = "ifri", **fields: Any) -> Entry:
    values: dict[str, Any] = {
        "title": "Tokyo & Moscow",
        "links": (Link(href=f"https://{feed_id}.example/1"),),
        "content": SafeHtml("<p>Two capitals.</p>"),
        "first_seen": START,
        "changed_at": START,
        "date": START - timedelta(days=1),
        "keys": EntryKeys(identity=(), digest=b""),
    }
    return Entry(feed_id=feed_id, **(values | fields))


def story(*entries: Entry, id: str = "story-1", **fields: Any) -> Story:
    values: dict[str, Any] = {"seq": 1, "first_seen": START, "updated": START + timedelta(hours=2)}
    return Story(id=id, entries=entries or (entry(),), **(values | fields))


def write(format: Format, *stories: Story, channel: Channel = JAPAN, site: Site = SITE) -> Publication:
    return write_channel(channel, stories, format, site=site, feeds=FEEDS)


def xml(format: Format, *stories: Story, **arguments: Any) -> Any:
    return etree.fromstring(write(format, *stories, **arguments).body)


def first(format: Format, *stories: Story, **arguments: Any) -> Any:
    """The only entry, as an element."""
    return xml(format, *stories, **arguments).find("a:entry" if format == "atom" else "channel/item", NS)


def items(*stories: Story, **arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(write("json", *stories, **arguments).body)["items"]
    return found


def ids(format: Format, *stories: Story, **arguments: Any) -> list[str]:
    if format == "json":
        return [item["id"] for item in items(*stories, **arguments)]
    path = "a:entry/a:id" if format == "atom" else "channel/item/guid"
    return [element.text for element in xml(format, *stories, **arguments).findall(path, NS)]


RICH = story(
    entry(
        links=(
            Link(href="https://ifri.example/1", type="text/html", hreflang="fr"),
            Link(href="https://ifri.example/1.pdf", rel="enclosure", type="application/pdf", length=4242, title="PDF"),
            Link(href="https://ifri.example/1.mp3", rel="enclosure", type="audio/mpeg"),
            Link(href="https://ifri.example/en/1", hreflang="en", title="In English"),
            Link(href="https://creative.example/by", rel="license"),
            Link(href="https://ifri.example/rss", rel="self"),
        ),
        summary=SafeHtml("<p>Short &amp; sweet.</p>"),
        authors=(Person(name="Ana Lee", email="ana@ifri.example", uri="https://ifri.example/ana"), Person(name="Bo")),
        thumbnails=("https://ifri.example/1.png",),
        rights="© Ifri",
        language="ja",
        doi="10.1234/ifri.1",
        comments="https://ifri.example/1#comments",
        source=Source(title="Elsewhere", link="https://elsewhere.example/9"),
        tags=(Tag(name="country:jp", origin="rule", label="Japan"), Tag(name="topic:arms-control", origin="rule")),
    ),
    entry("apps", title="Moscow and Tokyo", tags=(Tag(name="region:asia", origin="feed"),)),
)


# --- Atom -----------------------------------------------------------------------------------------


def test_atom_carries_every_link_with_its_relation_type_and_length() -> None:
    links = [dict(link.attrib) for link in first("atom", RICH).findall("a:link", NS)]
    assert links == [
        {"rel": "alternate", "href": "https://ifri.example/1"},
        {
            "rel": "enclosure",
            "href": "https://ifri.example/1.pdf",
            "type": "application/pdf",
            "title": "PDF",
            "length": "4242",
        },
        {"rel": "enclosure", "href": "https://ifri.example/1.mp3", "type": "audio/mpeg"},
        {"rel": "related", "href": "https://ifri.example/en/1", "hreflang": "en", "title": "In English"},
        {"rel": "license", "href": "https://creative.example/by"},
        {"rel": "via", "href": "https://elsewhere.example/9", "title": "Elsewhere"},
        {"rel": "related", "href": "https://apps.example/1", "title": "APPS & Partners: Moscow and Tokyo"},
        {"rel": "replies", "type": "text/html", "href": "https://ifri.example/1#comments"},
    ]


def test_atom_names_the_feed_it_was_fetched_from_as_source() -> None:
    source = first("atom", RICH).find("a:source", NS)
    assert {child.tag.partition("}")[2]: child.text or child.get("href") for child in source} == {
        "id": "https://ifri.example/rss",
        "title": "Ifri",
        "updated": "2026-11-24T08:00:00+00:00",
        "link": "https://ifri.example/",
        "rights": "© Ifri",
    }


def test_atom_carries_tags_language_people_and_pictures() -> None:
    found = first("atom", RICH)
    assert [dict(category.attrib) for category in found.findall("a:category", NS)] == [
        {"term": "country:jp", "scheme": "https://wire.example.org/tags/", "label": "Japan"},
        {"term": "topic:arms-control", "scheme": "https://wire.example.org/tags/", "label": "Arms control"},
        {"term": "region:asia", "scheme": "https://wire.example.org/tags/", "label": "Asia"},
    ]
    assert found.get(LANG) == "ja"
    assert [child.text for child in found.iterfind("a:author/*", NS)] == [
        *("Ana Lee", "ana@ifri.example", "https://ifri.example/ana"),
        "Bo",
    ]
    assert found.find("media:thumbnail", NS).get("url") == "https://ifri.example/1.png"
    assert found.findtext("dc:identifier", namespaces=NS) == "doi:10.1234/ifri.1"
    assert found.findtext("a:rights", namespaces=NS) == "© Ifri"


def test_atom_dates_are_the_shown_date_and_the_last_real_change() -> None:
    exact = replace(RICH, updated=START + timedelta(hours=2, microseconds=7))
    found = first("atom", exact)
    assert found.findtext("a:published", namespaces=NS) == "2026-11-23T08:00:00+00:00"
    assert found.findtext("a:updated", namespaces=NS) == "2026-11-24T10:00:00+00:00"


def test_feedparser_reads_the_atom_as_it_was_meant() -> None:
    found = feedparser.parse(io.BytesIO(write("atom", RICH).body))
    assert not found.bozo
    (read,) = found.entries
    assert (read.title, read.link, read.source.title) == ("Tokyo & Moscow", "https://ifri.example/1", "Ifri")
    assert {link.rel for link in read.links} == {"alternate", "enclosure", "related", "license", "via", "replies"}
    assert [(file.href, file.type, file.get("length")) for file in read.enclosures] == [
        ("https://ifri.example/1.pdf", "application/pdf", "4242"),
        ("https://ifri.example/1.mp3", "audio/mpeg", None),
    ]
    assert (read.content[0].type, read.content[0].language) == ("text/html", "ja")


# --- RSS ------------------------------------------------------------------------------------------


def test_rss_carries_what_it_can_and_the_rest_as_atom_links() -> None:
    found = first("rss", RICH)
    assert found.findtext("link") == "https://ifri.example/1"
    assert [dict(file.attrib) for file in found.findall("enclosure")] == [
        {"url": "https://ifri.example/1.pdf", "length": "4242", "type": "application/pdf"}
    ]
    assert [(link.get("rel"), link.get("href")) for link in found.findall("a:link", NS)] == [
        ("enclosure", "https://ifri.example/1.mp3"),
        ("related", "https://ifri.example/en/1"),
        ("license", "https://creative.example/by"),
        ("via", "https://elsewhere.example/9"),
        ("related", "https://apps.example/1"),
    ]
    assert (found.find("source").get("url"), found.findtext("source")) == ("https://ifri.example/rss", "Ifri")
    assert [(tag.get("domain"), tag.text) for tag in found.findall("category")] == [
        ("https://wire.example.org/tags/", "Japan"),
        ("https://wire.example.org/tags/", "Arms control"),
        ("https://wire.example.org/tags/", "Asia"),
    ]


def test_rss_names_people_by_dublin_core_and_never_as_mail_addresses() -> None:
    found = first("rss", RICH)
    assert [name.text for name in found.findall("dc:creator", NS)] == ["Ana Lee", "Bo"]
    assert found.find("author") is None
    assert b"ana@ifri.example" not in write("rss", RICH).body
    assert found.findtext("dc:language", namespaces=NS) == "ja"
    assert found.findtext("dc:rights", namespaces=NS) == "© Ifri"
    assert found.findtext("comments") == "https://ifri.example/1#comments"


def test_rss_keeps_summary_and_content_apart() -> None:
    found = first("rss", RICH)
    assert found.findtext("description") == "<p>Short &amp; sweet.</p>"
    assert found.findtext("content:encoded", namespaces=NS).startswith("<p>Two capitals.</p>")
    alone = first("rss", story())
    assert alone.findtext("description").startswith("<p>Two capitals.</p>")
    assert alone.find("content:encoded", NS) is None


def test_an_enclosure_without_type_or_length_gets_what_the_formats_demand() -> None:
    bare = story(entry(links=(Link(href="https://ifri.example/1.bin", rel="enclosure", type='"><script>'),)))
    assert dict(first("rss", bare).find("enclosure").attrib) == {
        "url": "https://ifri.example/1.bin",
        "length": "0",
        "type": "application/octet-stream",
    }
    assert items(bare)[0]["attachments"] == [
        {"url": "https://ifri.example/1.bin", "mime_type": "application/octet-stream"}
    ]
    assert dict(first("atom", bare).findall("a:link", NS)[1].attrib) == {
        "rel": "enclosure",
        "href": "https://ifri.example/1.bin",
    }


def test_writing_dates_leaves_the_locale_of_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(locale, "setlocale")
    assert first("rss", RICH).findtext("pubDate") == "Mon, 23 Nov 2026 08:00:00 +0000"


# --- JSON Feed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["atom", "rss", "json"])
@pytest.mark.parametrize("title", ["Think Tank Wire", "Think Tank Wire: country:jp"])
def test_a_channel_that_bears_the_name_of_the_site_does_not_say_it_twice(title: str, format: Format) -> None:
    body = write(format, RICH, channel=replace(JAPAN, title=title)).body.decode()
    assert f"{title} –" not in body
    assert body.count(title) >= 2


def test_json_feed_is_what_version_1_1_asks_for() -> None:
    document = json.loads(write("json", RICH).body)
    assert {name: value for name, value in document.items() if name != "items"} == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Japan & Russia",
        "home_page_url": "https://wire.example.org/",
        "feed_url": "https://wire.example.org/channels/japan.json",
        "description": "Japan & Russia – Think Tank Wire",
        "language": "en",
        "authors": [{"name": "Think Tank Wire"}],
    }
    (item,) = document["items"]
    assert item.pop("content_html").startswith("<p>Two capitals.</p>")
    assert item == {
        "id": ids("atom", RICH)[0],
        "url": "https://ifri.example/1",
        "external_url": "https://doi.org/10.1234/ifri.1",
        "title": "Tokyo & Moscow",
        "summary": "Short & sweet.",
        "image": "https://ifri.example/1.png",
        "date_published": "2026-11-23T08:00:00+00:00",
        "date_modified": "2026-11-24T10:00:00+00:00",
        "authors": [{"name": "Ana Lee", "url": "https://ifri.example/ana"}, {"name": "Bo"}],
        "tags": ["Japan", "Arms control", "Asia"],
        "language": "ja",
        "attachments": [
            {
                "url": "https://ifri.example/1.pdf",
                "mime_type": "application/pdf",
                "title": "PDF",
                "size_in_bytes": 4242,
            },
            {"url": "https://ifri.example/1.mp3", "mime_type": "audio/mpeg"},
        ],
        "_aggregator": {
            "source": {
                "id": "https://ifri.example/rss",
                "title": "Ifri",
                "url": "https://ifri.example/",
                "rights": "© Ifri",
            },
            "also_at": [{"publisher": "APPS & Partners", "title": "Moscow and Tokyo", "url": "https://apps.example/1"}],
        },
    }


def test_our_own_reader_takes_the_json_feed() -> None:
    feed = parse_json_feed(write("json", RICH).body)
    assert (feed.format, feed.title, feed.dropped, feed.warnings) == ("json11", "Japan & Russia", 0, ())
    (read,) = feed.entries
    assert (read.guid, read.title, read.doi) == (ids("rss", RICH)[0], "Tokyo & Moscow", "10.1234/ifri.1")
    assert (read.published, read.updated) == (START - timedelta(days=1), START + timedelta(hours=2))
    assert [(link.rel, link.length) for link in read.links if link.rel == "enclosure"] == [
        ("enclosure", 4242),
        ("enclosure", None),
    ]


# --- what all formats share -----------------------------------------------------------------------


def test_all_formats_hold_the_same_entries_under_the_same_ids() -> None:
    stories = [story(id=f"story-{number}") for number in range(5)]
    assert ids("atom", *stories) == ids("rss", *stories) == ids("json", *stories)
    assert len(set(ids("atom", *stories))) == 5


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("changed", "site", "channel"),
    [
        (story(entry(title="Retitled")), SITE, JAPAN),
        (story(entry(links=(Link(href="https://ifri.example/moved"),))), SITE, JAPAN),
        (story(entry("apps"), entry()), SITE, JAPAN),
        (story(updated=START + timedelta(days=9)), SITE, JAPAN),
        (story(), replace(SITE, base_url="https://news.example.net"), JAPAN),
        (story(), SITE, Channel(id="", title="All")),
    ],
    ids=["title", "link", "head of the cluster", "update", "host", "channel"],
)
def test_ids_survive(changed: Story, site: Site, channel: Channel, format: Format) -> None:
    assert ids(format, changed, site=site, channel=channel) == ids(format, story())


def test_the_id_of_a_channel_survives_a_new_host_and_title_and_is_its_own() -> None:
    def feed_id(channel: Channel, site: Site = SITE) -> str:
        return str(xml("atom", channel=channel, site=site).findtext("a:id", namespaces=NS))

    moved = replace(SITE, base_url="https://news.example.net", title="News")
    assert feed_id(replace(JAPAN, title="Other"), moved) == feed_id(JAPAN)
    search = Channel(id="", title="Search", query="energy")
    assert len({feed_id(channel) for channel in (JAPAN, Channel(id="", title="All"), search)}) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_also_at_stands_in_the_open_at_the_end_of_the_text(format: Format) -> None:
    content = _content(format, RICH)
    assert content.startswith("<p>Two capitals.</p><hr>")
    assert content.endswith(
        '<p>Source: <a href="https://ifri.example/">Ifri</a></p><p>Also at:</p><ul><li>'
        '<a href="https://apps.example/1">APPS &amp; Partners: Moscow and Tokyo</a></li></ul>'
    )


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        (entry("apps"), '<a href="https://apps.example/1">APPS &amp; Partners</a>'),
        (entry("apps", title=" TOKYO  & Moscow"), '<a href="https://apps.example/1">APPS &amp; Partners</a>'),
        (entry("apps", links=(), title="Else"), "APPS &amp; Partners: Else"),
        (entry("gone", links=()), "gone"),
        (entry(title="Second title"), '<a href="https://ifri.example/1">Ifri: Second title</a>'),
    ],
    ids=["same title", "same words", "no link", "feed no longer known", "same publisher, other title"],
)
def test_another_place_is_named_by_its_publisher(other: Entry, shown: str) -> None:
    assert f"<ul><li>{shown}</li></ul>" in _content("atom", story(entry(), other))


def test_the_same_publisher_twice_is_no_other_place() -> None:
    found = story(entry(), entry(), entry("apps"), entry("apps"))
    assert _content("json", found).count("<li>") == 1
    assert len(first("atom", found).findall("a:link[@rel='related']", NS)) == 1


def test_an_address_shared_with_the_head_is_no_related_link() -> None:
    found = story(entry(), entry("apps", links=(Link(href="https://ifri.example/1"),)))
    assert "APPS &amp; Partners" in _content("atom", found)
    assert first("atom", found).find("a:link[@rel='related']", NS) is None


def test_what_an_entry_claims_to_come_from_is_via_and_never_its_source() -> None:
    claim = Source(id="https://ifri.example/rss", title="Ifri", link="https://ifri.example/")
    found = first("atom", story(entry("apps", source=claim)))
    assert found.findtext("a:source/a:title", namespaces=NS) == "APPS & Partners"
    assert found.findtext("a:author/a:name", namespaces=NS) == "APPS & Partners"
    assert found.find("a:link[@rel='via']", NS).get("href") == "https://ifri.example/"
    assert first("rss", story(entry("apps", source=claim))).findtext("source") == "APPS & Partners"


def test_a_feed_taken_out_of_feeds_yaml_still_has_a_name() -> None:
    orphan = story(entry("gone", links=()))
    source = first("atom", orphan).find("a:source", NS)
    assert source.findtext("a:title", namespaces=NS) == "gone"
    assert source.findtext("a:id", namespaces=NS).startswith("urn:uuid:")
    assert first("rss", orphan).find("source") is None


def test_a_secret_in_a_feeds_address_is_not_published() -> None:
    private = replace(IFRI, url="https://me:pw@ifri.example/rss?token=s3cret&n=1")
    for format in FORMATS:
        found = write_channel(JAPAN, [story()], format, site=SITE, feeds={"ifri": private})
        assert b"s3cret" not in found.body
        assert b"pw@" not in found.body


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"title": ""}, "Two capitals."),
        ({"title": "", "content": SafeHtml(f"<p>{'Long words ' * 20}</p>")}, ("Long words " * 7).strip() + "…"),
        ({"title": "", "content": SafeHtml("x" * 200)}, "x" * 79 + "…"),
        ({"title": "", "content": SafeHtml("")}, "https://ifri.example/1"),
        ({"title": "\x00", "content": SafeHtml("")}, "https://ifri.example/1"),
    ],
    ids=["text", "long text", "one long word", "nothing", "nothing visible"],
)
def test_an_entry_without_a_title_gets_one(fields: dict[str, Any], title: str) -> None:
    assert [item["title"] for item in items(story(entry(**fields)))] == [title]
    assert first("atom", story(entry(**fields))).findtext("a:title", namespaces=NS) == title


def test_an_entry_without_a_link_leads_to_our_page_of_it() -> None:
    assert items(story(entry(links=())))[0]["url"] == "https://wire.example.org/stories/story-1"


def test_a_summary_alone_is_the_content() -> None:
    found = story(entry(content=SafeHtml(""), summary=SafeHtml("<p>Brief.</p>")))
    assert _content("atom", found).startswith("<p>Brief.</p><hr>")
    assert first("atom", found).find("a:summary", NS) is None


def test_an_invalid_mail_address_is_left_out() -> None:
    found = first("atom", story(entry(authors=(Person(name="Ana", email="ana at ifri"),))))
    assert found.find("a:author/a:email", NS) is None


@pytest.mark.parametrize(
    ("href", "kept"),
    [
        ("https://wire.example.org/unsubscribe/x", False),
        ("http://WIRE.example.org:80", False),
        ("https:\\\\wire.example.org\\login", False),
        ("https://user@wire.example.org./admin", False),
        ("https://wire.example.org.evil.example/", True),
        ("https://other.example/wire.example.org/", True),
        ("mailto:desk@wire.example.org", True),
    ],
)
def test_a_feed_cannot_link_to_our_own_pages(href: str, kept: bool) -> None:
    link = f'<p title="a">wire.example.org <a href="{escape(href)}" rel="nofollow">Unsubscribe</a></p>'
    found = story(entry(content=SafeHtml(link)), entry("apps", links=(Link(href=href),)))
    content = _content("json", found)
    assert ("href" in content.partition("<hr>")[0]) is kept
    assert "Unsubscribe</a>" in content
    assert (href in [link["url"] for link in items(found)[0]["_aggregator"]["also_at"] if "url" in link]) is kept


def test_only_pages_below_our_address_are_ours() -> None:
    site = replace(SITE, base_url="https://ifri.example:8443/wire")
    hrefs = [
        "https://ifri.example:8443/wire/feed.atom",
        "https://ifri.example:8443/wires",
        "https://ifri.example/wire/",
    ]
    links = "".join(f'<a href="{href}">x</a>' for href in hrefs)
    (item,) = items(story(entry(content=SafeHtml(links))), site=site)
    assert re.findall('href="([^"]*)"', item["content_html"])[:2] == hrefs[1:]


def test_an_address_is_made_an_iri() -> None:
    spoiled = Link(href='https://ifri.example/a|b"c<d>é')
    assert items(story(entry(links=(spoiled,))))[0]["url"] == "https://ifri.example/a%7Cb%22c%3Cd%3Eé"


# --- the rules of the formats ---------------------------------------------------------------------

HOSTILE = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hostile"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
RFC_822 = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000")
MEDIA_TYPE = re.compile(r"[^/\s;]+/[^/\s;]+( *;[ -~]*)?")
ABSOLUTE = re.compile(r"https?://[^\s]+")
ODD = [
    "",
    "]]>",
    "a]]>b<![CDATA[c",
    "&amp;amp;",
    "\r\n\t",
    "\x85\x9f",
    "\ufffe\uffff",
    "\ud800",
    "\U0001f600",
    "\u2028",
]


def strings() -> list[str]:
    if not HOSTILE.exists():
        return ODD
    texts = [case["input"] for case in json.loads((HOSTILE / "text" / "strings.json").read_text("utf-8"))]
    naughty = json.loads((HOSTILE / "encoding" / "blns.json").read_text("utf-8"))
    return [text for text in (*ODD, *texts, *naughty) if isinstance(text, str)]


def hostile_story(text: str, number: int) -> Story:
    """A story with the text in every place that a publisher writes to."""
    head = entry(
        title=text,
        content=SafeHtml(f"<p>{escape(text)}</p>"),
        summary=SafeHtml(f"<i>{escape(text)}</i>"),
        links=(
            Link(href="https://ifri.example/1"),
            Link(href="https://ifri.example/2", rel="enclosure", type=text, title=text, length=1),
            Link(href="https://ifri.example/3", rel=text or "x"),
            Link(href="https://ifri.example/4", rel="related", type=f"text/html;{text}", hreflang=text),
        ),
        authors=(Person(name=text, email=text, uri="https://ifri.example/ana"),),
        rights=text,
        doi=text,
        language=text,
        source=Source(id=text, title=text, link="https://elsewhere.example/"),
        tags=(Tag(name=f"category:{number}", origin="category", label=text),),
    )
    return story(head, entry("apps", title=text + "!"), id=f"story-{number}")


@pytest.fixture(scope="module")
def hostile() -> Sequence[Story]:
    return [hostile_story(text, number) for number, text in enumerate(strings())]


def test_every_hostile_string_comes_back_as_text(hostile: Sequence[Story]) -> None:
    texts = [printable(text) for text in strings()]
    atom = xml("atom", *hostile).findall("a:entry", NS)
    rss = xml("rss", *hostile).findall("channel/item", NS)
    for text, in_atom, in_rss, in_json in zip(texts, atom, rss, items(*hostile), strict=True):
        body = f"<p>{escape(text)}</p><hr>"
        assert in_atom.findtext("a:content", namespaces=NS).startswith(body)
        assert in_rss.findtext("content:encoded", namespaces=NS).startswith(body)
        assert in_json["content_html"].startswith(body)
        assert (in_atom.findtext("a:rights", namespaces=NS) or "") == text
        if text:
            titles = (in_atom.findtext("a:title", namespaces=NS), in_rss.findtext("title"), in_json["title"])
            assert titles == (text, text, text)
            assert in_atom.find("a:category", NS).get("label") == text
            assert in_rss.findtext("category") == text


@pytest.mark.parametrize("format", FORMATS)
def test_no_character_that_nobody_can_see_goes_out(hostile: Sequence[Story], format: Format) -> None:
    body = write(format, *hostile, channel=replace(JAPAN, title="a\x00b\x9f", description="c\ufffe")).body.decode()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", body)


def test_the_atom_keeps_the_rules_of_rfc_4287(hostile: Sequence[Story]) -> None:
    feed = xml("atom", RICH, story(id="plain"), *hostile)
    assert_once(feed, "a:id", "a:title", "a:updated", "a:link[@rel='self']", "a:link[@rel='alternate']")
    assert feed.find("a:link[@rel='self']", NS).get("href") == "https://wire.example.org/channels/japan.atom"
    assert feed.get(LANG) == "en"
    for found in feed.iterfind("a:entry", NS):
        assert_once(found, "a:id", "a:title", "a:updated", "a:published", "a:content", "a:source")
        assert_once(found, "a:link[@rel='alternate']")
        assert len(found.findall("a:summary", NS)) < 2
        assert all(name.text for name in found.iterfind("a:author/a:name", NS))
        assert found.find("a:author", NS) is not None
        assert found.find("a:content", NS).get("type") == "html"
        for link in found.iterfind("a:link", NS):
            assert ABSOLUTE.fullmatch(link.get("href"))
            assert MEDIA_TYPE.fullmatch(link.get("type", "a/b"))
        for moment in ("a:published", "a:updated", "a:source/a:updated"):
            assert RFC_3339.fullmatch(found.findtext(moment, namespaces=NS))
        for mail in found.iterfind("a:author/a:email", NS):
            assert re.fullmatch(r"[^\s@]+@[^\s@]+", mail.text)


def test_the_rss_keeps_the_rules_of_the_profile(hostile: Sequence[Story]) -> None:
    root = xml("rss", RICH, story(id="plain"), *hostile)
    assert root.get("version") == "2.0"
    channel = root.find("channel")
    assert_once(channel, "title", "link", "description", "language", "lastBuildDate", "ttl", "a:link[@rel='self']")
    assert channel.find("a:link", NS).get("href") == "https://wire.example.org/channels/japan.rss"
    assert RFC_822.fullmatch(channel.findtext("lastBuildDate"))
    every = [channel.findtext(name, namespaces=NS) for name in ("ttl", "sy:updatePeriod", "sy:updateFrequency")]
    assert every == ["15", "hourly", "4"]
    for item in channel.iterfind("item"):
        assert_once(item, "title", "link", "description", "guid", "pubDate", "source")
        assert item.find("guid").get("isPermaLink") == "false"
        assert RFC_822.fullmatch(item.findtext("pubDate"))
        assert len(item.findall("enclosure")) < 2
        assert item.find("author") is None
        for address in (item.findtext("link"), item.find("source").get("url")):
            assert ABSOLUTE.fullmatch(address)
        for file in item.iterfind("enclosure"):
            assert file.get("length").isdigit()
            assert MEDIA_TYPE.fullmatch(file.get("type"))


def assert_once(element: Any, *paths: str) -> None:
    assert {path: len(element.findall(path, NS)) for path in paths} == dict.fromkeys(paths, 1)


# --- publications ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "content_type"),
    [
        ("atom", "application/atom+xml; charset=utf-8"),
        ("rss", "application/rss+xml; charset=utf-8"),
        ("json", "application/feed+json; charset=utf-8"),
    ],
)
def test_a_publication_knows_where_and_as_what_it_is_served(format: Format, content_type: str) -> None:
    found = write(format, RICH, story(id="older", updated=START))
    assert (found.path, found.content_type) == (f"channels/japan.{format}", content_type)
    assert found.last_modified == RICH.updated
    assert re.fullmatch('"[0-9a-f]{32}"', found.etag)


@pytest.mark.parametrize(
    ("channel", "path"),
    [
        (Channel(id="", title="All"), "feed.atom"),
        (
            Channel(id="", title="Search", query='text:"Kuril Islands" & é'),
            "feed.atom?q=text%3A%22Kuril%20Islands%22%20%26%20%C3%A9",
        ),
    ],
    ids=["everything", "a search"],
)
def test_the_feed_of_everything_and_of_a_search_know_their_address(channel: Channel, path: str) -> None:
    found = write("atom", channel=channel)
    assert found.path == path
    (link,) = etree.fromstring(found.body).findall("a:link[@rel='self']", NS)
    assert link.get("href") == f"https://wire.example.org/{path}"


@pytest.mark.parametrize("format", FORMATS)
def test_a_channel_without_stories_is_a_valid_feed_with_a_fixed_date(format: Format) -> None:
    found = write(format)
    assert found.last_modified == BEFORE_ANYTHING
    assert found == write(format)
    read = (
        parse_json_feed(found.body).title if format == "json" else feedparser.parse(io.BytesIO(found.body)).feed.title
    )
    assert read == "Japan & Russia"


@pytest.mark.parametrize("format", FORMATS)
def test_equal_stories_give_equal_bytes_and_other_stories_another_etag(format: Format) -> None:
    assert write(format, RICH) == write(format, RICH)
    assert write(format, RICH).etag != write(format, replace(RICH, updated=START + timedelta(days=1))).etag


def test_another_process_gives_the_same_etags() -> None:
    script = "import tests.steps.test_feedwriter as t; print(*(t.write(f, t.RICH).etag for f in t.FORMATS))"
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [write(format, RICH).etag for format in FORMATS]


def _content(format: Format, found: Story) -> str:
    if format == "json":
        return str(items(found)[0]["content_html"])
    if format == "atom":
        return str(first("atom", found).findtext("a:content", namespaces=NS))
    whole = first("rss", found)
    return str(whole.findtext("content:encoded", namespaces=NS) or whole.findtext("description"))
