"""One document, read: parse > normalise > identity > sketch. What the parser's child processes run."""

from dataclasses import replace

from aggregator.model.entry import Reading
from aggregator.model.parsed import ParsedFeed
from aggregator.model.poll import Fetched, FetchFailed, PollOutcome, Read
from aggregator.steps.folding.sketch import pack
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
    pairs = zip(identify(feed_id, feed), sketches(feed), strict=True)
    return Reading(feed=feed, keys=tuple(replace(keys, sketch=pack(sketch)) for keys, sketch in pairs))
