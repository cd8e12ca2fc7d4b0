"""When to poll a feed again: never sooner than asked, never on the same second as all others.

refresh: ... decide needs `next_check_at`, and this step gives it.
"""

from datetime import datetime, timedelta
from hashlib import blake2b

from aggregator.model import Cause, ServerWishes

DAY = timedelta(days=1)
SHORTEST = timedelta(minutes=30)
"""No feed is asked more often, whatever the settings and the publisher say."""
LONGEST_WISH = DAY
"""A server's caching wish counts up to here: a max-age of a year must not silence a feed for a year."""
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def next_check(
    *,
    feed_id: str,
    now: datetime,
    every: timedelta,
    wishes: ServerWishes,
    ttl: timedelta | None,
    skip_hours: tuple[int, ...],
    skip_days: tuple[str, ...],
    failures: int,
    cause: Cause | None,
) -> datetime:
    """The moment of the next poll: the latest of what we and the publisher want, moved out of hours to skip.

    Failures double the interval up to a day and never end it; 410 asks once a day. `ttl`, `skipHours` and
    `skipDays` are RSS 2.0's, in GMT. Jitter goes forward only, up to a tenth, and is the same for the same feed.
    """
    every = max(every, SHORTEST)
    waits = [every, *(min(wish, LONGEST_WISH) for wish in _wishes(wishes, ttl, now))]
    if cause is Cause.GONE:
        waits.append(DAY)
    elif failures:
        waits.append(min(every * 2 ** min(failures - 1, 10), max(DAY, every)))
    wait = max(waits)
    moment = now + wait + wait * _share(feed_id) / 10
    if wishes.retry_after is not None:
        moment = max(moment, wishes.retry_after)
    return _outside(moment, skip_hours, skip_days)


def _wishes(wishes: ServerWishes, ttl: timedelta | None, now: datetime) -> list[timedelta]:
    asked = [ttl] if ttl else []
    if wishes.max_age is not None:  # max-age wins over Expires (RFC 9111 5.3)
        asked.append(timedelta(seconds=wishes.max_age))
    elif wishes.expires is not None:
        asked.append(wishes.expires - now)
    return asked


def _share(feed_id: str) -> float:
    """A number from 0 to 1 that is the feed's own."""
    return int.from_bytes(blake2b(feed_id.encode(), digest_size=4).digest()) / 0xFFFFFFFF


def _outside(moment: datetime, skip_hours: tuple[int, ...], skip_days: tuple[str, ...]) -> datetime:
    hours = {hour % 24 for hour in skip_hours}
    days = {DAYS.index(day) for day in skip_days if day in DAYS}
    if len(hours) == 24 or len(days) == 7:
        return moment  # a feed that forbids every hour means none of it
    while moment.hour in hours or moment.weekday() in days:
        moment += timedelta(hours=1)
    return moment
