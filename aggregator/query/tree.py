"""A query as a tree: what may be asked, and what its terms name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from aggregator.subject import BREAK, slug, words_of

TEXT_FIELDS = {"": "everywhere", "author": "author", "title": "title", "text": "body", "category": "category"}
_TAG_FIELDS = dict.fromkeys(("country", "mentions", "region", "topic", "type", "publisher", "tag"), "tags")
NAME_FIELDS = {**_TAG_FIELDS, "feed": "feeds", "lang": "languages"}
DATE_FIELDS = ("since", "until")
FIELDS = (*NAME_FIELDS, *filter(None, TEXT_FIELDS), *DATE_FIELDS)

QUOTES = '"“”„«»'
OPERATORS = ("AND", "OR", "NOT")
_BARE = re.compile(r"[^\W_][\w.-]*")
_BARE_VALUE = re.compile(r"[^\W_][\w.:-]*")
_SPECIAL, _ESCAPED = re.compile(rf"[\\{QUOTES}]"), r"\\\g<0>"


@dataclass(frozen=True, slots=True)
class Everything:
    def __str__(self) -> str:
        return "*"


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase as it was written; `field` is "" for title and text, `prefix` means it ended in `*`."""

    field: str
    value: str
    prefix: bool = False

    @property
    def words(self) -> list[str]:
        """Its value, folded as texts are; what stands between two texts can be asked for by nobody."""
        return words_of(self.value.replace(BREAK, " "))

    def __str__(self) -> str:
        name = f"{self.field}:" if self.field else ""
        bare = (_BARE_VALUE if name else _BARE).fullmatch(self.value) and self.value not in OPERATORS
        value = self.value if bare or not self.value else f'"{_SPECIAL.sub(_ESCAPED, self.value)}"'
        return f"{name}{value}{'*' * self.prefix}"


@dataclass(frozen=True, slots=True)
class Not:
    part: Node

    def __str__(self) -> str:
        return f"NOT ({self.part})" if isinstance(self.part, And | Or) else f"NOT {self.part}"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " OR ".join(map(str, self.parts))


Node = Everything | Term | Not | And | Or


# --- what a term names -----------------------------------------------------------------------------

_AGO = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def name_of(term: Term) -> str:
    """The tag, feed or language a term names, as a Subject holds it."""
    if term.field in ("feed", "lang"):
        value = term.value.lower()
        return value.replace("_", "-") if term.field == "lang" else value
    namespace, _, value = term.value.partition(":") if term.field == "tag" else (term.field, "", term.value)
    return f"{namespace.lower()}:{slug(value)}"


def bound_of(term: Term) -> Callable[[datetime], datetime]:
    """The moment a date term names, given now; a day stands for its first moment, after `until:` for its last."""
    if ago := _AGO.fullmatch(term.value.lower()):
        age = int(ago[1]) * _UNITS[ago[2]]
        return lambda now: now - age
    try:
        day = date.fromisoformat(term.value)
        moment = datetime.combine(day, time.max if term.field == "until" else time.min, UTC)
    except ValueError:
        moment = datetime.fromisoformat(term.value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return lambda now: moment
