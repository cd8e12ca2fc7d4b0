"""Newsletters and their Issues: what is due, and the one transaction that closes a Slot.

compose: ... rendering > **issue + one queued Delivery per Subscription**
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Update, bindparam, case, func, insert, or_, select, update

from aggregator.adapters.store.engine import Database, Insert, upsert
from aggregator.adapters.store.entries import chunks
from aggregator.adapters.store.schema import deliveries, issue_stories, issues, newsletters, subscriptions
from aggregator.errors import NotFoundError
from aggregator.model.delivery import DeliveryState, SubscriptionState
from aggregator.model.newsletter import Issue, IssueSummary, Newsletter, Rendering, Slot

LONGEST_GAP = timedelta(days=32)
"""No schedule leaves more days between two runs; a due time further off was set by a clock that was wrong."""


class SqlNewsletterStore:
    """`ports.NewsletterStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sync(self, configured: Sequence[Newsletter], due: Mapping[str, datetime], last_seq: int) -> None:
        """Make the table follow feeds.yaml; newsletters no longer named keep their Issues and are not due."""
        rows = [
            _config_row(newsletter, due[newsletter.id], last_seq) | {"reach": due[newsletter.id] + LONGEST_GAP}
            for newsletter in configured
        ]
        with self._database.write_ledger() as connection:
            connection.execute(_away(newsletter.id for newsletter in configured))
            if rows:
                connection.execute(_synced(), rows)

    def begin(self, newsletter: Newsletter, due_at: datetime, last_seq: int) -> None:
        """Give it a place as `sync` does, unless it has one."""
        place = upsert(newsletters).values(_config_row(newsletter, due_at, last_seq))
        with self._database.write_ledger() as connection:
            connection.execute(place.on_conflict_do_nothing())

    def due(self, now: datetime) -> Sequence[Slot]:
        """Active newsletters whose time has come, longest waiting first."""
        due = (newsletters.c.active, newsletters.c.next_due_at <= now)
        return self._slots(_slots().where(*due).order_by(newsletters.c.next_due_at, newsletters.c.id))

    def slot(self, newsletter_id: str) -> Slot:
        """Where it stands; raises NotFoundError."""
        for slot in self._slots(_slots().where(newsletters.c.id == newsletter_id)):
            return slot
        raise NotFoundError(f"no newsletter {newsletter_id!r}; `aggregator newsletters list` names them")

    def record(
        self, slot: Slot, *, up_to: int, next_due: datetime | None, issue: Issue | None, domain: str
    ) -> Issue | None:
        """Close the slot: all of it in one transaction, or nothing when another closed it first."""
        with self._database.write_ledger() as connection:
            if _read_slots(connection, _slots().where(newsletters.c.id == slot.newsletter_id)) != [slot]:
                return None
            moved = {"cursor": up_to} | ({"next_due_at": next_due} if next_due else {})
            connection.execute(update(newsletters).where(newsletters.c.id == slot.newsletter_id).values(moved))
            if issue is None:
                return None
            id_ = _insert_issue(connection, issue)
            _queue(connection, id_, issue, domain)
            return replace(issue, id=id_)

    def told(self, newsletter_id: str, story_ids: Collection[str]) -> Collection[str]:
        """Those of these Stories that stand in one of its Issues."""
        own = select(issue_stories.c.story_id).where(issue_stories.c.newsletter_id == newsletter_id)
        with self._database.read() as connection:
            return {
                story_id
                for ids in chunks(story_ids)
                for story_id in connection.scalars(own.where(issue_stories.c.story_id.in_(ids)))
            }

    def issues(
        self, newsletter_id: str, *, before: int | None = None, limit: int | None = None
    ) -> Sequence[IssueSummary]:
        """Newest first, those with a number below `before`; all unless limited."""
        query = _summaries().where(issues.c.newsletter_id == newsletter_id).order_by(issues.c.number.desc())
        below = query if before is None else query.where(issues.c.number < before)
        with self._database.read() as connection:
            return [IssueSummary(**row) for row in connection.execute(below.limit(limit)).mappings()]

    def issue(self, newsletter_id: str, number: int) -> Issue | None:
        """The Issue of that number, or None."""
        query = select(issues).where(issues.c.newsletter_id == newsletter_id, issues.c.number == number)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return _issue(row, _story_ids(connection, row["id"])) if row else None

    def _slots(self, query: Select[Any]) -> list[Slot]:
        with self._database.read() as connection:
            return _read_slots(connection, query)


def _config_row(newsletter: Newsletter, due_at: datetime, last_seq: int) -> dict[str, Any]:
    return {
        "id": newsletter.id,
        "schedule": newsletter.schedule,
        "timezone": newsletter.timezone,
        "cursor": last_seq,
        "next_due_at": due_at,
        "active": True,
    }


def _away(named: Iterable[str]) -> Update:
    return update(newsletters).where(newsletters.c.id.not_in(list(named))).values(active=False)


def _synced() -> Insert:
    statement = upsert(newsletters)
    new = statement.excluded
    moved = or_(
        newsletters.c.schedule != new.schedule,
        newsletters.c.timezone != new.timezone,
        newsletters.c.next_due_at > bindparam("reach", type_=newsletters.c.next_due_at.type),
    )
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={
            **{name: new[name] for name in ("schedule", "timezone", "active")},
            "next_due_at": case((moved, new.next_due_at), else_=newsletters.c.next_due_at),
        },
    )


def _slots() -> Select[Any]:
    last = select(func.max(issues.c.number)).where(issues.c.newsletter_id == newsletters.c.id).scalar_subquery()
    return select(newsletters, (func.coalesce(last, 0) + 1).label("next_number"))


def _read_slots(connection: Connection, query: Select[Any]) -> list[Slot]:
    return [
        Slot(newsletter_id=row.id, cursor=row.cursor, due_at=row.next_due_at, next_number=row.next_number)
        for row in connection.execute(query)
    ]


def _summaries() -> Select[Any]:
    """Without the letters themselves, of which one may have a hundred kilobytes."""
    stories = select(func.count()).where(issue_stories.c.issue_id == issues.c.id).scalar_subquery()
    return select(issues.c.number, issues.c.created_at, issues.c.subject, stories.label("stories"))


def _issue(row: RowMapping, story_ids: tuple[str, ...]) -> Issue:
    return Issue(
        id=row["id"],
        newsletter_id=row["newsletter_id"],
        number=row["number"],
        created_at=row["created_at"],
        rendering=Rendering(subject=row["subject"], html=row["html"], text=row["text"]),
        story_ids=story_ids,
    )


def _story_ids(connection: Connection, issue_id: int) -> tuple[str, ...]:
    own = select(issue_stories.c.story_id).where(issue_stories.c.issue_id == issue_id)
    return tuple(connection.scalars(own.order_by(issue_stories.c.position)))


def _insert_issue(connection: Connection, issue: Issue) -> int:
    """Store the issue; that a Story is in one issue of a newsletter only is the primary key of `issue_stories`."""
    row = insert(issues).values(
        newsletter_id=issue.newsletter_id,
        number=issue.number,
        created_at=issue.created_at,
        subject=issue.rendering.subject,
        html=issue.rendering.html,
        text=issue.rendering.text,
    )
    id_: int = connection.execute(row.returning(issues.c.id)).scalar_one()
    rows = [
        {"newsletter_id": issue.newsletter_id, "story_id": story_id, "issue_id": id_, "position": position}
        for position, story_id in enumerate(issue.story_ids)
    ]
    if rows:
        connection.execute(insert(issue_stories), rows)
    return id_


def _queue(connection: Connection, issue_id: int, issue: Issue, domain: str) -> None:
    """One Delivery per reader, its Message-ID drawn once: the same at each attempt, and telling nobody who reads."""
    readers = select(subscriptions.c.subscriber_id).where(
        subscriptions.c.newsletter_id == issue.newsletter_id, subscriptions.c.state == SubscriptionState.CONFIRMED
    )
    rows = [
        {
            "issue_id": issue_id,
            "subscriber_id": subscriber_id,
            "state": DeliveryState.QUEUED.value,
            "message_id": f"<{issue.newsletter_id}-{issue.number}.{secrets.token_hex(12)}@{domain}>",
            "attempts": 0,
            "created_at": issue.created_at,
            "next_attempt_at": issue.created_at,
            "policy": False,
        }
        for subscriber_id in connection.scalars(readers.order_by(subscriptions.c.subscriber_id))
    ]
    if rows:
        connection.execute(insert(deliveries), rows)
