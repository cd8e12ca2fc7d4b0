"""When a feed is asked again, by table, and what holds for every table."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.feed import Rhythm
from aggregator.model.poll import Cause, ServerWishes
from aggregator.steps.cadence import DAY, DAYS, SHORTEST, next_check

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)  # a Tuesday
HOUR = timedelta(hours=1)
QUIET = ServerWishes()


def check(
    *,
    now: datetime = NOW,
    feed_id: str = "ifri",
    every: timedelta = HOUR,
    wishes: ServerWishes = QUIET,
    ttl: timedelta | None = None,
    skip_hours: tuple[int, ...] = (),
    skip_days: tuple[str, ...] = (),
    failures: int = 0,
    cause: Cause | None = None,
) -> datetime:
    moment = next_check(
        feed_id=feed_id,
        now=now,
        every=every,
        wishes=wishes,
        rhythm=Rhythm(ttl=ttl, skip_hours=skip_hours, skip_days=skip_days),
        failures=failures,
        cause=cause,
    )
    assert moment is not None
    return moment


def about(moment: datetime, wait: timedelta) -> bool:
    """Not before `wait` is over, and at most a tenth of it later."""
    return NOW + wait <= moment <= NOW + wait * 1.1


def test_a_feed_waits_its_interval_and_a_share_of_its_own() -> None:
    moments = {feed_id: check(feed_id=feed_id) for feed_id in ("ifri", "apps", "cass")}
    assert all(about(moment, HOUR) for moment in moments.values())
    assert len(set(moments.values())) == 3
    assert moments["ifri"] == check(feed_id="ifri")


def test_two_thousand_feeds_are_spread_over_the_tenth() -> None:
    minutes = [int((check(feed_id=f"feed-{n}") - NOW - HOUR).total_seconds() // 60) for n in range(2000)]
    assert all(minutes.count(minute) > 200 for minute in range(6))


@pytest.mark.parametrize("every", [timedelta(0), timedelta(minutes=-5), timedelta(minutes=1), SHORTEST])
def test_no_feed_is_asked_more_often_than_the_shortest_interval(every: timedelta) -> None:
    assert about(check(every=every), SHORTEST)


@pytest.mark.parametrize(
    ("wishes", "ttl", "wait"),
    [
        (ServerWishes(max_age=60), None, HOUR),
        (ServerWishes(max_age=0), None, HOUR),
        (ServerWishes(max_age=3 * 3600), None, 3 * HOUR),
        (ServerWishes(max_age=365 * 86400), None, DAY),
        (ServerWishes(expires=NOW + 3 * HOUR), None, 3 * HOUR),
        (ServerWishes(expires=NOW + timedelta(days=400)), None, DAY),
        (ServerWishes(expires=NOW - timedelta(days=400)), None, HOUR),
        (ServerWishes(max_age=2 * 3600, expires=NOW + 9 * HOUR), None, 2 * HOUR),  # max-age wins (RFC 9111 5.3)
        (QUIET, timedelta(minutes=5), HOUR),
        (QUIET, timedelta(0), HOUR),
        (QUIET, 5 * HOUR, 5 * HOUR),
        (QUIET, timedelta(days=365), DAY),
        (ServerWishes(max_age=2 * 3600), 3 * HOUR, 3 * HOUR),
    ],
)
def test_the_longest_wish_counts_up_to_a_day(wishes: ServerWishes, ttl: timedelta | None, wait: timedelta) -> None:
    assert about(check(wishes=wishes, ttl=ttl), wait)


def test_an_interval_of_the_persons_own_may_be_longer_than_a_day() -> None:
    week = timedelta(days=7)
    assert about(check(every=week, wishes=ServerWishes(max_age=60)), week)
    assert about(check(every=week, failures=20, cause=Cause.DNS), week)
    assert about(check(every=week, failures=1, cause=Cause.GONE), week)


@pytest.mark.parametrize(
    ("failures", "wait"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 24), (7, 24), (100, 24), (10**6, 24)]
)
def test_failures_double_the_wait_up_to_a_day_and_never_end_it(failures: int, wait: int) -> None:
    assert about(check(failures=failures, cause=Cause.STATUS), wait * HOUR)


def test_a_feed_that_is_gone_is_asked_once_a_day_and_after_the_third_no_more() -> None:
    assert about(check(failures=1, cause=Cause.GONE), DAY)
    assert about(check(failures=2, cause=Cause.GONE), DAY)
    for failures in (3, 4):
        assert (
            next_check(
                feed_id="ifri", now=NOW, every=HOUR, wishes=QUIET, rhythm=Rhythm(), failures=failures, cause=Cause.GONE
            )
            is None
        )


@pytest.mark.parametrize(("failures", "cause"), [(0, None), (1, Cause.STATUS), (3, Cause.REDIRECT)])
def test_retry_after_is_kept_to_the_second_when_it_is_the_longest(failures: int, cause: Cause | None) -> None:
    late = NOW + timedelta(days=6, seconds=1)
    assert check(wishes=ServerWishes(retry_after=late), failures=failures, cause=cause) == late
    early = ServerWishes(retry_after=NOW + timedelta(minutes=1))
    assert check(wishes=early, failures=failures, cause=cause) == check(failures=failures, cause=cause)


@pytest.mark.parametrize(
    ("hours", "days", "first_open_hour"),
    [
        ((), (), (24, 9)),
        ((9, 10), (), (24, 11)),
        ((9, 10, 11, 12), (), (24, 13)),
        ((3,), (), (24, 9)),
        ((), ("Tuesday",), (25, 0)),
        ((), ("Wednesday", "Tuesday"), (26, 0)),
        ((0, 1), ("Tuesday",), (25, 2)),
        ((24, 1), ("Tuesday",), (25, 2)),  # RSS 0.91 counts to 24
        ((), ("Mardi", ""), (24, 9)),
        (tuple(range(24)), (), (24, 9)),  # a feed that forbids every hour means none of it
        ((), DAYS, (24, 9)),
        (tuple(range(1, 24)), DAYS[1:], (30, 0)),
    ],
)
def test_hours_and_days_to_skip(
    hours: tuple[int, ...], days: tuple[str, ...], first_open_hour: tuple[int, int]
) -> None:
    moment = check(skip_hours=hours, skip_days=days)
    assert (moment.day, moment.hour) == first_open_hour


MOMENTS = st.timedeltas(timedelta(days=-3000), timedelta(days=3000)).map(lambda span: NOW + span)
SPANS = st.timedeltas(timedelta(0), timedelta(days=40))
WISHES = st.builds(
    ServerWishes,
    max_age=st.none() | st.integers(0, 10**8),
    expires=st.none() | MOMENTS,
    retry_after=st.none() | SPANS.map(lambda span: NOW + span),
)


@given(
    now=MOMENTS,
    every=SPANS,
    wishes=WISHES,
    ttl=st.none() | SPANS,
    skip_hours=st.sets(st.integers(0, 24)).map(tuple),
    skip_days=st.sets(st.sampled_from(DAYS)).map(tuple),
    failures=st.integers(0, 2000),
    cause=st.sampled_from([cause for cause in Cause if cause is not Cause.GONE]) | st.none(),
)
def test_whatever_is_said_no_poll_comes_early_and_none_is_given_up(
    now: datetime,
    every: timedelta,
    wishes: ServerWishes,
    ttl: timedelta | None,
    skip_hours: tuple[int, ...],
    skip_days: tuple[str, ...],
    failures: int,
    cause: Cause | None,
) -> None:
    moment = check(
        now=now,
        every=every,
        wishes=wishes,
        ttl=ttl,
        skip_hours=skip_hours,
        skip_days=skip_days,
        failures=failures,
        cause=cause,
    )
    earliest = max(now + max(every, SHORTEST), wishes.retry_after or now)
    latest = max(now + max(every, DAY) * 1.1, wishes.retry_after or now) + timedelta(days=8)
    assert earliest <= moment <= latest
    open_somewhere = len({hour % 24 for hour in skip_hours}) < 24 and len(skip_days) < 7
    if open_somewhere:
        assert moment.hour not in {hour % 24 for hour in skip_hours}
        assert DAYS[moment.weekday()] not in skip_days


@given(st.lists(st.tuples(WISHES, st.sampled_from([None, Cause.DNS, Cause.STATUS])), max_size=60))
def test_thirty_days_of_polling_never_break_the_interval(story: list[tuple[ServerWishes, Cause | None]]) -> None:
    now, failures = NOW, 0
    for wishes, cause in story:
        failures = failures + 1 if cause else 0
        following = check(now=now, wishes=wishes, failures=failures, cause=cause)
        assert following - now >= HOUR
        now = following
