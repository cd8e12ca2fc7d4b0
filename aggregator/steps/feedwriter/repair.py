"""What feedgen 1.0 leaves out or gets wrong, put right through its own extension hooks.

Its Atom links lose rel, type, length and title (python-feedgen issue 135), its `source` knows a title and a link
only, a language per entry and thumbnails are missing, and RSS has nothing but the first alternate.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import format_datetime
from typing import Any

import feedgen.entry
import feedgen.feed
from feedgen.util import xml_elem

from aggregator.model.parsed import Link, Source
from aggregator.steps.feedwriter.contents import INTERVAL, Item

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
}
_ATOM = "{http://www.w3.org/2005/Atom}"
_DC, _MEDIA, _SY = (f"{{{NAMESPACES[prefix]}}}" for prefix in ("dc", "media", "sy"))
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_UPDATES_PER_HOUR = round(3600 / INTERVAL.total_seconds())

Element = Any
"""An lxml element: lxml and feedgen carry no types."""

# feedgen writes each RFC 5322 date by changing the locale of the whole process and back, which no other thread
# is safe from; the standard library needs no locale.
feedgen.entry.formatRFC2822 = feedgen.feed.formatRFC2822 = format_datetime


class FeedRepair:
    """What belongs to the channel as a whole."""

    def extend_ns(self) -> dict[str, str]:
        return NAMESPACES

    def extend_atom(self, feed: Element) -> Element:
        return feed

    def extend_rss(self, rss: Element) -> Element:
        channel = rss[0]
        _text(channel, f"{_SY}updatePeriod", "hourly")
        _text(channel, f"{_SY}updateFrequency", str(_UPDATES_PER_HOUR))
        return rss


class EntryRepair:
    """What belongs to one entry; `item` is set by the writer."""

    item: Item

    def extend_atom(self, entry: Element) -> Element:
        item = self.item
        if item.language:
            entry.set(_LANG, item.language)
        for link in entry.findall("link"):
            entry.remove(link)
        _links(entry, "link", item.links)
        if item.comments:
            xml_elem("link", entry, rel="replies", type="text/html", href=item.comments)
        _source(xml_elem("source", entry), item.source)
        self._extras(entry)
        return entry

    def extend_rss(self, entry: Element) -> Element:
        item = self.item
        for author in item.authors:
            _text(entry, f"{_DC}creator", author.name)
        _text(entry, f"{_DC}language", item.language)
        _text(entry, f"{_DC}rights", item.rights)
        _text(entry, f"{_ATOM}updated", item.updated.isoformat())
        # RSS itself holds the alternate and one enclosure; Atom's links hold the rest.
        held = (*item.links[:1], *item.enclosures[:1])
        _links(entry, f"{_ATOM}link", (link for link in item.links if link not in held))
        self._extras(entry)
        return entry

    def _extras(self, entry: Element) -> None:
        if self.item.doi:
            _text(entry, f"{_DC}identifier", f"doi:{self.item.doi}")
        for address in self.item.thumbnails:
            xml_elem(f"{_MEDIA}thumbnail", entry, url=address)


def _links(parent: Element, name: str, links: Iterable[Link]) -> None:
    for link in links:
        element = xml_elem(name, parent, rel=link.rel, href=link.href)
        for attribute in ("type", "hreflang", "title"):
            if value := getattr(link, attribute):
                element.set(attribute, value)
        if link.length is not None:
            element.set("length", str(link.length))


def _source(element: Element, source: Source) -> None:
    _text(element, "id", source.id)
    _text(element, "title", source.title)
    _text(element, "updated", source.updated.isoformat() if source.updated else None)
    if source.link:
        xml_elem("link", element, rel="alternate", href=source.link)
    _text(element, "rights", source.rights)


def _text(parent: Element, name: str, text: str | None) -> None:
    if text:
        xml_elem(name, parent).text = text
