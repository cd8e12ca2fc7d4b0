"""Who left a newsletter and takes it up again: told nothing twice, and no other reader loses by it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.persons import SqlPersonStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.model.consent import Evidence
from aggregator.model.delivery import Subscriber, SubscriptionState
from aggregator.model.edition import Choices, Slot
from aggregator.model.newsletter import Newsletter
from tests.fakes import START
from tests.mail_fakes import WEEKLY, issue_of
from tests.real_store import KINDS, database_of

TOKYO = Choices(timezone="Asia/Tokyo")
PAGE = Evidence(source="preferences")


class SqlStore(SqlNewsletterStore, SqlSubscriberStore, SqlDeliveryStore, SqlPersonStore):
    """The rooms of the real store that know readers and letters."""


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    with database_of(request.param) as database:
        store = SqlStore(database)
        store.sync([WEEKLY], runs, 7)
        people = [Subscriber(email=f"{name}@example.org") for name in ("ana", "bob")]
        store.put(people, "weekly", SubscriptionState.CONFIRMED, "paper form", START)
        yield store


def runs(newsletter: Newsletter) -> tuple[datetime, datetime]:
    return START, START + timedelta(days=7)


def prefer(store: SqlStore, name: str, choices: Choices) -> None:
    assert store.prefer(reader(store, name), WEEKLY, choices, PAGE, START, keys=(), runs=runs, last_seq=20)


def leave(store: SqlStore, name: str) -> None:
    assert store.unsubscribe(reader(store, name), "weekly", START)


def reader(store: SqlStore, name: str) -> int:
    person = store.find(f"{name}@example.org")
    assert person is not None
    return person.subscriber.id


def close(store: SqlStore, slot: Slot, *story_ids: str, up_to: int) -> list[str]:
    """Whom an Issue of these Stories goes to."""
    issue = store.record(
        slot, up_to=up_to, next_due=None, issue=issue_of(slot, START, *story_ids), domain="example.org"
    )
    assert issue is not None
    return [row.subscriber.email.partition("@")[0] for row in store.for_issue(issue.id)]


def others(store: SqlStore) -> list[Slot]:
    """The Editions that readers chose, in the order they were made."""
    found = (slot for slot in store.due(START) if not slot.edition.is_own)
    return sorted(found, key=lambda slot: slot.edition.id)


def test_what_one_of_several_readers_was_told_elsewhere_is_told_the_others(store: SqlStore) -> None:
    prefer(store, "ana", TOKYO)
    assert close(store, store.slot("weekly"), "a", up_to=9) == ["bob"]
    leave(store, "bob")
    prefer(store, "bob", TOKYO)
    anas, bobs = others(store)
    assert (anas.cursor, bobs.cursor) == (7, 9), "who was told goes on behind it"
    assert store.told(anas.edition, ["a"]) == set()
    assert close(store, anas, "a", "b", up_to=12) == ["ana"]
    assert close(store, bobs, "b", up_to=12) == ["bob"]
    (both,) = others(store)
    assert close(store, both, "c", up_to=13) == ["ana", "bob"]


def test_a_common_edition_tells_what_one_reader_was_told_by_another(store: SqlStore) -> None:
    assert close(store, store.slot("weekly"), "a", up_to=9) == ["ana", "bob"]
    prefer(store, "ana", TOKYO)
    (alone,) = others(store)
    assert store.told(alone.edition, ["a", "b"]) == {"a"}, "to nobody twice"
    people = [Subscriber(email="eve@example.org")]
    store.put(people, "weekly", SubscriptionState.CONFIRMED, "paper form", START)
    prefer(store, "eve", TOKYO)
    assert store.told(alone.edition, ["a", "b"]) == set(), "eve was not told"


def test_who_comes_back_to_the_newsletters_own_is_told_nothing_again(store: SqlStore) -> None:
    prefer(store, "ana", TOKYO)
    assert close(store, others(store)[0], "a", up_to=9) == ["ana"]
    leave(store, "ana")
    prefer(store, "ana", Choices())
    assert close(store, store.slot("weekly"), "a", up_to=9) == ["bob"]
    assert close(store, store.slot("weekly"), "b", up_to=12) == ["ana", "bob"]


def test_who_comes_back_to_readers_who_are_ahead_joins_them(store: SqlStore) -> None:
    prefer(store, "ana", TOKYO)
    assert close(store, others(store)[0], "a", up_to=9) == ["ana"]
    leave(store, "bob")
    prefer(store, "bob", TOKYO)
    assert close(store, others(store)[0], "b", up_to=12) == ["ana", "bob"]
