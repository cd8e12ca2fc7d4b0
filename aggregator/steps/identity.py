"""What an entry is known by: identity keys bound to its feed, fold keys shared by all feeds.

refresh: ... normalise > **identity** > entries.known > decide ...
"""

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

from aggregator.model import EntryKeys, ParsedEntry, ParsedFeed
from aggregator.urls import canonical_url, is_site_root


def identify(feed_id: str, feed: ParsedFeed) -> tuple[EntryKeys, ...]:
    """The keys of each entry, in order.

    A guid counts unless it stands on entries with different links ("one guid for all"). A link counts
    unless it is the site's root or is shared by several titles. An address used as guid is compared in its
    canonical form, so that http to https or a new tracking parameter makes no new entry.
    """
    links = [canonical_url(entry.url) if entry.url else None for entry in feed.entries]
    guids = [_guid(entry) for entry in feed.entries]
    shared_guids = _ambiguous(zip(guids, links, strict=True))
    shared_links = _ambiguous(zip(links, (entry.title for entry in feed.entries), strict=True))
    repeated = Counter(zip(links, (entry.title for entry in feed.entries), strict=True))
    keys = []
    for entry, guid, link in zip(feed.entries, guids, links, strict=True):
        known_guid = guid if guid not in shared_guids else None
        own_link = link if link and link not in shared_links and not is_site_root(link) else None
        page = link if link and not is_site_root(link) and repeated[link, entry.title] == 1 else None
        keys.append(
            EntryKeys(
                identity=_identity(feed_id, entry, known_guid, page, own_link),
                fold=_fold(entry, own_link),
                digest=_digest(entry, link),
            )
        )
    return tuple(keys)


def _guid(entry: ParsedEntry) -> str | None:
    if not entry.guid:
        return None
    address, _, fragment = entry.guid.partition("#")
    return f"{canonical_url(address) or address}#{fragment}"


def _ambiguous(pairs: Iterable[tuple[str | None, str | None]]) -> set[str]:
    """The left values that stand beside more than one right value."""
    first: dict[str, str | None] = {}
    return {left for left, right in pairs if left is not None and first.setdefault(left, right) != right}


def _identity(
    feed_id: str, entry: ParsedEntry, guid: str | None, page: str | None, own_link: str | None
) -> tuple[bytes, ...]:
    """Strongest first; the later keys find an entry again whose guid or date the publisher has renewed."""
    text = entry.content or entry.summary
    keys = []
    if guid:
        keys.append(_hash("guid", feed_id, guid))
    elif own_link:
        keys.append(_hash("link", feed_id, own_link))
    if page:
        keys.append(_hash("page", feed_id, page, entry.title))
    if not keys:
        keys.append(_hash("dated", feed_id, entry.title, entry.published_raw or entry.updated_raw or text))
    if text and not page:
        keys.append(_hash("text", feed_id, entry.title, text))
    return tuple(keys)


def _fold(entry: ParsedEntry, own_link: str | None) -> tuple[bytes, ...]:
    keys = []
    if own_link:
        keys.append(_hash("url", own_link))
    if entry.doi:
        keys.append(_hash("doi", entry.doi.lower()))
    return tuple(keys)


def _digest(entry: ParsedEntry, link: str | None) -> bytes:
    """Dates stay out: a publisher who only re-dates an entry has not changed it."""
    enclosures = (item.href for item in entry.links if item.rel == "enclosure")
    authors = (person.name for person in entry.authors)
    categories = (category.term for category in entry.categories)
    return _hash("digest", link or "", entry.title, entry.summary, entry.content, *enclosures, *authors, *categories)


def _hash(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()
