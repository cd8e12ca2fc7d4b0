"""Bytes of a feed -> RawFeed.

refresh: fetch > **parse** > normalise ... Runs in a child process with limits (`adapters/parser_pool.py`).
In this package: JSON goes to `jsonfeed`. Of XML, `mending` makes the bytes readable, `feedparsing` reads them and
`items` turns what it found into entries, or `plain_entry` what it did not have to look for. `limits` says how much is
taken.
"""

import re
from datetime import datetime, timedelta

from aggregator.model.parsed import RawEntry, RawFeed
from aggregator.model.poll import Cause
from aggregator.steps.parse.feedparsing import fault, read
from aggregator.steps.parse.items import Item, base_of, count, entry, links_of, moment, text_of, words
from aggregator.steps.parse.jsonfeed import looks_like_json, parse_json_feed
from aggregator.steps.parse.limits import MAX_ENTRIES, NotAFeedError, left_out, newest, snippet
from aggregator.steps.parse.mending import mend
from aggregator.steps.parse.plain import PlainItem
from aggregator.steps.parse.plain_entry import date_of, plain_entry

PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}


def parse(body: bytes, *, content_type: str | None, url: str, limit: int = MAX_ENTRIES) -> RawFeed:
    """The feed in `body` with its newest `limit` entries in the document's own order; raises NotAFeedError."""
    if looks_like_json(body):
        return parse_json_feed(body, limit=limit)
    document = mend(body, content_type)
    found = read(document.body, content_type=document.content_type, url=url)
    feed, items = found["feed"], found["entries"]
    flaw = fault(found)
    if not items and not found.get("version"):
        raise NotAFeedError(*_what_it_is(document.body))
    if not items and flaw and not words(feed, "title"):
        raise NotAFeedError(Cause.PARSE, flaw)
    kept = newest(items, [_date(item) for item in items], limit) if len(items) > limit else items
    dropped = document.dropped + len(items) - len(kept)
    version = found.get("version") or "unknown"
    unstated = None if version.startswith("atom") else url  # RFC 4287, 2: in Atom, that is the base
    title, title_is_html = text_of(feed, "title")
    hours, days = _skips(document.body)
    return RawFeed(
        format=version,
        title=title,
        title_is_html=title_is_html,
        links=links_of(feed),
        base_url=base_of(feed, unstated=unstated),
        language=words(feed, "language"),
        rights=words(feed, "rights"),
        ttl=_ttl(feed),
        skip_hours=hours,
        skip_days=days,
        entries=tuple(_entry(item, unstated) for item in kept),
        dropped=dropped,
        warnings=((flaw,) if flaw else ()) + left_out(len(kept), dropped),
    )


def _entry(item: Item | PlainItem, unstated: str | None) -> RawEntry:
    return plain_entry(item, unstated=unstated) if isinstance(item, PlainItem) else entry(item, unstated=unstated)


def _date(item: Item | PlainItem) -> datetime | None:
    if isinstance(item, PlainItem):
        return date_of(item)
    return moment(dict.get(item, "published_parsed")) or moment(dict.get(item, "updated_parsed"))


def _ttl(feed: Item) -> timedelta | None:
    """RSS `ttl` in minutes, else the syndication module's updatePeriod over updateFrequency."""
    minutes = count(words(feed, "ttl"))
    if minutes:
        return timedelta(minutes=min(minutes, 60 * 24 * 365))
    period = PERIODS.get((words(feed, "sy_updateperiod") or "").lower())
    return period / (count(words(feed, "sy_updatefrequency")) or 1) if period else None


def _skips(body: bytes) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """`skipHours` and `skipDays` of RSS, which feedparser does not keep."""
    head = body[: 64 * 1024]
    if b"<skip" not in head:
        return (), ()
    hours = re.findall(rb"<hour>\s*(\d{1,2})\s*</hour>", head)
    days = re.findall(rb"<day>\s*([A-Za-z]{6,9})\s*</day>", head)
    return tuple(int(hour) % 24 for hour in hours), tuple(day.decode().capitalize() for day in days)


def _what_it_is(body: bytes) -> tuple[Cause, str]:
    """The reason for a document without any feed in it, with its first characters."""
    head = body[:2000].lstrip().lower()
    if not head:
        return Cause.EMPTY, "the document is empty"
    if b"<html" in head or head.startswith(b"<!doctype html"):
        return Cause.NOT_A_FEED, f"an HTML page, not a feed: {snippet(body)}"
    return Cause.NOT_A_FEED, f"not a feed: {snippet(body)}"
