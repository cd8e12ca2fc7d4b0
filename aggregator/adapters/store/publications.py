"""Publications: every channel's bytes, ready to serve; written by publish, read by the web's cache."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.schema import publications
from aggregator.model.channel import Publication

_COLUMNS = ("path", "content_type", "body", "etag", "last_modified")
_TICK = timedelta(seconds=1)
"""The finest difference HTTP dates can tell (RFC 9110 5.6.7)."""


class SqlPublicationStore:
    """`ports.PublicationStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, items: Sequence[Publication]) -> int:
        """Store those whose ETag differs from the stored one; returns how many.

        A publication can change without any newer Story (one was removed, or the title edited); whoever asks with
        a date alone must still learn of it, so `last_modified` moves with the bytes.
        """
        if not items:
            return 0
        stored = select(publications.c.path, publications.c.etag, publications.c.last_modified)
        with self._database.write() as connection:
            rows = connection.execute(stored.where(publications.c.path.in_([item.path for item in items])))
            known = {path: (etag, moment) for path, etag, moment in rows}
            changed = [
                _row(item, known.get(item.path)) for item in items if known.get(item.path, ("",))[0] != item.etag
            ]
            if changed:
                statement = upsert(publications)
                new = {name: statement.excluded[name] for name in _COLUMNS[1:]}
                connection.execute(statement.on_conflict_do_update(index_elements=["path"], set_=new), changed)
        return len(changed)

    def get(self, path: str) -> Publication | None:
        """The publication served at this path."""
        with self._database.read() as connection:
            row = connection.execute(select(publications).where(publications.c.path == path)).mappings().one_or_none()
        return Publication(**row) if row else None

    def etags(self) -> Mapping[str, str]:
        """ETag by path, for every stored publication."""
        with self._database.read() as connection:
            rows = connection.execute(select(publications.c.path, publications.c.etag))
            return {row.path: row.etag for row in rows}

    def prune(self, paths: Collection[str]) -> int:
        """Delete every publication whose path is not one of `paths`; returns how many."""
        with self._database.write() as connection:
            return connection.execute(delete(publications).where(publications.c.path.not_in(paths))).rowcount


def _row(item: Publication, stored: tuple[str, datetime] | None) -> dict[str, Any]:
    row = {name: getattr(item, name) for name in _COLUMNS}
    if stored:
        row["last_modified"] = max(item.last_modified, stored[1] + _TICK)
    return row
