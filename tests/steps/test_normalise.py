"""The one door: whatever a publisher wrote, text comes out without markup, and markup without a life of its own."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.model.parsed import Category, Link, ParsedFeed, Person, RawEntry, RawFeed, Source
from aggregator.steps import normalise as normalise_step
from aggregator.steps.normalise import MAX_CONTENT, line_of, normalise, safe_html
from aggregator.steps.parse.dispatch import parse
from tests.steps.strict import feed_faults, markup_faults

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
VECTORS = CORPUS / "hostile/xss/vectors.jsonl"
EVERYTHING = os.environ.get("AGGREGATOR_TEST_ALL") == "1"
URL = "https://feeds.example/all.xml"
BASE = "https://think.example/reports/"


def clean(entry: RawEntry, **feed: object) -> ParsedFeed:
    return normalise(RawFeed(format="rss20", entries=(entry,), **feed), url=URL)  # type: ignore[arg-type]


# --- markup ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("", ""),
        (" \n ", ""),
        ("plain & simple", "plain &amp; simple"),
        ("no markup at all", "no markup at all"),
        ('<p class="x" style="color:red" id="y">kept</p>', "<p>kept</p>"),
        ("<script>bad()</script><style>b{}</style><svg><a>x</a></svg>after", "after"),
        ("<font color=red>words <center>stay</center></font>", "words stay"),
        ("a<b>c", "a<b>c</b>"),
        ("</td></tr></table></div><p>x", "<p>x</p>"),
        ("<!-- comment -->x<?php 1 ?><![CDATA[y]]>", "x"),
        ('<img src="a.png" alt="A">', '<img src="https://think.example/reports/a.png" alt="A">'),
        ('<img src="a.png" width="1" height="1">', ""),
        ('<img src="a.png" alt="dot" height="0">', ""),
        ("<img alt='no address'>", ""),
        ('<img src="mailto:a@b.example">', ""),
        ('<img src="data:image/png;base64,AAAA">', ""),
        (
            '<img src="a.png" alt="5 > 4" width="10">',
            '<img src="https://think.example/reports/a.png" alt="5 &gt; 4" width="10">',
        ),
        ("a\x00b\u202ec\ud800d\u200be", "abcde"),
        ("a&#x202e;b&#0;c&#xFEFF;d", "ab\ufffdcd"),
        ("line\nline\ttab\xa0\u202f", "line\nline\ttab"),
    ],
)
def test_markup_is_reduced_to_a_short_list(markup: str, expected: str) -> None:
    assert safe_html(markup, base=BASE) == expected
    assert safe_html(expected, base=BASE) == expected


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/x", "https://think.example/x"),
        ("y?a=1&b=2", "https://think.example/reports/y?a=1&amp;b=2"),
        ("#note", "https://think.example/reports/#note"),
        ("//other.example/z", "https://other.example/z"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("HTTPS://Think.example/", "HTTPS://Think.example/"),
        ("javascript:alert(1)", None),
        ("&#106;avascript:alert(1)", None),
        ("java\nscript:alert(1)", None),
        ("data:text/html,x", None),
        ("vbscript:x", None),
        ("blob:https://think.example/x", None),
        ("file:///etc/passwd", None),
        ("tel:+331", None),
    ],
)
def test_a_link_leads_to_the_web_or_to_a_mail_or_nowhere(href: str, expected: str | None) -> None:
    link = f' href="{expected}"' if expected else ""
    markup = safe_html(f'<a href="{href}" onclick="x()" target="_top">go</a>', base=BASE)
    assert markup == f'<a{link} rel="noopener noreferrer nofollow">go</a>'


@pytest.mark.parametrize("base", [None, "http://%00/", "no address"])
def test_without_a_base_relative_addresses_go(base: str | None) -> None:
    assert (
        safe_html('<a href="/x">go</a><img src="y.png">', base=base) == '<a rel="noopener noreferrer nofollow">go</a>'
    )


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<div>" * 100_000 + "deep &lt;b&gt;", "deep &lt;b&gt;"),
        ("<ul><li>" * 60_000 + "deep", "deep"),
        ("<b></b>" * 5_000 + "flat<br>" * 5_000, None),
        ("<p>" * 5_000 + "x", None),
    ],
)
def test_markup_too_deep_to_clean_is_kept_as_text(markup: str, text: str | None) -> None:
    found = safe_html(markup)
    assert (found == text) if text else found.startswith(("<b></b>", "<p></p>"))


@pytest.mark.parametrize("piece", ["x", "<p>words</p>", '"&', "<a href=/x>y</a>", "é"])
def test_content_is_cut_to_its_limit_once(piece: str) -> None:
    cut = safe_html(piece * (MAX_CONTENT // len(piece) + 100), base=BASE)
    assert len(cut) <= MAX_CONTENT
    assert len(cut) > MAX_CONTENT // 2
    assert safe_html(cut, base=BASE) == cut
    assert markup_faults(cut) == []


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "is_html", "expected"),
    [
        ("Tea &amp; cakes", True, "Tea & cakes"),
        ("Tea &amp; cakes", False, "Tea & cakes"),
        ("Tea & cakes", False, "Tea & cakes"),
        ("<em>Who</em> pays?<br>All.", True, "Who pays? All."),
        ("&lt;i&gt;Twice&lt;/i&gt; escaped", True, "Twice escaped"),
        ("&lt;i&gt;Twice&lt;/i&gt; escaped", False, "Twice escaped"),
        ("Growth < 3% and > 2%", False, "Growth < 3% and > 2%"),
        ("if a<b then", False, "if a‹b then"),
        ("The &lt;is&gt; operator", False, "The ‹is› operator"),
        ("<script>x()</script>Title", True, "Title"),
        ("&lt;script&gt;x()&lt;/script&gt;Title", True, "Title"),
        ("&amp;lt;img src=x onerror=x()&amp;gt;", True, "&lt;img src=x onerror=x()&gt;"),
        ("&lt;x onerror=x()&gt;", True, "‹x onerror=x()›"),
        ("line\r\nline\u2028line\x85end", False, "line line lineend"),
        ("report \u202etxt.fdp\u202c \u2066x\u2069 \u200b\ufeff\U000e0041", False, "report txt.fdp x"),
        ("\u0645\u0642\u0627\u0644\u200c\u0647", False, "\u0645\u0642\u0627\u0644\u200c\u0647"),
        ("x" * 600, False, "x" * 499 + "…"),
        ("", True, ""),
    ],
)
def test_text_is_one_line_without_markup(value: str, is_html: bool, expected: str) -> None:
    assert line_of(value, is_html=is_html) == expected


def test_plain_content_becomes_paragraphs() -> None:
    entry = RawEntry(content="One <b>.\n\n Two\nlines.\n\n\n", content_is_html=False)
    assert clean(entry).entries[0].content == "<p>One &lt;b&gt;.</p><p>Two\nlines.</p>"


# --- fields ---------------------------------------------------------------------------------------


def test_addresses_are_absolute_http_or_absent() -> None:
    entry = RawEntry(
        links=(
            Link(href="/a b", rel=" ALTERNATE ", type="text/html\x00", title="<b>x</b>", hreflang="EN_gb"),
            Link(href="/a b"),
            Link(href="ja\nvascript:x", rel="related"),
            Link(href="ht\ntps://think.example/c", rel="related"),
            Link(href="https://user:pw@think.example/", rel="related"),
            Link(href="ftp://think.example/", rel="related"),
            Link(href="http://[broken", rel="related"),
            Link(href="https://think.example/" + "x" * 3000, rel="related"),
        ),
        comments="javascript:x",
        thumbnails=("t.png", "data:image/png,x"),
        authors=(Person(name="A", uri="file:///etc"), Person(name="<br>")),
        source=Source(link="gopher://x", title="S"),
    )
    (found,) = normalise(RawFeed(format="rss20", entries=(entry,), base_url=BASE), url=URL).entries
    assert [link.href for link in found.links] == [
        "https://think.example/a%20b",
        "https://think.example/a%20b",
        "https://think.example/c",
    ]
    assert found.links[0] == Link(
        href="https://think.example/a%20b", rel="ALTERNATE", type="text/html", title="x", hreflang="en-gb"
    )
    assert (found.comments, found.authors) == (None, (Person(name="A"),))
    assert found.thumbnails == ("https://think.example/t.png",)
    assert found.source == Source(title="S")


@pytest.mark.parametrize(
    ("format_", "base", "link", "expected"),
    [
        ("rss20", None, "https://think.example/2026/11/", "https://think.example/2026/11/x"),
        ("rss20", None, None, "https://site.example/x"),
        ("atom10", "https://think.example/base/", "https://elsewhere.example/", "https://think.example/base/x"),
        ("atom10", "deeper/", None, "https://site.example/deeper/x"),
    ],
)
def test_a_relative_address_belongs_to_the_base_stated_else_to_the_page(
    format_: str, base: str | None, link: str | None, expected: str
) -> None:
    entry = RawEntry(content="<a href='x'>y</a>", base_url=base, links=(Link(href=link),) if link else ())
    raw = RawFeed(format=format_, entries=(entry,), links=(Link(href="https://site.example/"),))
    assert f'href="{expected}"' in normalise(raw, url=URL).entries[0].content


@pytest.mark.parametrize("url", ["/tmp/a file.xml", "", "file:///x"])
def test_a_feed_from_a_file_has_no_base(url: str) -> None:
    entry = RawEntry(content="<a href='x'>y</a>", links=(Link(href="/z"),))
    (found,) = normalise(RawFeed(format="rss20", entries=(entry,)), url=url).entries
    assert (found.links, "href" in found.content) == ((), False)


@pytest.mark.parametrize(
    ("guid", "kept"),
    [
        (" urn:1 ", "urn:1"),
        ("a\x00b\u202e", "ab"),
        ("x" * 2048, "x" * 2048),
        ("x" * 2049, None),
        ("x" * 1_000_000, None),
        ("", None),
        ("\x00", None),
        (None, None),
    ],
)
def test_a_guid_is_kept_as_it_is_unless_it_is_no_name(guid: str | None, kept: str | None) -> None:
    assert clean(RawEntry(guid=guid)).entries[0].guid == kept


@pytest.mark.parametrize(
    ("year", "kept"), [(1, False), (1899, False), (1900, True), (2200, True), (2201, False), (9999, False)]
)
def test_a_date_that_no_publisher_means_is_none_and_its_words_are_kept(year: int, kept: bool) -> None:
    moment = datetime(year, 6, 1, tzinfo=UTC)
    entry = RawEntry(published=moment, published_raw="in <b>words</b>", updated=datetime(1970, 1, 1, tzinfo=UTC))
    (found,) = clean(entry).entries
    assert (found.published, found.published_raw, found.updated) == (moment if kept else None, "in words", None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("EN_gb", "en-gb"), ("fr", "fr"), ("français", None), ("x" * 30, None), ("", None), (None, None)],
)
def test_a_language_is_a_code_or_absent(given: str | None, kept: str | None) -> None:
    assert clean(RawEntry(), language=given).language == kept
    assert clean(RawEntry(language=given)).entries[0].language == kept
    assert clean(RawEntry(), language=given).entries[0].language == kept


def test_empty_categories_go_and_words_are_words() -> None:
    entry = RawEntry(
        categories=(Category(term="<i>R&amp;D</i>", scheme="s\n", label="&lt;b&gt;"), Category(term="<p>"))
    )
    assert clean(entry).entries[0].categories == (Category(term="R&D", scheme="s", label=None),)


def test_what_is_said_of_the_whole_feed_comes_along() -> None:
    found = clean(RawEntry(), dropped=7, warnings=("seven <b> were left\nout",), rights="<b>©</b>", title="A&amp;B")
    assert (found.dropped, found.warnings, found.rights, found.title) == (7, ("seven were left out",), "©", "A&B")


# --- hostile markup in every field ----------------------------------------------------------------


def vectors() -> list[str]:
    if not VECTORS.exists():
        pytest.skip(f"the list of attacks is not at {VECTORS}")
    return [json.loads(line)["input"] for line in VECTORS.read_text("utf-8").splitlines()]


def document(attacks: list[str]) -> bytes:
    """A feed with an attack in every place of every item."""
    items = []
    for attack in attacks:
        text, quoted = escape(attack), quoteattr(attack)
        items.append(
            f"<item><title>{text}</title><link>{text}</link><guid>{text}</guid><author>{text}</author>"
            f"<dc:creator>{text}</dc:creator><category domain={quoted}>{text}</category><comments>{text}</comments>"
            f"<description>{text}</description><content:encoded>{text}</content:encoded><dc:rights>{text}</dc:rights>"
            f"<pubDate>{text}</pubDate><enclosure url={quoted} type={quoted}/><media:thumbnail url={quoted}/>"
            f"<enclosure url='https://x.example/a.mp3' type={quoted}/><dc:identifier>10.5555/{text}</dc:identifier>"
            f"<source url={quoted}>{text}</source><dc:language>{text}</dc:language></item>"
        )
    names = (
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    )
    title = escape(attacks[0])
    channel = f"<title>{title}</title><link>{title}</link>{''.join(items)}"
    return f'<rss version="2.0" {names}><channel>{channel}</channel></rss>'.encode("utf-8", "surrogatepass")


def json_document(attacks: list[str]) -> bytes:
    items = [
        {
            "id": attack,
            "url": attack,
            "external_url": attack,
            "title": attack,
            "summary": attack,
            "content_html": attack,
            "content_text": attack,
            "image": attack,
            "date_published": attack,
            "language": attack,
            "tags": [attack],
            "authors": [{"name": attack, "url": attack}],
            "attachments": [{"url": attack, "mime_type": attack, "title": attack}],
        }
        for attack in attacks
    ]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": attacks[0], "items": items}).encode()


def check(attacks: list[str]) -> None:
    for start in range(0, len(attacks), 50):
        batch = attacks[start : start + 50]
        for body in (document(batch), json_document(batch)):
            feed = normalise(parse(body, content_type=None, url=URL), url=URL)
            assert len(feed.entries) == len(batch)
            assert feed_faults(feed) == []
            for entry in feed.entries:
                assert safe_html(entry.content, base=BASE) == entry.content
                assert safe_html(entry.summary, base=BASE) == entry.summary


def test_a_sample_of_known_attacks_leaves_nothing_in_any_field() -> None:
    check(vectors()[::20])


def test_naughty_strings_leave_nothing_in_any_field() -> None:
    if not VECTORS.exists():
        pytest.skip(f"the list of attacks is not at {VECTORS}")
    rows = json.loads((CORPUS / "hostile/text/strings.json").read_text("utf-8"))
    naughty = json.loads((CORPUS / "hostile/encoding/blns.json").read_text("utf-8"))
    check([row["input"] for row in rows] + naughty)


@pytest.mark.slow
@pytest.mark.skipif(not EVERYTHING, reason="takes half a minute; run with AGGREGATOR_TEST_ALL=1")
def test_no_known_attack_leaves_anything_in_any_field() -> None:
    check(vectors())


def test_the_strict_reader_sees_what_a_lax_policy_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that cannot fail proves nothing: the same attacks, with the sanitiser taken out."""
    monkeypatch.setattr(normalise_step, "_cleaned", lambda markup, base: markup)
    attack = "<svg/onload=alert(1)>"
    feed = normalise(parse(document([attack]), content_type=None, url=URL), url=URL)
    assert any("element: svg" in fault for fault in feed_faults(feed))


# --- properties -----------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *"<p> </p> <b> </b> <a href= > \" ' <img src= /x.png <table> <tr> <td> <ul> <li> </ul> <pre> <br> <hr>".split(),
        *"<svg> <math> <style> <script> </script> <title> <select> <option> <textarea> <noscript> <template>".split(),
        *"<mtext> <mglyph> <xmp> <plaintext> <form> <!-- --> <![CDATA[ ]]> &lt; &gt; &amp; &#0; &#x202e;".split(),
        *"é < > & ; = javascript: words \u202e \ud800 \x00".split(" "),
        "\n",
        " ",
    ]
)
MARKUP = st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=25).map("".join)


@settings(deadline=None)
@given(MARKUP)
def test_cleaning_twice_changes_nothing_and_leaves_nothing(markup: str) -> None:
    once = safe_html(markup, base=BASE)
    assert safe_html(once, base=BASE) == once
    assert markup_faults(once) == []


@settings(deadline=None)
@given(MARKUP, st.booleans())
def test_text_holds_no_markup_and_no_control(value: str, is_html: bool) -> None:
    entry = RawEntry(
        guid=value,
        title=value,
        title_is_html=is_html,
        links=(Link(href=value, rel=value, type=value, title=value),),
        authors=(Person(name=value, email=value, uri=value),),
        categories=(Category(term=value, scheme=value, label=value),),
        source=Source(id=value, title=value, link=value, rights=value),
        summary=value,
        summary_is_html=is_html,
        rights=value,
        doi=value,
        comments=value,
        thumbnails=(value,),
        base_url=value,
    )
    feed = clean(entry, title=value, rights=value, language=value, base_url=value, warnings=(value,))
    assert feed_faults(feed) == []
    (found,) = feed.entries
    for text in (found.title, found.summary, found.guid or ""):
        assert text.encode("utf-8").decode("utf-8") == text
