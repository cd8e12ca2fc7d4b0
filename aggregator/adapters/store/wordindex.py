"""The search index in the words of each database: FTS5 of SQLite, tsvector of PostgreSQL.

Both hold one row a Story in `story_words`, whose `rowid` is the Story's place, and are asked for the same conditions.
"""

from abc import ABC, abstractmethod
from typing import Any, assert_never

from sqlalchemy import ColumnElement, column, func, literal_column, table

from aggregator.model.search import StoryWords
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


INDEXES = {"sqlite": FtsIndex()}
