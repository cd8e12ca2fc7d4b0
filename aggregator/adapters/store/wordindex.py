"""The search index in the words of each database: FTS5 of SQLite, tsvector of PostgreSQL.

Both hold one row a Story in `story_words`, whose `rowid` is the Story's place, and are asked for the same conditions.
"""

from abc import ABC, abstractmethod
from typing import Any, assert_never

from sqlalchemy import ColumnElement, cast, column, func, literal_column, table
from sqlalchemy.dialects.postgresql import TSQUERY

from aggregator.model.indexed import StoryWords
from aggregator.steps.finding.narrowing import AllOf, AnyOf, Condition, Has, Lacks
from aggregator.steps.finding.tokens import EVERY

story_words = table(
    "story_words", column("rowid"), *map(column, ("title", "text", "author", "category", "names", "words"))
)


class WordIndex(ABC):
    """What search needs of a database's index."""

    @abstractmethod
    def unsure(self, has: Has) -> bool:
        """Whether the index finds more than what has these tokens side by side."""

    @abstractmethod
    def row(self, words: StoryWords) -> dict[str, Any]:
        """The columns that hold these words."""

    @abstractmethod
    def meets(self, condition: Condition) -> ColumnElement[bool]:
        """The rows that meet a condition."""

    @abstractmethod
    def relevance(self, condition: Condition) -> ColumnElement[float]:
        """How well a row that meets it does so: the more the better."""


class FtsIndex(WordIndex):
    """FTS5 (https://www.sqlite.org/fts5.html): its phrases are exact, and its rows come in the order of places."""

    def unsure(self, has: Has) -> bool:
        return False

    def row(self, words: StoryWords) -> dict[str, Any]:
        return {
            "rowid": words.place,
            **{name: getattr(words, name) for name in ("title", "text", "author", "category", "names")},
        }

    def meets(self, condition: Condition) -> ColumnElement[bool]:
        return literal_column("story_words").op("MATCH", is_comparison=True)(fts_query(condition))

    def relevance(self, condition: Condition) -> ColumnElement[float]:
        """BM25; a word of the title counts as much as five of the text."""
        return -func.bm25(literal_column("story_words"), 5.0, 1.0, 1.0, 1.0, 0.0)


def fts_query(condition: Condition) -> str:
    """A condition as FTS5 reads it; NOT stands between two operands there, so that what lacks is asked of every row."""
    match condition:
        case bool():
            return _fts_has(_EVERY) if condition else f"{_fts_has(_EVERY)} NOT {_fts_has(_EVERY)}"
        case Has():
            return _fts_has(condition)
        case Lacks():
            return fts_query(AllOf((condition,)))
        case AnyOf():
            return " OR ".join(f"({fts_query(part)})" for part in condition.parts)
        case AllOf():
            wanted = [part for part in condition.parts if not isinstance(part, Lacks)] or [_EVERY]
            barred = [part.part for part in condition.parts if isinstance(part, Lacks)]
            met = " AND ".join(f"({fts_query(part)})" for part in wanted)
            return f"({met}) NOT ({fts_query(AnyOf(tuple(barred)))})" if barred else met
        case _:
            assert_never(condition)


_EVERY = Has(("names",), (EVERY,))


def _fts_has(has: Has) -> str:
    return f'{{{" ".join(has.columns)}}} : "{" ".join(has.tokens)}"{" *" * has.prefix}'


class VectorIndex(WordIndex):
    """tsvector and tsquery (https://www.postgresql.org/docs/current/datatype-textsearch.html), as sets of lexemes.

    A lexeme is a token after the letter of its field. A vector has no room for every position of a long text, so of
    long texts it names all that have the words of a phrase, wherever they stand.
    """

    def unsure(self, has: Has) -> bool:
        return len(has.tokens) > 1

    def row(self, words: StoryWords) -> dict[str, Any]:
        return {"rowid": words.place, "words": vector(words)}

    def meets(self, condition: Condition) -> ColumnElement[bool]:
        return story_words.c.words.op("@@", is_comparison=True)(_vector_query(condition))

    def relevance(self, condition: Condition) -> ColumnElement[float]:
        """Words of the title weigh ten times as much as others, which is the server's own measure."""
        return func.ts_rank(story_words.c.words, _vector_query(condition))


_LETTERS = {"title": "t", "text": "x", "author": "a", "category": "c", "names": "n"}
UNREAD = "!"
"""The lexeme of a Story with more words than a vector holds: it is named for every query."""
LONG = "~"
"""The lexeme of a Story some of whose positions are left out."""
MAX_OCTETS, MAX_POSITIONS, MAX_POSITION = 1 << 20, 255, 16_383
"""Limits of PostgreSQL: of a vector, of a lexeme's positions, and of a position."""


def vector(words: StoryWords) -> str:
    """A Story's words as PostgreSQL reads a vector; weight A is the title's."""
    found: dict[str, list[str]] = {}
    for field, letter in _LETTERS.items():
        weight = "A" if field == "title" else ""
        for position, token in enumerate(getattr(words, field).split(), start=1):
            places = found.setdefault(letter + token, [])
            if field == "names":
                continue
            if len(places) < MAX_POSITIONS and position <= MAX_POSITION:
                places.append(f"{position}{weight}")
            else:
                found[LONG] = []
    if sum(len(lexeme.encode()) + 8 + 2 * len(places) for lexeme, places in found.items()) > MAX_OCTETS:
        return f"'{UNREAD}'"
    return " ".join(f"'{lexeme}'" + (f":{','.join(places)}" if places else "") for lexeme, places in found.items())


def _vector_query(condition: Condition) -> ColumnElement[Any]:
    return cast(f"({vector_query(condition)}) | '{UNREAD}'", TSQUERY)


def vector_query(condition: Condition) -> str:
    """A condition as PostgreSQL reads a query of lexemes."""
    match condition:
        case bool():
            return _lexemes(_EVERY) if condition else f"!{_lexemes(_EVERY)}"
        case Has():
            return _lexemes(condition)
        case Lacks():
            return f"!({vector_query(condition.part)})"
        case AnyOf():
            return " | ".join(f"({vector_query(part)})" for part in condition.parts)
        case AllOf():
            return " & ".join(f"({vector_query(part)})" for part in condition.parts)
        case _:
            assert_never(condition)


def _lexemes(has: Has) -> str:
    """The tokens side by side in one of the fields, or, of a long text, anywhere in it."""
    ends = [""] * (len(has.tokens) - 1) + [":*" * has.prefix]
    ways = []
    for field in has.columns:
        lexemes = [f"'{_LETTERS[field]}{token}'{end}" for token, end in zip(has.tokens, ends, strict=True)]
        ways.append(f"({' <-> '.join(lexemes)})")
        if len(lexemes) > 1:
            ways.append(f"('{LONG}' & {' & '.join(lexemes)})")
    return f"({' | '.join(ways)})"


INDEXES: dict[str, WordIndex] = {"sqlite": FtsIndex(), "postgresql": VectorIndex()}
"""By the name of the database's dialect."""
