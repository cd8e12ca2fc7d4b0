"""Feeds as publishers write them, well or badly -> entries; what is no feed says why."""

import codecs
import gzip
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import feedparser
import feedparser.api
import feedparser.mixin
import pytest
from feedparser.mixin import _FeedParserMixin

from aggregator.model.parsed import ParsedFeed, RawFeed
from aggregator.model.poll import Cause
from aggregator.steps.normalise import normalise
from aggregator.steps.parse import feedparsing
from aggregator.steps.parse.dispatch import parse
from aggregator.steps.parse.items import moment
from aggregator.steps.parse.limits import NotAFeedError

FEEDS = Path(__file__).parents[1] / "data" / "feeds"
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
URL = "https://feeds.example/all.xml"
SAMPLES = sorted(path for path in FEEDS.iterdir() if not path.name.endswith(".expected.json"))


def read(body: bytes | str, *, content_type: str | None = None, limit: int = 500) -> RawFeed:
    return parse(body.encode() if isinstance(body, str) else body, content_type=content_type, url=URL, limit=limit)


def clean(body: bytes | str, *, content_type: str | None = None) -> ParsedFeed:
    return normalise(read(body, content_type=content_type), url=URL)


def rss(items: str, *, channel: str = "", attributes: str = "", before: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{before}<rss version="2.0" {attributes}><channel><title>T</title>'
        f"<link>https://t.example/</link>{channel}{items}</channel></rss>"
    )


def lean(value: object) -> object:
    """As JSON, without what is absent: the form of the expectations beside the sample feeds."""
    if isinstance(value, dict):
        return {key: lean(item) for key, item in value.items() if item not in (None, "", (), 0)}
    if isinstance(value, list | tuple):
        return [lean(item) for item in value]
    return value if isinstance(value, int | str) else str(value)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_feed_gives_the_entries_expected_beside_it(path: Path) -> None:
    expected = json.loads(path.with_suffix(path.suffix + ".expected.json").read_text(encoding="utf-8"))
    assert lean(asdict(clean(path.read_bytes()))) == expected


# --- kept, whatever stands around it --------------------------------------------------------------


@pytest.mark.parametrize("name", ["links", "authors", "tags", "content", "media_content", "source", "title_detail"])
@pytest.mark.parametrize("element", ["<{0}>no</{0}>", '<{0} a="b"/>', '<{0} value="x" type="y" base="z" href="w"/>'])
def test_an_element_that_bears_a_name_of_feedparsers_own_spoils_nothing(name: str, element: str) -> None:
    (entry,) = clean(rss(f"<item><title>Kept</title>{element.format(name)}</item>")).entries
    assert entry.title == "Kept"


HANDLED = sorted({name.split("_", 2)[2] for name in dir(_FeedParserMixin) if name.startswith(("_start_", "_end_"))})


@pytest.mark.parametrize("name", [*HANDLED, "width", "height", "media_player", "gml_pos", "georss_point"])
def test_an_element_out_of_its_place_spoils_nothing(name: str) -> None:
    prefix, _, local = name.partition("_")
    spaces = {prefix: uri for uri, prefix in _FeedParserMixin.namespaces.items() if prefix and prefix != "xml"}
    tag = f"{prefix}:{local}" if local and prefix in spaces else name
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    for element in (f"<{tag}/>", f'<{tag} href="a" url="b" type="c">1 2</{tag}>', f"<{tag}><{tag}/></{tag}>"):
        around = f"<image>{element}</image><source>{element}</source>"
        items = f"<item>{element}{around}<author>{element}</author></item><item><guid>kept</guid></item>{element}"
        assert "kept" in {
            entry.guid
            for entry in read(
                rss(items, channel=f"{element}<textInput>{element}</textInput>", attributes=declared)
            ).entries
        }


def test_what_feedparser_raises_is_the_documents_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedparser.api.StrictFeedParser, "unknown_starttag", lambda *_: {}["surprise"])
    with pytest.raises(NotAFeedError, match="unreadable: KeyError: 'surprise'"):
        read(rss(""))


@pytest.mark.parametrize(
    ("author", "name", "email"),
    [
        ("desk@institute.foundation (The Desk)", "The Desk", "desk@institute.foundation"),
        ("The Desk &lt;desk@institute.agency&gt;", "The Desk", "desk@institute.agency"),
        ("desk@institute.example", "desk@institute.example", "desk@institute.example"),
        ("desk@institute.example ()", "desk@institute.example", "desk@institute.example"),
        ("Ada Okafor and Li Wei", "Ada Okafor and Li Wei", None),
        ("a @ b", "a @ b", None),
    ],
)
def test_an_author_of_rss_is_a_mail_a_name_or_both(author: str, name: str, email: str | None) -> None:
    (entry,) = clean(rss(f"<item><author>{author}</author></item>")).entries
    assert [(person.name, person.email) for person in entry.authors] == [(name, email)]


def test_a_caption_is_not_the_text_unless_it_is_the_only_one() -> None:
    media = 'xmlns:media="http://search.yahoo.com/mrss/"'
    caption = '<media:group><media:description type="plain">A tanker.</media:description></media:group>'
    item = f"<item><description>The report.</description>{caption}</item><item>{caption}</item>"
    report, video = clean(rss(item, attributes=media)).entries
    assert (report.summary, report.content) == ("The report.", "")
    assert video.summary == "<p>A tanker.</p>"


@pytest.mark.parametrize(
    ("guid", "kept", "link"),
    [
        ("<guid>https://t.example/1</guid>", "https://t.example/1", "https://t.example/1"),
        ('<guid isPermaLink="false">https://t.example/1</guid>', "https://t.example/1", None),
        ("<guid>4711</guid>", "4711", None),
        ('<guid isPermaLink="false"> a b </guid>', "a b", None),
        ("", None, None),
    ],
)
def test_a_guid_stays_as_written_and_is_a_link_when_it_says_so(guid: str, kept: str | None, link: str | None) -> None:
    (entry,) = clean(rss(f"<item><title>x</title>{guid}</item>")).entries
    assert (entry.guid, entry.url) == (kept, link)


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("<ttl>90</ttl>", 90 * 60),
        ("<ttl>0</ttl>", None),
        ("<ttl>soon</ttl>", None),
        ("<ttl>999999999</ttl>", 365 * 86400),
        ("<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>", 1800),
        ("<sy:updatePeriod>weekly</sy:updatePeriod>", 7 * 86400),
        ("<sy:updatePeriod>never</sy:updatePeriod>", None),
    ],
)
def test_the_publishers_rhythm(channel: str, expected: int | None) -> None:
    ttl = read(rss("", channel=channel, attributes='xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"')).ttl
    assert (ttl.total_seconds() if ttl else None) == expected


@pytest.mark.parametrize(
    ("markup", "doi"),
    [
        ("<guid>https://doi.org/10.5555/A-1</guid>", "10.5555/A-1"),
        ("<link>https://dx.doi.org/10.5555/a(1).</link>", "10.5555/a(1"),
        ("<dc:identifier>doi:10.5555/b;</dc:identifier>", "10.5555/b"),
        ("<dc:identifier>ISBN 0-306-40615-2</dc:identifier>", None),
        ("<description>as shown in doi:10.5555/cited</description>", None),
        ("<guid>10.5555/not-said-to-be-one</guid>", None),
    ],
)
def test_a_doi_is_one_that_the_entry_claims_for_itself(markup: str, doi: str | None) -> None:
    document = rss(f"<item>{markup}</item>", attributes='xmlns:dc="http://purl.org/dc/elements/1.1/"')
    assert read(document).entries[0].doi == doi


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mer, 9 avr 2018 00:00:00 +0200", "2018-04-08T22:00:00"),
        ("Di, 23 Jan 2018 10:00:00 +0100", "2018-01-23T09:00:00"),
        ("3 de marzo de 2026", "2026-03-03T00:00:00"),
        ("Пн, 23 ноя 2026 10:00:00 +0300", "2026-11-23T07:00:00"),
        ("Lundi, 1er. Novembre 2020 - 15:54", None),
        ("1er novembre 2020 15:54", "2020-11-01T15:54:00"),
        ("Sat, Oct 28 2023 08:28:28 PM", "2023-10-28T20:28:28"),
        ("Thu, June 22, 2023 at 12:11 a.m. EDT", "2023-06-22T04:11:00"),
        ("Fri,24 Nov 2023 18:28:36 -0000", "2023-11-24T18:28:36"),
        ("26/06/2020", "2020-06-26T00:00:00"),
        ("11/23/26 21:55", "2026-11-23T21:55:00"),
        ("5.6.2020", "2020-06-05T00:00:00"),
        ("2020/1/10 14:16:00", "2020-01-10T14:16:00"),
        ("05/05/2020", "2020-05-05T00:00:00"),
        ("05/06/2020", None),
        ("20261124T080000Z", "2026-11-24T08:00:00"),
        ("2026-W48-1", "2026-11-23T00:00:00"),
        ("2013-xx-27", None),
        ("2003-12-31T25:14:55Z", None),
        ("31 Feb 2026", None),
        ("12 Foo 2026", None),
        ("9999-12-31T23:59:59-10:00", None),
        ("Fri, 31 Dec 9999 23:59:59 -1000", None),
        ("1 January 2026" + " " * 100 + "x", None),
    ],
)
def test_a_date_is_read_as_it_is_meant_or_not_at_all(text: str, expected: str | None) -> None:
    (entry,) = clean(rss(f"<item><pubDate>{text}</pubDate></item>")).entries
    assert entry.published == (expected and datetime.fromisoformat(expected).replace(tzinfo=UTC))
    assert entry.published_raw == " ".join(text.split())[:100]


# --- how much is taken ----------------------------------------------------------------------------


def dated(number: int, day: int | None) -> str:
    date = f"<pubDate>{day:02} Nov 2026 08:00:00 GMT</pubDate>" if day else ""
    return f"<item><title>{number}</title>{date}</item>"


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        ((5, 4, 3, 2, 1), ("0", "1")),
        ((1, 2, 3, 4, 5), ("3", "4")),
        ((3, 5, 1, 4, 2), ("1", "3")),
        ((1, 2, None, 4, 5), ("0", "1")),
        ((None,) * 5, ("0", "1")),
    ],
    ids=["newest first", "oldest first", "unsorted", "one without a date", "no dates"],
)
def test_the_newest_are_kept_in_their_own_order_and_the_rest_is_counted(days: tuple, kept: tuple) -> None:
    feed = read(rss("".join(map(dated, range(5), days))), limit=2)
    assert tuple(entry.title for entry in feed.entries) == kept
    assert feed.dropped == 3
    assert feed.warnings == ("3 entries were left out: only the newest 2 of a document are read",)


@pytest.mark.parametrize("oldest_first", [False, True])
def test_of_a_list_too_long_to_read_the_end_with_the_newest_is_read(oldest_first: bool) -> None:
    moments = [
        f"{day:02} Nov 2026 {hour:02}:{minute:02}:00 GMT"
        for day in range(9, 0, -1)
        for hour in range(23, -1, -1)
        for minute in range(59, -1, -5)
    ]
    order = reversed(moments) if oldest_first else moments
    feed = read(rss("".join(f"<item><title>{moment}</title><pubDate>{moment}</pubDate></item>" for moment in order)))
    assert {entry.title for entry in feed.entries} == set(moments[:500])
    assert feed.dropped == len(moments) - 500 == 2092


def test_the_word_item_in_a_long_text_is_no_item() -> None:
    feed = read(rss(f"<item><description>{'&lt;item&gt; &lt;items ' * 3000}</description></item>"))
    assert (len(feed.entries), feed.dropped) == (1, 0)
    assert read(rss("<items/>" * 3000 + "<item><title>x</title></item>")).dropped == 0


def test_a_feed_without_entries_says_so() -> None:
    assert read(rss("")).warnings == ("the feed holds no entries",)


# --- bytes that need mending ----------------------------------------------------------------------


def test_gzip_that_nobody_announced_is_unpacked_in_all_its_members() -> None:
    document = rss("<item><title>Packed</title></item>").encode()
    packed = gzip.compress(document[:100]) + gzip.compress(document[100:]) + b"\0" * 100
    assert read(packed).entries[0].title == "Packed"


@pytest.mark.parametrize(
    ("body", "cause", "message"),
    [
        (
            gzip.compress(b" " * 11_000_000, mtime=0),
            Cause.TOO_BIG,
            "the unpacked document is larger than 10,485,760 octets",
        ),
        (gzip.compress(rss("").encode(), mtime=0)[:-20], Cause.ENCODING, "the gzip stream ends before its end"),
        (b"\x1f\x8bnot gzip at all", Cause.ENCODING, "broken gzip"),
        (b"", Cause.EMPTY, "the document is empty"),
        (b" \n ", Cause.EMPTY, "the document is empty"),
        (b"<!doctype html><title>Sign in</title>", Cause.NOT_A_FEED, "an HTML page, not a feed: '<!doctype html>"),
        (b"<p>x</p><HTML>", Cause.NOT_A_FEED, "an HTML page, not a feed"),
        (b"%PDF-1.7 " + b"x" * 500, Cause.NOT_A_FEED, f"not a feed: '%PDF-1.7 {'x' * 71}'"),
        (b"\x89PNG\r\n\x1a\n\0\0", Cause.NOT_A_FEED, "not a feed: "),
        (b"<note>hello</note>", Cause.NOT_A_FEED, "not a feed: '<note>hello</note>'"),
        (b"<rss version='2.0'><channel><unclosed", Cause.PARSE, "not well-formed at line 2: "),
    ],
)
def test_what_is_no_feed_says_why(body: bytes, cause: Cause, message: str) -> None:
    with pytest.raises(NotAFeedError) as caught:
        read(body)
    assert caught.value.cause == cause
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


WORDS = "Sécurité «Север» 政策 \U00020000"


@pytest.mark.parametrize(
    ("encoding", "mark", "declared", "content_type"),
    [
        ("utf-8", b"", "utf-8", "text/xml"),
        ("utf-8", b"", "utf-8", "text/xml; charset=ISO-8859-1"),
        ("utf-8", b"", "windows-1251", "application/rss+xml; charset=windows-1251"),
        ("utf-8", codecs.BOM_UTF8, "iso-8859-1", None),
        ("utf-8", b"", "no-such-encoding", "application/json"),
        ("utf-8", b"", "utf-7", "text/xml; charset=utf-7"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16", "text/xml; charset=utf-8"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16", None),
        ("utf-16-le", b"", "utf-16", "text/xml; charset=utf-8"),
        ("utf-32-le", codecs.BOM_UTF32_LE, "utf-32", None),
        ("gb18030", b"", "gb18030", "text/xml"),
        ("gb18030", b"", "no-such-encoding", "text/xml; charset=gb18030"),
        ("gb18030", b"", "gb18030", "text/xml; charset=no-such-encoding"),
    ],
)
def test_the_words_arrive_whatever_is_said_of_their_encoding(
    encoding: str, mark: bytes, declared: str, content_type: str | None
) -> None:
    document = rss(f"<item><title>{WORDS}</title></item>").replace('"utf-8"', f'"{declared}"')
    assert read(mark + document.encode(encoding), content_type=content_type).entries[0].title == WORDS


@pytest.mark.parametrize("name", ["utf-7", "unicode_escape", "raw-unicode-escape", "u7"])
def test_no_codec_makes_markup_that_was_not_there(name: str) -> None:
    written = r"+ADw-b+AD4- \x3cb\x3e \u003cb\u003e"
    document = rss(f"<item><title>{written}</title></item>").replace('"utf-8"', f'"{name}"')
    for content_type in (None, f"text/xml; charset={name}"):
        assert read(document, content_type=content_type).entries[0].title == written


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (b"a\x00b\x0b\x0cc\x1fd", "abcd"),
        (b"a&#0;b&#x1F;c&#xD800;d&#xFFFE;e&#x110000;f&#99999999999;", "a�b�c�d�e�f�"),
        (b"a\xed\xa0\x80b", "a\xed\xa0\x80b"),
        (b"a\xc0\xbcscript\xc0\xbe", "a\xc0\xbcscript\xc0\xbe"),
        (b"tab&#9;&#10;nbsp&#xA0;astral&#x1F600;", "tab\t\nnbsp\xa0astral\U0001f600"),
    ],
    ids=["controls", "references to none", "surrogates", "overlong", "valid references"],
)
def test_what_is_no_character_harms_nothing_else(raw: bytes, title: str) -> None:
    feed = read(rss("<item><title>@@</title></item>").encode().replace(b"@@", raw))
    if b"&#" in raw or b"\x00" in raw:
        assert (feed.entries[0].title, feed.warnings) == (title, ())
    assert "<" not in feed.entries[0].title


# --- hostile documents ----------------------------------------------------------------------------


def test_harmless_entities_still_stand_for_their_text() -> None:
    doctype = "<!DOCTYPE rss [<!ENTITY eacute \"&#233;\"><!ENTITY co 'Think'> <!ENTITY nest '&co;&co;'>]>"
    feed = read(rss("<item><title>caf&eacute; &co;</title></item>", before=doctype))
    assert (feed.entries[0].title, feed.warnings) == ("café Think", ())


@pytest.mark.parametrize(
    "entities",
    [
        '<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY x "&b;&b;&b;&b;">',
        f'<!ENTITY x "{"A" * 60_000}">',
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;',
        '<!ENTITY x PUBLIC "-//X" "file:///etc/passwd">',
        '<!ENTITY x "<b>markup</b>">',
    ],
    ids=["nested", "long", "file", "parameter", "public", "markup"],
)
def test_other_entities_stay_as_they_are_written(entities: str) -> None:
    feed = read(rss("<item><title>&x;</title></item>", before=f"<!DOCTYPE rss [{entities}]>"))
    assert feed.entries[0].title == "&x;"


def test_a_document_type_that_never_ends_takes_no_time() -> None:
    feed = read(rss("<item><title>x</title></item>", before="<!DOCTYPE a [ ]" * 5_000 + "<!DOCTYPE rss>"))
    assert len(feed.entries) <= 1


def test_short_entities_in_great_number_do_not_add_up() -> None:
    document = rss(
        f"<item><title>{'&x;' * 200_000}</title></item>", before=f'<!DOCTYPE rss [<!ENTITY x "{"A" * 200}">]>'
    )
    assert len(read(document).entries[0].title) == 600_000


def test_a_document_type_that_is_declared_elsewhere_is_read_without_it() -> None:
    doctype = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss.dtd">'
    feed = read(rss("<item><title>Old</title></item>", before=doctype))
    assert (feed.entries[0].title, feed.format) == ("Old", "rss20")


@pytest.mark.parametrize("element", ["author", "dc:creator", "managingEditor", "itunes:author"])
@pytest.mark.parametrize("text", ["a@" + "a." * 32_000, "1" * 64_000, "(" * 64_000], ids=["mail", "digits", "brackets"])
def test_an_author_of_64_kb_is_read_in_no_time(element: str, text: str) -> None:
    names = 'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
    (entry,) = read(rss(f"<item><{element}>{text}</{element}><title>x</title></item>", attributes=names)).entries
    assert all(len(author.name) <= 500 for author in entry.authors)


def test_bytes_that_are_a_path_or_an_address_open_nothing(tmp_path: Path) -> None:
    feed = tmp_path / "feed.xml"
    feed.write_text(rss("<item/>"))
    for body in (str(feed), feed.as_uri(), "http://127.0.0.1:9/feed"):
        with pytest.raises(NotAFeedError, match="not a feed"):
            read(body)


# --- the corpora ----------------------------------------------------------------------------------

needs_corpus = pytest.mark.skipif(not CORPUS.exists(), reason=f"the corpus of feeds is not at {CORPUS}")


@pytest.mark.parametrize("parts", [(10_000, 1, 1, 0, 0, 0), (2026, 2, 30, 0, 0, 0), "2026", {"a": "b"}, None])
def test_what_no_calendar_holds_is_no_moment(parts: object) -> None:
    assert moment(parts) is None


UNCERTAIN = {"-0312", "031231", "03-12-31", "-03-12", "03335"}
"""Dates of ISO 8601 without a century, which feedparser guesses."""
READ_IN_PART = {"1:2:3:4 GMT": (0, 0, 0), "+zz:00": (11, 47, 32), "+00:zz": (11, 47, 32)}


@needs_corpus
def test_dates_of_the_wild_raise_nothing_and_are_what_feedparser_says_where_it_says() -> None:
    rows = [json.loads(line) for line in (CORPUS / "hostile/dates/dates.jsonl").read_text().splitlines()]
    assert len(rows) > 150
    for row in rows:
        text = row["input"].replace("&", "&amp;").replace("<", "&lt;")
        (entry,) = read(rss(f"<item><pubDate>{text}</pubDate></item>")).entries
        time = next((time for end, time in READ_IN_PART.items() if text.endswith(end)), None)
        if time:
            assert entry.published == datetime(2012, 12, 16, *time, tzinfo=UTC)
        elif text in UNCERTAIN:
            assert entry.published is None
        elif "feedparser_utc" in row:
            expected = row["feedparser_utc"] and datetime(*row["feedparser_utc"][:6], tzinfo=UTC)
            assert entry.published == expected, row


def read_or_refused(body: bytes) -> RawFeed | str:
    try:
        return read(body)
    except NotAFeedError as error:
        return f"{error.cause}: {error}"


@needs_corpus
def test_neither_tuning_feedparser_nor_reading_plain_items_without_it_changes_a_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = [
        path
        for path in sorted((CORPUS / "feeds").rglob("*"))
        if path.suffix in (".xml", ".rss", ".atom", ".rdf") and path.stat().st_size < 200_000
    ]
    bodies = [path.read_bytes() for path in paths]

    def found() -> list[str]:
        return [repr(read_or_refused(body)) for body in bodies]

    tuned = found()
    monkeypatch.setattr(feedparser.api, "PREFERRED_XML_PARSERS", ["drv_libxml2"])
    monkeypatch.setattr(feedparser.mixin._FeedParserMixin, "decode_entities", staticmethod(lambda element, text: text))
    monkeypatch.delattr(feedparser.util.FeedParserDict, "__deepcopy__")
    monkeypatch.setattr(feedparser.mixin, "make_safe_absolute_uri", feedparser.urls.make_safe_absolute_uri)
    monkeypatch.setattr(feedparser.util.FeedParserDict, "get", feedparsing._get)
    monkeypatch.setattr(feedparser.util.FeedParserDict, "__contains__", feedparsing._contains)
    assert len(bodies) > 270
    assert found() == tuned
