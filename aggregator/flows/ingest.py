"""One document, read: parse > normalise > identity. What the parser's child processes run."""

from aggregator.model import Fetched, FetchFailed, PollOutcome, Read, Reading
from aggregator.steps.identity import identify
from aggregator.steps.normalise import normalise
from aggregator.steps.parse.document import parse
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
        reading=Reading(feed=feed, keys=identify(fetched.feed_id, feed)),
    )
