"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/) -> RawFeed.

What is wrong in one item, or of the wrong type, counts as absent and never spoils the others.
"""

import codecs
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from aggregator.model.parsed import Category, Link, Person, RawEntry, RawFeed
from aggregator.model.poll import Cause
from aggregator.steps.parse.limits import MAX_ENTRIES, SNIPPET, NotAFeedError, left_out, newest, snippet

VERSIONS = {"https://jsonfeed.org/version/1": "json1", "https://jsonfeed.org/version/1.1": "json11"}


def looks_like_json(body: bytes) -> bool:
    """Whether the document is JSON rather than XML."""
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def parse_json_feed(body: bytes, *, limit: int = MAX_ENTRIES) -> RawFeed:
    """The feed in `body` with its newest `limit` entries in the document's own order; raises NotAFeedError."""
    document = _document(body)
    version = VERSIONS.get((_text(document.get("version")) or "").rstrip("/").replace("http:", "https:"))
    items = _list(document["items"], dict)
    kept = newest([_entry(item, document) for item in items], [_date(item) for item in items], limit)
    dropped, broken = len(items) - len(kept), len(document["items"]) - len(items)
    warnings = (
        "" if version else "the document names no known version of JSON Feed",
        f"{broken} items are no objects and were left out" if broken else "",
        *left_out(len(kept), dropped),
    )
    return RawFeed(
        format=version or "json",
        title=_text(document.get("title")) or "",
        title_is_html=False,
        links=_feed_links(document),
        language=_text(document.get("language")),
        entries=tuple(kept),
        dropped=dropped,
        warnings=tuple(filter(None, warnings)),
    )


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body.removeprefix(codecs.BOM_UTF8), parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise NotAFeedError(Cause.NOT_A_FEED, f"not valid JSON: {str(error)[:SNIPPET]}: {snippet(body)}") from error
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise NotAFeedError(Cause.NOT_A_FEED, f"JSON without a list of items, not a feed: {snippet(body)}")
    return document


def _number(digits: str) -> int | str:
    """Past what fits in 64 bits a number is a name, and Python refuses to read one of 5,000 digits."""
    return int(digits) if len(digits) < 19 else digits


def _feed_links(document: Mapping[str, Any]) -> tuple[Link, ...]:
    named = (
        ("home_page_url", "alternate", "text/html"),
        ("feed_url", "self", "application/feed+json"),
        ("next_url", "next", "application/feed+json"),
    )
    found = ((_text(document.get(name)), rel, kind) for name, rel, kind in named)
    return tuple(Link(href=address, rel=rel, type=kind) for address, rel, kind in found if address)


def _entry(item: Mapping[str, Any], document: Mapping[str, Any]) -> RawEntry:
    html, text = _text(item.get("content_html")), _text(item.get("content_text"))
    images = (_text(item.get(name)) for name in ("image", "banner_image"))
    published, updated = _text(item.get("date_published")), _text(item.get("date_modified"))
    return RawEntry(
        guid=_text(item.get("id")),
        title=_text(item.get("title")) or "",
        title_is_html=False,
        links=_links(item),
        summary=_text(item.get("summary")) or "",
        summary_is_html=False,
        content=html or text or "",
        content_is_html=bool(html),
        authors=_authors(item) or _authors(document),
        published_raw=published,
        published=_moment(published),
        updated_raw=updated,
        updated=_moment(updated),
        categories=tuple(Category(term=tag.strip()) for tag in _list(item.get("tags"), str) if tag.strip()),
        language=_text(item.get("language")) or _text(document.get("language")),
        thumbnails=tuple(image for image in images if image),
        doi=_doi(item),
    )


def _links(item: Mapping[str, Any]) -> tuple[Link, ...]:
    links = []
    if address := _text(item.get("url")):
        links.append(Link(href=address))
    if external := _text(item.get("external_url")):
        links.append(Link(href=external, rel="related" if links else "alternate"))
    for part in _list(item.get("attachments"), dict):
        if address := _text(part.get("url")):
            size = part.get("size_in_bytes")
            links.append(
                Link(
                    href=address,
                    rel="enclosure",
                    type=_text(part.get("mime_type")),
                    length=int(size) if isinstance(size, int | float) and 0 < size < 1e15 else None,
                    title=_text(part.get("title")),
                )
            )
    return tuple(links)


def _authors(holder: Mapping[str, Any]) -> tuple[Person, ...]:
    """`authors` of 1.1, else the single `author` of 1.0."""
    single = holder.get("author")
    found = _list(holder.get("authors"), dict) or ([single] if isinstance(single, dict) else [])
    people = ((_text(person.get("name")), _text(person.get("url"))) for person in found)
    return tuple(Person(name=name or address or "", uri=address) for name, address in people if name or address)


def _doi(item: Mapping[str, Any]) -> str | None:
    for name in ("id", "url", "external_url"):
        address = _text(item.get(name)) or ""
        if "doi.org/10." in address:
            return "10." + address.partition("doi.org/10.")[2].split("?")[0].split("#")[0]
    return None


def _date(item: Mapping[str, Any]) -> datetime | None:
    return _moment(_text(item.get("date_published")) or _text(item.get("date_modified")))


def _text(value: object) -> str | None:
    """A string, or a number written as one (ids often are); anything else counts as absent."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def _list(value: object, kind: type) -> list[Any]:
    return [item for item in value if isinstance(item, kind)] if isinstance(value, list) else []


def _moment(value: str | None) -> datetime | None:
    """RFC 3339 as the format demands, RFC 5322 as some write."""
    if not value:
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
