"""Stories as a reader sees them, for one site and one language.

compose: ... rendering (layout > **desk**) > issue
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aggregator.model.channel import Site
from aggregator.model.entry import Entry, Tag
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Section
from aggregator.model.story import Story
from aggregator.press.prose import cut, excerpt
from aggregator.press.tongues import Tongue, tongue_of
from aggregator.press.views import PlaceView, StoryView, is_placeholder, shown
from aggregator.press.wording import Words
from aggregator.urls import absolute_http, ascii_url, canonical_url, host_of

MAX_TITLE = 78
"""Characters of a text that stands in for a title."""
MAX_EXCERPT = 220
MAX_TAGS = 3
MAX_NAMES = 3
MAX_ALSO_AT = 6
SHOWN_NAMESPACES = ("topic", "country", "region", "category")


class Desk:
    """Turns Stories into what a reader sees; `tongue` is the reader's, `words` are ours."""

    def __init__(self, site: Site, feeds: Mapping[str, Feed], words: Words, tongue: Tongue) -> None:
        self._feeds = feeds
        self._words = words
        self._tongue = tongue
        self._zone = ZoneInfo(site.timezone)
        self._own = _origin(site.base_url)
        self._foreign = _family(site.language) != tongue.family

    def story(self, story: Story, heading: str) -> StoryView:
        """The Story by its head, or by its first entry in the reader's language where there is one: a translation tells
        the same. A tag that the heading or the kind already says is not repeated."""
        own = self._tongue.family
        head = next((entry for entry in story.entries if _family(self._language(entry)) == own), story.head)
        at = self._place(head)
        language = self._language(head) if _family(self._language(head)) != own else ""
        tongue = tongue_of(language) if language else None
        text = shown(excerpt(head, MAX_EXCERPT))
        title = shown(head.title) or cut(text, MAX_TITLE) or self._words.untitled
        kind = next((shown(tag.text) for tag in story.tags if tag.namespace == "type"), "")
        return StoryView(
            title=title,
            at=at,
            authors=_names(head, at.publisher),
            kind=kind if kind.casefold() != heading.casefold() else "",
            date=self._tongue.on(head.date.astimezone(self._zone).date()),
            reading=self._words.in_tongue(language),
            tags=self._tags(story, {heading.casefold(), kind.casefold()}),
            excerpt=text if text != title else "",
            also_at=self._also_at(story, at),
            language=language,
            direction=tongue.direction if tongue and tongue.direction != self._tongue.direction else "",
        )

    def heading(self, section: Section) -> str:
        """The section's, a country by its name in the reader's language where that is not the site's."""
        return self._text(Tag(name=section.tag, origin="person", label=section.heading))

    def _language(self, entry: Entry) -> str:
        """What it is written in, as far as that is known."""
        feed = self._feeds.get(entry.feed_id)
        return entry.language or (feed and feed.language) or ""

    def _tags(self, story: Story, said: Collection[str]) -> tuple[str, ...]:
        tags = sorted(
            (tag for tag in story.tags if tag.namespace in SHOWN_NAMESPACES),
            key=lambda tag: SHOWN_NAMESPACES.index(tag.namespace),
        )
        texts = {text.casefold(): text for tag in reversed(tags) if (text := self._text(tag)).casefold() not in said}
        return tuple(reversed(texts.values()))[:MAX_TAGS]

    def _text(self, tag: Tag) -> str:
        """What people read of a tag; the names of countries are known in every language."""
        namespace, _, slug = tag.name.partition(":")
        if namespace == "country" and (self._foreign or not tag.label or tag.label == slug.upper()):
            return self._tongue.country(slug) or shown(tag.text)
        return shown(tag.text)

    def _also_at(self, story: Story, at: PlaceView) -> tuple[PlaceView, ...]:
        places = dict.fromkeys(self._place(entry) for entry in story.entries)
        return tuple(place for place in places if place != at)[:MAX_ALSO_AT]

    def _place(self, entry: Entry) -> PlaceView:
        url = self._address(entry.url)
        host = host_of(url) if url else ""
        feed = self._feeds.get(entry.feed_id)
        return PlaceView(publisher=shown(feed.name) if feed else host or entry.feed_id, host=host, url=url)

    def _address(self, url: str | None) -> str | None:
        """A link we may print: to the web, in ASCII, and to none of our own pages, which only our words point at."""
        address = absolute_http(url) if url else None
        address = ascii_url(address) if address else None
        if address is None or is_placeholder(address) or _origin(address) == self._own:
            return None
        return address


def _family(language: str) -> str:
    tongue = tongue_of(language)
    return tongue.family if tongue else language.lower().replace("_", "-").partition("-")[0]


def _names(entry: Entry, publisher: str) -> tuple[str, ...]:
    names = dict.fromkeys(shown(person.name) for person in entry.authors)
    return tuple(name for name in names if name and name.casefold() != publisher.casefold())[:MAX_NAMES]


def _origin(url: str) -> tuple[str, int | None]:
    """Where an address leads in the end, to compare: host and port, without `www.`, default ports and redirectors."""
    parts = urlsplit(canonical_url(url) or url)
    return parts.hostname or "", parts.port
