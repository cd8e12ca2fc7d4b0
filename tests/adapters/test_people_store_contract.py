"""Newcomers in every store, the fake included; persons, evidence and suppressions on both databases."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.persons import SqlPersonStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.adapters.store.suppressions import SqlSuppressionStore
from aggregator.model.consent import Act, Evidence, Suppression
from aggregator.model.delivery import DeliveryState, SendResult, Subscriber, SubscriptionState
from aggregator.model.edition import Choices
from aggregator.model.newcomer import Enlisted, Newcomer
from aggregator.model.newsletter import Newsletter
from aggregator.model.sending import Claim, Settlement
from tests.fakes import START
from tests.mail_fakes import DAILY, WEEKLY, MemoryMailStore, issue_of
from tests.real_store import KINDS, database_of

HOUR = timedelta(hours=1)
FORM = Evidence(source="paper form")
TOKYO = Choices(timezone="Asia/Tokyo")


class SqlStore(SqlNewsletterStore, SqlSubscriberStore, SqlDeliveryStore, SqlPersonStore, SqlSuppressionStore):
    """The rooms of the real store that know people."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database


def runs(newsletter: Newsletter) -> tuple[datetime, datetime]:
    return START, START + HOUR


def followed(store: SqlStore | MemoryMailStore) -> SqlStore | MemoryMailStore:
    store.sync([WEEKLY, DAILY], runs, 7)
    return store


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest) -> Iterator[SqlStore | MemoryMailStore]:
    if request.param == "memory":
        yield followed(MemoryMailStore())
        return
    with database_of(request.param) as database:
        yield followed(SqlStore(database))


@pytest.fixture(params=KINDS)
def sql(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    with database_of(request.param) as database:
        store = SqlStore(database)
        followed(store)
        yield store


def enlist(store: SqlStore | MemoryMailStore, *people: Newcomer, letter: Newsletter = WEEKLY) -> Enlisted:
    return store.enlist(letter, people, FORM, START, runs=runs, last_seq=7)


def suppress(store: SqlStore | MemoryMailStore, key: str) -> None:
    if isinstance(store, MemoryMailStore):
        store.keys_out.add(key)
    else:
        store.suppress(key, Suppression(reason="complaint", since=START))


def states(store: SqlStore | MemoryMailStore, letter: str = "weekly") -> Sequence[tuple[str, str]]:
    return [(item.subscriber.email, item.state.value) for item in store.subscriptions(letter)]


# --- newcomers ------------------------------------------------------------------------------------


def test_newcomers_are_confirmed_once_whatever_the_size_of_letters(store: SqlStore | MemoryMailStore) -> None:
    assert enlist(store, Newcomer(email="Ana@example.org", name="Ana"), Newcomer(email="bob@example.org")) == Enlisted(
        added=2
    )
    assert enlist(store, Newcomer(email="ana@example.org"), Newcomer(email="eve@example.org")) == Enlisted(
        added=1, known=1
    )
    assert states(store) == [(f"{name}@example.org", "confirmed") for name in ("Ana", "bob", "eve")]
    ana = store.subscriptions("weekly")[0]
    assert (ana.subscriber.name, ana.consent_source, ana.changed_at) == ("Ana", "paper form", START)


def test_who_is_suppressed_or_has_left_stays_out_and_who_is_pending_comes_in(
    store: SqlStore | MemoryMailStore,
) -> None:
    left, pending = Newcomer(email="left@example.org"), Newcomer(email="pending@example.org")
    out = Newcomer(email="out@example.org", keys=("new", "old"))
    enlist(store, left)
    store.unsubscribe(store.subscriptions()[0].subscriber.id, "weekly", START)
    store.put([Subscriber(email=pending.email)], "weekly", SubscriptionState.PENDING, "asked", START)
    suppress(store, "old")
    expected = Enlisted(added=1, unsubscribed=1, suppressed=frozenset({out.email}))
    assert store.foresee("weekly", [left, pending, out]) == expected
    assert states(store)[1] == (pending.email, "pending")
    assert enlist(store, left, pending, out) == expected
    assert states(store) == [(left.email, "unsubscribed"), (pending.email, "confirmed")]
    assert store.subscriptions()[1].consent_source == "paper form"


def test_newcomers_share_an_edition_with_those_who_chose_the_same(store: SqlStore | MemoryMailStore) -> None:
    enlist(store, Newcomer(email="ana@example.org"), Newcomer(email="bob@example.org", choices=TOKYO))
    enlist(store, Newcomer(email="eve@example.org", choices=TOKYO))
    assert [item.choices for item in store.subscriptions("weekly")] == [Choices(), TOKYO, TOKYO]
    due = store.due(START + HOUR)
    assert sorted(slot.edition.key for slot in due if slot.newsletter_id == "weekly") == ["", "timezone=Asia/Tokyo"]


def test_nobody_is_nobody(store: SqlStore | MemoryMailStore) -> None:
    assert enlist(store) == Enlisted()
    assert store.foresee("weekly", []) == Enlisted()


def test_every_subscription_is_read_in_pages(
    store: SqlStore | MemoryMailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.adapters.store.subscribers.PAGE", 2)
    people = [Newcomer(email=f"r{number}@example.org") for number in range(5)]
    enlist(store, *people)
    enlist(store, *people[:4], letter=DAILY)
    found = [(item.newsletter_id, item.subscriber.email) for item in store.every_subscription()]
    assert found == [("daily", person.email) for person in people[:4]] + [("weekly", person.email) for person in people]
    assert len(list(store.every_subscription("daily"))) == 4


# --- evidence -------------------------------------------------------------------------------------


def acts(sql: SqlStore, email: str) -> list[tuple[str, Act]]:
    person = sql.find(email)
    assert person is not None
    data = sql.everything(person.subscriber.id, ())
    assert data is not None
    return [(consent.newsletter_id, consent.act) for consent in data.consents]


def test_how_people_came_and_left_is_kept_in_order(sql: SqlStore) -> None:
    enlist(sql, Newcomer(email="ana@example.org"))
    enlist(sql, Newcomer(email="ana@example.org"), letter=DAILY)
    enlist(sql, Newcomer(email="ana@example.org"))
    ana = sql.find("ANA@example.org")
    assert ana is not None
    click = Evidence(source="link in a letter", client="192.0.2.1", agent="x" * 5000, wording="Stop?", language="en")
    assert sql.unsubscribe(ana.subscriber.id, "daily", START + HOUR, click)
    assert not sql.unsubscribe(ana.subscriber.id, "daily", START + HOUR, click)
    assert acts(sql, "ana@example.org") == [
        ("weekly", Act.IMPORTED),
        ("daily", Act.IMPORTED),
        ("daily", Act.UNSUBSCRIBED),
    ]
    data = sql.everything(ana.subscriber.id, ())
    assert data is not None
    assert data.consents[0].evidence == FORM
    last = data.consents[2]
    assert (last.at, last.evidence.client, last.evidence.wording) == (START + HOUR, "192.0.2.1", "Stop?")
    assert len(last.evidence.agent) == 1000


def test_ending_all_ends_all_and_says_how_many(sql: SqlStore) -> None:
    for letter in (WEEKLY, DAILY):
        enlist(sql, Newcomer(email="ana@example.org"), Newcomer(email="bob@example.org"), letter=letter)
    ana = sql.find("ana@example.org")
    assert ana is not None
    assert sql.end_all(ana.subscriber.id, FORM, START) == 2
    assert sql.end_all(ana.subscriber.id, FORM, START) == 0
    assert states(sql) == [("ana@example.org", "unsubscribed"), ("bob@example.org", "confirmed")]


# --- suppressions ---------------------------------------------------------------------------------


def test_a_suppression_stands_as_it_first_came(sql: SqlStore) -> None:
    first = Suppression(reason="complaint", since=START, note="by mail")
    assert sql.suppress("aaaa.1", first)
    assert not sql.suppress("aaaa.1", Suppression(reason="by hand", since=START + HOUR))
    sql.suppress("bbbb.2", Suppression(reason="by hand", since=START))
    assert sql.suppression(["bbbb.1", "aaaa.1"]) == first
    assert sql.suppression(["cccc.1"]) is None
    assert sql.suppression([]) is None
    assert sql.suppressions() == {("aaaa", "complaint"): 1, ("bbbb", "by hand"): 1}


# --- the end --------------------------------------------------------------------------------------


def dump(database: Database) -> str:
    tables = ("subscribers", "subscriptions", "consents", "deliveries", "bounces", "notices", "suppressions")
    with database.read() as connection:
        return "\n".join(
            repr(row) for table in tables for row in connection.exec_driver_sql(f"SELECT * FROM {table}").all()
        )


def test_an_erased_person_leaves_counts_and_a_hash_and_no_word_of_who_they_were(sql: SqlStore) -> None:
    enlist(sql, Newcomer(email="Ana.Ruiz@solo.example", name="Ana Ruiz"), Newcomer(email="bob@example.org"))
    ana = sql.find("ana.ruiz@solo.example")
    assert ana is not None
    slot = sql.slot("weekly")
    for number in (1, 2):
        slot = sql.slot("weekly")
        issue = issue_of(slot, START, f"story-{number}")
        assert sql.record(slot, up_to=8 + number, next_due=START, issue=issue, domain="example.org")
    id_ = ana.subscriber.id
    with sql.database.write() as connection:
        theirs = f"WHERE subscriber_id = {id_} AND id = (SELECT min(id) FROM deliveries WHERE subscriber_id = {id_})"
        said = "550 5.1.1 <Ana.Ruiz@solo.example>: no Ana Ruiz here"
        connection.exec_driver_sql(
            f"UPDATE deliveries SET state = 'refused', next_attempt_at = NULL, reply = '{said}' {theirs}"
        )
    before = dump(sql.database)
    assert before.count("Ana.Ruiz@solo.example") >= 2
    assert sql.erase(id_, ["aaaa.hash"], START)
    assert not sql.erase(id_, ["aaaa.hash"], START)
    after = dump(sql.database).lower()
    assert [word for word in ("ana", "ruiz", "solo.example") if word in after] == []
    assert sql.person(id_) is None
    assert sql.find("") is None
    assert sql.everything(id_, ()) is None
    assert sql.suppression(["aaaa.hash"]) == Suppression(reason="forgotten", since=START)
    with sql.database.read() as connection:
        ledger = connection.exec_driver_sql(
            f"SELECT state FROM deliveries WHERE subscriber_id = {id_} ORDER BY id"
        ).scalars()
        assert list(ledger) == [DeliveryState.REFUSED, DeliveryState.CANCELLED]
    assert states(sql) == [("bob@example.org", "confirmed")]


def test_what_an_erased_person_chose_goes_unless_others_chose_it_too(sql: SqlStore) -> None:
    about_me = Choices(query='author:"Ana Ruiz"')
    enlist(sql, Newcomer(email="ana@example.org", choices=about_me), Newcomer(email="bob@example.org", choices=TOKYO))
    enlist(sql, Newcomer(email="eve@example.org", choices=TOKYO))
    for email in ("ana@example.org", "eve@example.org"):
        person = sql.find(email)
        assert person is not None
        sql.erase(person.subscriber.id, ["aaaa.hash"], START)
    with sql.database.read() as connection:
        kept = repr(connection.exec_driver_sql("SELECT * FROM editions").all())
    assert "Ruiz" not in kept
    bob = sql.find("bob@example.org")
    assert bob is not None
    assert [item.choices for item in bob.subscriptions] == [TOKYO]
    enlist(sql, Newcomer(email="cem@example.org", choices=about_me))
    assert any(slot.edition.choices == about_me for slot in sql.due(START + timedelta(days=60)))


def test_what_was_said_of_a_suppression_goes_with_the_person_under_each_secret(sql: SqlStore) -> None:
    enlist(sql, Newcomer(email="ana@example.org"))
    sql.suppress("old.hash", Suppression(reason="bounce", since=START, note="550 <ana@example.org> unknown"))
    ana = sql.find("ana@example.org")
    assert ana is not None
    sql.erase(ana.subscriber.id, ["new.hash", "old.hash"], START)
    assert "ana@" not in dump(sql.database)
    assert sql.suppression(["old.hash"]) == Suppression(reason="bounce", since=START)


def test_what_a_server_says_of_who_was_erased_meanwhile_is_not_kept(sql: SqlStore) -> None:
    enlist(sql, Newcomer(email="ana@example.org"), Newcomer(email="bob@example.org"))
    slot, ana = sql.slot("weekly"), sql.find("ana@example.org")
    assert ana is not None
    assert sql.record(slot, up_to=9, next_due=START, issue=issue_of(slot, START, "one"), domain="example.org")
    claimed = sql.exchange((), START, Claim(worker="here", newsletter_ids=["weekly"], room=9)).claimed
    sql.erase(ana.subscriber.id, ["aaaa.hash"], START)
    no = [f"550 5.1.1 <{letter.subscriber.email}>: no such user" for letter in claimed]
    results = [SendResult(state=DeliveryState.REFUSED, reply=reply, code=550) for reply in no]
    settled = [Settlement(delivery=one, result=result) for one, result in zip(claimed, results, strict=True)]
    assert sql.exchange(settled, START).lost == frozenset()
    kept = dump(sql.database)
    assert ("<ana@" in kept, "<bob@" in kept, kept.count("'refused'")) == (False, True, 2)


def test_the_id_of_an_erased_person_is_never_anothers(sql: SqlStore) -> None:
    enlist(sql, Newcomer(email="ana@example.org"))
    ana = sql.find("ana@example.org")
    assert ana is not None
    sql.erase(ana.subscriber.id, ["aaaa.hash"], START)
    enlist(sql, Newcomer(email="ana@example.org"))
    again = sql.find("ana@example.org")
    assert again is not None
    assert again.subscriber.id != ana.subscriber.id


def test_everything_that_is_kept_is_told(sql: SqlStore) -> None:
    enlist(sql, Newcomer(email="ana@example.org", name="Ana", choices=TOKYO))
    sql.suppress("aaaa.hash", Suppression(reason="bounce", since=START))
    ana = sql.find("ana@example.org")
    assert ana is not None
    slot = next(slot for slot in sql.due(START + HOUR) if slot.edition.choices == TOKYO)
    assert sql.record(slot, up_to=9, next_due=START, issue=issue_of(slot, START, "one"), domain="example.org")
    data = sql.everything(ana.subscriber.id, ["aaaa.hash"])
    assert data is not None
    assert data.person == ana
    subscription = ana.subscription("weekly")
    assert subscription is not None
    assert subscription.choices == TOKYO
    assert ana.subscription("daily") is None
    (letter,) = data.deliveries
    assert (letter.newsletter_id, letter.number, letter.state) == ("weekly", 1, "queued")
    assert data.suppression == Suppression(reason="bounce", since=START)
