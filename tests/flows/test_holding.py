"""A person's word on letters that wait, on both databases."""

from collections.abc import Iterator

import pytest
from sqlalchemy import event

from aggregator.adapters.store.holds import SqlHoldStore
from aggregator.errors import NotFoundError
from aggregator.flows.holding import HoldPorts, cancel, pause, resend_uncertain, resume
from aggregator.model.delivery import DeliveryState
from aggregator.model.sending import Held
from tests.adapters.test_mail_store_contract import (
    ACCEPTED,
    DEFERRED,
    HOUR,
    IDS,
    MONDAY,
    SqlStore,
    claim,
    claimed,
    queued,
    record,
    recover,
    settle,
    subscribe,
)
from tests.fakes import FrozenClock
from tests.real_store import KINDS, database_of

CANCELLED = DeliveryState.CANCELLED


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest) -> Iterator[tuple[SqlStore, HoldPorts]]:
    """Three letters of `weekly` and one of `daily` that wait."""
    with database_of(request.param) as database:
        store = SqlStore(database)
        queued(store, "ana@example.org", "bob@example.org", "carl@example.org")
        subscribe(store, "daily", "dora@example.org")
        record(store, "daily", "story-1")
        yield store, HoldPorts(holds=SqlHoldStore(database), newsletters=store, clock=FrozenClock(MONDAY))


def names(store: SqlStore) -> list[str]:
    return [row.subscriber.email.partition("@")[0] for row in claimed(store, MONDAY + HOUR, room=9)]


def test_what_is_held_is_not_claimed_and_nothing_of_it_is_lost(desk: tuple[SqlStore, HoldPorts]) -> None:
    store, ports = desk
    assert pause(ports, "weekly", None) is True
    assert pause(ports, "weekly", None) is False
    assert ports.holds.holds() == [Held(newsletter_id="weekly", number=None, since=MONDAY)]
    assert store.waiting(MONDAY, IDS, limit=9) == 1
    assert names(store) == ["dora"]
    assert resume(ports, "weekly", None) is True
    assert resume(ports, "weekly", None) is False
    assert ports.holds.holds() == []
    assert names(store) == ["ana", "bob", "carl"]


def test_one_issue_is_held_and_the_next_goes_out(desk: tuple[SqlStore, HoldPorts]) -> None:
    store, ports = desk
    pause(ports, "weekly", 1)
    record(store, "weekly", "story-2")
    assert ports.holds.holds() == [Held(newsletter_id="weekly", number=1, since=MONDAY)]
    assert sorted({row.issue_number for row in claimed(store, MONDAY, ["weekly"], room=9)}) == [2]


def test_an_issue_made_while_its_newsletter_is_held_waits_too_and_leaves_the_queue(
    desk: tuple[SqlStore, HoldPorts],
) -> None:
    store, ports = desk
    pause(ports, "weekly", None)
    issue = record(store, "weekly", "story-2")
    assert names(store) == ["dora"]
    assert ports.holds.park(MONDAY) == 3
    assert ports.holds.park(MONDAY) == 0
    assert {row.next_attempt_at for row in store.for_issue(issue.id)} == {None}
    resume(ports, "weekly", None)
    assert len(names(store)) == 6


def test_of_two_holds_each_has_to_be_ended(desk: tuple[SqlStore, HoldPorts]) -> None:
    store, ports = desk
    pause(ports, "weekly", 1)
    pause(ports, "weekly", None)
    resume(ports, "weekly", None)
    assert names(store) == ["dora"]
    resume(ports, "weekly", 1)
    assert names(store) == ["ana", "bob", "carl"]


def test_what_is_put_off_while_it_is_held_waits_for_its_release(desk: tuple[SqlStore, HoldPorts]) -> None:
    store, ports = desk
    ana = claim(store)
    pause(ports, "weekly", None)
    assert settle(store, ana, DEFERRED, MONDAY, MONDAY + HOUR) is True
    assert names(store) == ["dora"]
    ports.holds.park(MONDAY + HOUR)
    resume(ports, "weekly", None)
    assert names(store) == ["ana", "bob", "carl"]


def test_without_holds_nothing_is_written() -> None:
    with database_of("sqlite") as database:
        store = SqlStore(database)
        queued(store, "ana@example.org")
        commits: list[object] = []
        event.listen(database.ledger, "commit", commits.append)
        assert SqlHoldStore(database).park(MONDAY) == 0
        assert commits == []


def test_an_issue_that_is_cancelled_is_sent_to_nobody_any_more(desk: tuple[SqlStore, HoldPorts]) -> None:
    store, ports = desk
    ana, bob = claim(store), claim(store)
    settle(store, ana, ACCEPTED, MONDAY, None)
    assert cancel(ports, "weekly", 1) == 1
    assert cancel(ports, "weekly", 1) == 0
    assert settle(store, bob, DEFERRED, MONDAY, MONDAY + HOUR) is True
    assert names(store) == ["dora"]
    assert [row.state for row in store.for_issue(1)] == [DeliveryState.ACCEPTED, DeliveryState.DEFERRED, CANCELLED]
    assert store.for_issue(1)[2].reply == "cancelled by a person"


def test_letters_in_doubt_are_sent_again_when_a_person_says_so(desk: tuple[SqlStore, HoldPorts]) -> None:
    store, ports = desk
    before = {row.id: row.message_id for row in store.for_issue(1)}
    settle(store, claim(store), ACCEPTED, MONDAY, None)
    claim(store)
    assert recover(store, MONDAY) == (1, 0)
    assert resend_uncertain(ports, "weekly", 1) == 1
    again = {row.id: row.message_id for row in claimed(store, MONDAY, ["weekly"], room=9)}
    assert again == {id_: before[id_] for id_ in (2, 3)}


def test_what_is_not_there_is_named(desk: tuple[SqlStore, HoldPorts]) -> None:
    store, ports = desk
    for act in (pause, resume):
        with pytest.raises(NotFoundError, match="'montly'"):
            act(ports, "montly", None)
    for act in (pause, resume, cancel, resend_uncertain):
        with pytest.raises(NotFoundError, match="no issue 7; `aggregator newsletters issues weekly`"):
            act(ports, "weekly", 7)
    assert ports.holds.holds() == []
    assert store.waiting(MONDAY, IDS, limit=9) == 4
