"""Feeds: what feeds.yaml names, when each is due, and the one transaction that applies a poll."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, Select, bindparam, case, func, select, update

from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.entries import insert_entries, update_entries, write_keys
from aggregator.adapters.store.schema import entries, feeds
from aggregator.adapters.store.stories import found_stories, merge_stories, touch_stories
from aggregator.model import Clustering, Feed, FeedOptions, FeedState, FeedStatus, FeedUpdate, Validators


class SqlFeedStore:
    """`ports.FeedStore` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sync(self, configured: Sequence[Feed], now: datetime) -> None:
        """Make the table follow feeds.yaml: a new feed, or a new address, is due now and has no validators."""
        rows = [_config_row(feed, now) for feed in configured]
        with self._database.write() as connection:
            connection.execute(update(feeds).values(active=False))
            if not rows:
                return
            statement = upsert(feeds)
            new = statement.excluded
            moved = feeds.c.url != new.url
            statement = statement.on_conflict_do_update(
                index_elements=["id"],
                set_={
                    **{name: new[name] for name in ("url", "name", "country", "language", "options", "active")},
                    "site_url": func.coalesce(new.site_url, feeds.c.site_url),
                    **{name: case((moved, None), else_=feeds.c[name]) for name in _VALIDATORS},
                    "next_check_at": case((moved, new.next_check_at), else_=feeds.c.next_check_at),
                    "failures": case((moved, 0), else_=feeds.c.failures),
                },
            )
            connection.execute(statement, rows)

    def due(self, now: datetime) -> Sequence[FeedState]:
        """Active feeds whose `next_check_at` has come, longest waiting first."""
        return self._states(_active().where(feeds.c.next_check_at <= now).order_by(feeds.c.next_check_at, feeds.c.id))

    def states(self, ids: Collection[str] | None = None) -> Sequence[FeedState]:
        """Active feeds (all, or those named), in the order of their ids."""
        query = _active().order_by(feeds.c.id)
        return self._states(query if ids is None else query.where(feeds.c.id.in_(ids)))

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
            seqs, founded = found_stories(connection, clustering.placements, [entry.first_seen for entry in new])
            insert_entries(connection, new, clustering.placements, seqs)
            update_entries(connection, changed)
            merge_stories(connection, clustering.merges)
            grown = {placement.story_id for placement in clustering.placements if placement.rule}
            touch_stories(connection, [entry.id for entry in changed], grown, max(item.checked_at for item in updates))
            return founded

    def _states(self, query: Select[Any]) -> Sequence[FeedState]:
        with self._database.read() as connection:
            return [_state(row) for row in connection.execute(query).mappings()]


_VALIDATORS = ("etag", "last_modified", "body_sha256", "given_by")


def _active() -> Select[Any]:
    return select(feeds).where(feeds.c.active)


def _write_feeds(connection: Connection, updates: Sequence[FeedUpdate]) -> None:
    done: BindParameter[bool] = bindparam("succeeded")
    statement = (
        update(feeds)
        .where(feeds.c.id == bindparam("feed_id"))
        .values(
            {name: bindparam("v_" + name) for name in (*_VALIDATORS, "status", "next_check_at", "checked_at")}
            | {name: bindparam("v_" + name) for name in ("failures", "error")}
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
        "v_etag": item.validators.etag,
        "v_last_modified": item.validators.last_modified,
        "v_body_sha256": item.validators.body_sha256,
        "v_given_by": item.validators.given_by,
        "v_status": item.status.value,
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
        "next_check_at": now,
        "failures": 0,
    }


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
        next_check_at=row["next_check_at"],
        checked_at=row["checked_at"],
        succeeded_at=row["succeeded_at"],
        changed_at=row["changed_at"],
        failures=row["failures"],
        error=row["error"],
        title=row["title"],
    )
