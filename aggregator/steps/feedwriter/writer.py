"""Channel, Stories -> Publication: the bytes to serve, with what HTTP needs to know of them.

publish: stories.newest > matching > **feedwriter** > bytes + ETag
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from aggregator.model.channel import Channel, Format, Publication, Site
from aggregator.model.feed import Feed
from aggregator.model.story import Story
from aggregator.steps.feedwriter.as_json import json_feed
from aggregator.steps.feedwriter.as_xml import atom, rss
from aggregator.steps.feedwriter.contents import Document, document, path_of

_WRITERS: Mapping[Format, Callable[[Document], bytes]] = {"atom": atom, "rss": rss, "json": json_feed}


def write_channel(
    channel: Channel, stories: Sequence[Story], format: Format, *, site: Site, feeds: Mapping[str, Feed]
) -> Publication:
    """These Stories, in this order, as one format of the channel; equal arguments give equal bytes."""
    content = document(channel, stories, format, site=site, feeds=feeds)
    body = _WRITERS[format](content)
    return Publication(
        path=path_of(channel, format),
        content_type=content.content_type,
        body=body,
        etag=f'"{sha256(body).hexdigest()[:32]}"',
        last_modified=content.updated,
    )
