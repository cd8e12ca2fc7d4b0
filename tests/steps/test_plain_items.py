"""Plain items, which feedparser does not see, are read as it reads them.

An element that nobody knows makes an item other than plain, and says nothing: a document and the same with such an
element in each item have to give the same entries.
"""

import re
from collections.abc import Callable
from html import escape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.model.parsed import RawEntry
from aggregator.steps.parse import dispatch
from aggregator.steps.parse.dispatch import parse
from aggregator.steps.parse.plain import MAX_EVENTS, PlainItem, leaves_of, name_of

URL = "https://feeds.example/all.xml"
UNKNOWN = '<x:nothing xmlns:x="urn:example:unknown"/>'
RSS = (
    '<?xml version="1.0" encoding="utf-8"?><rss version="2.0" {root} xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:atom="http://www.w3.org/2005/Atom"'
    ' xmlns:slash="http://purl.org/rss/1.0/modules/slash/" xmlns:wfw="http://wellformedweb.org/CommentAPI/"'
    ' xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0"><channel>'
    "<link>https://t.example/</link>{items}<title>Late</title></channel></rss>"
)
ATOM = '<feed xmlns="http://www.w3.org/2005/Atom" {root}><id>f</id>{items}<title>Late</title></feed>'

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12),
    st.lists(
        st.sampled_from(
            ["Étude", "Ã©tude", "\x92s", "<b>bold</b>", "a & b", "&eacute;", "&#8217;", "<madeup>", " ", "\n", "\xa0"]
        ),
        max_size=4,
    ).map("".join),
)
ADDRESSES = st.sampled_from(
    [
        *("https://t.example/1", "/a?b=1&c=2", "http:///t.example/2", "p/é", " https://t.example/3 ", "http://["),
        *("HTTPS://T.example/../4", "https://t.example/5?a&b=1#c", "mailto:a@b.example", "https://doi.org/10.1234/abc"),
    ]
)
DATES = st.sampled_from(["Mon, 30 Nov 2026 08:00:00 GMT", "2026-11-30T08:00:00+02:00", "30 nov 2026", "soon", ""])
PEOPLE = st.one_of(TEXTS, st.sampled_from(["Ann <a@b.example>", "a@b.example (Ann)", "a@b.example"]))
KINDS = st.sampled_from(["", ' type="html"', ' type="text"', ' type="TEXT/html"', ' type="text/plain"'])


def leaf(name: str, text: st.SearchStrategy[str], attributes: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    marked = st.one_of(text.map(escape), text.filter(lambda value: "]]>" not in value).map("<![CDATA[{}]]>".format))
    return st.builds(lambda told, value: f"<{name}{told}>{value}</{name}>", attributes, marked)


def told(**values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Attributes, each there or not."""
    return st.fixed_dictionaries({}, optional=values).map(
        lambda found: "".join(f' {name}="{escape(value)}"' for name, value in found.items())
    )


NONE = st.just("")
LINK = told(
    href=ADDRESSES,
    rel=st.sampled_from(["self", "Alternate", "enclosure", "related", ""]),
    type=st.sampled_from(["text/HTML", "application/pdf", " "]),
    hreflang=st.sampled_from(["en", "FR"]),
    title=TEXTS,
    length=st.sampled_from(["12", "x", ""]),
)
CATEGORY = told(term=TEXTS, scheme=ADDRESSES, domain=ADDRESSES, label=TEXTS)
RSS_LEAVES = [
    leaf("title", TEXTS, KINDS),
    leaf("link", ADDRESSES, NONE),
    leaf("guid", st.one_of(ADDRESSES, TEXTS), st.sampled_from(["", ' isPermaLink="true"', ' isPermaLink="false"'])),
    leaf("pubDate", DATES, NONE),
    leaf("atom:updated", DATES, NONE),
    leaf("dc:date", DATES, NONE),
    leaf("author", PEOPLE, NONE),
    leaf("dc:creator", PEOPLE, NONE),
    leaf("category", TEXTS, CATEGORY),
    leaf("dc:subject", TEXTS, NONE),
    leaf("description", TEXTS, KINDS),
    leaf("atom:summary", TEXTS, KINDS),
    leaf("content:encoded", TEXTS, NONE),
    leaf("content", TEXTS, KINDS),
    leaf("enclosure", NONE, told(url=ADDRESSES, type=st.just("Audio/MPEG"), length=st.just("7"))),
    leaf("comments", ADDRESSES, NONE),
    leaf("atom:link", NONE, LINK),
    leaf("feedburner:origLink", ADDRESSES, NONE),
    leaf("slash:comments", TEXTS, NONE),
    leaf("wfw:commentRss", ADDRESSES, NONE),
]
PERSON = st.lists(
    st.one_of(leaf("name", PEOPLE, NONE), leaf("email", PEOPLE, NONE), leaf("uri", ADDRESSES, NONE)), max_size=3
).map(lambda parts: f"<author>\n{''.join(parts)}</author>")
ATOM_LEAVES = [
    leaf("title", TEXTS, KINDS),
    leaf("link", NONE, LINK),
    leaf("id", st.one_of(ADDRESSES, TEXTS), NONE),
    leaf("published", DATES, NONE),
    leaf("updated", DATES, NONE),
    PERSON,
    leaf("category", NONE, CATEGORY),
    leaf("summary", TEXTS, KINDS),
    leaf("content", TEXTS, KINDS),
]
ROOTS = st.sampled_from(["", 'xml:lang="de_AT"', 'xml:base="https://base.example/in/"', 'xml:base="/in/"'])


def documents(frame: str, element: str, leaves: list[st.SearchStrategy[str]]) -> st.SearchStrategy[tuple[str, str]]:
    """A document, and the same with an unknown element in each item."""
    item = st.lists(st.one_of(leaves), max_size=8).map(lambda parts: "\n ".join(["", *parts]))
    return st.builds(
        lambda root, items: (
            frame.format(root=root, items="".join(f"<{element}>{item}</{element}>" for item in items)),
            frame.format(root=root, items="".join(f"<{element}>{UNKNOWN}{item}</{element}>" for item in items)),
        ),
        ROOTS,
        st.lists(item, max_size=3),
    )


@given(st.one_of(documents(RSS, "item", RSS_LEAVES), documents(ATOM, "entry", ATOM_LEAVES)))
@settings(max_examples=300)
def test_a_plain_item_reads_as_feedparser_reads_it(pair: tuple[str, str]) -> None:
    plain, other = (parse(text.encode(), content_type=None, url=URL) for text in pair)
    assert plain == other


def entries_and_plain_ones(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[tuple[RawEntry, ...], int]]:
    """What a document gives, and how many of its items were plain."""
    seen: list[PlainItem] = []

    def watched(item: PlainItem, **options: Any) -> RawEntry:
        seen.append(item)
        return made(item, **options)

    made = dispatch.plain_entry
    monkeypatch.setattr(dispatch, "plain_entry", watched)

    def found(items: str, frame: str = RSS) -> tuple[tuple[RawEntry, ...], int]:
        seen.clear()
        read = parse(frame.format(root="", items=items).encode(), content_type=None, url=URL).entries
        return read, len(seen)

    return found


@pytest.mark.parametrize(
    "item",
    [
        "<title>a</title><title>b</title>",
        "<title>a <b>b</b></title>",
        '<title xml:lang="fr">a</title>',
        "<link/>",
        "<link rel='alternate'/>",
        "<enclosure length='3'/>",
        "<madeup>a</madeup>",
        "<author><name>a</name><name>b</name></author>",
        "<author><name>a<b/></name></author>",
        "<author><name xml:lang='fr'>a</name></author>",
        "<author><age>a</age></author>",
        "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a</div></content>",
        "<content type='xhtml'>a</content>",
        "<media:thumbnail xmlns:media='http://search.yahoo.com/mrss/' url='https://t.example/i.png'/>",
        "<item><title>within</title></item>",
        "<title>a</title>" + "<category>a</category>" * MAX_EVENTS,
    ],
)
def test_an_item_with_anything_more_goes_to_feedparser(item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = entries_and_plain_ones(monkeypatch)
    items = "<item><title>before</title></item><item>{}</item><item><title>after</title></item>"
    read, plain = found(items.format(item))
    expected, none = found(re.sub("<item>", f"<item>{UNKNOWN}", items.format(item)))
    assert (read, plain, none) == (expected, 2, 0)


def test_a_prefix_that_means_another_namespace_keeps_items_from_being_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    found = entries_and_plain_ones(monkeypatch)
    frame = '<rss version="2.0" xmlns:content="http://purl.org/dc/elements/1.1/"><channel>{items}{root}</channel></rss>'
    read, plain = found("<item><title>a</title><content:creator>Ann</content:creator></item>", frame)
    assert [person.name for person in read[0].authors] == ["Ann"]
    assert plain == 0


def test_a_document_that_breaks_off_in_an_item_is_read_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = '<rss version="2.0"><channel>{root}<item><title>whole</title></item><item><title>half</title>{items}'
    read, plain = entries_and_plain_ones(monkeypatch)("<description>text", frame)
    assert [entry.title for entry in read] == ["whole", "half"]
    assert plain == 0


def test_an_end_without_a_beginning_makes_no_leaves() -> None:
    assert leaves_of([None]) is None


@pytest.mark.parametrize(
    ("expanded", "name"), [("item", (None, "item")), ("urn:a b", ("urn:a", "b")), ("urn:a b c", ("urn:a", "b"))]
)
def test_a_name_is_taken_apart(expanded: str, name: tuple[str | None, str]) -> None:
    assert name_of(expanded) == name
