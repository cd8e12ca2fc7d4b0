"""Publishers as they are: they edit, re-date, re-order, renew and repeat what they list.

`publish` turns a list of whims into the documents of many polls, with what a reader should have made of them: the
oracle knows each publication by a name that it hides in `rights`, which no key and no digest looks at.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from itertools import count

from aggregator.model.parsed import Link, ParsedEntry, SafeHtml
from tests.fakes import START

TITLES = ("Weekly briefing", "Energy in Asia", "A report")
WORKS = 5


class Kind(Enum):
    """How a publisher names entries."""

    NAMED = "a guid of its own for each"
    PERMALINK = "the address as guid"
    LINKED = "no guids"
    ALIKE = "one guid for all"
    BARE = "neither guids nor links"


KINDS = tuple(Kind)
WHIMS = (
    *("add", "add", "add", "edit", "retitle", "redate", "renew", "move", "doi", "drop", "relist", "reorder"),
    *("repeat", "silence"),
)
Whim = tuple[str, int, int]
"""What happens, to which feed, to which of its publications."""


@dataclass
class Publication:
    """One publication of one feed. What it is known by changes one at a time from poll to poll: its name or its
    looks; of one that changed both at once nobody could say that it is the same."""

    name: str
    kind: Kind
    work: int
    title: str
    serial: int
    guid: int
    day: int
    revision: int = 0
    mirror: bool = False
    doi: bool = False
    listed: bool = True
    pending: str | None = None
    keys: set[str] = field(default_factory=set)
    """All addresses and DOIs it was ever shown with."""

    def may_change(self, what: str) -> bool:
        """Whether its name or its looks may change before the next poll; notes it when so."""
        if self.pending not in (None, what):
            return False
        self.pending = what
        return True

    @property
    def address(self) -> str:
        return f"{'mirror' if self.mirror else 'work'}-{self.work}.example/report"

    @property
    def text(self) -> str:
        return f"<p>{self.name}, revision {self.revision}.</p>"

    def before_an_edit(self) -> "Publication":
        """What some publishers list below the edited item."""
        return replace(self, title=TITLES[0], revision=-1) if self.kind is Kind.NAMED else self

    def shown(self, variant: int) -> ParsedEntry:
        """The item as one document has it; its address comes in a form of the day."""
        forms = (
            "https://{}",
            "http://www.{}",
            "https://{}/?utm_source=feed",
            "http://{}#top",
            "https://{}?at_medium=rss",
        )
        href = forms[variant % len(forms)].format(self.address)
        guids = {Kind.NAMED: f"urn:item:{self.guid}", Kind.PERMALINK: href.partition("#")[0], Kind.ALIKE: "urn:all"}
        return ParsedEntry(
            guid=guids.get(self.kind),
            title=self.title,
            links=() if self.kind is Kind.BARE else (Link(href=href),),
            summary=SafeHtml(self.text),
            published=START - timedelta(days=self.day % 700),
            published_raw=f"day {self.day}",
            doi=f"10.5555/{self.work}" if self.doi else None,
            rights=self.name,
        )


@dataclass(frozen=True)
class Expected:
    """What must be stored after a poll."""

    words: Mapping[str, tuple[str, str]]
    """Title and text by name, as last shown."""
    stories: frozenset[frozenset[str]]


@dataclass(frozen=True)
class Poll:
    """What each feed answers, None for a failure or nothing new, and what must be stored then."""

    documents: Mapping[str, tuple[ParsedEntry, ...] | None]
    expected: Expected


class World:
    """Some feeds and all they ever published."""

    def __init__(self) -> None:
        self.items: dict[str, list[Publication]] = {kind.name.lower(): [] for kind in KINDS}
        self.items["second"] = []
        self.silent: set[str] = set()
        self.repeats: set[str] = set()
        self.words: dict[str, tuple[str, str]] = {}
        self.numbers = count(1)
        self.polls = 0

    def happen(self, whim: str, feed_id: str, number: int) -> None:
        items = self.items[feed_id]
        if whim == "add":
            self._add(feed_id, number)
        elif whim == "silence":
            self.silent.add(feed_id)
        elif whim == "reorder":
            items.reverse()
        elif items:
            self._change(whim, feed_id, items[number % len(items)])

    def _add(self, feed_id: str, number: int) -> None:
        work, serial = number % WORKS, next(self.numbers)
        if any(item.work == work for item in self.items[feed_id]):
            return
        kind = Kind.NAMED if feed_id == "second" else Kind[feed_id.upper()]
        item = Publication(
            name=f"{feed_id}-{serial}",
            kind=kind,
            work=work,
            title=TITLES[number % len(TITLES)],
            serial=serial,
            guid=serial,
            day=serial,
            mirror=number % 2 == 1,
            doi=number % 3 == 0,
        )
        self.items[feed_id].insert(0, item)

    def _change(self, whim: str, feed_id: str, item: Publication) -> None:
        bare, named = item.kind is Kind.BARE, item.kind is Kind.NAMED
        if whim == "edit" and (not bare or item.may_change("looks")):
            item.revision += 1
        elif whim == "retitle" and not bare and (not named or item.may_change("looks")):
            item.title = TITLES[(TITLES.index(item.title) + 1) % len(TITLES)]
        elif whim == "redate" and (not bare or item.may_change("name")):
            item.day = next(self.numbers)
        elif whim == "renew" and named and item.may_change("name"):
            item.guid = next(self.numbers)
        elif whim == "move" and named and item.may_change("looks"):
            item.mirror = not item.mirror
        elif whim == "doi":
            item.doi = True
        elif whim in ("drop", "relist"):
            item.listed = whim == "relist"
        elif whim == "repeat":
            self.repeats.add(item.name)

    def poll(self) -> Poll:
        self.polls += 1
        documents = {feed_id: self._document(feed_id) for feed_id in self.items}
        self.silent.clear()
        self.repeats.clear()
        return Poll(documents, Expected(dict(self.words), self._stories()))

    def _document(self, feed_id: str) -> tuple[ParsedEntry, ...] | None:
        listed = [item for item in self.items[feed_id] if item.listed]
        alone = feed_id == "alike" and len(listed) < 2  # one guid on one entry is that entry's guid
        if feed_id in self.silent or alone:
            return None
        for item in listed:
            item.pending = None
            item.keys |= {item.address} if item.kind is not Kind.BARE else set()
            item.keys |= {f"doi {item.work}"} if item.doi else set()
            self.words[item.name] = (item.title, item.text)
        shown = [item.shown(self.polls + place) for place, item in enumerate(listed)]
        repeated = [item for item in listed if item.name in self.repeats]
        return (*shown, *(item.before_an_edit().shown(self.polls) for item in repeated))

    def _stories(self) -> frozenset[frozenset[str]]:
        """Publications that share an address or a DOI, directly or by way of others."""
        groups: list[tuple[set[str], set[str]]] = []
        for item in (item for items in self.items.values() for item in items if item.name in self.words):
            names, keys = {item.name}, set(item.keys)
            apart = []
            for other_names, other_keys in groups:
                if keys & other_keys:
                    names, keys = names | other_names, keys | other_keys
                else:
                    apart.append((other_names, other_keys))
            groups = [*apart, (names, keys)]
        return frozenset(frozenset(names) for names, _ in groups)


FEEDS = tuple(World().items)


def publish(history: Iterable[Iterable[Whim]]) -> Iterator[Poll]:
    """One poll after each round of whims."""
    world = World()
    for whims in history:
        for whim, feed, number in whims:
            world.happen(whim, FEEDS[feed], number)
        yield world.poll()
