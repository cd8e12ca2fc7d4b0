"""Items that hold nothing but leaves we know, taken up as they stand in the document.

feedparser keeps a dozen states for what else an item may hold, and pays for them at each element. What is not plain
goes to it event by event, as if nobody had looked (`feedparsing.py`); of what is, `plain_entry.py` makes an entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

Start = tuple[str, Mapping[str, str]]
"""An element begins: its expanded name ("namespace local prefix") and its attributes."""
Event = Start | str | None
"""A beginning, a piece of text, or an end."""
MAX_EVENTS = 4_000
"""An item of more is not plain."""
ATOM = "http://www.w3.org/2005/Atom"


class Rule(NamedTuple):
    """How a leaf is read: as what, with which attributes, whether there is one at most, its type if none is told."""

    kind: str
    attributes: frozenset[str] = frozenset()
    once: bool = True
    type: str = ""


class Leaf(NamedTuple):
    """An element of an item: how it is read, its attributes (or the parts of a person), its text as written."""

    rule: Rule
    attributes: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class PlainItem:
    """The leaves of an item with what holds for all of them: the language, the base, and whether the format is Atom."""

    leaves: Sequence[Leaf]
    language: str | None
    base: str
    is_atom: bool


TYPES = {"text": "text/plain", "text/plain": "text/plain", "html": "text/html", "text/html": "text/html"}
"""Values of a text's `type` whose element is a leaf."""
_TYPED = frozenset({"type"})
_RULES = {
    ("", "title"): Rule("title", _TYPED, type="text/plain"),
    ("", "link"): Rule("link", frozenset({"href", "rel", "type", "hreflang", "title", "length"}), once=False),
    ("", "guid"): Rule("guid", frozenset({"isPermaLink"})),
    ("", "id"): Rule("guid"),
    ("", "pubdate"): Rule("published"),
    ("", "published"): Rule("published"),
    ("", "updated"): Rule("updated"),
    ("dc", "date"): Rule("updated"),
    ("", "author"): Rule("author", once=False),
    ("dc", "creator"): Rule("author", once=False),
    ("", "category"): Rule("category", frozenset({"term", "scheme", "domain", "label"}), once=False),
    ("dc", "subject"): Rule("category", once=False),
    ("", "description"): Rule("summary", _TYPED, type="text/html"),
    ("", "summary"): Rule("summary", _TYPED, type="text/plain"),
    ("", "content"): Rule("content", _TYPED, type="text/plain"),
    ("content", "encoded"): Rule("content", _TYPED, type="text/html"),
    ("", "enclosure"): Rule("enclosure", frozenset({"url", "type", "length"}), once=False),
    ("", "comments"): Rule("comments"),
    ("feedburner", "origlink"): Rule("original"),
    ("wfw", "commentrss"): Rule("ignored", once=False),
    ("slash", "comments"): Rule("ignored", once=False),
}
_NAMESPACES = {
    "": "",
    ATOM.lower(): "",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/rss/1.0/modules/content/": "content",
    "http://purl.org/rss/1.0/modules/slash/": "slash",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "http://wellformedweb.org/commentapi/": "wfw",
}
PREFIXES = frozenset(filter(None, _NAMESPACES.values()))
"""What feedparser calls these namespaces, however the document does."""
_PARTS_OF_A_PERSON = {"name": "name", "email": "email", "uri": "href", "url": "href"}


@lru_cache(maxsize=1024)
def name_of(expanded: str) -> tuple[str | None, str]:
    """Namespace and local name, of "namespace local prefix", "namespace local" or "local"."""
    namespace, _, rest = expanded.partition(" ")
    return (namespace, rest.partition(" ")[0]) if rest else (None, expanded)


@lru_cache(maxsize=1024)
def begins_item(expanded: str) -> bool:
    """Whether this is an item of RSS 2.0 or an entry of Atom."""
    return name_of(expanded) in ((None, "item"), (ATOM, "entry"))


def leaves_of(events: Sequence[Event]) -> list[Leaf] | None:
    """The leaves in what stands between an item's beginning and its end; None when it is not plain."""
    leaves: list[Leaf] = []
    kinds: set[str] = set()
    coming = iter(events)
    for event in coming:
        if isinstance(event, str):  # between the leaves
            continue
        leaf = _leaf(event, coming) if event else None
        if leaf is None or (leaf.rule.once and leaf.rule.kind in kinds):
            return None
        kinds.add(leaf.rule.kind)
        leaves.append(leaf)
    return leaves


def _leaf(start: Start, coming: Iterator[Event]) -> Leaf | None:
    """The element that begins here, when it is a leaf that we know."""
    expanded, attributes = start
    rule = _rule_of(expanded)
    if rule is None or (attributes and not rule.attributes.issuperset(attributes)):
        return None
    text, event = _text(coming)
    if event is not None:
        person = _person(event, coming) if rule.kind == "author" else None
        return Leaf(rule, person, "") if person else None
    return Leaf(rule, attributes, text) if _says_something(rule, attributes, text) else None


def _text(coming: Iterator[Event]) -> tuple[str, Start | None]:
    """The text up to the next end, or up to a beginning, and that."""
    text = ""
    for event in coming:
        if not isinstance(event, str):
            return text, event
        text += event
    return text, None


def _says_something(rule: Rule, attributes: Mapping[str, str], text: str) -> bool:
    """What does not is read otherwise, each in its own way."""
    if rule.kind == "link":
        return bool(attributes.get("href") if attributes else text.strip())
    if rule.kind == "enclosure":
        return bool(attributes.get("url"))
    return "type" not in attributes or attributes["type"].lower() in TYPES


def _person(part: Start | None, coming: Iterator[Event]) -> Mapping[str, str] | None:
    """The parts of an author (RFC 4287 3.2), each a leaf."""
    person: dict[str, str] = {}
    while part is not None:
        name = _part_of(part[0])
        text, end = _text(coming)
        if name is None or name in person or part[1] or end is not None:
            return None
        person[name] = text
        _, part = _text(coming)
    return person


@lru_cache(maxsize=1024)
def _rule_of(expanded: str) -> Rule | None:
    namespace, local = name_of(expanded)
    known = _NAMESPACES.get((namespace or "").lower())
    return None if known is None else _RULES.get((known, local.lower()))


@lru_cache(maxsize=1024)
def _part_of(expanded: str) -> str | None:
    """What an element within an author says of the person."""
    namespace, local = name_of(expanded)
    return _PARTS_OF_A_PERSON.get(local) if namespace in (None, ATOM) else None
