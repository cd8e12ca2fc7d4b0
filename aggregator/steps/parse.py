"""Bytes of a feed -> RawFeed. feedparser is known here and nowhere else.

refresh: fetch > **parse** > normalise ... Runs in a child process with limits (`adapters/parser_pool.py`).
feedparser gets a BytesIO only: bytes that happen to be a path or an address would be opened. Its sanitiser and
its URL resolver stay off: `normalise.py` does both after, in one pass.
"""

import io
import re
import zlib
from datetime import UTC, datetime, timedelta
from time import struct_time
from typing import Any

import feedparser
import feedparser.mixin

from aggregator.model import Category, Cause, Link, Person, RawEntry, RawFeed, Source

MAX_ENTRIES = 500
MAX_UNZIPPED = 50 * 1024 * 1024
SNIPPET = 80
Item = dict[str, Any]
"""What feedparser gives for a feed or an item; read by `dict.get`, for its own `get` guesses and warns."""

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"'<>?#&]+", re.IGNORECASE)
PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}


class NotAFeedError(Exception):
    """The document gives no feed; `cause` and `message` say why."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause, self.message = cause, message


class _FilledTable(dict[int, str | int]):
    """feedparser's cp1252 table, answering for every character.

    `str.translate` raises and catches a LookupError for each character the table lacks, which takes a third of
    the time of a feed with accents; an identity entry says the same without the exception.
    """

    def __missing__(self, codepoint: int) -> int:
        self[codepoint] = codepoint
        return codepoint


feedparser.mixin._cp1252 = _FilledTable(feedparser.mixin._cp1252)


def parse(body: bytes, *, content_type: str | None, url: str, limit: int = MAX_ENTRIES) -> RawFeed:
    """The feed in `body`, newest `limit` entries in the document's own order; raises NotAFeedError."""
    body = _unzipped(body)
    headers = {"content-location": url, "content-type": content_type or "application/xml"}
    try:
        found = feedparser.parse(
            io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise NotAFeedError(Cause.PARSE, f"unreadable: {type(error).__name__}: {str(error)[:SNIPPET]}") from error
    entries = found["entries"]
    if not found.get("version") and not entries:
        raise NotAFeedError(*_what_it_is(body))
    fault = _fault(found)
    if not entries and fault and not dict.get(found["feed"], "title"):
        raise NotAFeedError(Cause.PARSE, f"not well-formed: {fault[:200]}")
    feed = found["feed"]
    title, title_is_html = _text(feed, "title")
    hours, days = _skips(body)
    return RawFeed(
        format=found.get("version") or "unknown",
        title=title,
        title_is_html=title_is_html,
        links=_links(feed),
        base_url=_base(feed),
        language=dict.get(feed, "language"),
        rights=dict.get(feed, "rights"),
        ttl=_ttl(feed),
        skip_hours=hours,
        skip_days=days,
        entries=tuple(_entry(item) for item in entries[:limit]),
        dropped=max(0, len(entries) - limit),
        warnings=(f"not well-formed: {fault[:200]}",) if fault else (),
    )


def _fault(found: Item) -> str:
    """What is wrong with the document itself; a server's word about its type or encoding is not the document's."""
    error = found.get("bozo_exception") if found.get("bozo") else None
    lenient = (feedparser.NonXMLContentType, feedparser.CharacterEncodingOverride)
    return "" if error is None or isinstance(error, lenient) else str(error)


def _entry(item: Item) -> RawEntry:
    title, title_is_html = _text(item, "title")
    summary, summary_is_html = _text(item, "summary")
    content, content_is_html = _content(item)
    links = _links(item)
    return RawEntry(
        guid=dict.get(item, "id") or None,
        title=title,
        title_is_html=title_is_html,
        links=links,
        summary=summary,
        summary_is_html=summary_is_html,
        content=content,
        content_is_html=content_is_html,
        base_url=_base(item),
        authors=_authors(item),
        published_raw=dict.get(item, "published"),
        published=_moment(dict.get(item, "published_parsed")),
        updated_raw=dict.get(item, "updated"),
        updated=_moment(dict.get(item, "updated_parsed")),
        categories=_categories(item),
        language=_language(item),
        thumbnails=_thumbnails(item),
        rights=dict.get(item, "rights"),
        source=_source(dict.get(item, "source")),
        doi=_doi(item, links),
        comments=dict.get(item, "comments"),
    )


def _text(item: Item, name: str) -> tuple[str, bool]:
    """The value of a text construct, and whether it is markup (RFC 4287 3.1)."""
    detail = dict.get(item, f"{name}_detail") or {}
    value = dict.get(item, name) or detail.get("value") or ""
    return str(value), detail.get("type", "text/html") in HTML_TYPES


def _content(item: Item) -> tuple[str, bool]:
    """The fullest content, markup before plain text."""
    parts = [part for part in dict.get(item, "content") or () if part.get("value")]
    if not parts:
        return "", True
    best = max(parts, key=lambda part: (part.get("type") in HTML_TYPES, len(part["value"])))
    return best["value"], best.get("type", "text/html") in HTML_TYPES


def _links(item: Item) -> tuple[Link, ...]:
    """Links with all their attributes; the publisher's own address comes before a feed proxy's."""
    links = [
        Link(
            href=str(link["href"]),
            rel=str(link.get("rel") or "alternate"),
            type=link.get("type"),
            length=_count(link.get("length")),
            title=link.get("title"),
            hreflang=link.get("hreflang"),
        )
        for link in dict.get(item, "links") or ()
        if link.get("href")
    ]
    original = dict.get(item, "feedburner_origlink")
    if original:
        links.insert(0, Link(href=original))
    known = {link.href for link in links}
    for media in dict.get(item, "media_content") or ():
        address, kind = media.get("url"), media.get("type") or ""
        if address and address not in known and not _is_image(media):
            known.add(address)
            links.append(Link(href=address, rel="enclosure", type=kind or None, length=_count(media.get("filesize"))))
    return tuple(links)


def _is_image(media: Item) -> bool:
    return media.get("medium") == "image" or str(media.get("type") or "").startswith("image/")


def _count(value: object) -> int | None:
    text = str(value or "").strip()
    return int(text) if text.isdecimal() and len(text) < 16 and text != "0" else None


def _base(item: Item) -> str | None:
    for name in ("content", "summary_detail", "title_detail"):
        detail = dict.get(item, name)
        detail = detail[0] if isinstance(detail, list) and detail else detail
        if detail and detail.get("base"):
            return str(detail["base"])
    return None


def _language(item: Item) -> str | None:
    for name in ("title_detail", "summary_detail"):
        detail = dict.get(item, name)
        if detail and detail.get("language"):
            return str(detail["language"])
    return None


def _authors(item: Item) -> tuple[Person, ...]:
    people = []
    for author in dict.get(item, "authors") or ():
        name, email = str(author.get("name") or "").strip(), author.get("email")
        if name or email:
            people.append(Person(name=name or str(email), email=email, uri=author.get("href")))
    return tuple(dict.fromkeys(people))


def _categories(item: Item) -> tuple[Category, ...]:
    found = (
        Category(term=str(tag["term"]).strip(), scheme=tag.get("scheme") or None, label=tag.get("label") or None)
        for tag in dict.get(item, "tags") or ()
        if tag.get("term") and str(tag["term"]).strip()
    )
    return tuple(dict.fromkeys(found))


def _thumbnails(item: Item) -> tuple[str, ...]:
    addresses = [str(media["url"]) for media in dict.get(item, "media_thumbnail") or () if media.get("url")]
    addresses += [
        str(media["url"]) for media in dict.get(item, "media_content") or () if media.get("url") and _is_image(media)
    ]
    image = dict.get(item, "image")
    if isinstance(image, dict) and image.get("href"):
        addresses.append(str(image["href"]))
    return tuple(dict.fromkeys(addresses))


def _source(source: Item | None) -> Source | None:
    if not source:
        return None
    links = dict.get(source, "links") or ()
    alternate = next((link.get("href") for link in links if link.get("rel", "alternate") == "alternate"), None)
    return Source(
        id=dict.get(source, "id"),
        title=dict.get(source, "title") or dict.get(source, "value"),
        link=alternate or dict.get(source, "link") or dict.get(source, "href"),
        updated=_moment(dict.get(source, "updated_parsed")),
        rights=dict.get(source, "rights"),
    )


def _doi(item: Item, links: tuple[Link, ...]) -> str | None:
    """A DOI that the entry claims for itself: as identifier, guid or link, never one it merely cites."""
    for name in ("prism_doi", "dc_identifier", "id"):
        value = str(dict.get(item, name) or "")
        if name != "id" or "doi" in value.lower():
            match = DOI.search(value)
            if match:
                return match[0].rstrip(".,;)")
    for link in links:
        if link.rel == "alternate" and "doi.org/" in link.href:
            match = DOI.search(link.href)
            if match:
                return match[0].rstrip(".,;)")
    return None


def _moment(parsed: struct_time | None) -> datetime | None:
    """A UTC time tuple of feedparser's as a datetime; None for what no calendar holds."""
    if parsed is None:
        return None
    try:
        return datetime(*parsed[:5], second=min(parsed[5], 59), tzinfo=UTC)
    except (ValueError, OverflowError, TypeError):
        return None


def _ttl(feed: Item) -> timedelta | None:
    """RSS `ttl` in minutes, else the syndication module's updatePeriod over updateFrequency."""
    minutes = _count(dict.get(feed, "ttl"))
    if minutes:
        return timedelta(minutes=min(minutes, 60 * 24 * 365))
    period = PERIODS.get(str(dict.get(feed, "sy_updateperiod") or "").strip().lower())
    return period / (_count(dict.get(feed, "sy_updatefrequency")) or 1) if period else None


def _skips(body: bytes) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """`skipHours` and `skipDays` of RSS, which feedparser does not keep."""
    head = body[: 64 * 1024]
    if b"<skip" not in head:
        return (), ()
    hours = re.findall(rb"<hour>\s*(\d{1,2})\s*</hour>", head)
    days = re.findall(rb"<day>\s*([A-Za-z]{6,9})\s*</day>", head)
    return tuple(int(hour) % 24 for hour in hours), tuple(day.decode().capitalize() for day in days)


def _unzipped(body: bytes) -> bytes:
    """Some servers send gzip without saying so."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        return stream.decompress(body, MAX_UNZIPPED)
    except zlib.error as error:
        raise NotAFeedError(Cause.ENCODING, f"broken gzip: {error}") from error


def _what_it_is(body: bytes) -> tuple[Cause, str]:
    """The reason for a document without any feed in it, with its first characters."""
    start = " ".join(body[:400].decode("utf-8", "replace").split())[:SNIPPET]
    head = body[:2000].lstrip().lower()
    if not head:
        return Cause.EMPTY, "the document is empty"
    if b"<html" in head or head.startswith(b"<!doctype html"):
        return Cause.NOT_A_FEED, f"an HTML page, not a feed: {start!r}"
    return Cause.NOT_A_FEED, f"not a feed: {start!r}"
