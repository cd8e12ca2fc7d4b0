"""A channel's document as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/).

publish: ... matching > contents > **bytes**. What the format has no place for stands under `_aggregator`.
"""

import json
from collections.abc import Mapping

from aggregator.model.parsed import Link, Person
from aggregator.steps.feedwriter.contents import UNKNOWN_TYPE, Document, Item, Mention
from aggregator.subject import plain_text

Json = Mapping[str, object]


def json_feed(document: Document) -> bytes:
    """The document as JSON Feed 1.1."""
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": document.title,
        "home_page_url": document.home,
        "feed_url": document.address,
        "description": document.description,
        "language": document.language,
        "authors": [{"name": document.publisher}],
        "items": [_item(item) for item in document.items],
    }
    return json.dumps(feed, ensure_ascii=False).encode()


def _item(item: Item) -> Json:
    doi = f"https://doi.org/{item.doi}" if item.doi else None
    return _said(
        {
            "id": item.id,
            "url": item.url,
            "external_url": doi if doi != item.url else None,
            "title": item.title,
            "content_html": item.content,
            "summary": " ".join(plain_text(item.summary).split()),
            "image": next(iter(item.thumbnails), None),
            "date_published": item.published.isoformat(),
            "date_modified": item.updated.isoformat(),
            "authors": [_author(author) for author in item.authors],
            "tags": [tag.label for tag in item.categories],
            "language": item.language,
            "attachments": [_attachment(link) for link in item.enclosures],
            "_aggregator": _extension(item),
        }
    )


def _author(person: Person) -> Json:
    return _said({"name": person.name, "url": person.uri})


def _attachment(link: Link) -> Json:
    return _said(
        {
            "url": link.href,
            "mime_type": link.type or UNKNOWN_TYPE,
            "title": link.title,
            "size_in_bytes": link.length,
        }
    )


def _extension(item: Item) -> Json:
    source = item.source
    return _said(
        {
            "source": _said({"id": source.id, "title": source.title, "url": source.link, "rights": source.rights}),
            "also_at": [_mention(mention) for mention in item.also_at],
        }
    )


def _mention(mention: Mention) -> Json:
    return _said({"publisher": mention.publisher, "title": mention.title, "url": mention.url})


def _said(fields: Json) -> Json:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value or value == 0}
