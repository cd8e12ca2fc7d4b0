"""Dates that no standard knows: months in other languages than English, clocks of twelve hours, days put first.

feedparser asks here last (`feedparsing.py`). A date that may mean two days means none.
"""

import re
from datetime import UTC, datetime, timedelta

LONGEST = 100
"""No date is longer; what is would be searched in vain."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan janv januar janvier january ene enero gennaio gen janeiro янв января",
            "feb febr februar fév févr février february febrero febbraio fev fevereiro фев февр февраля",
            "mar mär märz mrz mars march marzo março maart мар марта",
            "apr avr avril april abr abril aprile апр апреля",
            "may mai mayo maggio mag maio mei мая май",
            "jun juin juni june junio giugno giu junho июн июня",
            "jul juil juillet juli july julio luglio lug julho июл июля",
            "aug août aou aout august ago agosto augustus авг августа",
            "sep sept september septembre septiembre settembre set setembro сен сент сентября",
            "oct okt octobre october oktober octubre ottobre ott out outubro окт октября",
            "nov novembre november noviembre novembro ноя нояб ноября",
            "dec dez déc décembre dezember december dic diciembre dicembre dezembro дек декабря",
        ),
        start=1,
    )
    for name in names.split()
}
_ZONES = {
    name: timedelta(hours=hours)
    for hours, names in {
        0: "gmt utc ut z wet",
        1: "cet bst west",
        2: "cest eet",
        3: "eest msk",
        9: "jst kst",
        -4: "edt",
        -5: "est cdt",
        -6: "cst mdt",
        -7: "mst pdt",
        -8: "pst",
    }.items()
    for name in names.split()
}
_ISO = re.compile(r"\d{4}-?(\d\d-?\d\d|W\d\d-?\d)([T ]\d.*)?", re.ASCII)
TWELVE_HOURS = re.compile(r"\d\s*[ap]\.?m\b", re.IGNORECASE)
_DAY_FIRST = re.compile(
    r"\b(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.)?\s+(?:de\s+)?(?P<month>[^\W\d_]{3,12})\.?,?\s+(?:de\s+)?(?P<year>\d{4})\b"
)
_MONTH_FIRST = re.compile(r"\b(?P<month>[^\W\d_]{3,12})\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})\b")
_NUMBERS = re.compile(r"\b(?P<first>\d{1,2})(?P<mark>[/.])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})\b")
_YEAR_FIRST = re.compile(r"\b(?P<year>\d{4})([/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})\b")
_TIME = re.compile(r"\b(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<half>[ap]\.?m\b)?")
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})\b")


def read_date(text: str) -> datetime | None:
    """The moment meant, in UTC; None when that is not certain."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    try:
        return _standard(text) or _named(text.lower())
    except (ValueError, OverflowError):
        return None


def _standard(text: str) -> datetime | None:
    """A whole date of ISO 8601, in its basic form too."""
    if not _ISO.fullmatch(text):
        return None
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _named(text: str) -> datetime | None:
    date = _date(text)
    if date is None:
        return None
    time = _TIME.search(text)
    if time:
        hour = int(time["hour"])
        if time["half"]:
            hour = hour % 12 + (12 if time["half"].startswith("p") else 0)
        date = date.replace(hour=hour, minute=int(time["minute"]), second=int(time["second"] or 0))
    return date - _zone(text[time.end() if time else 0 :])


def _date(text: str) -> datetime | None:
    for pattern in (_DAY_FIRST, _MONTH_FIRST):
        for found in pattern.finditer(text):
            if month := _MONTHS.get(found["month"]):
                return datetime(int(found["year"]), month, int(found["day"]), tzinfo=UTC)
    whole = _YEAR_FIRST.search(text)
    if whole:
        return datetime(int(whole["year"]), int(whole["month"]), int(whole["day"]), tzinfo=UTC)
    numbers = _NUMBERS.search(text)
    if numbers is None:
        return None
    first, second, year = int(numbers["first"]), int(numbers["second"]), int(numbers["year"])
    year += 2000 if year < 100 else 0
    if first > 12 or numbers["mark"] == ".":  # with dots, the day comes first everywhere
        return datetime(year, second, first, tzinfo=UTC)
    return datetime(year, first, second, tzinfo=UTC) if second > 12 or first == second else None


def _zone(rest: str) -> timedelta:
    """The offset after the time, in figures or by a name; UTC when there is none."""
    offset = _OFFSET.search(rest)
    if offset:
        east = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"]))
        return east if offset["sign"] == "+" else -east
    return next((_ZONES[word] for word in re.findall(r"[a-z]+", rest) if word in _ZONES), timedelta(0))
