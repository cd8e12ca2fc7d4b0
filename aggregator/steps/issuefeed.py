"""The Issues of a Newsletter as a feed (RFC 4287): who would rather not give an address reads them so.

web: newsletters.latest > **bytes**
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid5
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from aggregator.model.channel import Site
from aggregator.model.characters import NOT_TEXT
from aggregator.model.newsletter import Issue

ATOM = "http://www.w3.org/2005/Atom"
ISSUES = 10
"""Issues that a feed holds, the latest: each may have a hundred kilobytes."""
_NAMES = UUID("6d5b2c0e-0f0b-4f4c-9a52-2f7f1c1f8a31")
"""Our ids are name-based (RFC 9562 5.5) on this one: they know no title and no host, and never change."""
_BEFORE_ANYTHING = datetime(2000, 1, 1, tzinfo=UTC)
_BODY = re.compile(r"<body\b[^>]*>(.*)</body>", re.DOTALL)


def issue_feed(newsletter_id: str, title: str, language: str, issues: Sequence[tuple[Issue, str]], site: Site) -> bytes:
    """The feed of these Issues, newest first, each with its public HTML."""
    register_namespace("", ATOM)
    page = f"{site.base_url}/newsletters/{newsletter_id}"
    feed = Element(f"{{{ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": language})
    _text(feed, "id", _urn(f"newsletter {newsletter_id}"))
    _text(feed, "title", title)
    _text(feed, "updated", _time(max((issue.created_at for issue, _ in issues), default=_BEFORE_ANYTHING)))
    _text(SubElement(feed, f"{{{ATOM}}}author"), "name", site.title)
    SubElement(feed, f"{{{ATOM}}}link", {"rel": "self", "type": "application/atom+xml", "href": f"{page}.atom"})
    SubElement(feed, f"{{{ATOM}}}link", {"rel": "alternate", "type": "text/html", "href": page})
    for issue, html in issues:
        entry = SubElement(feed, f"{{{ATOM}}}entry")
        _text(entry, "id", _urn(f"newsletter {newsletter_id} issue {issue.number}"))
        _text(entry, "title", issue.rendering.subject)
        _text(entry, "published", _time(issue.created_at))
        _text(entry, "updated", _time(issue.created_at))
        SubElement(
            entry, f"{{{ATOM}}}link", {"rel": "alternate", "type": "text/html", "href": f"{page}/{issue.number}"}
        )
        _text(entry, "content", _inside(html)).set("type", "html")
    return bytes(tostring(feed, encoding="utf-8", xml_declaration=True))


def _text(parent: Element, name: str, text: str) -> Element:
    child = SubElement(parent, f"{{{ATOM}}}{name}")
    child.text = NOT_TEXT.sub("", text)
    return child


def _inside(html: str) -> str:
    """What may stand in a page of others (RFC 4287 4.1.3.3): the body without the document around it."""
    found = _BODY.search(html)
    return (found[1] if found else html).strip()


def _urn(name: str) -> str:
    return f"urn:uuid:{uuid5(_NAMES, name)}"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
