"""What a reader asked for, as they wrote it -> Choices, or what is wrong with each answer.

import, subscribe, preferences: **words of a form or of a file** > choices > editions.place
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache, lru_cache
from zoneinfo import available_timezones

from aggregator.errors import QueryError
from aggregator.model.characters import NOT_TEXT
from aggregator.model.edition import Choices
from aggregator.model.newsletter import Newsletter
from aggregator.press.wording import words_for
from aggregator.query.grammar import parse_query
from aggregator.schedule import DAYS, EACH, parse_quiet, parse_schedule

LANGUAGES = ("en", "fr", "de", "es")
"""The languages we write in ourselves, in which a letter may come."""
FREQUENCIES = (EACH, "daily", "weekdays", "weekly", "monthly")
_AT = "07:30"
"""When a letter comes to who named no time, nor the newsletter either."""
LONGEST_QUERY = 500
"""Characters of a reader's own filter."""
_LONGEST_ZONE = 80
"""Characters of what is no time zone that are shown, and compared with those there are."""
_REGIONS = frozenset("Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What was chosen; `faults` says what is wrong by the name of the answer, and `query_fault` where in a filter."""

    choices: Choices = field(default_factory=Choices)
    faults: Mapping[str, str] = field(default_factory=dict)
    query_fault: QueryError | None = None


def read_choices(given: Mapping[str, str], newsletter: Newsletter) -> Chosen:
    """Answers by name (`schedule`, `timezone`, `quiet`, `language`, `query`), each "" for "as the newsletter has it".

    What is the newsletter's own anyway is not a choice, so that who chose it shares its Edition.
    """
    faults: dict[str, str] = {}
    read: dict[str, str | None] = {}
    for name, reader in _READERS.items():
        if text := given.get(name, "").strip():
            try:
                read[name] = reader(text)
            except ValueError as error:
                faults[name] = str(error)
    query = " ".join(NOT_TEXT.sub(" ", given.get("query", "")).split())
    query_fault = _query_fault(query, newsletter, faults)
    own = {name: None if value == getattr(newsletter, name) else value for name, value in read.items()}
    choices = Choices(**own, query=query if not query_fault and query != newsletter.query else "")
    return Chosen(choices=Choices() if faults else choices, faults=faults, query_fault=query_fault)


def _query_fault(query: str, newsletter: Newsletter, faults: dict[str, str]) -> QueryError | None:
    if len(query) > LONGEST_QUERY:
        faults["query"] = f"a filter has at most {LONGEST_QUERY} characters"
        return None
    try:
        parse_query(query)
    except QueryError as error:
        faults["query"] = f"{error.message} (character {error.position + 1})"
        return error
    try:
        parse_query(Choices(query=query).applied(newsletter).query)
    except QueryError as error:  # each can be read, and both together cannot
        faults["query"] = f"together with the newsletter's own filter this is too much: {error.message}"
    return None


def read_zone(text: str) -> str:
    """The name of a time zone; raises ValueError with one that is near it."""
    if text in _zones():
        return text
    shown = text[:_LONGEST_ZONE]
    near = _zone_near(shown)
    hint = f"did you mean {near}?" if near else "write one such as Europe/Paris"
    raise ValueError(f"{shown!r} is not a time zone; {hint}")


@lru_cache(maxsize=1000)
def _zone_near(text: str) -> str | None:
    """Remembered, as it takes a hundredth of a second and a file may have the same mistake in a million lines."""
    near = get_close_matches(text.title(), _zones(), n=1, cutoff=0.5)
    return near[0] if near else None


def zones() -> tuple[str, ...]:
    """Those that people live in, by name, to choose from."""
    return tuple(sorted(zone for zone in _zones() if zone == "UTC" or zone.partition("/")[0] in _REGIONS))


@cache
def _zones() -> frozenset[str]:
    """All whose data is there."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def read_language(text: str) -> str:
    """One of the languages we write in, also given with a country (`fr-CA`); raises ValueError."""
    code = text.strip().lower().replace("_", "-").partition("-")[0]
    if code not in LANGUAGES:
        raise ValueError(f"{text[:20]!r} is not a language of ours; there are {', '.join(LANGUAGES)}")
    return words_for(code).language


def _read_schedule(text: str) -> str:
    return str(parse_schedule(text))


def _read_quiet(text: str) -> str:
    start, end = parse_quiet(text)
    return f"{start:%H:%M}-{end:%H:%M}"


_READERS = {"schedule": _read_schedule, "timezone": read_zone, "quiet": _read_quiet, "language": read_language}


# --- schedules as a form has them -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """A schedule as a form asks for it; `frequency` is one of `FREQUENCIES`, "" for the newsletter's own."""

    frequency: str = ""
    weekdays: tuple[str, ...] = ()
    at: str = ""
    day: str = ""


def rhythm_of(schedule: str | None, newsletter: Newsletter) -> Rhythm:
    """How a form shows what was chosen; what was not is as the newsletter has it."""
    own = _parts(newsletter.schedule)
    if schedule is None:
        return replace(own, frequency="")
    chosen = _parts(schedule)
    return Rhythm(
        frequency=chosen.frequency,
        weekdays=chosen.weekdays or own.weekdays,
        at=chosen.at or own.at,
        day=chosen.day or own.day,
    )


def schedule_words(rhythm: Rhythm, newsletter: Newsletter) -> str:
    """The schedule in the words of `schedule.py`, "" for the newsletter's own; what is left open is as it has it."""
    own = _parts(newsletter.schedule)
    at = rhythm.at or own.at or _AT
    match rhythm.frequency:
        case "daily" | "weekdays":
            return f"{rhythm.frequency} {at}"
        case "weekly":
            return f"{','.join(rhythm.weekdays or own.weekdays or DAYS[:1])} {at}"
        case "monthly":
            return f"monthly {rhythm.day or own.day or 1} {at}"
        case other:
            return other


def _parts(schedule: str) -> Rhythm:
    read = parse_schedule(schedule)
    if read.is_each:
        return Rhythm(frequency=EACH)
    at = f"{read.at:%H:%M}"
    if read.day_of_month:
        return Rhythm(frequency="monthly", at=at, day=str(read.day_of_month))
    words = str(read).partition(" ")[0]
    if words in FREQUENCIES:
        return Rhythm(frequency=words, at=at)
    return Rhythm(frequency="weekly", at=at, weekdays=tuple(words.split(",")))
