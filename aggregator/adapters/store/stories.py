"""Stories: founded and merged inside the transaction of `feeds.py`, read newest first.

Each change puts the Story on the list of the stale, from which the search index takes it (`search.py`).
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    String,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    true,
    update,
)

from aggregator.adapters.store.engine import Database, insert_tuples, upsert
from aggregator.adapters.store.entries import chunks, load_entries
from aggregator.adapters.store.facts import read_fact
from aggregator.adapters.store.schema import entries, entry_tags, facts, stale_stories, stories, story_redirects
from aggregator.model.entry import Entry
from aggregator.model.story import Clustering, Move, Story

VERSION = "stories_version"


class SqlStoryStore:
    """`ports.StoryStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(
        self, *, limit: int, before: int | None = None, tags: Collection[str] = (), feed_id: str | None = None
    ) -> Sequence[Story]:
        """Stories by descending `seq` (below `before`), only those with all of `tags` and an entry of the feed."""
        seqs = _narrowed(tags, feed_id)
        if before is not None:
            seqs = seqs.where(seqs.selected_columns[0] < before)
        seqs = seqs.distinct().order_by(seqs.selected_columns[0].desc()).limit(limit)
        return self._load(select(stories).where(stories.c.seq.in_(seqs)).order_by(stories.c.seq.desc()))

    def after(self, seq: int, *, limit: int) -> Sequence[Story]:
        """Stories by ascending `seq`, above `seq`."""
        return self._load(select(stories).where(stories.c.seq > seq).order_by(stories.c.seq).limit(limit))

    def get(self, story_id: str) -> Story | None:
        """The Story; an id that was merged away gives the Story it went into."""
        target = select(story_redirects.c.story_id).where(story_redirects.c.old_id == story_id).scalar_subquery()
        found = self._load(select(stories).where(stories.c.id.in_([story_id, target])))
        return found[0] if found else None

    def last_seq(self) -> int:
        """The highest `seq` given, 0 when there is none."""
        with self._database.read() as connection:
            return connection.scalar(select(func.max(stories.c.seq))) or 0

    def version(self) -> str:
        """A text that changes whenever any Story, entry or tag changed."""
        with self._database.read() as connection:
            return read_fact(connection, VERSION) or "0"

    def numbered(self, seqs: Collection[int]) -> Mapping[int, Story]:
        """Those of these Stories that are there, by `seq`."""
        with self._database.read() as connection:
            return load_numbered(connection, seqs)

    def named(self, story_ids: Collection[str]) -> Mapping[str, Story]:
        """Those of these Stories that are there, by id."""
        with self._database.read() as connection:
            found = (
                story
                for some in chunks(story_ids)
                for story in _stories(connection, select(stories).where(stories.c.id.in_(some)))
            )
            return {story.id: story for story in found}

    def _load(self, query: Select[tuple[int, str, datetime, datetime]]) -> Sequence[Story]:
        with self._database.read() as connection:
            return _stories(connection, query)


def load_numbered(connection: Connection, seqs: Collection[int]) -> Mapping[int, Story]:
    """Those of these Stories that are there, by `seq`."""
    found = [
        story for some in chunks(seqs) for story in _stories(connection, select(stories).where(stories.c.seq.in_(some)))
    ]
    return {story.seq: story for story in found}


def _stories(connection: Connection, query: Select[tuple[int, str, datetime, datetime]]) -> list[Story]:
    rows = connection.execute(query).all()
    members = load_entries(connection, [row.seq for row in rows])
    return [
        Story(id=row.id, seq=row.seq, first_seen=row.first_seen, updated=row.updated, entries=members[row.seq])
        for row in rows
    ]


def _narrowed(tags: Collection[str], feed_id: str | None) -> Select[tuple[int]]:
    """The `seq` of Stories with all these tags and an entry of the feed.

    One list leads, along its index, and what it gives is looked up in the others: joined whole, they would cost
    all that a tag ever was given to, for the newest few.
    """
    lists: list[tuple[FromClause, ColumnElement[bool]]] = [
        (table := entry_tags.alias(), table.c.name == name) for name in sorted(tags)
    ]
    if feed_id is not None:
        lists.append((entries, entries.c.feed_id == feed_id))
    if not lists:
        return select(stories.c.seq)
    (lead, condition), *others = lists
    seq = lead.c.story_seq
    return select(seq).where(condition, *(exists().where(listed, table.c.story_seq == seq) for table, listed in others))


def found_stories(connection: Connection, clustering: Clustering, new: Sequence[Entry]) -> Mapping[str, int]:
    """Found the Stories whose placement names no rule; returns seq by Story id for all placements.

    `new` are the entries of `clustering.placements`. Stories that come at once are numbered by their dates, so that
    those of one feed do not stand together. A Story that had gone into another is itself again.
    """
    moved = [(move.placement, move.first_seen) for move in clustering.moves]
    placed = [*zip(clustering.placements, (entry.first_seen for entry in new), strict=True), *moved]
    dates = [*(entry.date for entry in new), *(moment for _, moment in moved)]
    rows = [
        {"id": placement.story_id, "first_seen": moment, "updated": moment}
        for _, (placement, moment) in sorted(zip(dates, placed, strict=True), key=itemgetter(0))
        if placement.rule is None
    ]
    if rows:
        connection.execute(insert(stories), rows)
    if revived := [{"gone": placement.story_id} for placement, _ in moved if placement.rule is None]:
        connection.execute(delete(story_redirects).where(story_redirects.c.old_id == bindparam("gone")), revived)
    wanted = {placement.story_id for placement, _ in placed}
    query = select(stories.c.id, stories.c.seq)
    seqs = {id_: seq for ids in chunks(wanted) for id_, seq in connection.execute(query.where(stories.c.id.in_(ids)))}
    insert_tuples(connection, _STALE, [*zip(seqs.values(), repeat(_new_turn()))])
    return seqs


def move_entries(connection: Connection, moves: Sequence[Move], seqs: Mapping[str, int]) -> None:
    """Put stored entries into other Stories; `seqs` by Story id."""
    if not moves:
        return
    rows = [{"moved": move.mark, "seq": seqs[move.placement.story_id], "rule": move.placement.rule} for move in moves]
    moved = select(entries.c.id).where(entries.c.mark == bindparam("moved")).scalar_subquery()
    _make_stale(connection, select(entries.c.story_seq).where(entries.c.mark == bindparam("moved")), rows)
    for statement in (
        update(entries)
        .where(entries.c.mark == bindparam("moved"))
        .values(story_seq=bindparam("seq"), joined_by=bindparam("rule")),
        update(entry_tags).where(entry_tags.c.entry_id == moved).values(story_seq=bindparam("seq")),
    ):
        connection.execute(statement, rows)


def merge_stories(connection: Connection, merges: Sequence[tuple[str, str]]) -> None:
    """Move the entries of each younger Story into the older; the younger id redirects from now on."""
    if not merges:
        return
    young, old = bindparam("young", type_=String), bindparam("old", type_=String)
    target = select(stories.c.seq).where(stories.c.id == old).scalar_subquery()
    source = select(stories.c.seq).where(stories.c.id == young).scalar_subquery()
    moved = select(entries.c.id).where(entries.c.story_seq == target)
    rows = [{"young": young_id, "old": old_id} for young_id, old_id in merges]
    for merged in (young, old):
        _make_stale(connection, select(stories.c.seq).where(stories.c.id == merged), rows)
    for statement in (
        update(entries).where(entries.c.story_seq == source).values(story_seq=target),
        update(entry_tags).where(entry_tags.c.entry_id.in_(moved)).values(story_seq=target),
        delete(stories).where(stories.c.id == young),
        update(story_redirects).where(story_redirects.c.story_id == young).values(story_id=old),
        insert(story_redirects).values(old_id=young, story_id=old),
    ):
        connection.execute(statement, rows)


def touch_stories(
    connection: Connection, entry_ids: Collection[int], story_ids: Collection[str], now: datetime
) -> None:
    """Mark as updated the Stories that hold these entries, and these Stories; moves the version."""
    holding = select(entries.c.story_seq).where(entries.c.id == bindparam("entry_id")).scalar_subquery()
    if entry_ids:
        touched = update(stories).where(stories.c.seq == holding).values(updated=now)
        rows = [{"entry_id": id_} for id_ in entry_ids]
        connection.execute(touched, rows)
        _make_stale(connection, select(entries.c.story_seq).where(entries.c.id == bindparam("entry_id")), rows)
    if story_ids:
        touched = update(stories).where(stories.c.id == bindparam("story_id")).values(updated=now)
        named = [{"story_id": id_} for id_ in story_ids]
        connection.execute(touched, named)
        _make_stale(connection, select(stories.c.seq).where(stories.c.id == bindparam("story_id")), named)
    _step_version(connection)


def show_anew(connection: Connection, entry_ids: Collection[int]) -> None:
    """Have pages, channels and the index look anew at the Stories that hold these entries, without calling them new."""
    rows = [{"entry_id": id_} for id_ in entry_ids]
    if rows:
        _make_stale(connection, select(entries.c.story_seq).where(entries.c.id == bindparam("entry_id")), rows)
        _step_version(connection)


def _step_version(connection: Connection) -> None:
    step = upsert(facts).values(name=VERSION, value="1")
    following = cast(cast(facts.c.value, Integer) + 1, String)
    connection.execute(step.on_conflict_do_update(index_elements=["name"], set_={"value": following}))


def _make_stale(connection: Connection, seq: Select[tuple[int]], rows: Sequence[dict[str, Any]]) -> None:
    """Have the index look anew at the Story whose `seq` the query gives, for each row of its parameters.

    A change of what is stale already is another change: `turn` tells, so that neither is taken for the other.
    """
    if rows:
        turn = bindparam("turn", _new_turn(), type_=stale_stories.c.turn.type)
        statement = upsert(stale_stories).from_select(["seq", "turn"], seq.add_columns(turn).where(true()))
        changed = statement.on_conflict_do_update(index_elements=["seq"], set_={"turn": statement.excluded.turn})
        connection.execute(changed, rows)


def _new_turn() -> int:
    return secrets.randbits(62)


_stale = upsert(stale_stories)
_STALE = _stale.on_conflict_do_update(index_elements=["seq"], set_={"turn": _stale.excluded.turn})
