"""A channel's document as Atom 1.0 (RFC 4287) and RSS 2.0 (with the RSS Advisory Board's profile).

publish: ... matching > contents > **bytes**. feedgen writes what it writes well, `repair.py` the rest. It is always
given its dates: left alone it writes the clock, and the bytes would differ each time.
"""

from typing import Any

from feedgen.feed import FeedGenerator

from aggregator.model.parsed import Link, Person
from aggregator.steps.feedwriter.contents import INTERVAL, UNKNOWN_TYPE, Document, Item
from aggregator.steps.feedwriter.repair import EntryRepair, FeedRepair

GENERATOR = "aggregator"


def atom(document: Document) -> bytes:
    """The document as Atom 1.0."""
    feed = _feed(document)
    for item in document.items:
        entry = _entry(feed, item)
        entry.author([_person(author) for author in item.authors])
        entry.content(item.content, type="html")
        if item.summary:
            entry.summary(item.summary, type="html")
        entry.rights(item.rights)
        entry.link(href=item.url)
    return bytes(feed.atom_str(pretty=True))


def rss(document: Document) -> bytes:
    """The document as RSS 2.0."""
    feed = _feed(document)
    for item in document.items:
        entry = _entry(feed, item)
        entry.content(item.content)
        entry.summary(item.summary or None)
        entry.comments(item.comments)
        entry.link(href=item.url)
        for link in item.enclosures[:1]:
            entry.enclosure(link.href, _length(link), link.type or UNKNOWN_TYPE)
        if not (item.source.id or "").startswith("urn:"):
            entry.source(item.source.id, item.source.title)
    return bytes(feed.rss_str(pretty=True))


def _feed(document: Document) -> Any:
    feed = FeedGenerator()
    feed.register_extension("repair", FeedRepair, EntryRepair)
    feed.id(document.id)
    feed.title(document.title)
    feed.description(document.description)
    feed.author(name=document.publisher)
    feed.language(document.language)
    feed.updated(document.updated)
    feed.generator(GENERATOR)
    feed.docs("https://www.rssboard.org/rss-specification")
    feed.ttl(round(INTERVAL.total_seconds() / 60))
    feed.link(href=document.address, rel="self", type=document.content_type.partition(";")[0])
    feed.link(href=document.home, rel="alternate", type="text/html")  # the last one is RSS's
    return feed


def _entry(feed: Any, item: Item) -> Any:
    entry = feed.add_entry(order="append")
    entry.repair.item = item
    entry.id(item.id)
    entry.title(item.title)
    entry.updated(item.updated)
    entry.published(item.published)
    entry.category([{"term": tag.term, "scheme": tag.scheme, "label": tag.label} for tag in item.categories])
    return entry


def _person(person: Person) -> dict[str, str | None]:
    return {"name": person.name, "email": person.email, "uri": person.uri}


def _length(link: Link) -> int:
    """Octets; 0 stands for "unknown" in the RSS profile."""
    return link.length or 0
