"""RawFeed -> ParsedFeed: the one door through which a publisher's markup, links and words come in.

refresh: parse > **normalise** > identity. Only this module makes `SafeHtml`; whatever passed here is text
without controls, absolute http(s) links, and HTML of a short list of elements.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from html import escape, unescape

import nh3

from aggregator.model import (
    Category,
    Link,
    ParsedEntry,
    ParsedFeed,
    Person,
    RawEntry,
    RawFeed,
    SafeHtml,
    Source,
)
from aggregator.urls import absolute_http

MAX_TITLE = 500
MAX_CONTENT = 512 * 1024
MAX_NAME = 200
MAX_GUID = 2048

TAGS = frozenset(
    "a abbr b bdi bdo blockquote br caption cite code col colgroup dd del dfn div dl dt em figcaption figure h1 h2 h3 "
    "h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span strong sub sup table tbody td tfoot th "
    "thead tr u ul var wbr".split()
)
DROPPED_WHOLE = frozenset(
    "script style svg math noscript template iframe object embed applet frameset frame noembed noframes canvas "
    "select option textarea button title head plaintext xmp".split()
)
ATTRIBUTES = {
    "a": {"href", "title", "hreflang"},
    "img": {"src", "alt", "title", "width", "height"},
    "abbr": {"title"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "*": {"lang", "dir"},
}
SCHEMES = {"http", "https", "mailto"}

# C0 and C1 controls but tab and newlines, surrogates, non-characters: none may stand in XML or in PostgreSQL text.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff]"
)
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]")
_TRACKING_PIXEL = re.compile(r'<img(?=[^>]*\s(?:width|height)="[01]")[^>]*>')
_EMPTY_LINK = re.compile(r"<img(?![^>]*\ssrc=)[^>]*>")
_SPACE = re.compile(r"\s+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_PLAIN = nh3.Cleaner(tags=set(), clean_content_tags={"script", "style"})


def normalise(raw: RawFeed, *, url: str) -> ParsedFeed:
    """The feed, clean; addresses are resolved against the entry's base, then the feed's, then `url`."""
    base = raw.base_url or url
    return ParsedFeed(
        format=raw.format,
        title=plain_text(raw.title, is_html=raw.title_is_html),
        links=_links(raw.links, base),
        language=_language(raw.language),
        rights=_line(raw.rights, MAX_TITLE),
        ttl=raw.ttl,
        skip_hours=raw.skip_hours,
        skip_days=raw.skip_days,
        entries=tuple(_entry(entry, base, raw.language) for entry in raw.entries),
        dropped=raw.dropped,
        warnings=tuple(_UNPRINTABLE.sub("", warning) for warning in raw.warnings),
    )


def safe_html(markup: str, *, base: str | None = None) -> SafeHtml:
    """`markup` through the one policy; what it leaves out is gone, what it keeps is valid and inert.

    Idempotent: a second pass changes nothing.
    """
    if not markup or markup.isspace():
        return SafeHtml("")
    if len(markup) > MAX_CONTENT:
        markup = markup[:MAX_CONTENT]  # before cleaning, which closes what the cut left open
    markup = _UNPRINTABLE.sub("", markup)
    clean = markup if "<" not in markup and "&" not in markup else _cleaner(base).clean(markup)
    if "<img" in clean:
        clean = _EMPTY_LINK.sub("", _TRACKING_PIXEL.sub("", clean))
    return SafeHtml(_UNPRINTABLE.sub("", clean).strip())


def plain_text(value: str, *, is_html: bool, limit: int = MAX_TITLE) -> str:
    """One line of text without markup, entities, controls and direction overrides, of at most `limit` characters."""
    if is_html and ("<" in value or "&" in value):
        value = unescape(_PLAIN.clean(_UNPRINTABLE.sub("", value[: 20 * limit])))
    elif "&" in value:
        value = unescape(value)
    value = _UNPRINTABLE.sub("", value) if not value.isprintable() else value
    value = _SPACE.sub(" ", _BIDI_CONTROLS.sub("", value)).strip()
    return value if len(value) <= limit else value[: limit - 1].rstrip() + "…"


def _entry(raw: RawEntry, feed_base: str, feed_language: str | None) -> ParsedEntry:
    base = absolute_http(raw.base_url, feed_base) if raw.base_url else feed_base
    return ParsedEntry(
        guid=_guid(raw.guid),
        title=plain_text(raw.title, is_html=raw.title_is_html),
        links=_links(raw.links, base or feed_base),
        summary=_markup(raw.summary, raw.summary_is_html, base),
        content=_markup(raw.content, raw.content_is_html, base),
        authors=tuple(person for person in map(_person, raw.authors) if person.name),
        published=_sane(raw.published),
        published_raw=_line(raw.published_raw, 100),
        updated=_sane(raw.updated),
        updated_raw=_line(raw.updated_raw, 100),
        categories=tuple(category for category in map(_category, raw.categories) if category.term),
        language=_language(raw.language or feed_language),
        thumbnails=tuple(address for item in raw.thumbnails if (address := absolute_http(item, base))),
        rights=_line(raw.rights, MAX_TITLE),
        source=_source(raw.source, base) if raw.source else None,
        doi=_line(raw.doi, MAX_NAME),
        comments=absolute_http(raw.comments, base) if raw.comments else None,
    )


def _markup(value: str, is_html: bool, base: str | None) -> SafeHtml:
    if is_html or not value:
        return safe_html(value, base=base)
    paragraphs = (escape(part.strip(), quote=False) for part in re.split(r"\n\s*\n", value) if part.strip())
    return safe_html("".join(f"<p>{part}</p>" for part in paragraphs), base=base)


@lru_cache(maxsize=64)
def _cleaner(base: str | None) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(TAGS),
        clean_content_tags=set(DROPPED_WHOLE),
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        url_relative=("rewrite_with_base", base) if base else "deny",
        link_rel="noopener noreferrer nofollow",
    )


def _links(links: tuple[Link, ...], base: str | None) -> tuple[Link, ...]:
    """Absolute http(s) links, each once."""
    found = []
    for link in links:
        address = absolute_http(link.href, base)
        if address:
            found.append(
                Link(
                    href=address,
                    rel=_line(link.rel, 60) or "alternate",
                    type=_line(link.type, 100),
                    length=link.length,
                    title=_line(link.title, MAX_NAME),
                    hreflang=_language(link.hreflang),
                )
            )
    return tuple(dict.fromkeys(found))


def _person(person: Person) -> Person:
    return Person(
        name=plain_text(person.name, is_html=True, limit=MAX_NAME),
        email=_line(person.email, MAX_NAME),
        uri=absolute_http(person.uri) if person.uri else None,
    )


def _category(category: Category) -> Category:
    return Category(
        term=plain_text(category.term, is_html=True, limit=MAX_NAME),
        scheme=_line(category.scheme, MAX_TITLE),
        label=_line(category.label, MAX_NAME),
    )


def _source(source: Source, base: str | None) -> Source:
    return Source(
        id=_line(source.id, MAX_TITLE),
        title=_line(source.title, MAX_TITLE),
        link=absolute_http(source.link, base) if source.link else None,
        updated=_sane(source.updated),
        rights=_line(source.rights, MAX_TITLE),
    )


def _guid(guid: str | None) -> str | None:
    """The guid as given, but for controls and excess: one longer than 2,048 characters is no name."""
    cleaned = _UNPRINTABLE.sub("", guid).strip() if guid else ""
    return cleaned if cleaned and len(cleaned) <= MAX_GUID else None


def _line(value: str | None, limit: int) -> str | None:
    return (plain_text(value, is_html=True, limit=limit) or None) if value else None


def _language(value: str | None) -> str | None:
    code = (value or "").strip().lower().replace("_", "-")
    return code if len(code) <= 20 and _LANGUAGE.fullmatch(code) else None


def _sane(moment: datetime | None) -> datetime | None:
    """None for the epoch and for years no publisher means."""
    if moment is None or not 1900 <= moment.year <= 2200 or moment == datetime(1970, 1, 1, tzinfo=UTC):
        return None
    return moment
