"""What folding keeps: keys by which entries are found, sketches to compare them by, links between them.

Written inside the transaction of `feeds.py`; read by the polling flow.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import permutations

from sqlalchemy import ColumnElement, Connection, bindparam, delete, not_, or_, select

from aggregator.adapters.store.engine import Database, among, insert_tuples, upsert
from aggregator.adapters.store.entries import chunks, entries_of
from aggregator.adapters.store.schema import entries, entry_sketches, fold_keys, stories, story_links
from aggregator.adapters.store.stories import found_stories, load_numbered, merge_stories, move_entries, touch_stories
from aggregator.model.entry import Entry
from aggregator.model.story import (
    BY_PERSON,
    FOLD_KINDS,
    RELATED,
    Candidate,
    Clustering,
    FoldKey,
    FoldKeys,
    Holder,
    Member,
    Story,
    StoryLink,
)

MAX_KIN = 400
"""So many entries besides those asked for are looked at when Stories are made anew; links that lead further wait."""
LASTING = (FoldKey.ADDRESS, FoldKey.DOI)


class SqlFoldStore:
    """`ports.FoldStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def holders(self, keys: Collection[int]) -> Mapping[int, Sequence[Holder]]:
        """The stored entries that hold these fold keys, by the key's hash, in order of arrival."""
        query = select(fold_keys.c.hash, fold_keys.c.entry_id, fold_keys.c.note)
        query = query.where(among(fold_keys.c.hash, keys)).order_by(fold_keys.c.hash, fold_keys.c.entry_id)
        found: defaultdict[int, list[Holder]] = defaultdict(list)
        with self._database.read() as connection:
            for key, entry_id, note in connection.execute(query):
                found[key].append((entry_id, note))
        return found

    def candidates(self, ids: Collection[int]) -> Mapping[int, Candidate]:
        """What folding compares these entries by, by id."""
        columns = (entries.c.id, entries.c.mark, entries.c.feed_id, entries.c.title, entries.c.date)
        query = select(*columns, entry_sketches.c.sketch).join_from(entries, entry_sketches)
        with self._database.read() as connection:
            return {
                id_: Candidate(entry_id=id_, mark=mark, feed_id=feed_id, title=title, date=date, sketch=sketch)
                for some in chunks(ids)
                for id_, mark, feed_id, title, date, sketch in connection.execute(query.where(entries.c.id.in_(some)))
            }

    def kin(self, marks: Collection[str]) -> tuple[Sequence[Member], Sequence[StoryLink]]:
        """The stored ones of these entries, all that links or their Stories join to them, and all those links."""
        with self._database.read() as connection:
            return load_kin(connection, marks)

    def links(self, marks: Collection[str]) -> Sequence[StoryLink]:
        """The links that have one of these entries, by mark, for an end."""
        with self._database.read() as connection:
            found = {link for some in chunks(marks) for link in _links(connection, some)}
        return sorted(found, key=lambda link: (link.one, link.other))

    def related(self, of: Collection[Story]) -> Mapping[str, Sequence[Story]]:
        """By the ids of these Stories, the others that a `related` link joins to one of their entries, newest first."""
        homes = {entry.mark: story.id for story in of for entry in story.entries}
        with self._database.read() as connection:
            links = [link for some in chunks(homes) for link in _links(connection, some) if link.rule == RELATED]
            pairs = (pair for link in links for pair in permutations((link.one, link.other)))
            ends = {(near, far) for near, far in pairs if near in homes}
            seqs = _seqs(connection, {far for _, far in ends})
            whole = load_numbered(connection, set(seqs.values()))
        found: defaultdict[str, set[int]] = defaultdict(set)
        for near, far in ends:
            if far in seqs and whole[seqs[far]].id != homes[near]:
                found[homes[near]].add(seqs[far])
        return {id_: [whole[seq] for seq in sorted(others, reverse=True)] for id_, others in found.items()}

    def since(self, moment: datetime, *, after: int, limit: int) -> Sequence[Entry]:
        """Entries first seen since then, with ids above `after`, in order of arrival."""
        wanted = select(entries).where(entries.c.id > after, entries.c.first_seen >= moment)
        with self._database.read() as connection:
            return entries_of(connection, wanted.order_by(entries.c.id).limit(limit))

    def note(self, stored: Sequence[Entry], keys: Mapping[str, FoldKeys]) -> None:
        """Let stored entries be found by these keys, by mark, and compared by the sketches they now have."""
        with self._database.write() as connection:
            write_sketches(connection, [(entry.id, entry) for entry in stored], keys)

    def rearrange(self, clustering: Clustering, now: datetime, *, dropped: Sequence[StoryLink] = ()) -> None:
        """Write the moves, merges and links of stored entries in one transaction, and forget `dropped` links."""
        with self._database.write() as connection:
            _drop_links(connection, dropped)
            write_links(connection, clustering.links)
            if clustering.moves:
                move_entries(connection, clustering.moves, found_stories(connection, clustering, []))
                merge_stories(connection, clustering.merges)
                touch_stories(connection, [], {move.placement.story_id for move in clustering.moves}, now)

    def forget(self, before: datetime) -> int:
        """Let keys of entries first seen before then go, but addresses and DOIs; returns how many."""
        old = fold_keys.c.entry_id.in_(select(entries.c.id).where(entries.c.first_seen < before))
        passing = (fold_keys.c.hash.op("&")(FOLD_KINDS - 1)).not_in(LASTING)
        with self._database.write() as connection:
            return connection.execute(delete(fold_keys).where(passing, old)).rowcount


def load_kin(connection: Connection, marks: Collection[str]) -> tuple[Sequence[Member], Sequence[StoryLink]]:
    """See `SqlFoldStore.kin`."""
    seen: dict[str, Member] = {}
    links: dict[tuple[str, str], StoryLink] = {}
    wanted = set(marks)
    while wanted and len(seen) < len(marks) + MAX_KIN:
        fresh = _members(connection, wanted)
        seen |= {member.mark: member for member in fresh}
        for link in _links(connection, {member.mark for member in fresh}):
            links[link.one, link.other] = link
        wanted = {mark for pair in links for mark in pair} - seen.keys() - wanted
    return tuple(seen.values()), tuple(links.values())


def _members(connection: Connection, marks: Collection[str]) -> list[Member]:
    """These entries with all that share their Stories."""
    columns = (entries.c.mark, entries.c.feed_id, entries.c.first_seen, entry_sketches.c.sketch, stories.c.id)
    query = select(*columns).join_from(entries, stories).join(entry_sketches)
    homes = select(entries.c.story_seq).where(entries.c.mark.in_(marks))
    return [
        Member(mark=mark, feed_id=feed_id, first_seen=first_seen, sketch=sketch, story_id=story_id)
        for mark, feed_id, first_seen, sketch, story_id in connection.execute(
            query.where(entries.c.story_seq.in_(homes))
        )
    ]


def _seqs(connection: Connection, marks: Collection[str]) -> Mapping[str, int]:
    """Which Story, by its `seq`, each of these entries stands in."""
    query = select(entries.c.mark, entries.c.story_seq)
    rows = (row for some in chunks(marks) for row in connection.execute(query.where(entries.c.mark.in_(some))))
    return {row.mark: row.story_seq for row in rows}


def _links(connection: Connection, marks: Collection[str]) -> list[StoryLink]:
    query = select(story_links)
    ends = or_(story_links.c.one.in_(marks), story_links.c.other.in_(marks))
    return [StoryLink(**row) for row in connection.execute(query.where(ends)).mappings()]


def write_sketches(connection: Connection, numbered: Sequence[tuple[int, Entry]], keys: Mapping[str, FoldKeys]) -> None:
    """Let entries be found by these keys, by mark, and compared by their sketches; keys they had before stay theirs."""
    rows = [(key, id_, note) for id_, entry in numbered for key, note in keys.get(entry.mark, {}).items()]
    rows.sort()  # each page of the table is then found once
    insert_tuples(connection, _KEPT_KEYS, rows)
    insert_tuples(connection, _LAST_SKETCHES, [(id_, entry.keys.sketch) for id_, entry in numbered])


def write_links(connection: Connection, links: Sequence[StoryLink]) -> None:
    """Keep what was found; a person's word gives way to a person's word only."""
    if links:
        fields = StoryLink.__dataclass_fields__
        connection.execute(_LAST_LINKS, [{name: getattr(link, name) for name in fields} for link in links])


def _drop_links(connection: Connection, links: Sequence[StoryLink]) -> None:
    if links:
        ends = (story_links.c.one == bindparam("a"), story_links.c.other == bindparam("b"))
        connection.execute(delete(story_links).where(*ends), [{"a": link.one, "b": link.other} for link in links])


# --- statements, made once: to make one costs more than to run it on few rows ---------------------


def _by_person(rule: ColumnElement[str]) -> ColumnElement[bool]:
    return or_(*(rule == said for said in BY_PERSON))  # `IN` cannot be run for many rows at once


_KEPT_KEYS = upsert(fold_keys).on_conflict_do_nothing()
_sketches, _found = upsert(entry_sketches), upsert(story_links)
_LAST_SKETCHES = _sketches.on_conflict_do_update(
    index_elements=["entry_id"], set_={"sketch": _sketches.excluded.sketch}
)
_LAST_LINKS = _found.on_conflict_do_update(
    index_elements=["one", "other"],
    set_={name: _found.excluded[name] for name in ("rule", "score", "evidence")},
    where=or_(_by_person(_found.excluded.rule), not_(_by_person(story_links.c.rule))),
)
