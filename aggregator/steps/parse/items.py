"""One item as feedparser gives it -> RawEntry.

Any element of a feed lands in the item under its own name, as text or as its attributes: `<links>no</links>`
replaces the list that feedparser keeps of links. So every value is asked for by kind and is absent otherwise.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from aggregator.model.parsed import Category, Link, Person, RawEntry, Source
from aggregator.urls import dois_in

Item = dict[str, Any]
"""What feedparser gives for a feed, an item or an element; read by `dict.get`, for its own `get` guesses and warns."""

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

MAX_AUTHOR = 500
AUTHOR = re.compile(
    r"(?P<mail>[^\s()<>]+@[^\s()<>]+)\s*\((?P<name>[^()]*)\)"
    r"|(?P<named>[^<>@]*)<(?P<boxed>[^\s<>]+@[^\s<>]+)>"
    r"|(?P<bare>[^\s()<>]+@[^\s()<>]+)"
)


def entry(item: Item, *, unstated: str | None) -> RawEntry:
    """The item, every string still untrusted; see `base_of` for `unstated`."""
    title, title_is_html = text_of(item, "title")
    content, content_is_html = _content(item)
    summary, summary_is_html = _summary(item)
    if summary == content:  # feedparser copies a content that stands alone
        summary = ""
    links = links_of(item)
    return RawEntry(
        guid=_guid(item),
        title=title,
        title_is_html=title_is_html,
        links=links,
        summary=summary,
        summary_is_html=summary_is_html,
        content=content,
        content_is_html=content_is_html,
        base_url=base_of(item, unstated=unstated),
        authors=_authors(item),
        published_raw=words(item, "published"),
        published=moment(dict.get(item, "published_parsed")),
        updated_raw=words(item, "updated"),
        updated=moment(dict.get(item, "updated_parsed")),
        categories=_categories(item),
        language=_language(item),
        thumbnails=_thumbnails(item),
        rights=words(item, "rights"),
        source=_source(item),
        doi=_doi(item, links),
        comments=words(item, "comments"),
    )


def words(item: Item, name: str) -> str | None:
    """The text under `name`; None when there is none."""
    value = dict.get(item, name)
    return value.strip() or None if isinstance(value, str) else None


def text_of(item: Item, name: str) -> tuple[str, bool]:
    """The value of a text construct, and whether it is markup (RFC 4287 3.1)."""
    detail = _part(item, f"{name}_detail")
    return words(item, name) or "", (words(detail, "type") or "text/html") in HTML_TYPES


def links_of(item: Item) -> tuple[Link, ...]:
    """Links with all their attributes; the publisher's own address comes before a feed proxy's."""
    links = [_link(link) for link in _parts(item, "links") if words(link, "href")]
    original = words(item, "feedburner_origlink")
    if original:
        links.insert(0, Link(href=original))
    guid = _guid(item) or ""
    if not any(link.rel == "alternate" for link in links) and dict.get(item, "guidislink") and is_address(guid):
        links.insert(0, Link(href=guid))  # RSS 2.0: a guid is a permalink unless it says otherwise
    known = {link.href for link in links}
    for media in _parts(item, "media_content"):
        address = words(media, "url")
        if address and address not in known and not _is_image(media):
            known.add(address)
            kind, size = words(media, "type"), count(dict.get(media, "filesize"))
            links.append(Link(href=address, rel="enclosure", type=kind, length=size))
    return tuple(links)


def base_of(item: Item, *, unstated: str | None) -> str | None:
    """The `xml:base` in force where the item's texts stand; None when it is only the document's address, `unstated`."""
    base = next((base for part in _texts(item) if (base := words(part, "base"))), None)
    return None if base == unstated else base


def moment(parsed: object) -> datetime | None:
    """A UTC time tuple of feedparser's as a datetime; None for what no calendar holds."""
    if not isinstance(parsed, tuple):
        return None
    try:
        year, month, day, hour, minute, second = parsed[:6]
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def count(value: object) -> int | None:
    """A positive whole number; what is written otherwise counts as absent."""
    text = str(value or "").strip()
    return int(text) or None if text.isascii() and text.isdigit() and len(text) < 16 else None


def _part(item: Item, name: str) -> Item:
    value = dict.get(item, name)
    return value if isinstance(value, dict) else {}


def _parts(item: Item, name: str) -> list[Item]:
    value = dict.get(item, name)
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _texts(item: Item) -> Iterator[Item]:
    yield from _parts(item, "content")
    yield _part(item, "summary_detail")
    yield _part(item, "title_detail")


def _content(item: Item) -> tuple[str, bool]:
    """The fullest content, markup before plain text."""
    parts = [(words(part, "type") in HTML_TYPES, words(part, "value") or "") for part in _parts(item, "content")]
    is_html, value = max(parts, key=lambda part: (part[0], len(part[1])), default=(True, ""))
    return value, is_html


def _summary(item: Item) -> tuple[str, bool]:
    """The summary; a video's feed has its only text in the media module."""
    summary, is_html = text_of(item, "summary")
    return (summary, is_html) if summary else (words(item, "media_description") or "", False)


def _link(link: Item) -> Link:
    return Link(
        href=words(link, "href") or "",
        rel=words(link, "rel") or "alternate",
        type=words(link, "type"),
        length=count(dict.get(link, "length")),
        title=words(link, "title"),
        hreflang=words(link, "hreflang"),
    )


def _guid(item: Item) -> str | None:
    return guid_of(words(item, "id"))


def guid_of(guid: str | None) -> str | None:
    """The name as written; in an address, what the lenient reader makes of a bare `&` is undone."""
    return re.sub(r"&(\w+);(?==)", r"&\1", guid) if guid and is_address(guid) else guid


def is_address(value: str) -> bool:
    """Whether it is meant as an http(s) address."""
    return value.lower().startswith(("http://", "https://"))


def _is_image(media: Item) -> bool:
    return words(media, "medium") == "image" or (words(media, "type") or "").startswith("image/")


def _language(item: Item) -> str | None:
    return next((language for part in _texts(item) if (language := words(part, "language"))), None)


def _authors(item: Item) -> tuple[Person, ...]:
    people = (person_of(author) for author in _parts(item, "authors"))
    return tuple(dict.fromkeys(person for person in people if person.name))


def person_of(author: Item) -> Person:
    """Atom's parts of a person, or the one text of RSS: `mail (name)`, `name <mail>`, a name or a mail."""
    name, email = (words(author, "name") or "")[:MAX_AUTHOR], words(author, "email")
    match = None if email else AUTHOR.fullmatch(name)
    if match:
        email = match["mail"] or match["boxed"] or match["bare"]
        name = match["name"] or match["named"] or ""
    return Person(name=name.strip() or email or "", email=email, uri=words(author, "href"))


def _categories(item: Item) -> tuple[Category, ...]:
    found = (
        Category(term=term, scheme=words(tag, "scheme"), label=words(tag, "label"))
        for tag in _parts(item, "tags")
        if (term := words(tag, "term"))
    )
    return tuple(dict.fromkeys(found))


def _thumbnails(item: Item) -> tuple[str, ...]:
    media = [*_parts(item, "media_thumbnail"), *filter(_is_image, _parts(item, "media_content"))]
    addresses = [words(part, "url") for part in media]
    addresses.append(words(_part(item, "image"), "href"))
    return tuple(dict.fromkeys(address for address in addresses if address))


def _source(item: Item) -> Source | None:
    """Atom's `source` with its own links, or RSS's with an address and a title."""
    source = _part(item, "source")
    if not source:
        return None
    alternate = next((link.href for link in links_of(source) if link.rel == "alternate"), None)
    return Source(
        id=words(source, "id"),
        title=words(source, "title") or words(source, "value"),
        link=alternate or words(source, "link") or words(source, "href"),
        updated=moment(dict.get(source, "updated_parsed")),
        rights=words(source, "rights"),
    )


def _doi(item: Item, links: tuple[Link, ...]) -> str | None:
    guid = _guid(item) or ""
    claims = (words(item, "prism_doi"), words(item, "dc_identifier"), guid if "doi" in guid.lower() else None)
    return doi_of(filter(None, claims), links)


def doi_of(claims: Iterable[str], links: Iterable[Link]) -> str | None:
    """A DOI that the entry claims for itself: as identifier, guid or link, never one it merely cites."""
    addresses = (link.href for link in links if link.rel == "alternate" and "doi.org/" in link.href)
    return next((doi for claim in (*claims, *addresses) for doi in dois_in(claim)), None)
