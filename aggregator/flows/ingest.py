"""One document, read: parse > normalise > identity > sketch. What the parser's child processes run."""

from aggregator.model.entry import Reading
from aggregator.model.parsed import ParsedFeed
from aggregator.model.poll import Fetched, FetchFailed, PollOutcome, Read
from aggregator.steps.folding.keys import with_sketch
from aggregator.steps.folding.sketching import sketches
from aggregator.steps.identity import identify
from aggregator.steps.normalise import normalise
from aggregator.steps.parse.dispatch import parse
from aggregator.steps.parse.limits import NotAFeedError


def ingest(fetched: Fetched) -> PollOutcome:
    """The clean reading of a fetched document, or the one reason why there is none."""
    try:
        raw = parse(fetched.body, content_type=fetched.content_type, url=fetched.url)
    except NotAFeedError as error:
        return FetchFailed(
            feed_id=fetched.feed_id,
            cause=error.cause,
            message=error.message,
            status=fetched.status,
            wishes=fetched.wishes,
        )
    feed = normalise(raw, url=fetched.url)
    return Read(
        feed_id=fetched.feed_id,
        url=fetched.url,
        validators=fetched.validators,
        wishes=fetched.wishes,
        reading=keyed(fetched.feed_id, feed),
    )


def keyed(feed_id: str, feed: ParsedFeed) -> Reading:
    """A clean document with the keys and the sketch of each entry."""
    found = zip(feed.entries, identify(feed_id, feed), sketches(feed), strict=True)
    return Reading(feed=feed, keys=tuple(with_sketch(keys, sketch, entry.title) for entry, keys, sketch in found))
