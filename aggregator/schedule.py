"""When a newsletter goes out: words as in feeds.yaml, and the next moment they name in a time zone.

The wall clock of a place sometimes skips minutes and sometimes repeats them. A time that is skipped
runs at the first minute that exists after it; a time that comes twice runs the first time only.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {name: number for names in (DAYS, _NAMES) for number, name in enumerate(names)}
_GROUPS = {"daily": frozenset(range(7)), "weekdays": frozenset(range(5))}
_FORM = re.compile(r"(\S.*?)\s+(\d{1,2}):(\d\d)", re.ASCII)
_MONTHLY = re.compile(r"monthly\s+(\d{1,2})", re.ASCII)
_HELP = '"mon 07:30", "mon,thu 07:30", "daily 07:30", "weekdays 07:30" or "monthly 1 07:30"'
_LONGEST_WAIT = 64
"""Days; a month, and the days by which a skipped date may reach into the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Days of the week, or one day of every month (its last day where the month is shorter), at one time."""

    at: time
    weekdays: frozenset[int] = frozenset()
    day_of_month: int | None = None

    def __str__(self) -> str:
        group = next((name for name, days in _GROUPS.items() if days == self.weekdays), None)
        days = group or ",".join(DAYS[number] for number in sorted(self.weekdays))
        return f"{f'monthly {self.day_of_month}' if self.day_of_month else days} {self.at:%H:%M}"

    def falls_on(self, day: date) -> bool:
        if self.day_of_month is None:
            return day.weekday() in self.weekdays
        return day.day == min(self.day_of_month, monthrange(day.year, day.month)[1])

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first run strictly after `moment`, both in UTC."""
        start = moment.astimezone(zone).date()
        for offset in range(-2, _LONGEST_WAIT):
            day = start + timedelta(days=offset)
            if self.falls_on(day) and (run := _instant(datetime.combine(day, self.at), zone)) > moment:
                return run
        raise AssertionError(f"{self} never comes")


def parse_schedule(text: str) -> Schedule:
    """Read a schedule; raises ValueError with the cure."""
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
