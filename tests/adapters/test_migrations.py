"""Upgrades of databases that hold something: what a released schema kept is there afterwards, and means the same."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.migrate import config_on, migrate
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.model.delivery import DeliveryState, SubscriptionState
from aggregator.model.newsletter import Issue
from aggregator.model.sending import Claim
from tests.mail_fakes import WEEKLY, issue_of
from tests.real_store import KINDS, empty_database

MONDAY = datetime(2026, 11, 30, 6, 30, tzinfo=UTC)
AT = "'2026-11-23 06:30:00'"
FIRST = f"""
INSERT INTO newsletters VALUES ('weekly', 'mon 07:30', 'Europe/Paris', 12, '2026-11-30 06:30:00', true);
INSERT INTO newsletters VALUES ('gone', 'daily 07:30', 'UTC', 3, '2026-11-01 07:30:00', false);
INSERT INTO issues VALUES (1, 'weekly', 1, {AT}, 'One', '<p>one</p>', 'one');
INSERT INTO issues VALUES (2, 'gone', 1, {AT}, 'Gone', '<p>gone</p>', 'gone');
INSERT INTO issues VALUES (3, 'weekly', 2, {AT}, 'Two', '<p>two</p>', 'two');
INSERT INTO issue_stories VALUES ('weekly', 'a', 1, 1);
INSERT INTO issue_stories VALUES ('weekly', 'b', 1, 0), ('weekly', 'c', 3, 0), ('gone', 'a', 2, 0);
INSERT INTO subscribers VALUES (5, 'Ana@Example.org', 'ana@example.org', 'Ana', {AT});
INSERT INTO subscribers VALUES (9, 'bob@example.com', 'bob@example.com', NULL, {AT});
INSERT INTO subscriptions VALUES (5, 'weekly', 'confirmed', 'form', {AT}, {AT});
INSERT INTO subscriptions VALUES (9, 'weekly', 'unsubscribed', 'form', {AT}, {AT});
INSERT INTO subscriptions VALUES (9, 'gone', 'confirmed', 'form', {AT}, {AT});
INSERT INTO deliveries (id, issue_id, subscriber_id, state, message_id, attempts, created_at, next_attempt_at,
    settled_at, policy, reply) VALUES (7, 1, 5, 'accepted', '<1@x>', 1, {AT}, NULL, {AT}, false, '250 OK'),
    (8, 3, 5, 'deferred', '<2@x>', 2, {AT}, {AT}, NULL, false, '451 later');
"""
"""One of everything that the first schema keeps of mail."""


@pytest.fixture(params=KINDS)
def first(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of the first schema, with rows."""
    with empty_database(request.param) as database:
        with database.write() as connection:
            command.upgrade(config_on(connection), "0001")
            for statement in FIRST.strip().split(";\n"):
                connection.execute(text(statement.removesuffix(";")))
        yield database


def test_newsletters_readers_and_the_ledger_come_along(first: Database) -> None:
    assert migrate(first) is True
    letters, people, ledger = SqlNewsletterStore(first), SqlSubscriberStore(first), SqlDeliveryStore(first)
    slot = letters.slot("weekly")
    assert (slot.cursor, slot.due_at, slot.next_number, slot.edition.is_own) == (12, MONDAY, 3, True)
    assert [due.newsletter_id for due in letters.due(MONDAY)] == ["weekly"]
    issue = letters.issue("weekly", 1)
    assert isinstance(issue, Issue)
    assert (issue.id, issue.story_ids, issue.rendering.subject) == (1, ("b", "a"), "One")
    assert set(letters.told(slot.edition, ["a", "b", "c", "d"])) == {"a", "b", "c"}
    assert [(item.subscriber.id, item.newsletter_id, item.state) for item in people.subscriptions()] == [
        (9, "gone", SubscriptionState.CONFIRMED),
        (5, "weekly", SubscriptionState.CONFIRMED),
        (9, "weekly", SubscriptionState.UNSUBSCRIBED),
    ]
    rows = [*ledger.for_issue(1), *ledger.for_issue(3)]
    assert [(row.id, row.state, row.message_id) for row in rows] == [
        (7, DeliveryState.ACCEPTED, "<1@x>"),
        (8, DeliveryState.DEFERRED, "<2@x>"),
    ]
    with first.read() as connection:
        assert set(connection.scalars(text("SELECT domain FROM deliveries"))) == {"example.org"}


def test_work_goes_on_after_it(first: Database) -> None:
    migrate(first)
    letters, ledger = SqlNewsletterStore(first), SqlDeliveryStore(first)
    claim = Claim(worker="one", newsletter_ids={"weekly"}, room=9)
    assert [row.id for row in ledger.exchange([], MONDAY, claim).claimed] == [8]
    slot = letters.slot("weekly")
    stored = letters.record(slot, up_to=13, next_due=None, issue=issue_of(slot, MONDAY, "d"), domain=WEEKLY.domain)
    assert stored is not None
    assert (stored.id, stored.number) == (4, 3)
    assert [row.id for row in ledger.for_issue(stored.id)] == [9]


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/wire.db")
    with database.write() as connection:
        command.upgrade(config_on(connection), "0001")
        connection.execute(text("CREATE TABLE suppressions (x integer)"))  # stands in the way of the last step
    with pytest.raises(Exception, match="suppressions"):
        migrate(database)
    with database.read() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0001"
        assert connection.execute(text("SELECT schedule FROM newsletters")).all() == []
    database.close()
