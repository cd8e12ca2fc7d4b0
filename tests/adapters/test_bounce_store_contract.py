"""One contract for every store of bounces, the fake included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import pytest
from sqlalchemy import insert, select

from aggregator.adapters.store.bounces import SqlBounceStore
from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.mail_tables import suppressions
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.errors import NotFoundError
from aggregator.mail_ports import BounceStore, DeliveryStore, NewsletterStore, SubscriberStore
from aggregator.model.bounce import Bounce, BounceAction, BounceKind, BounceVerdict, RunOutcome, Strike
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, Subscriber, SubscriptionState
from tests.bounce_fakes import MemoryBounceStore, key_of, keys_of, settle_all
from tests.fakes import START
from tests.mail_fakes import ACCEPTED, DAILY, WEEKLY, issue_of
from tests.real_store import KINDS, database_of

DAY = timedelta(days=1)
NOTHING, SCORED, DISABLE, SUPPRESS = (BounceVerdict(action=action, reason="why") for action in BounceAction)
REFUSED = SendResult(state=DeliveryState.REFUSED, reply="550 5.1.1 No", code=550)
UNCERTAIN = SendResult(state=DeliveryState.UNCERTAIN, reply="no answer")
DEFERRED = SendResult(state=DeliveryState.DEFERRED, reply="450 Later", code=450)
ADA, BOB = "ada@a.example", "bob@b.example"


class Rooms(BounceStore, NewsletterStore, SubscriberStore, DeliveryStore, Protocol):
    """The rooms of mail under one roof."""


class SqlRooms(SqlBounceStore, SqlNewsletterStore, SqlSubscriberStore, SqlDeliveryStore):
    """Those of the real store."""


@dataclass
class Store:
    rooms: Rooms
    suppressed: Callable[[], dict[str, str]]
    suppress: Callable[[str, str], None]
    """Reasons by key; the way for others to suppress an address."""

    def send(
        self, *emails: str, newsletter_id: str = "weekly", result: SendResult | None = ACCEPTED, day: int = 0
    ) -> list[Delivery]:
        """The letters of one more Issue, each with this result, or not tried when None."""
        people = [Subscriber(email=email) for email in emails]
        self.rooms.put(people, newsletter_id, SubscriptionState.CONFIRMED, "form", START)
        slot, now = self.rooms.slot(newsletter_id), START + day * DAY
        issue = issue_of(slot, now, f"{newsletter_id} {slot.next_number}")
        stored = self.rooms.record(slot, up_to=slot.cursor, next_due=None, issue=issue, domain="example.org")
        assert stored is not None
        if result:
            settle_all(self.rooms, newsletter_id, now, result, now + DAY if result is DEFERRED else None)
        return [row for row in self.rooms.for_issue(stored.id) if row.subscriber.email in emails]

    def bounce(
        self,
        delivery: Delivery,
        verdict: BounceVerdict = SCORED,
        *,
        name: str = "mail",
        kind: BounceKind = BounceKind.HARD,
        status: str = "5.2.2",
        day: int = 0,
        came_back: bool = True,
    ) -> bool:
        bounce = Bounce(
            digest=name.encode().ljust(16, b"\0"),
            subscriber_id=delivery.subscriber.id,
            delivery_id=delivery.id,
            email=delivery.subscriber.email,
            kind=kind,
            status=status,
            reason="mailbox full",
            received_at=START + day * DAY,
            scored=verdict not in (NOTHING,) and kind is not BounceKind.COMPLAINT,
            came_back=came_back,
        )
        key = key_of(delivery.subscriber.email)
        return self.rooms.record_bounce(bounce, verdict, key=key, now=START + day * DAY)

    def states(self, newsletter_id: str = "weekly") -> dict[str, str]:
        return {item.subscriber.email: item.state.value for item in self.rooms.subscriptions(newsletter_id)}

    def state(self, delivery: Delivery) -> str:
        found = self.rooms.delivery(delivery.id)
        assert found is not None
        return found.state.value


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        memory = MemoryBounceStore()
        yield _with_newsletters(
            Store(rooms=memory, suppressed=lambda: memory.suppressed, suppress=memory.suppressed.__setitem__)
        )
        return
    with database_of(request.param) as database:

        def suppressed() -> dict[str, str]:
            with database.read() as connection:
                return {row.key: row.reason for row in connection.execute(select(suppressions))}

        def suppress(key: str, reason: str) -> None:
            with database.write() as connection:
                connection.execute(insert(suppressions).values(key=key, reason=reason, since=START, note=""))

        yield _with_newsletters(Store(rooms=SqlRooms(database), suppressed=suppressed, suppress=suppress))


def _with_newsletters(store: Store) -> Store:
    store.rooms.sync([WEEKLY, DAILY], lambda newsletter: (START, START + 7 * DAY), 0)
    return store


# --- what is kept ---------------------------------------------------------------------------------


def test_a_delivery_is_found_by_its_id(store: Store) -> None:
    (letter,) = store.send(ADA)
    found = store.rooms.delivery(letter.id)
    assert found is not None
    assert (found.subscriber.email, found.newsletter_id, found.state) == (ADA, "weekly", DeliveryState.ACCEPTED)
    assert store.rooms.delivery(404) is None


def test_a_bounce_is_kept_once_by_its_mail(store: Store) -> None:
    (letter,) = store.send(ADA)
    assert [store.bounce(letter), store.bounce(letter, SUPPRESS), store.bounce(letter, name="another")] == [
        True,
        False,
        True,
    ]
    assert store.rooms.known(b"mail".ljust(16, b"\0"))
    assert not store.rooms.known(b"x" * 16)
    assert store.states() == {ADA: "confirmed"}
    latest, first = store.rooms.bounces(9)
    assert replace(latest, id=0, digest=b"") == replace(first, id=0, digest=b"")
    assert (first.email, first.kind, first.status, first.reason) == (ADA, BounceKind.HARD, "5.2.2", "mailbox full")
    assert (first.received_at, first.scored, first.delivery_id) == (START, True, letter.id)
    assert store.rooms.bounces(1) == [latest]


def test_bounces_of_one_delivery_are_found_the_latest_first(store: Store) -> None:
    ada, bob = store.send(ADA, BOB)
    store.bounce(ada, name="first")
    store.bounce(bob, name="another")
    store.bounce(ada, name="second")
    assert [kept.digest.strip(b"\0") for kept in store.rooms.of_delivery(ada.id)] == [b"second", b"first"]
    assert store.rooms.of_delivery(404) == []


@pytest.mark.parametrize(
    ("result", "kind", "came_back", "state"),
    [
        (ACCEPTED, BounceKind.HARD, True, "bounced"),
        (UNCERTAIN, BounceKind.SOFT, True, "bounced"),
        (ACCEPTED, BounceKind.SOFT, False, "accepted"),
        (ACCEPTED, BounceKind.COMPLAINT, True, "complained"),
        (REFUSED, BounceKind.HARD, True, "refused"),
        (DEFERRED, BounceKind.SOFT, True, "deferred"),
        (None, BounceKind.HARD, True, "queued"),
    ],
)
def test_a_letter_that_was_given_away_is_marked(
    store: Store, result: SendResult | None, kind: BounceKind, came_back: bool, state: str
) -> None:
    (letter,) = store.send(ADA, result=result)
    store.bounce(letter, kind=kind, came_back=came_back)
    assert store.state(letter) == state


def test_a_letter_that_came_back_can_be_complained_of_and_not_the_other_way(store: Store) -> None:
    (letter,) = store.send(ADA)
    store.bounce(letter)
    store.bounce(letter, NOTHING, name="complaint", kind=BounceKind.COMPLAINT)
    store.bounce(letter, name="late")
    assert store.state(letter) == "complained"


# --- history and runs -----------------------------------------------------------------------------


def test_a_history_has_scored_bounces_and_days_of_letters_that_arrived(store: Store) -> None:
    first, second = store.send(ADA)[0], store.send(ADA, day=1)[0]
    store.send(ADA, day=2)
    store.send(ADA, day=2, newsletter_id="daily")
    store.send(ADA, day=3, result=REFUSED)
    store.bounce(first, day=1)
    store.bounce(second, NOTHING, name="policy", day=2)
    store.bounce(second, NOTHING, name="complaint", kind=BounceKind.COMPLAINT, day=2)
    history = store.rooms.history(first.subscriber.id)
    digest = b"mail".ljust(16, b"\0")
    assert history.strikes == (Strike(digest=digest, at=START + DAY, kind=BounceKind.HARD, issue_id=first.issue_id),)
    assert history.accepted == ((START + 2 * DAY).date(),)


def test_a_late_letter_is_none_that_arrived(store: Store) -> None:
    (letter,) = store.send(ADA)
    assert store.rooms.history(letter.subscriber.id).accepted == (START.date(),)
    store.bounce(letter, kind=BounceKind.SOFT, came_back=False)
    assert store.rooms.history(letter.subscriber.id).accepted == ()


def test_a_run_counts_each_reader_once_whether_scored_or_not(store: Store) -> None:
    ada, bob, *others = store.send(ADA, BOB, "c@c.example", "d@d.example", "e@e.example")
    store.send(ADA, day=1)
    store.bounce(ada, NOTHING)
    store.bounce(ada, name="again")
    store.bounce(bob, name="bob", status="5.4.4")
    store.bounce(bob, name="bob again", status="5.1.1")
    store.bounce(others[0], NOTHING, name="complaint", kind=BounceKind.COMPLAINT)
    assert store.rooms.run(ada.issue_id) == RunOutcome(letters=5, unnamed=("a.example",), named=1)
    assert store.rooms.run(ada.issue_id + 7) == RunOutcome(letters=0)


def test_cancelled_letters_are_none_of_a_run(store: Store) -> None:
    ada, _ = store.send(ADA, BOB, result=None)
    store.rooms.unsubscribe(ada.subscriber.id, "weekly", START)
    assert store.rooms.run(ada.issue_id).letters == 1


# --- what follows ---------------------------------------------------------------------------------


def test_who_is_disabled_gets_nothing_more_of_any_newsletter(store: Store) -> None:
    (letter,) = store.send(ADA)
    (waiting,), (other,) = (
        store.send(ADA, newsletter_id="daily", result=None),
        store.send(BOB, newsletter_id="daily", result=None),
    )
    store.bounce(letter, DISABLE)
    assert (store.states(), store.states("daily")) == ({ADA: "disabled"}, {ADA: "disabled", BOB: "confirmed"})
    assert (store.state(waiting), store.state(other)) == ("cancelled", "queued")
    assert store.suppressed() == {}
    assert store.send(ADA, day=1) == []


def test_who_is_suppressed_is_written_down_under_the_key_alone(store: Store) -> None:
    (letter,) = store.send(ADA)
    store.bounce(letter, SUPPRESS)
    assert store.suppressed() == {key_of(ADA): "bounce"}
    assert store.states() == {ADA: "disabled"}


def test_a_complaint_ends_the_subscription_and_outweighs_a_bounce(store: Store) -> None:
    (letter,) = store.send(ADA)
    store.send(ADA, newsletter_id="daily")
    store.bounce(letter, SUPPRESS)
    store.bounce(letter, SUPPRESS, name="complaint", kind=BounceKind.COMPLAINT)
    store.bounce(letter, SUPPRESS, name="late")
    assert store.suppressed() == {key_of(ADA): "complaint"}
    assert (store.states(), store.states("daily")) == ({ADA: "unsubscribed"}, {ADA: "disabled"})
    assert not store.rooms.enable(letter.subscriber.id, keys_of(ADA), START)
    assert store.states("daily") == {ADA: "disabled"}


@pytest.mark.parametrize("reason", ["reader", "erased"])
def test_what_a_reader_wished_stays_whatever_bounces(store: Store, reason: str) -> None:
    (letter,) = store.send(ADA)
    store.suppress(key_of(ADA), reason)
    store.bounce(letter, SUPPRESS)
    store.bounce(letter, SUPPRESS, name="complaint", kind=BounceKind.COMPLAINT)
    assert store.suppressed() == {key_of(ADA): reason}
    assert not store.rooms.enable(letter.subscriber.id, keys_of(ADA), START)


def test_who_left_stays_away(store: Store) -> None:
    (letter,) = store.send(ADA)
    store.rooms.unsubscribe(letter.subscriber.id, "weekly", START)
    store.bounce(letter, SUPPRESS)
    store.rooms.enable(letter.subscriber.id, keys_of(ADA), START)
    assert store.states() == {ADA: "unsubscribed"}


# --- what is taken back ---------------------------------------------------------------------------


def test_who_was_stopped_by_bounces_has_mail_again(store: Store) -> None:
    ada, bob = store.send(ADA, BOB)
    store.bounce(ada, SUPPRESS)
    store.bounce(bob, DISABLE, name="bob")
    assert [
        store.rooms.enable(letter.subscriber.id, keys_of(letter.subscriber.email), START) for letter in (ada, bob)
    ] == [
        True,
        True,
    ]
    assert (store.states(), store.suppressed()) == ({ADA: "confirmed", BOB: "confirmed"}, {})
    assert not store.rooms.enable(ada.subscriber.id, keys_of(ADA), START)


def test_who_was_suppressed_under_an_older_secret_has_mail_again(store: Store) -> None:
    (letter,) = store.send(ADA)
    store.bounce(letter, DISABLE)
    store.suppress(keys_of(ADA)[1], "bounce")
    assert store.rooms.enable(letter.subscriber.id, keys_of(ADA), START)
    assert (store.states(), store.suppressed()) == ({ADA: "confirmed"}, {})


def test_a_run_is_pardoned_and_no_other(store: Store) -> None:
    ada, bob = store.send(ADA, BOB)
    (later,) = store.send(ADA, day=1)[:1]
    store.bounce(ada)
    store.bounce(bob, NOTHING, name="bob")
    store.bounce(later, name="later")
    assert store.rooms.pardon(ada.issue_id) == {ada.subscriber.id: ADA}
    assert store.rooms.pardon(ada.issue_id) == {}
    assert [strike.issue_id for strike in store.rooms.history(ada.subscriber.id).strikes] == [later.issue_id]
    assert store.rooms.run(ada.issue_id).unnamed == ("a.example", "b.example")


def test_one_bounce_is_forgiven(store: Store) -> None:
    (letter,) = store.send(ADA)
    store.bounce(letter)
    (bounce,) = store.rooms.bounces(9)
    assert store.rooms.forgive(bounce.id) == bounce
    assert [kept.scored for kept in store.rooms.bounces(9)] == [False]
    assert store.rooms.history(letter.subscriber.id).strikes == ()
    with pytest.raises(NotFoundError, match="no bounce 404"):
        store.rooms.forgive(404)
