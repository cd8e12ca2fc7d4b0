"""Schedules: their words, and two years of runs in zones with unusual clocks."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aggregator.model.newsletter import Newsletter
from aggregator.schedule import AT_ONCE, next_run, next_runs, parse_holiday, parse_quiet, parse_schedule, rests
from tests.mail_fakes import WEEKLY

ZONES = """
    UTC Europe/Paris Europe/London Europe/Lisbon Europe/Athens Europe/Istanbul Europe/Moscow Europe/Kyiv Europe/Chisinau
    America/New_York America/Chicago America/Phoenix America/St_Johns America/Halifax America/Havana America/Asuncion
    America/Santiago America/Sao_Paulo America/Nuuk America/Los_Angeles Pacific/Honolulu Africa/Cairo Africa/Casablanca
    Africa/Lagos Africa/Johannesburg Asia/Kolkata Asia/Kathmandu Asia/Tehran Asia/Beirut Asia/Jerusalem Asia/Gaza
    Asia/Tokyo Asia/Shanghai Australia/Lord_Howe Australia/Sydney Australia/Adelaide Pacific/Auckland Pacific/Chatham
    Pacific/Apia Pacific/Easter Pacific/Kiritimati
""".split()
"""Those with odd hours, odd dates of change and no change at all."""


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
        (" Each ", "each"),
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


def letter(schedule: str, zone: str = "Europe/Paris", *, quiet: str | None = None, holidays: str = "") -> Newsletter:
    return replace(WEEKLY, schedule=schedule, timezone=zone, quiet=quiet, holidays=tuple(holidays.split()))


def runs_of(newsletter: Newsletter, start: datetime, end: datetime) -> list[datetime]:
    """As a clock that ticks every minute would find them: each from the moment of the last."""
    runs, moment = [], start
    while (moment := next_run(newsletter, moment)) < end:
        runs.append(moment)
    return runs


def test_there_are_forty_zones() -> None:
    assert len(set(ZONES)) >= 40


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("text", ["daily 02:30", "daily 00:00", "weekdays 23:30", "monthly 31 01:30"])
def test_two_years_without_quiet_hours_have_every_day_once_but_holidays(text: str, zone_name: str) -> None:
    newsletter, zone = letter(text, zone_name, holidays="12-25 01-01 2027-03-28"), ZoneInfo(zone_name)
    days = [run.astimezone(zone).date() for run in runs_of(newsletter, utc(2026, 1, 2, 12), utc(2028, 1, 2, 12))]
    every = [days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)]
    schedule, free = parse_schedule(text), {(12, 25), (1, 1)}
    assert days == [
        day for day in every if schedule.falls_on(day) and (day.month, day.day) not in free and day != date(2027, 3, 28)
    ]


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("quiet", ["22:00-07:00", "01:00-03:15", "23:45-00:15"])
@pytest.mark.parametrize("text", ["daily 02:30", "daily 23:50", "weekdays 06:59"])
def test_quiet_hours_lose_no_run_and_let_none_through(text: str, quiet: str, zone_name: str) -> None:
    newsletter, zone = letter(text, zone_name, quiet=quiet), ZoneInfo(zone_name)
    start, end = utc(2026, 1, 1, 12), utc(2028, 1, 1, 12)
    runs = runs_of(newsletter, start, end)
    from_, to = parse_quiet(quiet)
    for run in runs:
        at = run.astimezone(zone).time()
        assert not (from_ <= at < to if from_ < to else at >= from_ or at < to)
    assert runs == sorted(set(runs))
    assert abs(len(runs) - len(runs_of(letter(text, zone_name), start, end))) <= 1  # at the ends of the two years


def test_a_run_that_waits_for_the_morning_is_found_whenever_it_is_asked_for() -> None:
    newsletter = letter("daily 23:00", "UTC", quiet="22:00-07:00")
    asked = [utc(2026, 6, 1, hour, 30) for hour in range(24)]
    assert {next_run(newsletter, moment) for moment in asked} == {utc(2026, 6, 1, 7), utc(2026, 6, 2, 7)}
    assert next_run(newsletter, utc(2026, 6, 1, 3)) == utc(2026, 6, 1, 7)


def test_each_comes_soon_but_not_in_quiet_hours() -> None:
    assert next_run(letter("each"), utc(2026, 6, 1, 12)) == utc(2026, 6, 1, 12) + AT_ONCE
    assert next_run(letter("each", "UTC", quiet="22:00-07:00"), utc(2026, 6, 1, 22, 50)) == utc(2026, 6, 2, 7)
    assert next_run(letter("each", "UTC", holidays="06-01"), utc(2026, 6, 1, 12)) == utc(2026, 6, 2)


def test_what_waits_for_the_morning_does_not_come_on_a_holiday() -> None:
    eve = utc(2026, 12, 24, 22, 50)
    for words, expected in (("daily 23:00", utc(2026, 12, 27, 7)), ("each", utc(2026, 12, 26, 7))):
        assert next_run(letter(words, "UTC", quiet="22:00-07:00", holidays="12-25"), eve) == expected


def test_what_is_late_rests_in_quiet_hours_and_on_holidays() -> None:
    newsletter = letter("daily 08:00", "UTC", quiet="22:00-07:00", holidays="12-25")
    assert [rests(newsletter, utc(2026, 12, 23, hour)) for hour in (6, 7, 21, 22)] == [True, False, False, True]
    assert [rests(newsletter, utc(2026, 12, day, 12)) for day in (24, 25, 26)] == [False, True, False]
    every = " ".join(f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32))
    assert not rests(letter("daily 08:00", "UTC", holidays=every), utc(2026, 12, 23, 12))


def test_the_next_two_runs_follow_each_other() -> None:
    assert next_runs(letter("mon 07:30", "UTC"), utc(2026, 6, 1)) == (utc(2026, 6, 1, 7, 30), utc(2026, 6, 8, 7, 30))


def test_holidays_that_leave_no_day_are_taken_for_none() -> None:
    every = " ".join(f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32))
    assert next_run(letter("daily 07:30", "UTC", holidays=every), utc(2026, 6, 1)) > utc(2028, 1, 1)


@pytest.mark.parametrize("text", ["", "22:00", "22-07", "24:00-07:00", "07:00-07:00", "22:00-07:60", "22:00 to 07:00"])
def test_faults_of_quiet_hours(text: str) -> None:
    with pytest.raises(ValueError, match="22:00-07:00"):
        parse_quiet(text)


@pytest.mark.parametrize("text", ["12-25", "2026-04-06", "02-29"])
def test_holidays(text: str) -> None:
    assert parse_holiday(f" {text} ") == text


@pytest.mark.parametrize("text", ["", "25-12", "13-01", "2026-02-29", "Christmas", "12/25"])
def test_faults_of_holidays(text: str) -> None:
    with pytest.raises(ValueError, match="12-25"):
        parse_holiday(text)
