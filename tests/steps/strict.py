"""What may be in a clean feed, said once more and apart from the code that cleans: two parsers, one short list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

import lxml.html

from aggregator.model.parsed import ParsedEntry, ParsedFeed

VOID = frozenset("br col hr img wbr".split())
ALLOWED = VOID | frozenset(
    "a abbr b bdi bdo blockquote caption cite code colgroup dd del dfn div dl dt em figcaption figure "
    "h1 h2 h3 h4 h5 h6 i ins kbd li mark ol p pre q rp rt ruby s samp small span strong sub sup "
    "table tbody td tfoot th thead tr u ul var".split()
)
ATTRIBUTES = frozenset("href hreflang rel src alt title width height start colspan rowspan scope lang dir".split())
SCHEMES = {"href": ("http", "https", "mailto"), "src": ("http", "https")}
UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069\u200b\ufeff]"
)
TAG_LIKE = re.compile(r"<[a-zA-Z/!?]")


def markup_faults(markup: str) -> list[str]:
    """What a sanitised piece of markup must not hold; empty when all is well."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    faults = reader.faults + [f"left open: {name}" for name in reader.open]
    for element in _elements(markup):
        faults += _faults_of(str(element.tag), {str(name): str(value) for name, value in element.attrib.items()})
    return faults + (["a control"] if UNSEEN.search(markup) else [])


def feed_faults(feed: ParsedFeed) -> list[str]:
    """Faults in any field of a clean feed, each with its place."""
    found = [
        ("feed", fault) for fault in _text_faults(feed.title, feed.rights, feed.language, feed.format, *feed.warnings)
    ]
    found += [("feed link", fault) for link in feed.links for fault in _address_faults(link.href)]
    for number, entry in enumerate(feed.entries):
        found += [(f"entry {number}", fault) for fault in _entry_faults(entry)]
    return [f"{place}: {fault}" for place, fault in found]


class _Reader(HTMLParser):
    """Reads as a tokeniser does, and keeps account of what is open."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.faults += _faults_of(tag, {name: value or "" for name, value in attrs})
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"closed out of turn: {tag}")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment


def _elements(markup: str) -> Iterator[lxml.html.HtmlElement]:
    if markup.strip():
        yield from (
            part for part in lxml.html.fragment_fromstring(markup, create_parent="div").iter() if part is not None
        )


def _faults_of(tag: str, attributes: dict[str, str]) -> Iterator[str]:
    if tag not in ALLOWED:
        yield f"element: {tag}"
    for name, value in attributes.items():
        if name not in ATTRIBUTES:
            yield f"attribute: {name}"
        if name in SCHEMES:
            scheme = re.sub(r"[\x00-\x20]", "", value).partition(":")[0].lower()
            if scheme not in SCHEMES[name]:
                yield f"{name}: {value}"


def _entry_faults(entry: ParsedEntry) -> Iterator[str]:
    yield from markup_faults(entry.summary)
    yield from markup_faults(entry.content)
    yield from _text_faults(
        entry.title, entry.published_raw, entry.updated_raw, entry.language, entry.rights, entry.doi
    )
    for person in entry.authors:
        yield from _text_faults(person.name, person.email)
        yield from _address_faults(person.uri)
    for category in entry.categories:
        yield from _text_faults(category.term, category.scheme, category.label)
    for link in entry.links:
        yield from _text_faults(link.rel, link.type, link.title, link.hreflang)
        yield from _address_faults(link.href)
    for address in (*entry.thumbnails, entry.comments):
        yield from _address_faults(address)
    if entry.source:
        yield from _text_faults(entry.source.id, entry.source.title, entry.source.rights)
        yield from _address_faults(entry.source.link)
    if entry.guid and UNSEEN.search(entry.guid):
        yield "a control in the guid"


def _text_faults(*texts: str | None) -> Iterator[str]:
    for text in texts:
        if text and TAG_LIKE.search(text):
            yield f"markup in text: {text[:200]}"
        if text and (UNSEEN.search(text) or "\n" in text):
            yield f"a control in text: {text[:200]!r}"


def _address_faults(address: str | None) -> Iterator[str]:
    if address is not None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or not address.isprintable() or " " in address:
            yield f"address: {address}"
