"""What may leave the house in a publisher's name: printable text, sound addresses, no links in ours.

publish: ... matching > contents (its texts and links pass **here**) > bytes
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import unescape
from urllib.parse import quote, urlsplit

from aggregator.model.channel import Site
from aggregator.model.characters import NOT_TEXT
from aggregator.model.parsed import Link

_LINK_RELATIONS = frozenset(("alternate", "enclosure", "related", "via", "license", "replies"))
_MEDIA_TYPE = re.compile(r"[\w.+!#$&^-]+/[\w.+!#$&^-]+( *;[ -~]*)?", re.ASCII)

# XML 1.0 section 2.2 without C1 controls and non-characters; what lies beyond the BMP is looked at by the slow path.
_PRINTABLE = re.compile("[\t\n\r -~\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd]*")
_NOT_IN_IRI = re.compile(r'[\x00- "<>\\^`{|}]')
_LINK = re.compile(r'<a\s(?:[^<>"]+|"[^"]*")*+>')
_HREF = re.compile(r'(?<=\s)href="([^"]*)"')


def printable(text: str) -> str:
    """The text without characters that XML does not know or nobody can see (C0, C1, surrogates, non-characters)."""
    return text if _PRINTABLE.fullmatch(text) else NOT_TEXT.sub("", text)


def iri(href: str) -> str:
    """An address with what no IRI may hold (RFC 3987 2.2) percent-encoded."""
    return _NOT_IN_IRI.sub(lambda found: quote(found[0]), printable(href))


def outgoing_links(links: Iterable[Link], alternate: str, own: re.Pattern[str]) -> Iterator[Link]:
    """The links that may stand beside the alternate: of known relations, none to our own pages, none twice."""
    seen = {("alternate", alternate), ("related", alternate)}
    for link in links:
        # One alternate only (RFC 4287 4.1.1 forbids two alike): further ones are related.
        rel = "related" if link.rel == "alternate" else link.rel
        href = iri(link.href)
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
        hreflang=printable(link.hreflang) if link.hreflang else None,
    )


@lru_cache(maxsize=16)
def own_pages(base_url: str) -> re.Pattern[str]:
    """Addresses of our own pages, as loosely as browsers read them; a feed may not speak in our name."""
    parts = urlsplit(base_url)
    port = f":{parts.port}" if parts.port else "(:(80|443))?"
    place = rf"{re.escape(parts.hostname or '')}\.?{port}{re.escape(parts.path.rstrip('/'))}(?=[/\\?#]|$)"
    return re.compile(rf"https?:[/\\]*([^/\\?#]*@)?{place}", re.IGNORECASE)


def foreign_links(html: str, site: Site) -> str:
    """The markup with links to our own pages (a fake "unsubscribe", say) made plain text."""
    if (urlsplit(site.base_url).hostname or "") not in html.lower():
        return html
    own = own_pages(site.base_url)

    def plain(tag: re.Match[str]) -> str:
        return _HREF.sub(lambda href: "" if own.match(unescape(href[1])) else href[0], tag[0])

    return _LINK.sub(plain, html)
