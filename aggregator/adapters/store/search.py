"""Search: an index with a row a Story, that follows the Stories at its own pace.

Who changes a Story puts its `seq` on the list of the stale, in the same transaction (`stories.py`); `flows/indexing.py`
takes it from there. A `turn` is drawn anew for each change, so that what was read before a change never counts as
read after it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, bindparam, delete, insert, select, union_all

from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.schema import stale_stories, story_places
from aggregator.adapters.store.stories import load_numbered
from aggregator.adapters.store.wordindex import INDEXES, WordIndex, story_words
from aggregator.model.indexed import SEQ_BITS, Indexed, Order, Stale, seq_of
from aggregator.query.matching import Query
from aggregator.steps.finding.narrowing import Span, narrowed

RANKED = 1000
"""The newest matches of a span that are weighed against each other: to weigh all that have a common word takes long."""
place = story_words.c.rowid
seq_at = place.op("&")((1 << SEQ_BITS) - 1)


class SqlSearchStore:
    """`ports.SearchStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def _index(self) -> WordIndex:
        return INDEXES[self._database.dialect]

    def stale(self, limit: int) -> Sequence[Stale]:
        """Stories that changed since the index took them in, the latest to come first."""
        query = select(stale_stories).order_by(stale_stories.c.seq.desc()).limit(limit)
        with self._database.read() as connection:
            turns = {row.seq: row.turn for row in connection.execute(query)}
            found = load_numbered(connection, turns) if turns else {}
        return [Stale(seq=seq, turn=turn, story=found.get(seq)) for seq, turn in turns.items()]

    def put(self, items: Sequence[Indexed]) -> int:
        """Take in those that have not changed again meanwhile; returns how many."""
        with self._database.write() as connection:
            fresh = _unchanged(connection, items)
            if fresh:
                rows = [{"gone": item.seq} for item in fresh]
                for statement in _FORGETTING:
                    connection.execute(statement, rows)
            if held := [item.words for item in fresh if item.words]:
                places = [{"seq": seq_of(words.place), "place": words.place} for words in held]
                connection.execute(insert(story_places), places)
                connection.execute(insert(story_words), [self._index.row(words) for words in held])
        return len(fresh)

    def find(
        self, query: Query, now: datetime, *, order: Order = Order.DATE, below: int | None = None, limit: int
    ) -> Sequence[int]:
        """The places (below one) of all Stories that match, in this order, and maybe of some that do not."""
        spans = narrowed(query, now, unsure=self._index.unsure)
        with self._database.read() as connection:
            if order is Order.DATE:
                return self._by_date(connection, spans, below, limit)
            if not spans:
                return []
            wanted = self._by_arrival(spans, below) if order is Order.ARRIVAL else self._by_relevance(spans)
            return [*connection.scalars(wanted.limit(limit))]

    def _by_date(self, connection: Connection, spans: Sequence[Span], below: int | None, limit: int) -> list[int]:
        found: list[int] = []
        for span in spans:
            rows = select(place).where(*self._in(span)).order_by(place.desc()).limit(limit - len(found))
            found += connection.scalars(rows if below is None else rows.where(place < below))
            if len(found) == limit:
                break
        return found

    def _by_arrival(self, spans: Sequence[Span], below: int | None) -> Select[tuple[int]]:
        rows = _joined([select(place, seq_at.label("worth")).where(*self._in(span)) for span in spans])
        wanted = select(rows.c.rowid).order_by(rows.c.worth.desc())
        return wanted if below is None else wanted.where(rows.c.worth < seq_of(below))

    def _by_relevance(self, spans: Sequence[Span]) -> Select[tuple[int]]:
        weighed = [
            select(place, self._index.relevance(span.condition).label("worth"))
            .where(*self._in(span))
            .order_by(place.desc())
            .limit(RANKED)
            .subquery()
            for span in spans
        ]
        rows = _joined([select(part) for part in weighed])
        return select(rows.c.rowid).order_by(rows.c.worth.desc(), rows.c.rowid.desc())

    def _in(self, span: Span) -> Sequence[ColumnElement[bool]]:
        """The rows of a span that meet its condition."""
        within = (place >= span.first << SEQ_BITS, place < span.end << SEQ_BITS)
        return self._index.meets(span.condition), *within


_GONE = select(story_places.c.place).where(story_places.c.seq == bindparam("gone")).scalar_subquery()
_FORGETTING = (
    delete(stale_stories).where(stale_stories.c.seq == bindparam("gone")),
    delete(story_words).where(place == _GONE),
    delete(story_places).where(story_places.c.seq == bindparam("gone")),
)


def _unchanged(connection: Connection, items: Sequence[Indexed]) -> list[Indexed]:
    """Those whose last change is the one that was answered; their rows are ours until the transaction ends."""
    seqs = [item.seq for item in items]
    query = select(stale_stories).where(stale_stories.c.seq.in_(seqs)).with_for_update(skip_locked=True)
    turns = {row.seq: row.turn for row in connection.execute(query)}
    return [item for item in items if turns.get(item.seq) == item.turn]


def _joined(parts: Sequence[Select[Any]]) -> Subquery:
    return union_all(*parts).subquery()
