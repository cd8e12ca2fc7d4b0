"""Entries, their keys and tags: rows to values and back.

Written inside the transaction of `feeds.py`; read by key (refresh) and by Story (`stories.py`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, RowMapping, Select, bindparam, delete, func, select, update

from aggregator.adapters.store.engine import Database, insert_tuples, upsert
from aggregator.adapters.store.schema import entries, entry_identities, entry_tags
from aggregator.model.entry import Entry, EntryKeys, KnownEntry, Tag
from aggregator.model.parsed import Category, Link, Person, SafeHtml, Source
from aggregator.model.story import Placement

Value = TypeVar("Value")

PARAMETERS = 10_000
"""Bound values in one statement; SQLite admits 32,766 (https://www.sqlite.org/limits.html)."""

_PLAIN = (
    *("mark", "feed_id", "first_seen", "changed_at", "date", "at_home", "guid", "title", "summary", "content"),
    *("published", "published_raw", "updated", "updated_raw", "language", "rights", "doi", "comments"),
)
_TAG = ("name", "origin", "label", "field", "matched", "rule", "version")
_tag_values = attrgetter(*_TAG)


class SqlEntryStore:
    """`ports.EntryStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, identity: Collection[bytes]) -> Mapping[bytes, KnownEntry]:
        """Stored entries by those of these identity keys they hold."""
        columns = (entries.c.id, entries.c.mark, entries.c.digest, entries.c.first_seen, entries.c.date)
        query = select(entry_identities.c.hash, *columns).join_from(entry_identities, entries)
        with self._database.read() as connection:
            return {
                key: KnownEntry(id=id_, mark=mark, digest=digest, first_seen=first_seen, date=date)
                for keys in chunks(identity)
                for key, id_, mark, digest, first_seen, date in connection.execute(
                    query.where(entry_identities.c.hash.in_(keys))
                )
            }


def insert_entries(
    connection: Connection, new: Sequence[Entry], placements: Sequence[Placement], seqs: Mapping[str, int]
) -> list[tuple[int, Entry]]:
    """Write new entries with their keys and tags; `seqs` by Story id. Returns them with their ids."""
    if not new:
        return []
    # Ids are counted here, under the one writer's lock: handed back by the database, they would cost a statement each.
    first = 1 + (connection.scalar(select(func.max(entries.c.id))) or 0)
    numbered = list(enumerate(new, start=first))
    homes = [seqs[placement.story_id] for placement in placements]
    rows = [
        _row(entry) | {"id": id_, "story_seq": seq, "joined_by": placement.rule}
        for (id_, entry), seq, placement in zip(numbered, homes, placements, strict=True)
    ]
    insert_tuples(connection, _NEW_ENTRIES, [*map(itemgetter(*entries.columns.keys()), rows)])
    write_keys(connection, [(id_, entry.keys) for id_, entry in numbered])
    given = (_tag_rows(id_, seq, entry.tags) for (id_, entry), seq in zip(numbered, homes, strict=True))
    insert_tuples(connection, _NEW_TAGS, [*chain.from_iterable(given)])
    return numbered


def update_entries(connection: Connection, changed: Sequence[Entry]) -> None:
    """Replace what a publisher edited; Story, first sight and date stay."""
    if not changed:
        return
    rows = [{"b_" + name: value for name, value in (_row(entry) | {"id": entry.id}).items()} for entry in changed]
    fixed = {"id", "mark", "feed_id", "first_seen", "date"}
    values: dict[str, Any] = {key[2:]: bindparam(key) for key in rows[0] if key[2:] not in fixed}
    connection.execute(update(entries).where(entries.c.id == bindparam("b_id")).values(values), rows)
    write_keys(connection, [(entry.id, entry.keys) for entry in changed])
    replace_tags(connection, [(entry.id, entry.tags) for entry in changed])


def entries_of(connection: Connection, query: Select[Any], *, tags: bool = False) -> list[Entry]:
    """The entries that a query on their table gives, without tags unless told otherwise."""
    rows = connection.execute(query).mappings().all()
    given = _load_tags(connection, [row["id"] for row in rows]) if tags else {}
    return [_entry(row, given.get(row["id"], ())) for row in rows]


def load_entries(connection: Connection, story_seqs: Collection[int]) -> Mapping[int, tuple[Entry, ...]]:
    """The entries of these Stories, tags included, the heads first."""
    rows = [
        row
        for seqs in chunks(story_seqs)
        for row in connection.execute(
            select(entries).where(entries.c.story_seq.in_(seqs)).order_by(entries.c.at_home.desc(), entries.c.id)
        ).mappings()
    ]
    tags = _load_tags(connection, [row["id"] for row in rows])
    found: defaultdict[int, list[Entry]] = defaultdict(list)
    for row in rows:
        found[row["story_seq"]].append(_entry(row, tags.get(row["id"], ())))
    return {seq: tuple(members) for seq, members in found.items()}


def write_keys(connection: Connection, holders: Sequence[tuple[int, EntryKeys]]) -> None:
    """Let entries, by id, be found by these keys; one that another entry of the feed held goes to who has it now."""
    insert_tuples(connection, _MOVED_KEYS, [(key, id_) for id_, keys in holders for key in keys.identity])


def replace_tags(connection: Connection, given: Sequence[tuple[int, Sequence[Tag]]]) -> None:
    """Give entries, by id, these tags in the place of those they had."""
    if given:
        own = entry_tags.c.entry_id == bindparam("holder")
        connection.execute(delete(entry_tags).where(own), [{"holder": id_} for id_, _ in given])
        homes = _homes(connection, [id_ for id_, _ in given])
        insert_tuples(connection, _NEW_TAGS, [row for id_, tags in given for row in _tag_rows(id_, homes[id_], tags)])


def _homes(connection: Connection, ids: Collection[int]) -> Mapping[int, int]:
    """Which Story, by its `seq`, each of these entries stands in."""
    query = select(entries.c.id, entries.c.story_seq)
    return {id_: seq for some in chunks(ids) for id_, seq in connection.execute(query.where(entries.c.id.in_(some)))}


def _tag_rows(entry_id: int, story_seq: int, tags: Sequence[Tag]) -> Iterator[tuple[object, ...]]:
    return ((entry_id, position, story_seq, *_tag_values(tag)) for position, tag in enumerate(tags))


def _load_tags(connection: Connection, entry_ids: Collection[int]) -> Mapping[int, tuple[Tag, ...]]:
    found: defaultdict[int, list[Tag]] = defaultdict(list)
    for ids in chunks(entry_ids):
        query = select(entry_tags).where(entry_tags.c.entry_id.in_(ids)).order_by(entry_tags.c.position)
        for row in connection.execute(query):
            found[row.entry_id].append(Tag(**{name: getattr(row, name) for name in _TAG}))
    return {id_: tuple(tags) for id_, tags in found.items()}


def _row(entry: Entry) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in _PLAIN}
    row["digest"] = entry.keys.digest
    row["links"] = [_compact(link) for link in entry.links]
    row["authors"] = [_compact(person) for person in entry.authors]
    row["categories"] = [_compact(category) for category in entry.categories]
    row["thumbnails"] = list(entry.thumbnails)
    row["source"] = _compact(entry.source) if entry.source else None
    return row


def _entry(row: RowMapping, tags: tuple[Tag, ...]) -> Entry:
    return Entry(
        **{name: row[name] for name in _PLAIN if name not in {"summary", "content"}},
        id=row["id"],
        summary=SafeHtml(row["summary"]),
        content=SafeHtml(row["content"]),
        keys=EntryKeys(identity=(), digest=row["digest"]),
        joined_by=row["joined_by"],
        links=tuple(Link(**link) for link in row["links"]),
        authors=tuple(Person(**person) for person in row["authors"]),
        categories=tuple(Category(**category) for category in row["categories"]),
        thumbnails=tuple(row["thumbnails"]),
        source=_source(row["source"]) if row["source"] else None,
        tags=tags,
    )


def _compact(value: Link | Person | Category | Source) -> dict[str, Any]:
    """The fields that say something, as JSON knows them."""
    pairs = ((name, getattr(value, name)) for name in value.__dataclass_fields__)
    return {name: item.isoformat() if isinstance(item, datetime) else item for name, item in pairs if item is not None}


def _source(row: dict[str, str]) -> Source:
    fields: dict[str, Any] = dict(row)
    if "updated" in fields:
        fields["updated"] = datetime.fromisoformat(fields["updated"])
    return Source(**fields)


def chunks(values: Iterable[Value]) -> Iterator[list[Value]]:
    """The values in lists that one statement can hold."""
    items = list(values)
    return (items[start : start + PARAMETERS] for start in range(0, len(items), PARAMETERS))


# --- statements, made once ------------------------------------------------------------------------

_NEW_ENTRIES, _NEW_TAGS, _keys = upsert(entries), upsert(entry_tags), upsert(entry_identities)
_MOVED_KEYS = _keys.on_conflict_do_update(index_elements=["hash"], set_={"entry_id": _keys.excluded.entry_id})
