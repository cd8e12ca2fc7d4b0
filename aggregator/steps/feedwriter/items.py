"""What every format says of a Channel and of a Story: decided here once, spelled by `as_xml.py` and `as_json.py`.

publish: stories.newest > matching > **items** > bytes + ETag. An `Item` depends on its Story, the feeds and the
site alone, so that it may be kept for as long as these stay.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from html import escape, unescape
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid5

from aggregator.model import Category, Channel, Entry, Feed, Format, Link, Person, SafeHtml, Site, Source, Story, Tag
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
_LINK_RELATIONS = frozenset(("alternate", "enclosure", "related", "via", "license", "replies"))
_MEDIA_TYPE = re.compile(r"[\w.+!#$&^-]+/[\w.+!#$&^-]+(\s*;.*)?", re.ASCII)
_EMAIL = re.compile(r"[^\s@<>()]+@[^\s@<>()]+")
_TITLE_FROM_TEXT = 80

# XML 1.0 section 2.2 without C1 controls and non-characters; what lies beyond the BMP is looked at by the slow path.
_PRINTABLE = re.compile("[\t\n\r -~\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd]*")
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff]"
)
_NOT_IN_IRI = re.compile(r'[\x00- "<>\\^`{|}]')
_LINK = re.compile(r'<a\s(?:[^<>"]+|"[^"]*")*+>')
_HREF = re.compile(r'(?<=\s)href="([^"]*)"')


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
    content_type: str
    site: Site
    updated: datetime
    items: tuple[Item, ...]


def document(
    channel: Channel, stories: Sequence[Story], format: Format, *, site: Site, feeds: Mapping[str, Feed]
) -> Document:
    """All that one format of a channel has to say."""
    title = printable(channel.title)
    return Document(
        id=_urn("channel", path_of(channel, "atom")),
        title=title or printable(site.title),
        description=printable(channel.description or f"{title} – {site.title}"),
        address=f"{site.base_url}/{path_of(channel, format)}",
        content_type=CONTENT_TYPES[format],
        site=site,
        updated=_whole_second(max((story.updated for story in stories), default=BEFORE_ANYTHING)),
        items=tuple(item_of(story, site=site, feeds=feeds) for story in stories),
    )


def path_of(channel: Channel, format: Format) -> str:
    """Where a channel is served, below the base address; one made for a search alone carries its query."""
    if channel.id:
        return f"channels/{channel.id}.{format}"
    query = f"?q={quote(channel.query, safe='')}" if channel.query else ""
    return f"feed.{format}{query}"


def item_of(story: Story, *, site: Site, feeds: Mapping[str, Feed]) -> Item:
    """A Story as every format shows it: the head's words, with the source and the other places under them."""
    head, feed = story.head, _feed_of(story.head, feeds)
    own = _own_pages(site.base_url)
    url = _address(head.url) if head.url and not own.match(head.url) else f"{site.base_url}/stories/{story.id}"
    body = _foreign_links(printable(head.content or head.summary), site)
    summary = _foreign_links(printable(head.summary), site) if head.content else ""
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
        categories=tuple(_category(tag, site) for tag in story.tags),
        links=(Link(href=url), *_links(head, url, also_at, own)),
        thumbnails=tuple(map(_address, head.thumbnails)),
        source=source,
        also_at=also_at,
        rights=printable(head.rights or "") or None,
        comments=_address(head.comments) if head.comments and not own.match(head.comments) else None,
        doi=printable(head.doi) if head.doi else None,
    )


def printable(text: str) -> str:
    """The text without characters that XML does not know or nobody can see (C0, C1, surrogates, non-characters)."""
    return text if _PRINTABLE.fullmatch(text) else _UNPRINTABLE.sub("", text)


def _urn(kind: str, name: str) -> str:
    return uuid5(_NAMES, f"{kind}:{name}").urn


def _whole_second(moment: datetime) -> datetime:
    """RFC 5322 and HTTP know no fractions; without them all formats tell one time."""
    return moment.replace(microsecond=0)


def _address(href: str) -> str:
    """An address with what no IRI may hold (RFC 3987 2.2) percent-encoded."""
    return _NOT_IN_IRI.sub(lambda found: quote(found[0]), printable(href))


def _feed_of(entry: Entry, feeds: Mapping[str, Feed]) -> Feed:
    """The feed an entry was fetched from; of one no longer in feeds.yaml only the id is known."""
    return feeds.get(entry.feed_id) or Feed(id=entry.feed_id, url="", name=entry.feed_id)


def _source(head: Entry, feed: Feed) -> Source:
    """Where we fetched the entry, whatever it claims; `updated` is the poll that last brought a change of it."""
    return Source(
        id=without_secrets(feed.url) if feed.url else _urn("feed", feed.id),
        title=printable(feed.name),
        link=_address(feed.site_url) if feed.site_url else None,
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
        uri=_address(person.uri) if person.uri else None,
    )


def _category(tag: Tag, site: Site) -> Category:
    """The scheme and the term together are the address of the tag's page."""
    label = tag.label or tag.name.partition(":")[2].replace("-", " ")
    return Category(term=printable(tag.name), scheme=f"{site.base_url}/tags/", label=printable(label))


def _title_from(html: str) -> str:
    """The first words of the text, for an entry without a title (RSS admits them, no list of entries does)."""
    words = " ".join(plain_text(SafeHtml(html)).split())
    if len(words) <= _TITLE_FROM_TEXT:
        return words
    head = words[:_TITLE_FROM_TEXT]
    return (head.rpartition(" ")[0] or head) + "…"


# --- links ----------------------------------------------------------------------------------------


def _links(head: Entry, url: str, also_at: Sequence[Mention], own: re.Pattern[str]) -> Iterator[Link]:
    """The publisher's other links, the source an entry names, then the other places; no address twice per relation."""
    given = [*head.links]
    if head.source and head.source.link:
        given.append(Link(href=head.source.link, rel="via", title=head.source.title))
    for mention in also_at:
        if mention.url:
            given.append(Link(href=mention.url, rel="related", title=mention.words))
    seen = {("alternate", url), ("related", url)}
    for link in given:
        # One alternate only (RFC 4287 4.1.1 forbids two alike): further ones are related.
        rel = "related" if link.rel == "alternate" else link.rel
        href = _address(link.href)
        if rel in _LINK_RELATIONS and (rel, href) not in seen and not own.match(href):
            seen.add((rel, href))
            yield _link(link, rel, href)


def _link(link: Link, rel: str, href: str) -> Link:
    return Link(
        href=href,
        rel=rel,
        type=link.type if link.type and _MEDIA_TYPE.fullmatch(link.type) else None,
        length=link.length,
        title=printable(link.title) if link.title else None,
        hreflang=link.hreflang,
    )


@lru_cache(maxsize=16)
def _own_pages(base_url: str) -> re.Pattern[str]:
    """Addresses of our own pages, as loosely as browsers read them; a feed may not speak in our name."""
    parts = urlsplit(base_url)
    port = f":{parts.port}" if parts.port else "(:(80|443))?"
    place = rf"{re.escape(parts.hostname or '')}\.?{port}{re.escape(parts.path.rstrip('/'))}(?=[/\\?#]|$)"
    return re.compile(rf"https?:[/\\]*([^/\\?#]*@)?{place}", re.IGNORECASE)


def _foreign_links(html: str, site: Site) -> str:
    """The markup with links to our own pages (a fake "unsubscribe", say) made plain text."""
    if (urlsplit(site.base_url).hostname or "") not in html.lower():
        return html
    own = _own_pages(site.base_url)

    def plain(tag: re.Match[str]) -> str:
        return _HREF.sub(lambda href: "" if own.match(unescape(href[1])) else href[0], tag[0])

    return _LINK.sub(plain, html)


# --- under the text -------------------------------------------------------------------------------


def _also_at(story: Story, feeds: Mapping[str, Feed], own: re.Pattern[str]) -> tuple[Mention, ...]:
    """The other places, each once; the same publisher's same title at the same address is no other place."""
    head_title = _folded(story.head.title)
    mentions = [
        Mention(
            publisher=printable(_feed_of(entry, feeds).name),
            title=printable(entry.title) if _folded(entry.title) != head_title else "",
            url=_address(entry.url) if entry.url and not own.match(entry.url) else None,
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
