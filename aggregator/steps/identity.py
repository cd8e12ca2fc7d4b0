"""What an entry is known by in its feed, and by what it is seen to have changed.

refresh: ... normalise > **identity** > entries.known > decide ...
"""

from collections.abc import Hashable, Iterable, Iterator
from hashlib import blake2b
from typing import TypeVar

from aggregator.model.entry import EntryKeys
from aggregator.model.parsed import ParsedEntry, ParsedFeed
from aggregator.urls import canonical_url, is_site_root

Trait = tuple[str, ...]
"""Something an entry may be known by: what kind of thing, and the thing."""
Left = TypeVar("Left", bound=Hashable)


def identify(feed_id: str, feed: ParsedFeed) -> tuple[EntryKeys, ...]:
    """The keys of each entry, in order: of its name (guid, else link, else title and date) and of its looks.

    Nothing counts that stands for several entries of the document: a guid on different pages or on the whole
    site, a link under several titles, a title and text under several guids.
    """
    entries = feed.entries
    links = [canonical_url(entry.url) if entry.url else None for entry in entries]
    pages = [link if link and not is_site_root(link) else None for link in links]
    guids = _own_guids(entries, pages)
    titles = _first_titles(entries, guids)
    shared_pages = _shared(zip(pages, titles, strict=True))
    own_links = [page if page not in shared_pages else None for page in pages]
    looks = [_looks(entry, page) for entry, page in zip(entries, pages, strict=True)]
    names = _names(entries, guids, own_links, looks)
    blurred = _shared(zip(looks, names, strict=True))
    return tuple(
        EntryKeys(
            identity=tuple(_hash(trait[0], feed_id, *trait[1:]) for trait in _traits(name, look, blurred)),
            digest=_digest(entry, link),
        )
        for entry, link, name, look in zip(entries, links, names, looks, strict=True)
    )


def _own_guids(entries: Iterable[ParsedEntry], pages: Iterable[str | None]) -> list[str | None]:
    """Each entry's guid, an address in its canonical form: http to https or a new tracker makes no new entry."""
    rows = [(_guid(entry), page, entry) for entry, page in zip(entries, pages, strict=True)]
    shared = _shared((guid, page or entry.title) for guid, page, entry in rows)
    # Should a parameter that tells entries apart look like a tracker, their titles differ and so do the guids given.
    trimmed = _shared((guid, entry.title) for guid, _, entry in rows)
    trimmed &= _shared((guid, entry.guid) for guid, _, entry in rows)
    return [guid if guid not in shared | trimmed else None for guid, _, _ in rows]


def _guid(entry: ParsedEntry) -> str | None:
    if not entry.guid:
        return None
    address, _, fragment = entry.guid.partition("#")
    canonical = canonical_url(address)
    if canonical and not fragment and is_site_root(canonical):
        return None
    return f"{canonical or address}#{fragment}"


def _first_titles(entries: Iterable[ParsedEntry], guids: Iterable[str | None]) -> list[str]:
    """Titles; an entry that stands twice in the document, once as it was before an edit, goes by the first."""
    first: dict[str, str] = {}
    return [
        first.setdefault(guid, entry.title) if guid else entry.title for entry, guid in zip(entries, guids, strict=True)
    ]


def _looks(entry: ParsedEntry, page: str | None) -> Trait | None:
    """What finds an entry again whose name the publisher has renewed: its title, with its page or its text."""
    text = entry.content or entry.summary
    if page:
        return ("page", page, entry.title)
    return ("text", entry.title, text) if text else None


def _names(
    entries: Iterable[ParsedEntry],
    guids: Iterable[str | None],
    own_links: Iterable[str | None],
    looks: Iterable[Trait | None],
) -> list[Trait | None]:
    rows = [
        (("guid", guid) if guid else ("link", link) if link else None, _dated(entry, look), look)
        for entry, guid, link, look in zip(entries, guids, own_links, looks, strict=True)
    ]
    shared = _shared((dated, look) for name, dated, look in rows if not name)
    return [name or (dated if dated not in shared or not look else None) for name, dated, look in rows]


def _dated(entry: ParsedEntry, look: Trait | None) -> Trait | None:
    """Title and date; nothing when the looks say as much and more."""
    date = entry.published_raw or entry.updated_raw or ""
    paged = look is not None and look[0] == "page"
    return None if look and (paged or not date) else ("dated", entry.title, date)


def _traits(name: Trait | None, look: Trait | None, blurred: set[Trait]) -> Iterator[Trait]:
    if name:
        yield name
    if look and (not name or look not in blurred):
        yield look


def _shared(pairs: Iterable[tuple[Left | None, Hashable]]) -> set[Left]:
    """The left values that stand beside more than one right value."""
    first: dict[Left, Hashable] = {}
    return {left for left, right in pairs if left is not None and first.setdefault(left, right) != right}


def _digest(entry: ParsedEntry, link: str | None) -> bytes:
    """Dates stay out: a publisher who only re-dates an entry has not changed it."""
    lists = (
        (item.href for item in entry.links if item.rel == "enclosure"),
        (person.name for person in entry.authors),
        (category.label or category.term for category in entry.categories),
    )
    words = (link or "", entry.title, entry.summary, entry.content, entry.doi or "")
    return _hash("digest", *words, *("\1".join(values) for values in lists))


def _hash(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()
