"""When a newsletter goes out: words as in feeds.yaml, and the next moment they name in a time zone.

The wall clock of a place sometimes skips minutes and sometimes repeats them. A time that is skipped
runs at the first minute that exists after it; a time that comes twice runs the first time only. A run on a holiday is
left out: what it would have brought comes with the next. One in quiet hours waits for their end.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from aggregator.model.newsletter import Newsletter

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {name: number for names in (DAYS, _NAMES) for number, name in enumerate(names)}
_GROUPS = {"daily": frozenset(range(7)), "weekdays": frozenset(range(5))}
_FORM = re.compile(r"(\S.*?)\s+(\d{1,2}):(\d\d)", re.ASCII)
_MONTHLY = re.compile(r"monthly\s+(\d{1,2})", re.ASCII)
_HELP = '"mon 07:30", "mon,thu 07:30", "daily 07:30", "weekdays 07:30", "monthly 1 07:30" or "each"'
_QUIET = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)", re.ASCII)
_HOLIDAY = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)", re.ASCII)
EACH = "each"
AT_ONCE = timedelta(minutes=15)
"""Who wants each Story as it comes gets at most one letter in this time, with all that came meanwhile."""
_MOST_RUNS = 1000
"""Runs that are looked at: holidays that leave no day out of so many are taken for none."""
_LONGEST_WAIT = 64
"""Days; a month, and the days by which a skipped date may reach into the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Days of the week, or one day of every month (its last day where the month is shorter), at one time; or, without
    either, as soon as there is something."""

    at: time = time()
    weekdays: frozenset[int] = frozenset()
    day_of_month: int | None = None

    @property
    def is_each(self) -> bool:
        return not self.weekdays and self.day_of_month is None

    def __str__(self) -> str:
        if self.is_each:
            return EACH
        group = next((name for name, days in _GROUPS.items() if days == self.weekdays), None)
        days = group or ",".join(DAYS[number] for number in sorted(self.weekdays))
        return f"{f'monthly {self.day_of_month}' if self.day_of_month else days} {self.at:%H:%M}"

    def falls_on(self, day: date) -> bool:
        if self.day_of_month is None:
            return day.weekday() in self.weekdays
        return day.day == min(self.day_of_month, monthrange(day.year, day.month)[1])

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first run strictly after `moment`, both in UTC."""
        if self.is_each:
            return moment + AT_ONCE
        start = moment.astimezone(zone).date()
        for offset in range(-2, _LONGEST_WAIT):
            day = start + timedelta(days=offset)
            if self.falls_on(day) and (run := _instant(datetime.combine(day, self.at), zone)) > moment:
                return run
        raise AssertionError(f"{self} never comes")


def next_run(newsletter: Newsletter, moment: datetime) -> datetime:
    """When it next goes out after `moment`, both in UTC; its words are sound (see the readers below)."""
    zone, schedule = ZoneInfo(newsletter.timezone), parse_schedule(newsletter.schedule)
    late = newsletter.quiet is not None and not schedule.is_each  # a run of yesterday may still wait for the morning
    run = moment - timedelta(days=1) if late else moment
    for _ in range(_MOST_RUNS):
        run = schedule.next_after(run, zone)
        day = run.astimezone(zone).date()
        if _is_holiday(day, newsletter.holidays):
            if schedule.is_each:
                run = _instant(datetime.combine(day + timedelta(days=1), time()), zone) - AT_ONCE
            continue
        due = _after_quiet(run, zone, newsletter.quiet)
        if due > moment and not _is_holiday(due.astimezone(zone).date(), newsletter.holidays):
            return due
    return run


def rests(newsletter: Newsletter, now: datetime) -> bool:
    """Whether what is late waits on, as this is a holiday or within quiet hours."""
    zone = ZoneInfo(newsletter.timezone)
    if _is_holiday(now.astimezone(zone).date(), newsletter.holidays):
        return not _is_holiday(next_run(newsletter, now).astimezone(zone).date(), newsletter.holidays)
    return _after_quiet(now, zone, newsletter.quiet) > now


def next_runs(newsletter: Newsletter, now: datetime) -> tuple[datetime, datetime]:
    """The next time, and the one after it."""
    first = next_run(newsletter, now)
    return first, next_run(newsletter, first)


def _is_holiday(day: date, holidays: Collection[str]) -> bool:
    return f"{day:%m-%d}" in holidays or f"{day:%Y-%m-%d}" in holidays


def _after_quiet(run: datetime, zone: ZoneInfo, quiet: str | None) -> datetime:
    """The run, or the end of the quiet hours that it falls into."""
    if quiet is None:
        return run
    start, end = parse_quiet(quiet)
    local = run.astimezone(zone)
    at, day = local.time(), local.date()
    if not (start <= at < end if start < end else at >= start or at < end):
        return run
    return max(run, _instant(datetime.combine(day + timedelta(days=at >= end), end), zone))


def parse_quiet(text: str) -> tuple[time, time]:
    """Read quiet hours, from and to; raises ValueError with the cure."""
    found = _QUIET.fullmatch(text.strip())
    hours = [int(number) for number in found.groups()] if found else []
    if not hours or max(hours[0], hours[2]) > 23 or max(hours[1], hours[3]) > 59 or hours[:2] == hours[2:]:
        raise ValueError(f'quiet hours are written like "22:00-07:00", not {text!r}')
    return time(hours[0], hours[1]), time(hours[2], hours[3])


def parse_holiday(text: str) -> str:
    """Read a day of every year or of one; raises ValueError with the cure."""
    found = _HOLIDAY.fullmatch(text.strip())
    try:
        date(int(found[1] or 2024), int(found[2]), int(found[3])) if found else None  # 02-29 is a day of some years
    except ValueError:
        found = None
    if not found:
        raise ValueError(f'a holiday is a day of the calendar, written like "12-25" or "2026-04-06", not {text!r}')
    return found[0]


def parse_schedule(text: str) -> Schedule:
    """Read a schedule; raises ValueError with the cure."""
    if text.strip().lower() == EACH:
        return Schedule()
    found = _FORM.fullmatch(text.strip().lower())
    if not found:
        raise ValueError(f"a schedule is written like {_HELP}, not {text!r}")
    days, hour, minute = found[1], int(found[2]), int(found[3])
    if hour > 23 or minute > 59:
        raise ValueError(f"there is no time {found[2]}:{found[3]}; a day goes from 00:00 to 23:59")
    at = time(hour, minute)
    if days in _GROUPS:
        return Schedule(at=at, weekdays=_GROUPS[days])
    if monthly := _MONTHLY.fullmatch(days):
        number = int(monthly[1])
        if not 1 <= number <= 31:
            raise ValueError(f"there is no day {number} in a month; use 1 to 31")
        return Schedule(at=at, day_of_month=number)
    return Schedule(at=at, weekdays=frozenset(_weekday(name.strip()) for name in days.split(",")))


def _weekday(name: str) -> int:
    if name in _NUMBERS:
        return _NUMBERS[name]
    near = get_close_matches(name, (*_NUMBERS, *_GROUPS), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"write {_HELP}"
    raise ValueError(f"{name!r} is not a day of the week: {hint}")


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment a wall clock shows this time (PEP 495: fold=0 is the first of two)."""
    local = wall.replace(tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    before, after = local.replace(fold=1).astimezone(UTC), instant  # the change of the clock lies between
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
