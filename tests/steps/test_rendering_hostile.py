from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from html import escape

import pytest

from aggregator.model.entry import Tag
from aggregator.model.feed import Feed
from aggregator.model.newsletter import PREFERENCES_PLACEHOLDER, UNSUBSCRIBE_PLACEHOLDER, Digest, Rendering, Section
from aggregator.model.parsed import Link, Person, SafeHtml
from tests.rendered import ROOT, links, render, texts, titles, tree
from tests.sample_digest import NEWSLETTER, SITE, digest_of, entry, full_digest, story

HOSTILE = ROOT.parent / "shared" / "corpus" / "hostile"
KINDS = ("mail-header", "bidi-homograph", "template", "css", "tracker", "log", "csv")
needs_corpus = pytest.mark.skipif(
    not HOSTILE.is_dir(), reason="the corpus of hostile inputs is not beside the checkout"
)


def structure(rendering: Rendering) -> list[tuple[str, ...]]:
    """Every element with the names of its attributes, in order: what markup from a title would change."""
    return [
        (element.tag, *sorted(element.attrib)) for element in tree(rendering).iter() if isinstance(element.tag, str)
    ]


def strings(*kinds: str) -> list[str]:
    return [
        item["input"] for item in json.loads((HOSTILE / "text" / "strings.json").read_text()) if item["kind"] in kinds
    ]


def vectors(step: int) -> list[str]:
    lines = (HOSTILE / "xss" / "vectors.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["input"] for line in lines[::step]]


def everywhere(words: Sequence[str]) -> tuple[Digest, dict[str, Feed]]:
    """Stories whose every text is one of these, each with a beginning of its own."""
    feeds, sections = {}, []
    for number, hostile in enumerate(words):
        name = f"N{number} {hostile}"
        feeds[f"feed-{number}"] = Feed(id=f"feed-{number}", url="https://north.example.net/", name=f"F{name}")
        told = entry(
            f"T{name}",
            feed_id=f"feed-{number}",
            authors=(Person(name=f"A{name}"),),
            summary=SafeHtml(f"S{number} {escape(hostile)}"),
            tags=(Tag(name="topic:x", origin="category", label=f"L{name}"),),
        )
        also = entry(f"T{name}", links=(Link(href=f"https://sud.example.com/{number}"),))
        sections.append(Section(heading=f"H{name}", stories=(story(number, told, also),)))
    return Digest(sections=tuple(sections)), feeds


def assert_inert(words: Sequence[str]) -> None:
    """The mail has the structure and the links that harmless words give it, in pieces that are shown in full."""
    for start in range(0, len(words), 20):
        piece = words[start : start + 20]
        digest, feeds = everywhere(piece)
        plain, plain_feeds = everywhere(["harmless"] * len(piece))
        made, expected = render(digest, feeds=feeds), render(plain, feeds=plain_feeds)
        assert structure(made) == structure(expected), piece
        assert len(links(made)) == len(links(expected))
        assert not re.search(r"\s(?:on\w+|src|srcset|ping|background|formaction)=", re.sub(r">[^<]*<", "><", made.html))
        assert "\n" not in made.subject
        for part in (made.html, made.text, made.subject):
            assert not re.search("[\u202a-\u202e\u2066\u2067\u0000-\u0008\u001b]", part)


@needs_corpus
@pytest.mark.parametrize("kind", KINDS)
def test_no_hostile_text_leaves_its_place(kind: str) -> None:
    assert_inert([text[:300] for text in strings(kind)])


@needs_corpus
def test_no_vector_of_the_sample_leaves_its_place() -> None:
    assert_inert([vector[:300] for vector in vectors(40)])


@needs_corpus
def test_template_syntax_in_titles_stays_as_it_is() -> None:
    words = strings("template")
    made = render(digest_of([story(number, entry(text)) for number, text in enumerate(words)]))
    assert sorted(titles(made)) == sorted(words)
    assert {text for text in words if f"\n{text}\n" not in made.text} == set()
    assert "49" not in made.text.replace("2049", "")


@needs_corpus
def test_a_subject_survives_the_way_through_a_header() -> None:
    for hostile in strings("mail-header"):
        made = render(digest_of([story(1, entry(hostile))]))
        letter = EmailMessage(policy=SMTP)
        letter["Subject"] = made.subject
        read = BytesParser(policy=SMTP).parsebytes(letter.as_bytes())
        assert list(read.keys()) == ["Subject"]
        assert "".join(read["Subject"].split()) == "".join(made.subject.split())


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "https://wire.example.org/unsubscribe/abc",
        "http://WIRE.example.org./unsubscribe/abc",
        "https://www.wire.example.org:443/unsubscribe/abc",
        "https://www.google.com/url?url=https://wire.example.org/unsubscribe/abc",
        "https://user@north.example.net/",
        UNSUBSCRIBE_PLACEHOLDER,
        f"https://north.example.net/?next={UNSUBSCRIBE_PLACEHOLDER}",
        PREFERENCES_PLACEHOLDER,
    ],
)
def test_a_link_to_our_own_pages_or_to_no_web_page_is_none(url: str) -> None:
    made = render(digest_of([story(1, entry("Paper", links=(Link(href=url),)))]))
    assert titles(made) == ["Paper"]
    assert len(links(made)) == 4  # the archive, choosing, leaving, asking
    own = f"Change what you get: {PREFERENCES_PLACEHOLDER}\nUnsubscribe: {UNSUBSCRIBE_PLACEHOLDER}"
    assert url not in made.text.replace(own, "")


def test_another_port_of_our_host_is_another_place() -> None:
    told = story(1, entry("Paper", links=(Link(href="http://127.0.0.1:8001/paper"),)))
    assert "http://127.0.0.1:8001/paper" in links(
        render(digest_of([told]), site=replace(SITE, base_url="http://127.0.0.1:8000"))
    )


def test_no_text_can_hold_the_place_of_a_readers_own_address() -> None:
    words = f"Go to {UNSUBSCRIBE_PLACEHOLDER} now"
    told = story(1, entry(words, summary=SafeHtml(f"x {words}"), authors=(Person(name=words),)))
    made = render(digest_of([told]), replace(NEWSLETTER, title=words), site=replace(SITE, title=words))
    assert made.html.count(UNSUBSCRIBE_PLACEHOLDER) == 1
    assert made.text.count(UNSUBSCRIBE_PLACEHOLDER) == 1
    assert UNSUBSCRIBE_PLACEHOLDER not in made.subject
    assert titles(made) == ["Go to unsubscribe.invalid now"]


@pytest.mark.parametrize(
    ("href", "link", "host"),
    [
        ("https://bücher.example:8443/a", "https://xn--bcher-kva.example:8443/a", "xn--bcher-kva.example"),
        ("https://аpple.com/", "https://xn--pple-43d.com/", "xn--pple-43d.com"),
        ("https://north.example.net/é?q=ü#ñ", "https://north.example.net/%C3%A9?q=%C3%BC#%C3%B1", "north.example.net"),
        ('https://north.example.net/"><b>', "https://north.example.net/%22%3E%3Cb%3E", "north.example.net"),
        ("https://north.example.net/%41%20b", "https://north.example.net/%41%20b", "north.example.net"),
        ("https://www.google.com/url?url=https://a.example/&q=https://b.example/", None, "google.com"),
    ],
)
def test_links_are_ascii_and_their_host_is_in_view(href: str, link: str | None, host: str) -> None:
    link = link or href
    made = render(digest_of([story(1, entry("Paper", links=(Link(href=href),)))]))
    assert link in links(made)
    assert f"\n{link}\n" in made.text
    assert f"Northern Institute ({host})" in made.text
    assert f"({host})" in texts(made, "//span[@dir='ltr']")


def test_a_host_that_no_browser_knows_is_no_link() -> None:
    made = render(digest_of([story(1, entry("Paper", links=(Link(href="https://\u2488.example/"),)))]))
    assert len(links(made)) == 4


def test_directions_do_not_leak() -> None:
    made = render(full_digest())
    assert "\n\u2068أمن الطاقة في الخليج\u2069\n" in made.text
    assert "<bdi>\u2068أمن الطاقة في الخليج\u2069</bdi>" in made.html
    for element in tree(made).xpath("//h3 | //p[@class='x'] | //ul[not(@class)]/li"):
        assert element.xpath(".//bdi")
