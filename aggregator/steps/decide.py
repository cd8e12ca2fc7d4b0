"""What a poll changes, as a value: stored + parsed -> FeedUpdate.

refresh: ... entries.known > **decide** > tag > cluster > feeds.apply
"""

from base64 import b32encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import assert_never

from aggregator.model.entry import Entry, EntryKeys, KnownEntry, Reading
from aggregator.model.feed import Feed, FeedState, FeedStatus
from aggregator.model.parsed import ParsedEntry
from aggregator.model.poll import Cause, FeedUpdate, FetchFailed, NotModified, PollOutcome, Read
from aggregator.urls import same_site

TOLERATED_FUTURE = timedelta(days=1)
"""A claimed date further ahead of first sight than this is not shown; the claim is kept beside it."""


def decide(
    state: FeedState,
    outcome: PollOutcome,
    known: Mapping[bytes, KnownEntry],
    *,
    now: datetime,
    next_check_at: datetime | None,
) -> FeedUpdate:
    """The one thing to write for this poll; `known` maps identity keys of this feed to stored entries.

    Validators change only together with the entries they vouch for, so a failure keeps the old ones.
    """
    match outcome:
        case FetchFailed():
            return FeedUpdate(
                feed_id=state.feed.id,
                url=state.feed.url,
                status=FeedStatus.GONE if outcome.cause is Cause.GONE else FeedStatus.FAILING,
                validators=state.validators,
                rhythm=state.rhythm,
                checked_at=now,
                next_check_at=next_check_at,
                failures=failures_after(state, outcome, now=now),
                error=f"{outcome.cause}: {outcome.message}",
            )
        case NotModified():
            return _succeeded(state, outcome, now=now, next_check_at=next_check_at)
        case Read():
            return _read(state, outcome, known, now=now, next_check_at=next_check_at)
        case never:
            assert_never(never)


def failures_after(state: FeedState, outcome: PollOutcome, *, now: datetime) -> int:
    """Failures in a row, or for a feed that is gone, the days on which it was."""
    if not isinstance(outcome, FetchFailed):
        return 0
    if outcome.cause is not Cause.GONE:
        return state.failures + 1
    if state.status is not FeedStatus.GONE or state.checked_at is None:
        return 1
    return state.failures + (state.checked_at.date() < now.date())


def not_asked(state: FeedState, *, now: datetime, next_check_at: datetime) -> FeedUpdate:
    """What to write when the fault of a failed poll is ours: nothing but the time."""
    return FeedUpdate(
        feed_id=state.feed.id,
        url=state.feed.url,
        status=state.status,
        validators=state.validators,
        rhythm=state.rhythm,
        checked_at=now,
        next_check_at=next_check_at,
        failures=state.failures,
        error=state.error,
    )


def _succeeded(state: FeedState, outcome: NotModified, *, now: datetime, next_check_at: datetime | None) -> FeedUpdate:
    return FeedUpdate(
        feed_id=state.feed.id,
        url=state.feed.url,
        status=FeedStatus.OK,
        validators=outcome.validators,
        rhythm=state.rhythm,
        checked_at=now,
        next_check_at=next_check_at,
        failures=0,
        succeeded=True,
    )


def _read(
    state: FeedState, read: Read, known: Mapping[bytes, KnownEntry], *, now: datetime, next_check_at: datetime | None
) -> FeedUpdate:
    new: list[Entry] = []
    changed: list[Entry] = []
    renewed: list[tuple[int, EntryKeys]] = []
    unchanged = 0
    for parsed, keys, old in _recognised(_taken(read.reading), known):
        if old is None:
            new.append(_entry(state.feed, parsed, keys, now=now))
            continue
        if old.digest != keys.digest:
            changed.append(_entry(state.feed, parsed, keys, now=now, old=old))
            continue
        unchanged += 1
        if any(key not in known or known[key].id != old.id for key in keys.identity):
            renewed.append((old.id, keys))
    feed = read.reading.feed
    return FeedUpdate(
        feed_id=state.feed.id,
        url=state.feed.url,
        status=FeedStatus.OK,
        validators=read.validators,
        rhythm=feed.rhythm,
        checked_at=now,
        next_check_at=next_check_at,
        failures=0,
        title=feed.title or None,
        site_url=next((link.href for link in feed.links if link.rel == "alternate"), None),
        succeeded=True,
        new=tuple(reversed(new)),  # feeds list the newest first; the oldest is seen first
        changed=tuple(changed),
        renewed=tuple(renewed),
        unchanged=unchanged,
    )


def left_out(reading: Reading) -> Mapping[int, str]:
    """The items of a document that make no entry, by their place in it, and why."""
    reasons: dict[int, str] = {}
    first: dict[bytes, int] = {}
    for place, (parsed, keys) in enumerate(zip(reading.feed.entries, reading.keys, strict=True)):
        if not (parsed.title or parsed.links or parsed.summary or parsed.content):
            reasons[place] = "it has no title, no link and no text"
        elif first.setdefault(keys.identity[0], place) != place:
            reasons[place] = f"it is item {first[keys.identity[0]] + 1} once more"
    return reasons


def _taken(reading: Reading) -> list[tuple[ParsedEntry, EntryKeys]]:
    dropped = left_out(reading)
    items = zip(reading.feed.entries, reading.keys, strict=True)
    return [item for place, item in enumerate(items) if place not in dropped]


def _recognised(
    items: Sequence[tuple[ParsedEntry, EntryKeys]], known: Mapping[bytes, KnownEntry]
) -> Iterator[tuple[ParsedEntry, EntryKeys, KnownEntry | None]]:
    """Each item with the stored entry it is, found by its name or else by its looks, and None for a new one.

    No two items are one stored entry. A name that another item answers to makes no item old, and an item with
    nothing of its own makes no new entry.
    """
    found: dict[int, KnownEntry] = {}
    for which in (0, -1):
        taken = {old.id for old in found.values()}
        for place, (_, keys) in enumerate(items):
            old = known.get(keys.identity[which])
            if place not in found and old is not None and old.id not in taken:
                found[place] = old
                taken.add(old.id)
    for place, (parsed, keys) in enumerate(items):
        if place in found:
            yield parsed, keys, found[place]
        elif not all(key in known for key in keys.identity):
            yield parsed, _unheard_first(keys, known), None


def _unheard_first(keys: EntryKeys, known: Mapping[bytes, KnownEntry]) -> EntryKeys:
    """A Story is named after the first key of its founder, and so never as one that was before."""
    if keys.identity[0] not in known:
        return keys
    return replace(keys, identity=tuple(sorted(keys.identity, key=lambda key: key in known)))


def mark_of(feed_id: str, keys: EntryKeys) -> str:
    """The id of the Story that a new entry founds: 16 characters of base32, the same on every replay."""
    name = b"\0".join((feed_id.encode(), keys.identity[0]))
    return b32encode(blake2b(name, digest_size=10).digest()).decode().lower()


def _entry(feed: Feed, parsed: ParsedEntry, keys: EntryKeys, *, now: datetime, old: KnownEntry | None = None) -> Entry:
    """The entry as it will be stored; a changed one keeps its id, first sight and date."""
    first_seen = old.first_seen if old else now
    return Entry(
        id=old.id if old else 0,
        mark=old.mark if old else mark_of(feed.id, keys),
        feed_id=feed.id,
        keys=keys,
        first_seen=first_seen,
        changed_at=now,
        date=old.date if old else _shown_date(parsed, first_seen),
        at_home=_is_at_home(parsed, feed),
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


def _is_at_home(parsed: ParsedEntry, feed: Feed) -> bool:
    """By what feeds.yaml says of the feed: what its document says of its site may be another's."""
    own = (feed.url, feed.site_url) if feed.site_url else (feed.url,)
    return parsed.url is not None and any(same_site(parsed.url, address) for address in own)


def _shown_date(parsed: ParsedEntry, first_seen: datetime) -> datetime:
    claimed = parsed.published or parsed.updated
    if claimed is None or claimed > first_seen + TOLERATED_FUTURE:
        return first_seen
    return claimed
