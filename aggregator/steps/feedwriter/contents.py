"""What every format says of a Channel and of a Story: decided here once, spelled by `as_xml.py` and `as_json.py`.

publish: stories.newest > matching > **contents** > bytes + ETag. An `Item` depends on its Story, the feeds and the
site alone, so that it may be kept for as long as these stay.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from urllib.parse import quote
from uuid import UUID, uuid5

from aggregator.model.channel import Channel, Format, Site
from aggregator.model.entry import Entry, Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import Category, Link, Person, SafeHtml, Source
from aggregator.model.story import Story
from aggregator.press.prose import cut, one_line
from aggregator.steps.feedwriter.outgoing import foreign_links, iri, outgoing_links, own_pages, printable
from aggregator.subject import plain_text
from aggregator.urls import without_secrets

INTERVAL = timedelta(minutes=15)
"""How often a reader may ask again: `ttl`, `sy:updateFrequency` and `max-age` all say this."""

CONTENT_TYPES: Mapping[Format, str] = {
    "atom": "application/atom+xml; charset=utf-8",
    "rss": "application/rss+xml; charset=utf-8",
    "json": "application/feed+json; charset=utf-8",
}
UNKNOWN_TYPE = "application/octet-stream"
"""The type of an enclosure whose publisher named none: RSS and JSON Feed demand one."""
BEFORE_ANYTHING = datetime(2000, 1, 1, tzinfo=UTC)
"""When a channel without Stories changed last."""

_NAMES = UUID("0d3c3c2e-6a43-4b0e-9c38-8c1f7a5b9a54")
"""Our ids are name-based (RFC 9562 5.5) on this one: they know no title, address, cluster or host, and never change."""
_EMAIL = re.compile(r"[^\s@<>()]+@[^\s@<>()]+")
_TITLE_FROM_TEXT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Another place where a Story appeared; `title` is "" when it is the head's."""

    publisher: str
    title: str
    url: str | None

    @property
    def words(self) -> str:
        return f"{self.publisher}: {self.title}" if self.title else self.publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A Story as subscribers see it; `links[0]` is its alternate, `summary` is "" where the content is all there is."""

    id: str
    url: str
    title: str
    summary: SafeHtml
    content: SafeHtml
    published: datetime
    updated: datetime
    language: str | None
    authors: tuple[Person, ...]
    categories: tuple[Category, ...]
    links: tuple[Link, ...]
    thumbnails: tuple[str, ...]
    source: Source
    also_at: tuple[Mention, ...]
    rights: str | None = None
    comments: str | None = None
    doi: str | None = None

    @property
    def enclosures(self) -> tuple[Link, ...]:
        return tuple(link for link in self.links if link.rel == "enclosure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A Channel as subscribers see it, newest Item first; `address` is where this very format is served."""

    id: str
    title: str
    description: str
    address: str
    home: str
    publisher: str
    language: str
    content_type: str
    updated: datetime
    items: tuple[Item, ...]


def document(
    channel: Channel, stories: Sequence[Story], format: Format, *, site: Site, feeds: Mapping[str, Feed]
) -> Document:
    """All that one format of a channel has to say."""
    publisher = printable(site.title)
    return Document(
        id=_urn("channel", path_of(channel, "atom")),
        title=printable(channel.title) or publisher,
        description=printable(channel.description or _description(channel, site)),
        address=f"{site.base_url}/{path_of(channel, format)}",
        home=f"{site.base_url}/",
        publisher=publisher,
        language=site.language,
        content_type=CONTENT_TYPES[format],
        updated=_whole_second(max((story.updated for story in stories), default=BEFORE_ANYTHING)),
        items=tuple(item_of(story, site=site, feeds=feeds) for story in stories),
    )


def _description(channel: Channel, site: Site) -> str:
    """The titles of the channel and the site, the site's once."""
    return channel.title if site.title in channel.title else f"{channel.title} – {site.title}"


def path_of(channel: Channel, format: Format) -> str:
    """Where a channel is served, below the base address; one made for a search alone carries its query."""
    if channel.id:
        return f"channels/{channel.id}.{format}"
    query = f"?q={quote(channel.query, safe='')}" if channel.query else ""
    return f"feed.{format}{query}"


def item_of(story: Story, *, site: Site, feeds: Mapping[str, Feed]) -> Item:
    """A Story as every format shows it: the head's words, with the source and the other places under them."""
    head, feed = story.head, _feed_of(story.head, feeds)
    own = own_pages(site.base_url)
    url = iri(head.url) if head.url and not own.match(head.url) else f"{site.base_url}/stories/{story.id}"
    body = foreign_links(printable(head.content or head.summary), site)
    summary = foreign_links(printable(head.summary), site) if head.content else ""
    also_at = _also_at(story, feeds, own)
    source = _source(head, feed)
    return Item(
        id=_urn("story", story.id),
        url=url,
        title=printable(head.title) or _title_from(body) or url,
        summary=SafeHtml(summary if summary != body else ""),
        content=SafeHtml(body + _footer(source, also_at)),
        published=_whole_second(head.date),
        updated=_whole_second(story.updated),
        language=printable(head.language or feed.language or "") or None,
        authors=_authors(head) or (Person(name=printable(feed.name)),),
        categories=tuple(_category(tag, site) for tag in story.tags if tag.namespace != "mentions"),
        links=(Link(href=url), *outgoing_links((*head.links, *_further_links(head, also_at)), url, own)),
        thumbnails=tuple(map(iri, head.thumbnails)),
        source=source,
        also_at=also_at,
        rights=printable(head.rights or "") or None,
        comments=iri(head.comments) if head.comments and not own.match(head.comments) else None,
        doi=printable(head.doi) if head.doi else None,
    )


def _urn(kind: str, name: str) -> str:
    return uuid5(_NAMES, f"{kind}:{name}").urn


def _whole_second(moment: datetime) -> datetime:
    """RFC 5322 and HTTP know no fractions; without them all formats tell one time."""
    return moment.replace(microsecond=0)


def _feed_of(entry: Entry, feeds: Mapping[str, Feed]) -> Feed:
    """The feed an entry was fetched from; of one no longer in feeds.yaml only the id is known."""
    return feeds.get(entry.feed_id) or Feed(id=entry.feed_id, url="", name=entry.feed_id)


def _source(head: Entry, feed: Feed) -> Source:
    """Where we fetched the entry, whatever it claims; `updated` is the poll that last brought a change of it."""
    return Source(
        id=iri(without_secrets(feed.url)) if feed.url else _urn("feed", feed.id),
        title=printable(feed.name),
        link=iri(feed.site_url) if feed.site_url else None,
        updated=_whole_second(head.changed_at),
        rights=printable(head.rights or "") or None,
    )


def _authors(head: Entry) -> tuple[Person, ...]:
    """Those with a name, which Atom demands (RFC 4287 3.2.1)."""
    return tuple(author for author in map(_author, head.authors) if author.name)


def _author(person: Person) -> Person:
    email = printable(person.email or "")
    return Person(
        name=printable(person.name),
        email=email if _EMAIL.fullmatch(email) else None,
        uri=iri(person.uri) if person.uri else None,
    )


def _category(tag: Tag, site: Site) -> Category:
    """The scheme and the term together are the address of the tag's page."""
    return Category(term=printable(tag.name), scheme=f"{site.base_url}/tags/", label=printable(tag.text))


def _title_from(html: str) -> str:
    """The first words of the text, for an entry without a title (RSS admits them, no list of entries does)."""
    return cut(one_line(plain_text(SafeHtml(html))), _TITLE_FROM_TEXT)


def _further_links(head: Entry, also_at: Sequence[Mention]) -> Iterator[Link]:
    """Where an entry says it comes from, and the other places of its Story."""
    if head.source and head.source.link:
        yield Link(href=head.source.link, rel="via", title=head.source.title)
    for mention in also_at:
        if mention.url:
            yield Link(href=mention.url, rel="related", title=mention.words)


# --- under the text -------------------------------------------------------------------------------


def _also_at(story: Story, feeds: Mapping[str, Feed], own: re.Pattern[str]) -> tuple[Mention, ...]:
    """The other places, each once; the same publisher's same title at the same address is no other place."""
    head_title = _folded(story.head.title)
    mentions = [
        Mention(
            publisher=printable(_feed_of(entry, feeds).name),
            title=printable(entry.title) if _folded(entry.title) != head_title else "",
            url=iri(entry.url) if entry.url and not own.match(entry.url) else None,
        )
        for entry in story.entries
    ]
    return tuple(mention for mention in dict.fromkeys(mentions) if mention != mentions[0])


def _folded(title: str) -> str:
    return " ".join(title.casefold().split())


def _footer(source: Source, also_at: Sequence[Mention]) -> str:
    """Who published it and where else it appeared, in the open: few readers show `source` and `related`."""
    lines = f"<hr><p>Source: {_anchor(source.title or '', source.link)}</p>"
    if not also_at:
        return lines
    places = "".join(f"<li>{_anchor(mention.words, mention.url)}</li>" for mention in also_at)
    return f"{lines}<p>Also at:</p><ul>{places}</ul>"


def _anchor(text: str, url: str | None) -> str:
    words = escape(text, quote=False)
    return f'<a href="{escape(url)}">{words}</a>' if url else words
