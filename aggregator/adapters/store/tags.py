"""Tags of stored entries given anew: read the latest first, replaced batch by batch, while polls go on between.

How far this came is a fact, written in the transaction of the tags themselves.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select

from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.entries import chunks, entries_of, replace_tags
from aggregator.adapters.store.facts import read_fact, write_fact
from aggregator.adapters.store.schema import entries
from aggregator.adapters.store.stories import show_anew
from aggregator.model.applied import Tagging
from aggregator.model.entry import Entry

TAGGING = "tagging"


class SqlTagStore:
    """`ports.TagStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tagging(self) -> Tagging:
        """Under which version tags were last begun to be given anew, and how far that came."""
        with self._database.read() as connection:
            return _tagging(connection)

    def begin(self, version: str) -> Tagging:
        """Have the tags of all entries there are given anew, under this version."""
        with self._database.write() as connection:
            last = connection.scalar(select(func.max(entries.c.id)))
            begun = Tagging(version=version, below=0 if last is None else last + 1)
            _write(connection, begun)
        return begun

    def tagged(self, *, below: int, limit: int) -> Sequence[Entry]:
        """Entries with ids below this one, with their tags, the latest first."""
        query = select(entries).where(entries.c.id < below).order_by(entries.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return entries_of(connection, query, tags=True)

    def retag(self, seen: Tagging, below: int, changed: Sequence[Entry]) -> Collection[int] | None:
        """Write the tags these entries now have, and how far this came; see `ports.TagStore`."""
        with self._database.write() as connection:
            if _tagging(connection) != seen:
                return None
            kept = _as_read(connection, changed)
            replace_tags(connection, [(entry.id, entry.tags) for entry in changed if entry.id in kept])
            show_anew(connection, kept)
            _write(connection, Tagging(version=seen.version, below=below))
        return kept


def _tagging(connection: Connection) -> Tagging:
    below, _, version = (read_fact(connection, TAGGING) or "0 ").partition(" ")
    return Tagging(version=version, below=int(below))


def _write(connection: Connection, tagging: Tagging) -> None:
    write_fact(connection, TAGGING, f"{tagging.below} {tagging.version}")


def _as_read(connection: Connection, read: Sequence[Entry]) -> set[int]:
    """The entries, by id, that no poll has changed since they were read: such a poll has given tags of its own."""
    digests = {entry.id: entry.keys.digest for entry in read}
    query = select(entries.c.id, entries.c.digest)
    rows = [row for ids in chunks(digests) for row in connection.execute(query.where(entries.c.id.in_(ids)))]
    return {row.id for row in rows if row.digest == digests[row.id]}
