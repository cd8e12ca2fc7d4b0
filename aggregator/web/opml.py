"""All feeds as OPML 2.0 (http://opml.org/spec2.opml), for readers who poll by themselves."""

from xml.etree import ElementTree

from aggregator.model.feed import Feed
from aggregator.settings.values import Settings
from aggregator.steps.feedwriter.outgoing import printable
from aggregator.urls import without_secrets


def opml(settings: Settings) -> bytes:
    """The document; the same feeds give the same bytes."""
    root = ElementTree.Element("opml", version="2.0")
    head = ElementTree.SubElement(root, "head")
    ElementTree.SubElement(head, "title").text = printable(settings.site.title)
    if settings.site.contact:
        ElementTree.SubElement(head, "ownerEmail").text = printable(settings.site.contact)
    body = ElementTree.SubElement(root, "body")
    for feed in sorted(settings.feeds, key=lambda feed: feed.name.casefold()):
        ElementTree.SubElement(body, "outline", _outline(feed))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _outline(feed: Feed) -> dict[str, str]:
    """One feed; an address that seems to hold a key is ours alone, and stays out."""
    known = {
        "type": "rss",
        "text": feed.name,
        "title": feed.name,
        "xmlUrl": feed.url if "***" not in without_secrets(feed.url) else None,
        "htmlUrl": feed.site_url,
        "language": feed.language,
        "category": ",".join(feed.options.tags) or None,
    }
    return {name: printable(value) for name, value in known.items() if value}
