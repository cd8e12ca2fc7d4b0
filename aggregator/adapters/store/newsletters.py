"""Newsletters and their Issues: what is due, and the one transaction that closes a Slot.

compose: ... rendering > **issue + one queued Delivery per Subscription**
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Update,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from aggregator.adapters.store.editions import add_own, due_slots, follow, let_join, read_slots, slots
from aggregator.adapters.store.engine import Database, upsert
from aggregator.adapters.store.entries import chunks
from aggregator.adapters.store.mail_tables import (
    deliveries,
    drafts,
    dropped_stories,
    editions,
    issue_stories,
    issues,
    newsletters,
    subscribers,
    subscriptions,
)
from aggregator.errors import NotFoundError
from aggregator.faults import armed, fault
from aggregator.mail_ports import Runs
from aggregator.model.delivery import DeliveryState, SubscriptionState
from aggregator.model.edition import OWN, Draft, Edition, Slot, Told
from aggregator.model.newsletter import Issue, IssueSummary, Newsletter, Rendering

QUEUED_AT_ONCE = 1_000
"""Deliveries written by one statement, so that memory does not grow with the number of readers."""


class SqlNewsletterStore:
    """`mail_ports.NewsletterStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sync(self, configured: Sequence[Newsletter], runs: Runs, last_seq: int) -> None:
        """Make the tables follow feeds.yaml; newsletters no longer named keep their Issues and are not due."""
        with self._database.write_ledger() as connection:
            connection.execute(_away(newsletter.id for newsletter in configured))
            for newsletter in configured:
                row = upsert(newsletters).values(id=newsletter.id, active=True)
                connection.execute(row.on_conflict_do_update(index_elements=["id"], set_={"active": True}))
                follow(connection, newsletter, runs, last_seq)

    def begin(self, newsletter: Newsletter, due_at: datetime, last_seq: int) -> None:
        """Give it a place as `sync` does, unless it has one."""
        row = upsert(newsletters).values(id=newsletter.id, active=True)
        with self._database.write_ledger() as connection:
            if connection.execute(row.on_conflict_do_nothing()).rowcount:
                add_own(connection, newsletter, due_at, last_seq)

    def due(self, now: datetime) -> Sequence[Slot]:
        """Editions of active newsletters whose time has come, longest waiting first."""
        return self._slots(due_slots(now))

    def slot(self, newsletter_id: str) -> Slot:
        """Where its own Edition stands; raises NotFoundError."""
        for slot in self._slots(slots().where(editions.c.newsletter_id == newsletter_id, editions.c.key == OWN)):
            return slot
        raise NotFoundError(f"no newsletter {newsletter_id!r}; `aggregator newsletters list` names them")

    def record(
        self,
        slot: Slot,
        *,
        up_to: int,
        next_due: datetime | None,
        issue: Issue | None,
        domain: str,
        retold: Mapping[str, str] | None = None,
    ) -> Issue | None:
        """Close the slot: all of it in one transaction, or nothing when another closed it first."""
        id_ = slot.edition.id
        with self._database.write_ledger() as connection:
            if not _stands(connection, slot):
                return None
            moved = {"cursor": up_to} | ({"next_due_at": next_due} if next_due else {})
            connection.execute(update(editions).where(editions.c.id == id_).values(moved))
            connection.execute(delete(drafts).where(drafts.c.edition_id == id_))
            if slot.draft and slot.draft.dropped:
                rows = [{"newsletter_id": slot.newsletter_id, "story_id": story_id} for story_id in slot.draft.dropped]
                connection.execute(upsert(dropped_stories).on_conflict_do_nothing(), rows)
            stored = None
            if issue is not None:
                stored = replace(issue, id=_insert_issue(connection, issue))
                fault("digest.issue")
                _retell(connection, id_, retold or {})
                _queue(connection, stored, domain)
                fault("digest.recipients")
            let_join(connection, slot.edition)
            fault("digest.queued")
            return stored

    def told(self, edition: Edition, story_ids: Collection[str]) -> Collection[str]:
        """Those of these Stories that it told, or its only reader was told otherwise, or an editor dropped."""
        whose = issue_stories.c.edition_id == edition.id
        if not edition.is_own:
            whose = or_(whose, _told_its_only_reader(edition))
        told = select(issue_stories.c.story_id).where(whose)
        dropped = select(dropped_stories.c.story_id).where(dropped_stories.c.newsletter_id == edition.newsletter_id)
        with self._database.read() as connection:
            return {
                story_id
                for ids in chunks(story_ids)
                for query, column in ((told, issue_stories.c.story_id), (dropped, dropped_stories.c.story_id))
                for story_id in connection.scalars(query.where(column.in_(ids)))
            }

    def told_since(self, edition_id: int, moment: datetime) -> Sequence[Told]:
        """What its Issues made since then told, the latest first."""
        query = (
            select(issue_stories.c.story_id, issues.c.number, issue_stories.c.title)
            .join(issues, issues.c.id == issue_stories.c.issue_id)
            .where(issue_stories.c.edition_id == edition_id, issues.c.created_at >= moment)
            .order_by(issues.c.number.desc(), issue_stories.c.position)
        )
        with self._database.read() as connection:
            return [
                Told(story_id=row.story_id, issue_number=row.number, title=row.title)
                for row in connection.execute(query)
            ]

    def put_draft(self, slot: Slot, draft: Draft) -> bool:
        """Have the Edition wait for a person, or change what waits; False when it no longer stands as in `slot`."""
        values = asdict(draft) | {"pinned": list(draft.pinned), "dropped": list(draft.dropped)}
        row = upsert(drafts).values(values)
        with self._database.write_ledger() as connection:
            if not _stands(connection, slot):
                return False
            connection.execute(row.on_conflict_do_update(index_elements=["edition_id"], set_=values))
        return True

    def issues(
        self, newsletter_id: str, *, before: int | None = None, limit: int | None = None
    ) -> Sequence[IssueSummary]:
        """Newest first, those with a number below `before`; all unless limited."""
        query = _summaries().where(_is_own(newsletter_id)).order_by(issues.c.number.desc())
        below = query if before is None else query.where(issues.c.number < before)
        with self._database.read() as connection:
            return [IssueSummary(**row) for row in connection.execute(below.limit(limit)).mappings()]

    def latest(self, newsletter_id: str, limit: int) -> Sequence[Issue]:
        """Issues of its own Edition with all they hold, the newest first, without what each told."""
        query = select(issues).where(_is_own(newsletter_id)).order_by(issues.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            return [_issue(row, ()) for row in connection.execute(query).mappings()]

    def issue(self, newsletter_id: str, number: int) -> Issue | None:
        """The Issue of its own Edition with that number, or None."""
        return self._issue(_is_own(newsletter_id), issues.c.number == number)

    def edition_issue(self, edition_id: int, number: int) -> Issue | None:
        """The Issue of any Edition, or None."""
        return self._issue(issues.c.edition_id == edition_id, issues.c.number == number)

    def _issue(self, *which: ColumnElement[bool]) -> Issue | None:
        with self._database.read() as connection:
            row = connection.execute(select(issues).where(*which)).mappings().one_or_none()
            return _issue(row, _stories(connection, row["id"])) if row else None

    def _slots(self, query: Select[Any]) -> list[Slot]:
        with self._database.read() as connection:
            return read_slots(connection, query)


def _away(named: Iterable[str]) -> Update:
    return update(newsletters).where(newsletters.c.id.not_in(list(named))).values(active=False)


def _stands(connection: Connection, slot: Slot) -> bool:
    return read_slots(connection, slots().where(editions.c.id == slot.edition.id)) == [slot]


def _is_own(newsletter_id: str) -> ColumnElement[bool]:
    own = select(editions.c.id).where(editions.c.newsletter_id == newsletter_id, editions.c.key == OWN)
    return issues.c.edition_id == own.scalar_subquery()


def _told_its_only_reader(edition: Edition) -> ColumnElement[bool]:
    """What who reads an Edition alone was told by others; of several readers, each was told something else."""
    reader = (
        select(func.min(subscriptions.c.subscriber_id))
        .where(subscriptions.c.edition_id == edition.id, subscriptions.c.state == SubscriptionState.CONFIRMED.value)
        .having(func.count() == 1)
        .scalar_subquery()
    )
    letters = (
        select(deliveries.c.issue_id)
        .join(issues, issues.c.id == deliveries.c.issue_id)
        .where(deliveries.c.subscriber_id == reader, issues.c.newsletter_id == edition.newsletter_id)
    )
    return issue_stories.c.issue_id.in_(letters)


def _summaries() -> Select[Any]:
    """Without the letters themselves, of which one may have a hundred kilobytes."""
    stories = select(func.count()).where(issue_stories.c.issue_id == issues.c.id).scalar_subquery()
    return select(issues.c.number, issues.c.created_at, issues.c.subject, stories.label("stories"))


def _issue(row: RowMapping, stories: Sequence[tuple[str, str]]) -> Issue:
    return Issue(
        id=row["id"],
        newsletter_id=row["newsletter_id"],
        edition_id=row["edition_id"],
        number=row["number"],
        created_at=row["created_at"],
        rendering=Rendering(subject=row["subject"], html=row["html"], text=row["text"]),
        story_ids=tuple(id_ for id_, _ in stories),
        titles=tuple(title for _, title in stories),
    )


def _stories(connection: Connection, issue_id: int) -> Sequence[tuple[str, str]]:
    """Id and title of each, in order."""
    query = select(issue_stories.c.story_id, issue_stories.c.title).where(issue_stories.c.issue_id == issue_id)
    return [(id_, title) for id_, title in connection.execute(query.order_by(issue_stories.c.position))]


def _insert_issue(connection: Connection, issue: Issue) -> int:
    """Store the issue; that a Story is in one issue of an Edition only is the primary key of `issue_stories`."""
    row = insert(issues).values(
        newsletter_id=issue.newsletter_id,
        edition_id=issue.edition_id,
        number=issue.number,
        created_at=issue.created_at,
        subject=issue.rendering.subject,
        html=issue.rendering.html,
        text=issue.rendering.text,
    )
    id_: int = connection.execute(row.returning(issues.c.id)).scalar_one()
    titles = issue.titles or ("",) * len(issue.story_ids)
    rows = [
        {
            "edition_id": issue.edition_id,
            "story_id": story_id,
            "issue_id": id_,
            "position": position,
            "title": title,
        }
        for position, (story_id, title) in enumerate(zip(issue.story_ids, titles, strict=True))
    ]
    if rows:
        connection.execute(insert(issue_stories), rows)
    return id_


def _retell(connection: Connection, edition_id: int, titles: Mapping[str, str]) -> None:
    told = (issue_stories.c.edition_id == edition_id, issue_stories.c.story_id == bindparam("told"))
    if titles:
        rows = [{"told": story_id, "as_told": title} for story_id, title in titles.items()]
        connection.execute(update(issue_stories).where(*told).values(title=bindparam("as_told")), rows)


def _queue(connection: Connection, issue: Issue, domain: str) -> None:
    """One Delivery per reader, its Message-ID drawn once: the same at each attempt, and telling nobody who reads."""
    readers = (
        select(subscribers.c.id, subscribers.c.email)
        .join(subscriptions, subscriptions.c.subscriber_id == subscribers.c.id)
        .where(subscriptions.c.edition_id == issue.edition_id)
        .where(subscriptions.c.state == SubscriptionState.CONFIRMED.value)
    )
    at_once = QUEUED_AT_ONCE // 10 if armed("digest.half") else QUEUED_AT_ONCE  # so that a small list has a half too
    for some in connection.execute(readers.order_by(subscribers.c.id)).partitions(at_once):
        rows = [
            {
                "issue_id": issue.id,
                "subscriber_id": subscriber_id,
                "domain": email.rpartition("@")[2].lower(),
                "state": DeliveryState.QUEUED.value,
                "message_id": f"<{issue.newsletter_id}-{issue.number}.{secrets.token_hex(12)}@{domain}>",
                "attempts": 0,
                "created_at": issue.created_at,
                "next_attempt_at": issue.created_at,
                "policy": False,
            }
            for subscriber_id, email in some
        ]
        connection.execute(insert(deliveries), rows)
        fault("digest.half")
