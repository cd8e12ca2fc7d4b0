"""Schedules: their words, and two years of runs in zones with unusual clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aggregator.schedule import parse_schedule

ZONES = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("mon 07:30", "mon 07:30"),
        ("  Mon   7:30 ", "mon 07:30"),
        ("thu,MON 07:30", "mon,thu 07:30"),
        ("monday, thursday 00:00", "mon,thu 00:00"),
        ("daily 23:59", "daily 23:59"),
        ("mon,tue,wed,thu,fri 09:00", "weekdays 09:00"),
        ("weekdays 07:30", "weekdays 07:30"),
        ("monthly 1 07:30", "monthly 1 07:30"),
        ("monthly 31 07:30", "monthly 31 07:30"),
    ],
)
def test_words(text: str, canonical: str) -> None:
    schedule = parse_schedule(text)
    assert str(schedule) == canonical
    assert parse_schedule(canonical) == schedule


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("", "written like"),
        ("mon", "written like"),
        ("07:30", "written like"),
        ("mon 7h30", "written like"),
        ("mon 24:00", "no time 24:00"),
        ("mon 07:60", "no time 07:60"),
        ("mno 07:30", "did you mean 'mon'"),
        ("dayly 07:30", "did you mean 'daily'"),
        ("mon,,thu 07:30", "not a day"),
        ("monthly 0 07:30", "no day 0"),
        ("monthly 32 07:30", "no day 32"),
        ("monthly x 07:30", "not a day"),
        ("mon ٠٧:٣٠", "written like"),
    ],
)
def test_faults_name_the_cure(text: str, cure: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_schedule(text)
    assert cure in str(caught.value)


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        ("mon 07:30", "UTC", utc(2026, 6, 1, 7, 29), utc(2026, 6, 1, 7, 30)),
        ("mon 07:30", "UTC", utc(2026, 6, 1, 7, 30), utc(2026, 6, 8, 7, 30)),
        ("mon 07:30", "Europe/Paris", utc(2026, 6, 1), utc(2026, 6, 1, 5, 30)),
        ("mon 07:30", "Europe/Paris", utc(2026, 12, 1), utc(2026, 12, 7, 6, 30)),
        ("daily 02:30", "Europe/Paris", utc(2026, 3, 28, 12), utc(2026, 3, 29, 1, 0)),  # skipped: 03:00 summer time
        ("daily 02:30", "Europe/Paris", utc(2026, 3, 29, 1, 0), utc(2026, 3, 30, 0, 30)),
        ("daily 02:30", "Europe/Paris", utc(2026, 10, 24, 12), utc(2026, 10, 25, 0, 30)),  # twice: the first
        ("daily 02:30", "Europe/Paris", utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)),
        ("daily 02:30", "America/New_York", utc(2026, 3, 7, 12), utc(2026, 3, 8, 7, 0)),
        ("daily 01:30", "America/New_York", utc(2026, 11, 1, 5, 30), utc(2026, 11, 2, 6, 30)),
        ("daily 02:15", "Australia/Lord_Howe", utc(2026, 10, 3, 0), utc(2026, 10, 3, 15, 30)),  # half an hour skipped
        ("fri 07:30", "Pacific/Apia", utc(2011, 12, 29), utc(2011, 12, 30, 10, 0)),  # the whole day was skipped
        ("daily 00:00", "America/Santiago", utc(2026, 9, 5, 12), utc(2026, 9, 6, 4, 0)),  # midnight skipped
        ("monthly 31 09:00", "UTC", utc(2026, 2, 1), utc(2026, 2, 28, 9)),
        ("monthly 31 09:00", "UTC", utc(2026, 2, 28, 9), utc(2026, 3, 31, 9)),
        ("monthly 1 07:30", "Asia/Kolkata", utc(2026, 5, 31, 23), utc(2026, 6, 1, 2, 0)),
    ],
)
def test_next_after(text: str, zone: str, after: datetime, expected: datetime) -> None:
    assert parse_schedule(text).next_after(after, ZoneInfo(zone)) == expected


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("text", ["daily 02:30", "mon,thu 00:00", "weekdays 07:30", "monthly 30 23:59"])
def test_two_years_have_one_run_for_every_day_named(text: str, zone_name: str) -> None:
    schedule, zone = parse_schedule(text), ZoneInfo(zone_name)
    moment, end, runs = utc(2026, 1, 1, 12), utc(2028, 1, 1, 12), []
    while (moment := schedule.next_after(moment, zone)) < end:
        runs.append(moment)
    days = [run.astimezone(zone).date() for run in runs]
    every = [days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)]
    assert days == [day for day in every if schedule.falls_on(day)]
    assert days[0] - date(2026, 1, 1) < timedelta(days=32)
    off_time = [run for run in runs if run.astimezone(zone).time() != schedule.at]
    assert len(off_time) <= 2  # at most the one spring night of each year
