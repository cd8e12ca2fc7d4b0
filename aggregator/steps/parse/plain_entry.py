"""A plain item -> RawEntry: what feedparser and `items.py` make of it, in one go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from aggregator.model.parsed import Category, Link, Person, RawEntry
from aggregator.steps.parse.feedparsing import as_read, looks_like_html, read_moment, resolved
from aggregator.steps.parse.items import HTML_TYPES, count, doi_of, guid_of, is_address, person_of
from aggregator.steps.parse.plain import TYPES, Leaf, PlainItem

_AS_REFERENCE = re.compile("&([A-Za-z0-9_]+);")
_Text = tuple[str, bool]
"""A text, and whether it is markup."""


def plain_entry(item: PlainItem, *, unstated: str | None) -> RawEntry:
    """The entry, every string still untrusted; `unstated` is a base that is only the document's address."""
    found = {leaf.rule.kind: leaf for leaf in item.leaves}
    title, content, summary = _text(found, "title", item), _text(found, "content", item), _summary(found, item)
    guid, links = guid_of(_words(found, "guid")), _links(item)
    if guid and is_address(guid) and _is_permalink(found["guid"]) and all(link.rel != "alternate" for link in links):
        links.insert(0, Link(href=guid))  # RSS 2.0: a guid is a permalink unless it says otherwise
    published, updated = _words(found, "published"), _words(found, "updated")
    worded = not found.keys().isdisjoint(("title", "content", "summary"))
    base = item.base.strip() if worded else ""
    return RawEntry(
        guid=guid,
        title=title[0],
        title_is_html=title[1],
        links=tuple(links),
        summary="" if summary[0] == content[0] else summary[0],
        summary_is_html=summary[1],
        content=content[0],
        content_is_html=content[1],
        base_url=base if base and base != unstated else None,
        authors=_authors(item),
        published_raw=published,
        published=read_moment(published) if published else None,
        updated_raw=updated,
        updated=read_moment(updated) if updated else None,
        categories=_categories(item),
        language=(item.language or "").replace("_", "-").strip() or None if worded else None,
        doi=doi_of((guid,) if guid and "doi" in guid.lower() else (), links),
        comments=_address(found["comments"].text, item) or None if "comments" in found else None,
    )


def date_of(item: PlainItem) -> datetime | None:
    """When it was published, else updated."""
    found = {leaf.rule.kind: leaf for leaf in item.leaves}
    dates = (words for kind in ("published", "updated") if (words := _words(found, kind)))
    return next(filter(None, map(read_moment, dates)), None)


def _words(found: Mapping[str, Leaf], kind: str) -> str | None:
    return as_read(found[kind].text) or None if kind in found else None


def _text(found: Mapping[str, Leaf], kind: str, item: PlainItem) -> _Text:
    """By its type (RFC 4287 3.1); of RSS, which does not say, by its looks."""
    if kind not in found:
        return "", True
    leaf = found[kind]
    told = leaf.attributes.get("type")
    of_html = (leaf.rule.type if told is None else TYPES[told.lower()]) in HTML_TYPES
    return as_read(leaf.text), of_html or (not item.is_atom and looks_like_html(leaf.text.strip()))


def _summary(found: Mapping[str, Leaf], item: PlainItem) -> _Text:
    """Where there is none, a content stands for it."""
    value, is_html = _text(found, "summary", item) if "summary" in found else (_words(found, "content") or "", True)
    return value, is_html if value else False


def _is_permalink(guid: Leaf) -> bool:
    return guid.attributes.get("isPermaLink", "true") == "true"


def _links(item: PlainItem) -> list[Link]:
    """Links and enclosures in their order; the publisher's own address comes before a feed proxy's."""
    links: list[Link] = []
    for leaf in item.leaves:
        link = _LINKS[leaf.rule.kind](leaf, item) if leaf.rule.kind in _LINKS else None
        if link and link.href:
            links.append(link)
    own = next((leaf.text for leaf in item.leaves if leaf.rule.kind == "original"), "")
    return [Link(href=as_read(own)), *links] if as_read(own) else links


def _link(leaf: Leaf, item: PlainItem) -> Link:
    told = leaf.attributes
    if not told:
        address = _address(leaf.text, item).replace("&amp;", "&")
        return Link(href=_AS_REFERENCE.sub(r"&\1", address).strip(), type="text/html")
    rel = told.get("rel", "alternate").lower()
    kind = told.get("type", "application/atom+xml" if rel == "self" else "text/html")
    return Link(
        href=resolved(told["href"], item.base).strip(),
        rel=rel.strip() or "alternate",
        type=kind.lower().strip() or None,
        length=count(told.get("length")),
        title=told.get("title", "").strip() or None,
        hreflang=told.get("hreflang", "").strip() or None,
    )


def _enclosure(leaf: Leaf, item: PlainItem) -> Link:
    told = leaf.attributes
    kind = told.get("type", "").lower().strip() or None
    return Link(href=told["url"].strip(), rel="enclosure", type=kind, length=count(told.get("length")))


_LINKS = {"link": _link, "enclosure": _enclosure}


def _address(text: str, item: PlainItem) -> str:
    text = text.strip()
    return as_read(resolved(text, item.base)) if text else ""


def _authors(item: PlainItem) -> tuple[Person, ...]:
    people = (_person(leaf, item) for leaf in item.leaves if leaf.rule.kind == "author")
    return tuple(dict.fromkeys(person for person in people if person.name))


def _person(leaf: Leaf, item: PlainItem) -> Person:
    """Of the parts of Atom, or the one text of RSS."""
    parts = dict(leaf.attributes) if leaf.attributes else {"name": as_read(leaf.text)}
    if "href" in parts:
        parts["href"] = _address(parts["href"], item)
    return person_of(parts)


def _categories(item: PlainItem) -> tuple[Category, ...]:
    """By attributes or by a text; a text is the term of the category before it, should that have none."""
    found: list[tuple[str | None, str | None, str | None]] = []
    for leaf in item.leaves:
        if leaf.rule.kind != "category":
            continue
        told, text = leaf.attributes, as_read(leaf.text)
        tag = told.get("term"), told.get("scheme", told.get("domain")), told.get("label")
        if any(tag) and tag not in found:
            found.append(tag)
        if text and found and not found[-1][0]:
            found[-1] = (text, *found[-1][1:])
        elif text and (text, None, None) not in found:
            found.append((text, None, None))
    return tuple(dict.fromkeys(_category(*tag) for tag in found if (tag[0] or "").strip()))


def _category(*tag: str | None) -> Category:
    term, scheme, label = ((value or "").strip() or None for value in tag)
    return Category(term=term or "", scheme=scheme, label=label)
