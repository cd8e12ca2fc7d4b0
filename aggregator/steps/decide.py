"""What a poll changes, as a value: stored + parsed -> FeedUpdate.

refresh: ... entries.known > **decide** > tag > cluster > store.apply
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from aggregator.model import (
    Cause,
    Entry,
    EntryKeys,
    FeedState,
    FeedStatus,
    FeedUpdate,
    FetchFailed,
    KnownEntry,
    NotModified,
    ParsedEntry,
    PollOutcome,
    Read,
)

TOLERATED_FUTURE = timedelta(days=1)
"""A claimed date further ahead of first sight than this is not shown; the claim is kept beside it."""


def decide(
    state: FeedState,
    outcome: PollOutcome,
    known: Mapping[bytes, KnownEntry],
    *,
    now: datetime,
    next_check_at: datetime,
) -> FeedUpdate:
    """The one thing to write for this poll; `known` maps identity keys of this feed to stored entries.

    Validators change only together with the entries they vouch for, so a failure keeps the old ones.
    """
    match outcome:
        case FetchFailed():
            return FeedUpdate(
                feed_id=state.feed.id,
                status=FeedStatus.GONE if outcome.cause is Cause.GONE else FeedStatus.FAILING,
                validators=state.validators,
                checked_at=now,
                next_check_at=next_check_at,
                failures=state.failures + 1,
                error=f"{outcome.cause}: {outcome.message}",
            )
        case NotModified():
            return _succeeded(state, outcome, now=now, next_check_at=next_check_at)
        case Read():
            return _read(state, outcome, known, now=now, next_check_at=next_check_at)


def _succeeded(state: FeedState, outcome: NotModified, *, now: datetime, next_check_at: datetime) -> FeedUpdate:
    return FeedUpdate(
        feed_id=state.feed.id,
        status=FeedStatus.OK,
        validators=outcome.validators,
        checked_at=now,
        next_check_at=next_check_at,
        failures=0,
        succeeded=True,
    )


def _read(
    state: FeedState, read: Read, known: Mapping[bytes, KnownEntry], *, now: datetime, next_check_at: datetime
) -> FeedUpdate:
    new: list[Entry] = []
    changed: list[Entry] = []
    unchanged = 0
    claimed: set[int] = set()
    seen: set[bytes] = set()
    for parsed, keys in zip(read.reading.feed.entries, read.reading.keys, strict=True):
        old = next((known[key] for key in keys.identity if key in known), None)
        if keys.identity[0] in seen or (old is not None and old.id in claimed):
            continue  # the same item twice in one document: the first one stands
        seen.update(keys.identity)
        if old is None:
            new.append(_entry(state.feed.id, parsed, keys, now=now))
            continue
        claimed.add(old.id)
        if old.digest == keys.digest:
            unchanged += 1
        else:
            changed.append(_entry(state.feed.id, parsed, keys, now=now, old=old))
    feed = read.reading.feed
    return FeedUpdate(
        feed_id=state.feed.id,
        status=FeedStatus.OK,
        validators=read.validators,
        checked_at=now,
        next_check_at=next_check_at,
        failures=0,
        title=feed.title or None,
        site_url=next((link.href for link in feed.links if link.rel == "alternate"), None),
        succeeded=True,
        new=tuple(reversed(new)),  # feeds list the newest first; the oldest is seen first
        changed=tuple(changed),
        unchanged=unchanged,
    )


def _entry(
    feed_id: str, parsed: ParsedEntry, keys: EntryKeys, *, now: datetime, old: KnownEntry | None = None
) -> Entry:
    """The entry as it will be stored; a changed one keeps its id, first sight and date."""
    first_seen = old.first_seen if old else now
    return Entry(
        id=old.id if old else 0,
        feed_id=feed_id,
        keys=keys,
        first_seen=first_seen,
        changed_at=now,
        date=old.date if old else _shown_date(parsed, first_seen),
        guid=parsed.guid,
        title=parsed.title,
        links=parsed.links,
        summary=parsed.summary,
        content=parsed.content,
        authors=parsed.authors,
        published=parsed.published,
        published_raw=parsed.published_raw,
        updated=parsed.updated,
        updated_raw=parsed.updated_raw,
        categories=parsed.categories,
        language=parsed.language,
        thumbnails=parsed.thumbnails,
        rights=parsed.rights,
        source=parsed.source,
        doi=parsed.doi,
        comments=parsed.comments,
    )


def _shown_date(parsed: ParsedEntry, first_seen: datetime) -> datetime:
    claimed = parsed.published or parsed.updated
    if claimed is None or claimed > first_seen + TOLERATED_FUTURE:
        return first_seen
    return claimed
