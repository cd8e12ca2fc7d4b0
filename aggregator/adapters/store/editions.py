"""Editions: where each stands, and which of them a reader's choices lead to.

compose: **newsletters.due** > stories.after > ...
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, Select, and_, exists, func, insert, or_, select, update

from aggregator.adapters.store.mail_tables import drafts, editions, issues, newsletters, subscriptions
from aggregator.mail_ports import Runs
from aggregator.model.delivery import SubscriptionState
from aggregator.model.edition import OWN, Choices, Draft, Edition, Slot
from aggregator.model.newsletter import Newsletter


def slots() -> Select[Any]:
    """Every Edition with its number and draft."""
    last = select(func.max(issues.c.number)).where(issues.c.edition_id == editions.c.id).scalar_subquery()
    draft = [column.label(f"draft_{column.name}") for column in drafts.c]
    number = (func.coalesce(last, 0) + 1).label("next_number")
    return select(editions, number, *draft).outerjoin_from(editions, drafts)


def due_slots(now: datetime) -> Select[Any]:
    """Those whose time has come, longest waiting first."""
    active = exists().where(newsletters.c.id == editions.c.newsletter_id, newsletters.c.active)
    ready = or_(drafts.c.edition_id.is_(None), drafts.c.approved_at.is_not(None), drafts.c.deadline_at <= now)
    wanted = or_(editions.c.key == OWN, _has_readers())
    due = or_(editions.c.next_due_at <= now, drafts.c.edition_id.is_not(None))
    return slots().where(active, due, ready, wanted).order_by(editions.c.next_due_at, editions.c.id)


def _has_readers() -> Any:
    theirs = and_(
        subscriptions.c.edition_id == editions.c.id, subscriptions.c.state == SubscriptionState.CONFIRMED.value
    )
    return exists().where(theirs).correlate(editions)


def read_slots(connection: Connection, query: Select[Any]) -> list[Slot]:
    """The Slots of rows as `slots` gives them."""
    return [
        Slot(
            edition=read_edition(row),
            cursor=row.cursor,
            due_at=row.next_due_at,
            next_number=row.next_number,
            draft=_draft(row._mapping) if row.draft_edition_id is not None else None,
        )
        for row in connection.execute(query)
    ]


def read_edition(row: Row[Any]) -> Edition:
    """The Edition of a row of the table."""
    return Edition(
        id=row.id,
        newsletter_id=row.newsletter_id,
        key=row.key,
        choices=Choices(**row.choices),
        base_id=row.base_id,
    )


def _draft(row: RowMapping) -> Draft:
    values = {column.name: row[f"draft_{column.name}"] for column in drafts.c}
    return Draft(**values | {name: tuple(values[name]) for name in ("pinned", "dropped")})


def follow(connection: Connection, newsletter: Newsletter, runs: Runs, last_seq: int) -> None:
    """Have its Editions come when feeds.yaml now says; its own is made if it is not there."""
    known = [read_edition(row) for row in connection.execute(_of(newsletter.id))]
    if not any(edition.is_own for edition in known):
        add_own(connection, newsletter, runs(newsletter)[0], last_seq)
    for edition in known:
        chosen = edition.choices.applied(newsletter)
        try:
            first, second = runs(chosen)
        except (ValueError, KeyError):  # a zone that the world gave up: its time stays, and composing names the fault
            if edition.is_own:
                raise
            continue
        moved = or_(editions.c.schedule != schedule_of(chosen), editions.c.next_due_at > second)
        connection.execute(
            update(editions)
            .where(editions.c.id == edition.id, moved)
            .values(schedule=schedule_of(chosen), next_due_at=first)
        )


def add_own(connection: Connection, newsletter: Newsletter, due_at: datetime, last_seq: int) -> None:
    """Give a newsletter its own Edition."""
    connection.execute(insert(editions).values(_row(newsletter, Choices(), OWN, due_at, last_seq)))


def place(
    connection: Connection,
    newsletter: Newsletter,
    choices: Choices,
    subscriber_id: int,
    *,
    due_at: datetime,
    last_seq: int,
) -> int:
    """The id of the Edition that brings a reader what they chose, from where they stand: made if it is not there.

    One that others read already is joined when it stands where the reader does. Else theirs is one of their own, which
    `record` lets join the other once both have told the same. Who comes back is told nothing of what lies before the
    place of the Edition that they left, which they may have had.
    """
    present = _present(connection, subscriber_id, newsletter.id)
    reader = present if present is not None and present.state == SubscriptionState.CONFIRMED.value else None
    if reader is not None and read_edition(reader).choices == choices:
        return int(reader.id)
    target = _with_key(connection, newsletter.id, choices.key)
    cursor = last_seq if reader is None else int(reader.cursor)
    if target is None:
        return _add(connection, newsletter, choices, choices.key, due_at=due_at, cursor=cursor)
    is_read = target.key == OWN or target.has_readers
    if is_read and reader is None:
        cursor = max(target.cursor, present.cursor if present is not None else 0)
    if not is_read and target.cursor <= cursor:
        moved = {"cursor": cursor, "next_due_at": due_at}
        connection.execute(update(editions).where(editions.c.id == target.id).values(moved))
    elif cursor != target.cursor:  # also where nobody reads it any more: what it told others, this reader has not had
        key = f"#{subscriber_id} {choices.key}"
        return _alone(connection, newsletter, choices, key, target.id, due_at=due_at, cursor=cursor)
    return int(target.id)


def _alone(
    connection: Connection,
    newsletter: Newsletter,
    choices: Choices,
    key: str,
    base_id: int,
    *,
    due_at: datetime,
    cursor: int,
) -> int:
    """An Edition of one reader's own that catches up with another."""
    old = _with_key(connection, newsletter.id, key)
    if old is None:
        return _add(connection, newsletter, choices, key, due_at=due_at, cursor=cursor, base_id=base_id)
    values = {"cursor": cursor, "next_due_at": due_at}
    connection.execute(update(editions).where(editions.c.id == old.id).values(values))
    return int(old.id)


def _add(
    connection: Connection,
    newsletter: Newsletter,
    choices: Choices,
    key: str,
    *,
    due_at: datetime,
    cursor: int,
    base_id: int | None = None,
) -> int:
    row = _row(choices.applied(newsletter), choices, key, due_at, cursor) | {"base_id": base_id}
    return int(connection.execute(insert(editions).values(row).returning(editions.c.id)).scalar_one())


def let_join(connection: Connection, edition: Edition) -> None:
    """Readers alone in an Edition that has told all that its base has, and no more, join the base where it is read."""
    base_id = edition.base_id or edition.id
    base = select(editions.c.cursor).where(editions.c.id == base_id, or_(editions.c.key == OWN, _has_readers()))
    caught_up = select(editions.c.id).where(
        editions.c.base_id == base_id, editions.c.cursor == base.correlate(None).scalar_subquery()
    )
    joined = update(subscriptions).where(subscriptions.c.edition_id.in_(caught_up))
    connection.execute(joined.values(edition_id=base_id))


def schedule_of(newsletter: Newsletter) -> str:
    """All that decides when it comes, as one text."""
    return " ".join((newsletter.schedule, newsletter.timezone, newsletter.quiet or "", *newsletter.holidays)).strip()


def _row(newsletter: Newsletter, choices: Choices, key: str, due_at: datetime, cursor: int) -> dict[str, Any]:
    return {
        "newsletter_id": newsletter.id,
        "key": key,
        "choices": {name: value for name, value in asdict(choices).items() if value},
        "schedule": schedule_of(newsletter),
        "cursor": cursor,
        "next_due_at": due_at,
    }


def _of(newsletter_id: str) -> Select[Any]:
    return select(editions).where(editions.c.newsletter_id == newsletter_id)


def _with_key(connection: Connection, newsletter_id: str, key: str) -> Row[Any] | None:
    query = select(editions, _has_readers().label("has_readers"))
    return connection.execute(query.where(editions.c.newsletter_id == newsletter_id, editions.c.key == key)).first()


def _present(connection: Connection, subscriber_id: int, newsletter_id: str) -> Row[Any] | None:
    """The Edition that a reader has, or had until they left, with the state of that; None for who is none yet."""
    theirs = (
        subscriptions.c.subscriber_id == subscriber_id,
        subscriptions.c.newsletter_id == newsletter_id,
        subscriptions.c.state != SubscriptionState.PENDING.value,
    )
    query = select(editions, subscriptions.c.state).join(subscriptions, subscriptions.c.edition_id == editions.c.id)
    return connection.execute(query.where(*theirs)).first()
