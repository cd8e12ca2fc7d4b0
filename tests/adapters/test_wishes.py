"""Headers that say when to come back, as servers really write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from aggregator.adapters.wishes import LONGEST_AGE, LONGEST_RETRY, read_wishes
from aggregator.model.poll import ServerWishes

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def wishes(*headers: tuple[str, str]) -> ServerWishes:
    return read_wishes(CIMultiDict(headers), NOW)


def test_no_word_is_no_wish() -> None:
    assert wishes(("Date", "Tue, 24 Nov 2026 08:00:00 GMT")) == ServerWishes()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("max-age=3600", 3600),
        ("public, MAX-AGE=60", 60),
        ('max-age="60"', 60),
        ("max-age = 60", 60),
        ("max-age=60, max-age=90", 60),
        ("max-age=0", 0),
        ("max-age=99999999999999999999999", LONGEST_AGE),
        ("no-cache", 0),
        ("no-store, max-age=3600", 0),
        ("max-age=3600, no-cache", 0),
        ('no-cache="Set-Cookie"', 0),
        ("s-maxage=3600", None),
        ("max-age=-1", None),
        ("max-age=1.5", None),
        ("max-age=", None),
        ("max-age", None),
        (",,;=", None),
        ("", None),
    ],
)
def test_cache_control(value: str, seconds: int | None) -> None:
    assert wishes(("Cache-Control", value)).max_age == seconds


def test_cache_control_in_two_lines_is_one() -> None:
    assert wishes(("Cache-Control", "public"), ("cache-control", "max-age=60")).max_age == 60


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("120", NOW + timedelta(seconds=120)),
        (" 120 ", NOW + timedelta(seconds=120)),
        ("0", NOW),
        ("Tue, 24 Nov 2026 09:00:00 GMT", NOW + HOUR),
        ("Tue, 24 Nov 2026 10:00:00 +0100", NOW + HOUR),
        ("Tuesday, 24-Nov-26 09:00:00 GMT", NOW + HOUR),
        ("Tue Nov 24 09:00:00 2026", NOW + HOUR),
        ("Mon, 24 Nov 2025 09:00:00 GMT", NOW - timedelta(days=365) + HOUR),
        ("9999999999999999", NOW + LONGEST_RETRY),
        ("Fri, 31 Dec 9999 23:59:59 GMT", NOW + LONGEST_RETRY),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("Tue, 24 Foo 2026 09:00:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after_in_both_forms(value: str, moment: datetime | None) -> None:
    assert wishes(("Retry-After", value)).retry_after == moment


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("Tue, 24 Nov 2026 09:00:00 GMT", NOW + HOUR),
        ("Thu, 01 Jan 1970 00:00:00 GMT", datetime(1970, 1, 1, tzinfo=UTC)),
        ("0", None),
        ("-1", None),
    ],
)
def test_expires(value: str, moment: datetime | None) -> None:
    assert wishes(("Expires", value)).expires == moment


def test_dates_are_read_by_the_clock_of_the_server() -> None:
    """Its clock is a day ahead: an hour from its now is an hour from ours."""
    got = wishes(
        ("Date", "Wed, 25 Nov 2026 08:00:00 GMT"),
        ("Expires", "Wed, 25 Nov 2026 09:00:00 GMT"),
        ("Retry-After", "Wed, 25 Nov 2026 10:00:00 GMT"),
    )
    assert (got.expires, got.retry_after) == (NOW + HOUR, NOW + 2 * HOUR)


@given(st.sampled_from(["Cache-Control", "Expires", "Retry-After", "Date"]), st.text())
def test_no_header_makes_it_fall_over(name: str, value: str) -> None:
    got = wishes((name, value), ("Retry-After", "Tue, 24 Nov 2026 09:00:00 GMT"))
    assert got.max_age is None or 0 <= got.max_age <= LONGEST_AGE
    assert got.retry_after is None or got.retry_after <= NOW + LONGEST_RETRY


@given(
    st.tuples(
        st.integers(0, 40), st.sampled_from(["Jan", "Feb", "Nov", "xx"]), st.integers(0, 12000), st.integers(0, 30)
    )
)
def test_dates_that_almost_are_ones(parts: tuple[int, str, int, int]) -> None:
    day, month, year, hour = parts
    value = f"Mon, {day:02} {month} {year:04} {hour:02}:00:00 -0500"
    got = wishes(("Date", value), ("Expires", value), ("Retry-After", value))
    assert (got.expires, got.retry_after) in ((NOW, NOW), (None, None))
