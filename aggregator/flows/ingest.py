"""One document, read: parse > normalise > identity. What the parser's child processes run."""

from aggregator.model import Cause, Fetched, FetchFailed, PollOutcome, RawFeed, Read, Reading
from aggregator.steps.identity import identify
from aggregator.steps.jsonfeed import looks_like_json, parse_json_feed
from aggregator.steps.normalise import normalise
from aggregator.steps.parse import NotAFeedError, parse


def ingest(fetched: Fetched) -> PollOutcome:
    """The clean reading of a fetched document, or the one reason why there is none."""
    try:
        feed = normalise(_parse(fetched), url=fetched.url)
    except NotAFeedError as error:
        return FetchFailed(
            feed_id=fetched.feed_id, cause=error.cause, message=error.message, status=200, wishes=fetched.wishes
        )
    return Read(
        feed_id=fetched.feed_id,
        url=fetched.url,
        validators=fetched.validators,
        wishes=fetched.wishes,
        reading=Reading(feed=feed, keys=identify(fetched.feed_id, feed)),
    )


def _parse(fetched: Fetched) -> RawFeed:
    if not looks_like_json(fetched.body):
        return parse(fetched.body, content_type=fetched.content_type, url=fetched.url)
    try:
        return parse_json_feed(fetched.body)
    except ValueError as error:
        start = fetched.body[:80].decode("utf-8", "replace")
        raise NotAFeedError(Cause.NOT_A_FEED, f"{error}: {start!r}") from error
