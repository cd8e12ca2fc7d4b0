"""What a reader asked for, as they wrote it -> Choices, or what is wrong with each answer.

import, subscribe, preferences: **words of a form or of a file** > choices > editions.place
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

from aggregator.errors import QueryError
from aggregator.model.edition import Choices
from aggregator.model.newsletter import Newsletter
from aggregator.press.wording import words_for
from aggregator.query.grammar import parse_query
from aggregator.schedule import parse_quiet, parse_schedule

LANGUAGES = ("en", "fr", "de", "es")
"""The languages we write in ourselves, in which a letter may come."""
LONGEST_QUERY = 500
"""Characters of a reader's own filter."""
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
    query = " ".join(given.get("query", "").split())
    query_fault = _query_fault(query, faults)
    own = {name: None if value == getattr(newsletter, name) else value for name, value in read.items()}
    choices = Choices(**own, query=query if not query_fault and query != newsletter.query else "")
    return Chosen(choices=Choices() if faults else choices, faults=faults, query_fault=query_fault)


def _query_fault(query: str, faults: dict[str, str]) -> QueryError | None:
    if len(query) > LONGEST_QUERY:
        faults["query"] = f"a filter has at most {LONGEST_QUERY} characters"
        return None
    try:
        parse_query(query)
    except QueryError as error:
        faults["query"] = f"{error.message} (character {error.position + 1})"
        return error
    return None


def read_zone(text: str) -> str:
    """The name of a time zone; raises ValueError with one that is near it."""
    if text in _zones():
        return text
    near = get_close_matches(text.title(), _zones(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "write one such as Europe/Paris"
    raise ValueError(f"{text[:80]!r} is not a time zone; {hint}")


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
