"""RawFeed -> ParsedFeed: the one door through which a publisher's markup, links and words come in.

refresh: parse > **normalise** > identity. Only this module makes `SafeHtml`; whatever passed here is text
without controls, absolute http(s) links, and HTML of a short list of elements.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from html import escape, unescape

import nh3

from aggregator.model.characters import UNWANTED
from aggregator.model.parsed import Category, Link, ParsedEntry, ParsedFeed, Person, RawEntry, RawFeed, SafeHtml, Source
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

MAX_DEPTH = 200
"""Deeper markup is kept as text: cleaning it takes time that grows with the square of its depth, and libxml2, which
reads it later, gives up at 256."""

_OPENED = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_ANY_TAG = re.compile(r"<[^<>]*>")
_UNNESTED = frozenset(
    "area base br col colgroup dd dt embed hr img input li link meta optgroup option p param rp rt source tbody td "
    "tfoot th thead tr track wbr".split()
)
"""Elements that hold nothing or that the next one closes: without an end tag they do not nest."""
_IMAGE = re.compile(r'<img((?: [a-z]+="[^"]*")*)>')
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
_BREAK = re.compile(r"<(?=/?(?:br|p|div|li|tr|td|th|h[1-6]|dt|dd|blockquote)\b)", re.IGNORECASE)
_MARKUP = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|br|cite|code|del|div|em|font|h[1-6]|hr|i|iframe|img|ins|li|object|ol|p|q|s|script|small"
    r"|span|strike|strong|style|sub|sup|svg|table|tbody|td|th|tr|tt|u|ul|video)\b[^<>]*>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(?=[a-zA-Z/!?])([^<>]*)(>?)")
_SPACE = re.compile(r"\s+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_PLAIN = nh3.Cleaner(tags=set(), clean_content_tags={"script", "style"})


def normalise(raw: RawFeed, *, url: str) -> ParsedFeed:
    """The feed, clean; addresses are resolved against the base stated, else the entry's page, the site, `url`."""
    links = _links(raw.links, _address(raw.base_url or "", url) or url)
    base = _base(raw.base_url, links, url)
    return ParsedFeed(
        format=raw.format,
        title=line_of(raw.title, is_html=raw.title_is_html),
        links=links,
        language=_language(raw.language),
        rights=_line(raw.rights, MAX_TITLE),
        ttl=raw.ttl,
        skip_hours=raw.skip_hours,
        skip_days=raw.skip_days,
        entries=tuple(_entry(entry, base, raw.language) for entry in raw.entries),
        dropped=raw.dropped,
        warnings=tuple(line_of(warning, is_html=False) for warning in raw.warnings),
    )


def safe_html(markup: str, *, base: str | None = None) -> SafeHtml:
    """`markup` through the one policy; what it leaves out is gone, what it keeps is valid and inert.

    Idempotent: a second pass changes nothing.
    """
    markup = _wanted(markup)[:MAX_CONTENT]  # cut before cleaning, which closes what the cut left open
    if "<" not in markup and "&" not in markup:
        return SafeHtml(markup.strip())
    if _is_deep(markup):
        markup = escape(unescape(_ANY_TAG.sub(" ", markup)), quote=False)
    clean = _cleaned(markup, base)
    while len(clean) > MAX_CONTENT:  # quoting makes it longer, and a second pass would cut it again
        markup = markup[: len(markup) * MAX_CONTENT // len(clean) - 1]
        clean = _cleaned(markup, base)
    return SafeHtml(clean)


def line_of(value: str, *, is_html: bool, limit: int = MAX_TITLE) -> str:
    """One line of text without markup, entities, controls and direction overrides, of at most `limit` characters.

    Titles are often escaped twice, so a known tag that shows once the entities are read goes too. What still reads
    like one gets other brackets: text is shown by programs that take it for markup.
    """
    if _is_plain(value) and len(value) <= limit:
        return value
    value = _wanted(value[: 20 * limit])
    value = _without_markup(value) if is_html else unescape(value)
    if _MARKUP.search(value):
        value = _without_markup(value)
    value = _TAG.sub(lambda tag: f"‹{tag[1]}{'›' if tag[2] else ''}", _wanted(value))
    value = _SPACE.sub(" ", value).strip()
    return value if len(value) <= limit else value[: limit - 1].rstrip() + "…"


def _is_plain(value: str) -> bool:
    """Whether it is one line already, of words with a space between them; most are."""
    return value.isprintable() and "<" not in value and "&" not in value and "  " not in f" {value} "


def _cleaned(markup: str, base: str | None) -> str:
    clean = _cleaner(base).clean(markup)
    if "<img" in clean:
        clean = _IMAGE.sub(_shown_image, clean)
    without = _wanted(clean)  # an entity may have stood for one
    return without.strip() if without == clean else _cleaned(without, base)


def _wanted(value: str) -> str:
    """`value` without unwanted characters; that there are none is seen ten times faster than by the expression."""
    spaced = value.replace("\n", " ").replace("\t", " ").replace("\xa0", " ").replace("\u202f", " ")
    return value if spaced.isprintable() else UNWANTED.sub("", value)


def _shown_image(image: re.Match[str]) -> str:
    """Nothing in place of an image without an address of its own, or of one too small to be seen."""
    attributes = dict(_ATTRIBUTE.findall(image[1]))
    address, size = attributes.get("src", ""), {attributes.get("width"), attributes.get("height")}
    return image[0] if address.startswith(("http://", "https://")) and not size & {"0", "1"} else ""


def _is_deep(markup: str) -> bool:
    """Whether elements stand in each other more than MAX_DEPTH deep."""
    if markup.count("<") <= MAX_DEPTH:
        return False
    depth = 0
    for closing, name in _OPENED.findall(markup):
        if name.lower() not in _UNNESTED:
            depth = max(0, depth - 1) if closing else depth + 1
            if depth > MAX_DEPTH:
                return True
    return False


def _without_markup(value: str) -> str:
    """The text of `value`; where a line or a cell ended, a space keeps its words apart."""
    if "<" not in value and "&" not in value:
        return value
    return unescape(_PLAIN.clean(_BREAK.sub(" <", value)))


def _entry(raw: RawEntry, feed_base: str | None, feed_language: str | None) -> ParsedEntry:
    links = _links(raw.links, _address(raw.base_url or "", feed_base) or feed_base)
    base = _base(raw.base_url, links, feed_base)
    return ParsedEntry(
        guid=_guid(raw.guid),
        title=line_of(raw.title, is_html=raw.title_is_html),
        links=links,
        summary=_markup(raw.summary, raw.summary_is_html, base),
        content=_markup(raw.content, raw.content_is_html, base),
        authors=tuple(author for person in raw.authors if (author := _person(person, base)).name),
        published=_sane(raw.published),
        published_raw=_line(raw.published_raw, 100),
        updated=_sane(raw.updated),
        updated_raw=_line(raw.updated_raw, 100),
        categories=tuple(category for category in map(_category, raw.categories) if category.term),
        language=_language(raw.language or feed_language),
        thumbnails=tuple(address for item in raw.thumbnails if (address := _address(item, base))),
        rights=_line(raw.rights, MAX_TITLE),
        source=_source(raw.source, base) if raw.source else None,
        doi=_line(raw.doi, MAX_NAME),
        comments=_address(raw.comments or "", base),
    )


def _base(stated: str | None, links: tuple[Link, ...], outer: str | None) -> str | None:
    """Where no base is stated, RSS and JSON mean the page that the text stands on."""
    page = next((link.href for link in links if link.rel == "alternate"), None)
    return _address(stated or "", outer) or page or _address(outer or "", None)


def _markup(value: str, is_html: bool, base: str | None) -> SafeHtml:
    if is_html or not value:
        return safe_html(value, base=base)
    paragraphs = (escape(part.strip(), quote=False) for part in re.split(r"\n\s*\n", value) if part.strip())
    return safe_html("".join(f"<p>{part}</p>" for part in paragraphs), base=base)


@lru_cache(maxsize=64)
def _cleaner(base: str | None) -> nh3.Cleaner:
    try:
        return nh3.Cleaner(
            tags=set(TAGS),
            clean_content_tags=set(DROPPED_WHOLE),
            attributes=ATTRIBUTES,
            url_schemes=SCHEMES,
            url_relative=("rewrite_with_base", base) if base else "deny",
            link_rel="noopener noreferrer nofollow",
        )
    except ValueError:  # a base that only one of the two readers of URLs takes for one
        return _cleaner(None)


def _links(links: tuple[Link, ...], base: str | None) -> tuple[Link, ...]:
    """Absolute http(s) links, each once."""
    found = []
    for link in links:
        address = _address(link.href, base)
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
    return tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found)


def _address(href: str, base: str | None) -> str | None:
    """The absolute http(s) address meant; line breaks go and spaces are quoted, as browsers do."""
    href = "".join(href.split("\n")) if "\n" in href else href
    return absolute_http(href.strip().replace(" ", "%20"), base) if href else None


def _person(person: Person, base: str | None) -> Person:
    return Person(
        name=line_of(person.name, is_html=True, limit=MAX_NAME),
        email=_line(person.email, MAX_NAME),
        uri=_address(person.uri or "", base),
    )


def _category(category: Category) -> Category:
    return Category(
        term=line_of(category.term, is_html=True, limit=MAX_NAME),
        scheme=_line(category.scheme, MAX_TITLE),
        label=_line(category.label, MAX_NAME),
    )


def _source(source: Source, base: str | None) -> Source:
    return Source(
        id=_line(source.id, MAX_TITLE),
        title=_line(source.title, MAX_TITLE),
        link=_address(source.link or "", base),
        updated=_sane(source.updated),
        rights=_line(source.rights, MAX_TITLE),
    )


def _guid(guid: str | None) -> str | None:
    """The guid as given, but for controls and excess: one longer than 2,048 characters is no name."""
    cleaned = _wanted(guid).strip() if guid else ""
    return cleaned if cleaned and len(cleaned) <= MAX_GUID else None


def _line(value: str | None, limit: int) -> str | None:
    return (line_of(value, is_html=True, limit=limit) or None) if value else None


def _language(value: str | None) -> str | None:
    code = (value or "").strip().lower().replace("_", "-")
    return code if len(code) <= 20 and _LANGUAGE.fullmatch(code) else None


def _sane(moment: datetime | None) -> datetime | None:
    """None for the epoch and for years no publisher means."""
    if moment is None or not 1900 <= moment.year <= 2200 or moment == datetime(1970, 1, 1, tzinfo=UTC):
        return None
    return moment
