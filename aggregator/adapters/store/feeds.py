"""Feeds: what feeds.yaml names, when each is due, and the one transaction that applies a poll."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, Select, bindparam, case, func, select, update

from aggregator.adapters.store.engine import Database, Insert, upsert
from aggregator.adapters.store.entries import chunks, insert_entries, update_entries, write_keys
from aggregator.adapters.store.facts import read_fact, write_fact
from aggregator.adapters.store.kinship import write_links, write_sketches
from aggregator.adapters.store.schema import entries, feeds
from aggregator.adapters.store.stories import found_stories, merge_stories, move_entries, touch_stories
from aggregator.model.feed import Feed, FeedOptions, FeedState, FeedStatus, Rhythm, Validators
from aggregator.model.poll import FeedUpdate
from aggregator.model.story import Clustering


class SqlFeedStore:
    """`ports.FeedStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sync(self, configured: Sequence[Feed], now: datetime, *, reader: str = "") -> None:
        """Make the table follow feeds.yaml: a new feed, or a new address, is due now and has no validators.

        Nor has any, once documents are read by another `reader`: it may see more in them.
        """
        rows = [_config_row(feed, now) for feed in configured]
        with self._database.write() as connection:
            connection.execute(update(feeds).values(active=False))
            if rows:
                connection.execute(_synced(), rows)
            if read_fact(connection, READER) != reader:
                connection.execute(update(feeds).values(dict.fromkeys(_VALIDATORS)))
                write_fact(connection, READER, reader)

    def mend_clock(self, now: datetime) -> int:
        """Let the wait of feeds that were checked in the future begin anew: the clock was wrong then; returns how
        many. A clock that stands before this program was made is wrong itself, and mends nothing."""
        if now < MADE:
            return 0
        ahead = select(feeds.c.id, feeds.c.checked_at, feeds.c.next_check_at).where(feeds.c.checked_at > now)
        with self._database.read() as connection:
            waits = [(id_, due and due - checked) for id_, checked, due in connection.execute(ahead)]
        if waits:
            rows = [{"feed_id": id_, "due": None if wait is None else now + wait} for id_, wait in waits]
            mended = update(feeds).where(feeds.c.id == bindparam("feed_id"))
            with self._database.write() as connection:
                connection.execute(mended.values(checked_at=now, next_check_at=bindparam("due")), rows)
        return len(waits)

    def due(self, now: datetime) -> Sequence[FeedState]:
        """Active feeds whose `next_check_at` has come, longest waiting first."""
        return self._states(_active().where(feeds.c.next_check_at <= now).order_by(feeds.c.next_check_at, feeds.c.id))

    def states(self, ids: Collection[str] | None = None) -> Sequence[FeedState]:
        """Active feeds (all, or those named), in the order of their ids."""
        query = _active().order_by(feeds.c.id)
        if ids is None:
            return self._states(query)
        return [state for some in chunks(sorted(ids)) for state in self._states(query.where(feeds.c.id.in_(some)))]

    def entry_counts(self) -> Mapping[str, int]:
        """Stored entries by feed id."""
        with self._database.read() as connection:
            query = select(entries.c.feed_id, func.count()).group_by(entries.c.feed_id)
            return {row[0]: row[1] for row in connection.execute(query)}

    def apply(self, updates: Sequence[FeedUpdate], clustering: Clustering) -> int:
        """Write the updates in one transaction; returns the number of Stories founded.

        Validators stand or fall with the entries they vouch for: a kill leaves all of a poll or none of it.
        """
        new = [entry for item in updates for entry in item.new]
        changed = [entry for item in updates for entry in item.changed]
        with self._database.write() as connection:
            _write_feeds(connection, updates)
            write_keys(connection, [renewed for item in updates for renewed in item.renewed])
            if not new and not changed:
                return 0
            seqs = found_stories(connection, clustering, new)
            numbered = insert_entries(connection, new, clustering.placements, seqs)
            update_entries(connection, changed)
            write_sketches(connection, [*numbered, *((entry.id, entry) for entry in changed)], clustering.keys)
            write_links(connection, clustering.links)
            move_entries(connection, clustering.moves, seqs)
            merge_stories(connection, clustering.merges)
            grown = {placement.story_id for placement in clustering.placements if placement.rule}
            grown |= {move.placement.story_id for move in clustering.moves}
            touch_stories(connection, [entry.id for entry in changed], grown, max(item.checked_at for item in updates))
            return clustering.founded

    def _states(self, query: Select[Any]) -> Sequence[FeedState]:
        with self._database.read() as connection:
            return [_state(row) for row in connection.execute(query).mappings()]


READER = "reader"
"""The fact that names what read the documents whose validators we hold."""
MADE = datetime(2026, 1, 1, tzinfo=UTC)
_VALIDATORS = ("etag", "last_modified", "body_sha256", "given_by")


def _active() -> Select[Any]:
    return select(feeds).where(feeds.c.active)


def _synced() -> Insert:
    statement = upsert(feeds)
    new = statement.excluded
    moved = feeds.c.url != new.url
    forgotten = (*_VALIDATORS, "error")
    begun_anew = ("rhythm", "status", "next_check_at", "failures")
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={
            **{name: new[name] for name in ("url", "name", "country", "language", "options", "active")},
            "site_url": func.coalesce(new.site_url, feeds.c.site_url),
            **{name: case((moved, None), else_=feeds.c[name]) for name in forgotten},
            **{name: case((moved, new[name]), else_=feeds.c[name]) for name in begun_anew},
        },
    )


def _write_feeds(connection: Connection, updates: Sequence[FeedUpdate]) -> None:
    """What a poll says of a feed, unless feeds.yaml has given it another address meanwhile."""
    done: BindParameter[bool] = bindparam("succeeded")
    plain = (*_VALIDATORS, "status", "rhythm", "next_check_at", "checked_at", "failures", "error")
    statement = (
        update(feeds)
        .where(feeds.c.id == bindparam("feed_id"), feeds.c.url == bindparam("asked"))
        .values(
            {name: bindparam("v_" + name) for name in plain}
            | {
                "title": func.coalesce(bindparam("v_title"), feeds.c.title),
                "site_url": func.coalesce(feeds.c.site_url, bindparam("v_site_url")),
                "succeeded_at": case((done, bindparam("v_checked_at")), else_=feeds.c.succeeded_at),
                "changed_at": case((bindparam("brought"), bindparam("v_checked_at")), else_=feeds.c.changed_at),
            }
        )
    )
    connection.execute(statement, [_update_row(item) for item in updates])


def _update_row(item: FeedUpdate) -> dict[str, Any]:
    return {
        "feed_id": item.feed_id,
        "asked": item.url,
        "v_etag": item.validators.etag,
        "v_last_modified": item.validators.last_modified,
        "v_body_sha256": item.validators.body_sha256,
        "v_given_by": item.validators.given_by,
        "v_status": item.status.value,
        "v_rhythm": _rhythm_row(item.rhythm),
        "v_next_check_at": item.next_check_at,
        "v_checked_at": item.checked_at,
        "v_failures": item.failures,
        "v_error": item.error,
        "v_title": item.title,
        "v_site_url": item.site_url,
        "succeeded": item.succeeded,
        "brought": bool(item.new),
    }


def _config_row(feed: Feed, now: datetime) -> dict[str, Any]:
    every = feed.options.every
    return {
        "id": feed.id,
        "url": feed.url,
        "name": feed.name,
        "site_url": feed.site_url,
        "country": feed.country,
        "language": feed.language,
        "options": {
            "every": every.total_seconds() if every else None,
            "tags": list(feed.options.tags),
            "headers": [],  # may hold secrets: they stay in memory
        },
        "active": True,
        "status": FeedStatus.NEW.value,
        "rhythm": {},
        "next_check_at": now,
        "failures": 0,
    }


def _rhythm_row(rhythm: Rhythm) -> dict[str, Any]:
    """What a document says of its rhythm, as JSON knows it; most say nothing."""
    seconds = rhythm.ttl.total_seconds() if rhythm.ttl else None
    row = {"ttl": seconds, "skip_hours": list(rhythm.skip_hours), "skip_days": list(rhythm.skip_days)}
    return {name: value for name, value in row.items() if value}


def _rhythm(row: Mapping[str, Any]) -> Rhythm:
    return Rhythm(
        ttl=timedelta(seconds=row["ttl"]) if "ttl" in row else None,
        skip_hours=tuple(row.get("skip_hours", ())),
        skip_days=tuple(row.get("skip_days", ())),
    )


def _state(row: RowMapping) -> FeedState:
    options = row["options"]
    every = options["every"]
    return FeedState(
        feed=Feed(
            id=row["id"],
            url=row["url"],
            name=row["name"],
            site_url=row["site_url"],
            country=row["country"],
            language=row["language"],
            options=FeedOptions(
                every=timedelta(seconds=every) if every else None,
                tags=tuple(options["tags"]),
            ),
        ),
        status=FeedStatus(row["status"]),
        validators=Validators(**{name: row[name] for name in _VALIDATORS}),
        rhythm=_rhythm(row["rhythm"]),
        next_check_at=row["next_check_at"],
        checked_at=row["checked_at"],
        succeeded_at=row["succeeded_at"],
        changed_at=row["changed_at"],
        failures=row["failures"],
        error=row["error"],
        title=row["title"],
    )
