"""When to poll a feed again: never sooner than asked, never on the same second as all others.

refresh: ... decide needs `next_check_at`, and this step gives it.
"""

from datetime import datetime, timedelta
from hashlib import blake2b

from aggregator.model.feed import Rhythm
from aggregator.model.poll import Cause, ServerWishes

DAY = timedelta(days=1)
SHORTEST = timedelta(minutes=30)
"""No feed is asked more often, whatever the settings and the publisher say."""
LONGEST_WISH = DAY
"""A server's caching wish counts up to here: a max-age of a year must not silence a feed for a year."""
OFFLINE_WAIT = timedelta(minutes=5)
"""When no feed could be reached, none was asked, so that all may be asked again soon."""
GONE_DAYS = 3
"""A feed that was gone (410) on so many days is asked no more."""
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def next_check(
    *,
    feed_id: str,
    now: datetime,
    every: timedelta,
    wishes: ServerWishes,
    rhythm: Rhythm,
    failures: int,
    cause: Cause | None,
) -> datetime | None:
    """The moment of the next poll: the latest of what we and the publisher want, moved out of hours to skip.

    Failures double the interval up to a day and never end it; 410 asks once a day, and ends it the third time.
    Jitter goes forward only, up to a tenth, and is the same for the same feed.
    """
    every = max(every, SHORTEST)
    waits = [every, *(min(wish, LONGEST_WISH) for wish in _wishes(wishes, rhythm, now))]
    if cause is Cause.GONE:
        if failures >= GONE_DAYS:
            return None
        waits.append(DAY)
    elif failures:
        waits.append(min(every * 2 ** min(failures - 1, 10), max(DAY, every)))
    wait = max(waits)
    moment = now + wait + wait * _share(feed_id) / 10
    if wishes.retry_after is not None:
        moment = max(moment, wishes.retry_after)
    return _outside(moment, rhythm)


def _wishes(wishes: ServerWishes, rhythm: Rhythm, now: datetime) -> list[timedelta]:
    asked = [rhythm.ttl] if rhythm.ttl else []
    if wishes.max_age is not None:  # max-age wins over Expires (RFC 9111 5.3)
        asked.append(timedelta(seconds=wishes.max_age))
    elif wishes.expires is not None:
        asked.append(wishes.expires - now)
    return asked


def _share(feed_id: str) -> float:
    """A number from 0 to 1 that is the feed's own."""
    return int.from_bytes(blake2b(feed_id.encode(), digest_size=4).digest()) / 0xFFFFFFFF


def _outside(moment: datetime, rhythm: Rhythm) -> datetime:
    hours = {hour % 24 for hour in rhythm.skip_hours}
    days = {DAYS.index(day) for day in rhythm.skip_days if day in DAYS}
    if len(hours) == 24 or len(days) == 7:
        return moment  # a feed that forbids every hour means none of it
    while moment.hour in hours or moment.weekday() in days:
        moment += timedelta(hours=1)
    return moment
