"""One contract for every store of newsletters, subscribers and deliveries, the fake included."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, event

from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.errors import ConflictError, NotFoundError
from aggregator.mail_ports import DeliveryStore, NewsletterStore, SubscriberStore
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, Subscriber, SubscriptionState
from aggregator.model.edition import Choices, Draft, Edition, Slot
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.model.sending import Claim, Settlement
from tests.fakes import START
from tests.mail_fakes import ACCEPTED, DAILY, WEEKLY, MemoryMailStore, issue_of
from tests.real_store import KINDS, database_of

MONDAY = START + timedelta(days=6)
HOUR = timedelta(hours=1)
REFUSED = SendResult(state=DeliveryState.REFUSED, reply="554 5.7.1 No", code=554, policy=True)
DEFERRED = SendResult(state=DeliveryState.DEFERRED, reply="450 Later", code=450)
IDS = ("weekly", "daily")


class Store(NewsletterStore, SubscriberStore, DeliveryStore, Protocol):
    """All three ports at once."""


class SqlStore(SqlNewsletterStore, SqlSubscriberStore, SqlDeliveryStore):
    """The three rooms of the real store under one roof."""


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryMailStore()
        return
    with database_of(request.param) as database:
        yield SqlStore(database)


def sync(store: Store, *newsletters: Newsletter, at: datetime = MONDAY, last_seq: int = 7) -> None:
    store.sync(newsletters, lambda newsletter: (at, at + timedelta(days=7)), last_seq)


def stands(slot: Slot) -> tuple[int, datetime, int]:
    return slot.cursor, slot.due_at, slot.next_number


def subscribe(store: Store, newsletter_id: str, *emails: str, source: str = "paper form") -> tuple[int, int]:
    people = [Subscriber(email=email) for email in emails]
    return store.put(people, newsletter_id, SubscriptionState.CONFIRMED, source, START)


def record(store: Store, newsletter_id: str, *story_ids: str, up_to: int = 9) -> Issue:
    slot = store.slot(newsletter_id)
    issue = store.record(
        slot, up_to=up_to, next_due=MONDAY + HOUR, issue=issue_of(slot, MONDAY, *story_ids), domain="example.org"
    )
    assert issue is not None
    return issue


def queued(store: Store, *emails: str) -> Issue:
    """An issue of `weekly` with one queued delivery per address."""
    sync(store, WEEKLY, DAILY)
    subscribe(store, "weekly", *emails)
    return record(store, "weekly", "story-1")


def claimed(store: Store, now: datetime, ids: Collection[str] = IDS, *, room: int = 1, **more: str) -> list[Delivery]:
    """Rows that `here` claims, or the `worker` named."""
    wish = Claim(newsletter_ids=ids, room=room, **{"worker": "here", **more})
    return list(store.exchange((), now, wish).claimed)


def claim(store: Store, now: datetime = MONDAY, **more: str) -> Delivery:
    (delivery,) = claimed(store, now, **more)
    return delivery


def settle(store: Store, delivery: Delivery, result: SendResult, now: datetime, retry_at: datetime | None) -> bool:
    """Whether the claim still stood."""
    item = Settlement(delivery=delivery, result=result, retry_at=retry_at)
    return not store.exchange([item], now).lost


def recover(store: Store, now: datetime, *gone: str, resend: Collection[str] = ()) -> tuple[int, int]:
    """(in doubt, queued again), when the named are gone, or all."""
    found = store.recover(now, is_gone=lambda worker: not gone or worker in gone, resend=resend)
    return found.uncertain, found.resent


# --- newsletters ----------------------------------------------------------------------------------


def test_a_new_newsletter_starts_after_the_last_story_and_is_first_due_when_told(store: Store) -> None:
    sync(store, WEEKLY, DAILY)
    assert stands(store.slot("weekly")) == (7, MONDAY, 1)
    assert store.slot("weekly").edition.is_own
    assert store.due(MONDAY - timedelta(seconds=1)) == []
    assert [slot.newsletter_id for slot in store.due(MONDAY)] == ["weekly", "daily"]


@pytest.mark.parametrize(
    ("changed", "at", "due_at"),
    [
        pytest.param(WEEKLY, MONDAY + HOUR, MONDAY, id="nothing changed: a missed time stays missed"),
        pytest.param(replace(WEEKLY, title="New"), MONDAY + HOUR, MONDAY, id="title"),
        pytest.param(replace(WEEKLY, schedule="tue 07:30"), MONDAY + HOUR, MONDAY + HOUR, id="schedule"),
        pytest.param(replace(WEEKLY, timezone="Asia/Tokyo"), MONDAY + HOUR, MONDAY + HOUR, id="zone"),
        pytest.param(WEEKLY, MONDAY - timedelta(days=7), MONDAY, id="one slot ahead: the clock went back a little"),
        pytest.param(WEEKLY, MONDAY - timedelta(days=8), MONDAY - timedelta(days=8), id="the clock was far ahead"),
        pytest.param(replace(WEEKLY, holidays=("12-25",)), MONDAY + HOUR, MONDAY + HOUR, id="holidays"),
    ],
)
def test_following_the_configuration_moves_the_due_time_only_for_a_reason(
    store: Store, changed: Newsletter, at: datetime, due_at: datetime
) -> None:
    sync(store, WEEKLY)
    sync(store, changed, at=at, last_seq=99)
    assert stands(store.slot("weekly")) == (7, due_at, 1)


def test_a_newsletter_taken_out_is_not_due_and_misses_no_time_when_it_returns(store: Store) -> None:
    sync(store, WEEKLY, DAILY)
    sync(store, DAILY)
    assert [slot.newsletter_id for slot in store.due(MONDAY)] == ["daily"]
    sync(store, WEEKLY, DAILY, at=MONDAY + HOUR)
    assert [slot.newsletter_id for slot in store.due(MONDAY)] == ["weekly", "daily"]
    assert store.slot("weekly").cursor == 7
    sync(store)
    assert store.due(MONDAY + HOUR) == []


def test_a_newsletter_is_begun_once_and_the_others_stay_as_they_are(store: Store) -> None:
    sync(store, WEEKLY)
    store.begin(DAILY, MONDAY + HOUR, 9)
    store.begin(DAILY, MONDAY, 12)
    store.begin(WEEKLY, MONDAY + HOUR, 12)
    assert stands(store.slot("daily")) == (9, MONDAY + HOUR, 1)
    assert store.slot("weekly").due_at == MONDAY
    assert [slot.newsletter_id for slot in store.due(MONDAY + HOUR)] == ["weekly", "daily"]
    sync(store, WEEKLY, DAILY)
    assert store.slot("daily").due_at == MONDAY + HOUR


def test_an_unknown_newsletter_is_named(store: Store) -> None:
    with pytest.raises(NotFoundError, match="'montly'"):
        store.slot("montly")


def test_recording_stores_the_issue_moves_the_slot_and_queues_one_letter_per_reader(store: Store) -> None:
    sync(store, WEEKLY, DAILY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org", "eve@example.org")
    subscribe(store, "daily", "carl@example.org")
    gone = next(item.subscriber for item in store.subscriptions("weekly") if item.subscriber.email == "eve@example.org")
    store.unsubscribe(gone.id, "weekly", START)
    issue = record(store, "weekly", "b", "a")
    assert (issue.number, issue.story_ids, issue.created_at) == (1, ("b", "a"), MONDAY)
    assert store.issue("weekly", 1) == issue
    assert stands(store.slot("weekly")) == (9, MONDAY + HOUR, 2)
    rows = store.for_issue(issue.id)
    assert [row.subscriber.email for row in rows] == ["ana@example.org", "bob@example.org"]
    assert {(row.state, row.attempts, row.next_attempt_at) for row in rows} == {(DeliveryState.QUEUED, 0, MONDAY)}
    assert store.counts() == {DeliveryState.QUEUED: 2}


def test_message_ids_are_unique_in_the_given_domain_and_tell_no_address(store: Store) -> None:
    issue = queued(store, "ana@example.org", "bob@example.org")
    names = [row.message_id for row in store.for_issue(issue.id)]
    assert len(set(names)) == 2
    for name in names:
        assert name.startswith("<weekly-1.")
        assert name.endswith("@example.org>")
        assert "ana" not in name
        assert "bob" not in name


def test_a_slot_closes_once(store: Store) -> None:
    sync(store, WEEKLY)
    slot = store.slot("weekly")
    issue = issue_of(slot, MONDAY, "a")
    assert store.record(slot, up_to=9, next_due=MONDAY + HOUR, issue=issue, domain="example.org") is not None
    assert store.record(slot, up_to=9, next_due=MONDAY + HOUR, issue=issue, domain="example.org") is None
    assert len(store.issues("weekly")) == 1


def test_a_slot_without_stories_closes_once_too(store: Store) -> None:
    """The cursor stays where it is; the due time tells the second worker that it is late."""
    sync(store, WEEKLY)
    slot = store.slot("weekly")
    store.record(slot, up_to=slot.cursor, next_due=MONDAY + HOUR, issue=None, domain="example.org")
    late = store.record(
        slot, up_to=slot.cursor, next_due=MONDAY + HOUR, issue=issue_of(slot, MONDAY), domain="example.org"
    )
    assert late is None
    assert store.issues("weekly") == []
    assert store.slot("weekly") == replace(slot, due_at=MONDAY + HOUR)


def test_issues_count_from_one_per_newsletter_and_keep_what_they_hold(store: Store) -> None:
    sync(store, WEEKLY, DAILY)
    first, second, other = record(store, "weekly", "a"), record(store, "weekly", "b", "c"), record(store, "daily", "a")
    assert [issue.number for issue in (first, second, other)] == [1, 2, 1]
    assert store.issues("weekly") == [second.summary, first.summary]
    assert store.issue("weekly", 2) == second
    assert store.issue("weekly", 3) is None
    assert store.issues("nothing") == []
    assert store.issues("weekly", limit=1) == [second.summary]
    assert store.issues("weekly", before=second.number, limit=5) == [first.summary]
    bare = [replace(issue, story_ids=(), titles=()) for issue in (second, first)]
    assert (store.latest("weekly", 9), store.latest("weekly", 1)) == (bare, bare[:1])


def test_a_due_time_of_none_stays(store: Store) -> None:
    sync(store, WEEKLY)
    slot = store.slot("weekly")
    store.record(slot, up_to=8, next_due=None, issue=issue_of(slot, START, "a"), domain="example.org")
    assert stands(store.slot("weekly")) == (8, MONDAY, 2)


def test_no_story_enters_two_issues_of_a_newsletter(store: Store) -> None:
    """Who composes asks which were told; should it try all the same, nothing of the second issue is stored."""
    sync(store, WEEKLY, DAILY)
    subscribe(store, "weekly", "ana@example.org")
    record(store, "weekly", "a")
    before = store.slot("weekly")
    with pytest.raises(ConflictError):
        record(store, "weekly", "a", "b")
    assert store.slot("weekly") == before
    assert store.counts() == {DeliveryState.QUEUED: 1}
    assert record(store, "daily", "a").number == 1


def test_what_a_newsletter_told_is_known_however_much_is_asked(store: Store) -> None:
    sync(store, WEEKLY, DAILY)
    record(store, "weekly", "a", "b")
    record(store, "weekly", "c")
    many = [f"story-{number}" for number in range(40_000)]
    weekly, daily = (store.slot(id_).edition for id_ in ("weekly", "daily"))
    assert set(store.told(weekly, [*many, "a", "c"])) == {"a", "c"}
    assert set(store.told(daily, ["a"])) == set()
    assert set(store.told(weekly, [])) == set()
    assert [(told.story_id, told.issue_number, told.title) for told in store.told_since(weekly.id, MONDAY)] == [
        ("c", 2, "Title of c"),
        ("a", 1, "Title of a"),
        ("b", 1, "Title of b"),
    ]
    assert store.told_since(weekly.id, MONDAY + HOUR) == []


def test_what_is_told_again_is_remembered_as_it_was_told_last(store: Store) -> None:
    sync(store, WEEKLY)
    record(store, "weekly", "a", "b")
    slot = store.slot("weekly")
    issue = issue_of(slot, MONDAY, "c")
    assert store.record(
        slot, up_to=10, next_due=None, issue=issue, domain="example.org", retold={"a": "Title of a, corrected"}
    )
    titles = {told.story_id: told.title for told in store.told_since(slot.edition.id, MONDAY)}
    assert titles == {"a": "Title of a, corrected", "b": "Title of b", "c": "Title of c"}
    first = store.issue("weekly", 1)
    assert first is not None
    assert first.story_ids == ("a", "b")


# --- editions -------------------------------------------------------------------------------------

TOKYO = Choices(timezone="Asia/Tokyo")
ZONES = {"ana": "US/Pacific-New", "bob": "Asia/Tokyo"}
"""The first was taken out of the time zone database in 2020 (tzdata 2020b)."""


def choose(store: Store, email: str, choices: Choices, *, last_seq: int = 20) -> Edition:
    """Ana chooses; the Edition that is hers from then on."""
    person = next(item.subscriber for item in store.standing([email], "weekly"))
    return store.choose(person.id, WEEKLY, choices, due_at=MONDAY, last_seq=last_seq)


def close(store: Store, edition_id: int, *story_ids: str, up_to: int) -> Issue | None:
    slot = next(slot for slot in store.due(MONDAY) if slot.edition.id == edition_id)
    issue = issue_of(slot, MONDAY, *story_ids) if story_ids else None
    return store.record(slot, up_to=up_to, next_due=None, issue=issue, domain="example.org")


def readers(store: Store, issue: Issue | None) -> list[str]:
    assert issue is not None
    return [row.subscriber.email for row in store.for_issue(issue.id)]


def test_who_chooses_alone_goes_on_from_where_they_stood(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org")
    edition = choose(store, "ana@example.org", TOKYO)
    assert (edition.choices, edition.base_id, edition.is_own) == (TOKYO, None, False)
    slots = {slot.edition.id: slot for slot in store.due(MONDAY)}
    assert slots[edition.id].cursor == 7
    issue = close(store, edition.id, "a", up_to=9)
    assert readers(store, issue) == ["ana@example.org"]
    assert issue is not None
    assert (issue.number, store.issue("weekly", 1), store.edition_issue(edition.id, 1)) == (1, None, issue)
    assert readers(store, record(store, "weekly", "a")) == ["bob@example.org"]


def test_who_joins_others_catches_up_alone_and_then_reads_with_them(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org")
    theirs = choose(store, "ana@example.org", TOKYO)
    close(store, theirs.id, "a", up_to=9)
    alone = choose(store, "bob@example.org", TOKYO)
    assert (alone.base_id, alone.choices) == (theirs.id, theirs.choices)
    assert readers(store, close(store, alone.id, "a", up_to=9)) == ["bob@example.org"]
    assert [slot.edition.id for slot in store.due(MONDAY) if not slot.edition.is_own] == [theirs.id]
    assert readers(store, close(store, theirs.id, "b", up_to=10)) == ["ana@example.org", "bob@example.org"]


def test_who_is_behind_is_joined_by_those_they_wait_for(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org")
    theirs = choose(store, "ana@example.org", TOKYO)
    close(store, theirs.id, "a", up_to=9)
    alone = choose(store, "bob@example.org", TOKYO)
    close(store, alone.id, "a", "b", up_to=11)
    assert readers(store, close(store, theirs.id, "b", up_to=11)) == ["ana@example.org"]
    assert readers(store, close(store, theirs.id, "c", up_to=12)) == ["ana@example.org", "bob@example.org"]


def test_who_goes_back_loses_nothing_and_the_archive_counts_on(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org")
    theirs = choose(store, "ana@example.org", TOKYO)
    record(store, "weekly", "a", up_to=9)
    back = choose(store, "ana@example.org", Choices())
    assert back.base_id == store.slot("weekly").edition.id
    assert {slot.edition.id: slot.cursor for slot in store.due(MONDAY + HOUR)}[back.id] == 7
    assert readers(store, close(store, back.id, "a", up_to=9)) == ["ana@example.org"]
    assert readers(store, record(store, "weekly", "b", up_to=10)) == ["ana@example.org", "bob@example.org"]
    assert [issue.number for issue in store.issues("weekly")] == [2, 1]
    assert theirs.id not in {slot.edition.id for slot in store.due(MONDAY + HOUR)}, "nobody reads it"


def test_the_same_choice_again_changes_nothing(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org")
    theirs = choose(store, "ana@example.org", TOKYO)
    assert choose(store, "ana@example.org", TOKYO) == theirs
    close(store, theirs.id, up_to=9)
    alone = choose(store, "bob@example.org", TOKYO)
    assert choose(store, "bob@example.org", TOKYO) == alone


def test_an_edition_that_nobody_read_any_more_is_taken_up_where_its_reader_stands(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org")
    theirs = choose(store, "ana@example.org", TOKYO)
    back = choose(store, "ana@example.org", Choices())
    assert back.is_own, "both stand at the same place"
    record(store, "weekly", "a", up_to=15)
    assert choose(store, "ana@example.org", TOKYO).id == theirs.id
    assert {slot.edition.id: slot.cursor for slot in store.due(MONDAY)}[theirs.id] == 15


def leave(store: Store, email: str) -> None:
    person = next(item.subscriber for item in store.standing([email], "weekly"))
    assert store.unsubscribe(person.id, "weekly", MONDAY)


def test_what_an_edition_told_those_who_left_it_is_told_who_takes_it_up_behind_them(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org", "eve@example.org")
    theirs = choose(store, "ana@example.org", TOKYO)
    close(store, theirs.id, "a", up_to=9)
    leave(store, "ana@example.org")
    bobs = choose(store, "bob@example.org", TOKYO)
    assert store.told(bobs, ["a"]) == set(), "bob was not told"
    assert readers(store, close(store, bobs.id, "a", up_to=9)) == ["bob@example.org"]
    assert [slot.edition.id for slot in store.due(MONDAY) if not slot.edition.is_own] == [bobs.id]


def test_no_filter_is_taken_for_the_edition_of_one_reader(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org", "eve@example.org")
    close(store, choose(store, "ana@example.org", Choices(query="gas")).id, "a", up_to=9)
    alone = choose(store, "bob@example.org", Choices(query="gas"))
    eves = choose(store, "eve@example.org", Choices(query="gas#2"))
    assert (eves.choices.query, eves.id != alone.id) == ("gas#2", True)


def test_readers_are_told_nothing_again_by_another_edition(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org")
    record(store, "weekly", "a", "b")
    theirs = choose(store, "ana@example.org", TOKYO)
    assert set(store.told(theirs, ["a", "b", "c"])) == {"a", "b"}
    own = store.slot("weekly").edition
    close(store, theirs.id, "c", up_to=12)
    assert set(store.told(own, ["a", "c"])) == {"a"}


def test_an_edition_follows_its_newsletter(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org")
    edition = choose(store, "ana@example.org", TOKYO)
    sync(store, replace(WEEKLY, schedule="tue 07:30"), at=MONDAY + HOUR)
    assert {slot.edition.id: slot.due_at for slot in store.due(MONDAY + HOUR)}[edition.id] == MONDAY + HOUR
    sync(store, replace(WEEKLY, schedule="tue 07:30", timezone="UTC"), at=MONDAY + 2 * HOUR)
    assert {slot.edition.id: slot.due_at for slot in store.due(MONDAY + HOUR)}[edition.id] == MONDAY + HOUR
    sync(store)
    assert store.due(MONDAY + 2 * HOUR) == []


def test_a_zone_of_one_reader_that_is_there_no_more_stops_nobody_else(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org", "bob@example.org")
    gone, kept = (choose(store, f"{name}@example.org", Choices(timezone=zone)) for name, zone in ZONES.items())

    def runs(newsletter: Newsletter) -> tuple[datetime, datetime]:
        ZoneInfo(newsletter.timezone)
        return MONDAY + HOUR, MONDAY + timedelta(days=7)

    store.sync([replace(WEEKLY, schedule="tue 07:30")], runs, 7)
    due = {slot.edition.id: slot.due_at for slot in store.due(MONDAY + HOUR)}
    assert (due[gone.id], due[kept.id]) == (MONDAY, MONDAY + HOUR)


# --- drafts ---------------------------------------------------------------------------------------


def test_a_draft_waits_for_its_deadline_or_a_person_and_ends_with_the_issue(store: Store) -> None:
    sync(store, WEEKLY)
    slot = store.slot("weekly")
    draft = Draft(edition_id=slot.edition.id, up_to=9, made_at=MONDAY, deadline_at=MONDAY + HOUR)
    assert store.put_draft(slot, draft)
    assert not store.put_draft(slot, draft), "it no longer stands so"
    assert store.due(MONDAY) == []
    waiting = store.slot("weekly")
    assert waiting.draft == draft
    assert store.due(MONDAY + HOUR) == [waiting]
    approved = replace(draft, approved_at=MONDAY, note="Good morning", pinned=("b",), dropped=("x", "y"))
    assert store.put_draft(waiting, approved)
    ready = store.slot("weekly")
    assert store.due(MONDAY) == [ready]
    assert ready.draft == approved
    assert store.record(waiting, up_to=9, next_due=None, issue=None, domain="example.org") is None, "it is another"
    stored = store.record(
        ready, up_to=9, next_due=MONDAY + HOUR, issue=issue_of(ready, MONDAY, "a"), domain="example.org"
    )
    assert stored is not None
    assert store.issue("weekly", 1) == stored
    assert store.slot("weekly").draft is None
    assert set(store.told(ready.edition, ["a", "x", "y", "z"])) == {"a", "x", "y"}


def test_what_an_editor_dropped_comes_in_no_edition_not_even_when_nothing_else_was_left(store: Store) -> None:
    sync(store, WEEKLY)
    subscribe(store, "weekly", "ana@example.org")
    theirs = choose(store, "ana@example.org", TOKYO)
    slot = store.slot("weekly")
    draft = Draft(
        edition_id=slot.edition.id, up_to=9, made_at=MONDAY, deadline_at=MONDAY, approved_at=MONDAY, dropped=("x",)
    )
    assert store.put_draft(slot, draft)
    store.record(store.slot("weekly"), up_to=9, next_due=None, issue=None, domain="example.org")
    assert set(store.told(store.slot("weekly").edition, ["a", "x", "b"])) == {"x"}
    assert set(store.told(theirs, ["a", "x", "b"])) == {"x"}


# --- subscribers ----------------------------------------------------------------------------------


def test_people_are_known_by_their_address_whatever_its_case(store: Store) -> None:
    sync(store, WEEKLY, DAILY)
    assert subscribe(store, "weekly", "Ana@example.org", "bob@example.org") == (2, 0)
    assert subscribe(store, "weekly", "ana@example.org", "carl@example.org") == (1, 1)
    assert subscribe(store, "daily", "ANA@example.org") == (1, 0)
    standing = store.standing(["aNa@example.org", "carl@example.org", "nobody@example.org"], "weekly")
    assert [item.subscriber.email for item in standing] == ["Ana@example.org", "carl@example.org"]
    assert [item.subscriber.email for item in store.subscriptions("weekly")] == [
        "Ana@example.org",
        "bob@example.org",
        "carl@example.org",
    ]
    weekly, daily = store.subscriptions("weekly")[0], store.subscriptions("daily")[0]
    assert weekly.subscriber == daily.subscriber
    assert (weekly.state, weekly.consent_source, weekly.changed_at) == (
        SubscriptionState.CONFIRMED,
        "paper form",
        START,
    )


def test_nobody_is_added_when_nobody_is_named(store: Store) -> None:
    sync(store, WEEKLY)
    assert subscribe(store, "weekly") == (0, 0)
    assert list(store.standing([], "weekly")) == []


def test_a_person_who_left_stays_away_and_what_waits_for_them_is_cancelled(store: Store) -> None:
    issue = queued(store, "ana@example.org", "bob@example.org")
    subscribe(store, "daily", "ana@example.org")
    other = record(store, "daily", "story-1")
    ana = store.subscriptions("weekly")[0].subscriber
    assert store.unsubscribe(ana.id, "weekly", MONDAY) is True
    assert store.unsubscribe(ana.id, "weekly", MONDAY + HOUR) is False
    assert store.unsubscribe(999, "weekly", MONDAY) is False
    assert subscribe(store, "weekly", "ana@example.org") == (0, 1)
    assert [(item.state, item.changed_at) for item in store.subscriptions("weekly")] == [
        (SubscriptionState.UNSUBSCRIBED, MONDAY),
        (SubscriptionState.CONFIRMED, START),
    ]
    assert [row.state for row in store.for_issue(issue.id)] == [DeliveryState.CANCELLED, DeliveryState.QUEUED]
    assert [row.state for row in store.for_issue(other.id)] == [DeliveryState.QUEUED]


# --- deliveries -----------------------------------------------------------------------------------


def test_a_claim_takes_one_row_and_counts_the_attempt(store: Store) -> None:
    issue = queued(store, "ana@example.org", "bob@example.org")
    assert claimed(store, MONDAY - timedelta(seconds=1)) == []
    assert store.waiting(MONDAY - timedelta(seconds=1), IDS) == 0
    assert store.waiting(MONDAY, IDS, limit=9) == 2
    delivery = claim(store)
    assert (delivery.subscriber.email, delivery.state, delivery.attempts) == (
        "ana@example.org",
        DeliveryState.SENDING,
        1,
    )
    assert (delivery.newsletter_id, delivery.issue_number, delivery.next_attempt_at) == ("weekly", 1, None)
    assert [row.state for row in store.for_issue(issue.id)] == [DeliveryState.SENDING, DeliveryState.QUEUED]
    assert claim(store).subscriber.email == "bob@example.org"
    assert claimed(store, MONDAY) == []
    assert store.waiting(MONDAY, IDS) == 0


def test_letters_of_a_newsletter_not_named_wait(store: Store) -> None:
    queued(store, "ana@example.org")
    assert claimed(store, MONDAY, ["daily"]) == []
    assert store.waiting(MONDAY, ["daily"]) == 0
    assert claimed(store, MONDAY, []) == []


def test_a_reader_who_is_no_longer_subscribed_is_found_at_the_claim(store: Store) -> None:
    """Unsubscribed between claim and retry, when the row was not there to be cancelled (M18)."""
    queued(store, "ana@example.org")
    delivery = claim(store)
    store.unsubscribe(delivery.subscriber.id, "weekly", MONDAY)
    settle(store, delivery, DEFERRED, MONDAY, MONDAY + HOUR)
    again = claim(store, MONDAY + HOUR)
    assert (again.state, again.settled_at) == (DeliveryState.CANCELLED, MONDAY + HOUR)
    assert store.counts() == {DeliveryState.CANCELLED: 1}
    assert store.waiting(MONDAY + HOUR, IDS) == 0


def test_settling_keeps_the_servers_words(store: Store) -> None:
    issue = queued(store, "ana@example.org")
    assert settle(store, claim(store), REFUSED, MONDAY + HOUR, None) is True
    (row,) = store.for_issue(issue.id)
    assert (row.state, row.reply, row.policy, row.settled_at) == (
        DeliveryState.REFUSED,
        "554 5.7.1 No",
        True,
        MONDAY + HOUR,
    )


def test_a_deferred_row_comes_back_at_its_time(store: Store) -> None:
    queued(store, "ana@example.org")
    settle(store, claim(store), DEFERRED, MONDAY, MONDAY + HOUR)
    assert claimed(store, MONDAY + HOUR - timedelta(seconds=1)) == []
    assert claim(store, MONDAY + HOUR).attempts == 2


def test_a_late_worker_writes_nothing(store: Store) -> None:
    queued(store, "ana@example.org")
    first = claim(store)
    settle(store, first, DEFERRED, MONDAY, MONDAY)
    second = claim(store)
    assert settle(store, first, ACCEPTED, MONDAY, None) is False
    assert settle(store, second, ACCEPTED, MONDAY, None) is True
    assert settle(store, second, DEFERRED, MONDAY, MONDAY) is False
    assert store.counts() == {DeliveryState.ACCEPTED: 1}


def test_what_a_dead_worker_left_is_in_doubt_and_never_claimed_again(store: Store) -> None:
    issue = queued(store, "ana@example.org", "bob@example.org")
    dead = claim(store)
    assert recover(store, MONDAY + HOUR) == (1, 0)
    assert recover(store, MONDAY + HOUR) == (0, 0)
    row = store.for_issue(issue.id)[0]
    assert (row.state, row.settled_at) == (DeliveryState.UNCERTAIN, MONDAY + HOUR)
    assert row.reply is not None
    assert settle(store, dead, ACCEPTED, MONDAY, None) is False
    assert claim(store, MONDAY + HOUR).subscriber.email == "bob@example.org"
    assert claimed(store, MONDAY + timedelta(days=9)) == []


def test_a_wait_set_by_a_wrong_clock_ends_at_the_next_start(store: Store) -> None:
    queued(store, "ana@example.org", "bob@example.org")
    settle(store, claim(store), DEFERRED, MONDAY, MONDAY + timedelta(days=3650))
    settle(store, claim(store), DEFERRED, MONDAY, MONDAY + timedelta(hours=4))
    assert recover(store, MONDAY) == (0, 0)
    assert claim(store, MONDAY).subscriber.email == "ana@example.org"
    assert claimed(store, MONDAY) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_of_a_letter_and_each_persons_word_is_on_disk_when_the_call_returns(kind: str) -> None:
    """Nothing of it is written by the engine that does not wait for the disk (F3)."""
    with database_of(kind) as database:
        store = SqlStore(database)
        hasty: list[Connection] = []
        durable: list[Connection] = []
        for engine, commits in ((database.main, hasty), (database.ledger, durable)):
            event.listen(engine, "commit", commits.append)
        steps: list[Callable[[], object]] = [
            lambda: sync(store, WEEKLY, DAILY),
            lambda: subscribe(store, "weekly", "ana@example.org", "bob@example.org"),
            lambda: record(store, "weekly", "story-1"),
            lambda: settle(store, claim(store), ACCEPTED, MONDAY, None),
            lambda: claim(store),
            lambda: recover(store, MONDAY),
            lambda: store.unsubscribe(1, "weekly", MONDAY),
        ]
        for step in steps:
            durable.clear()
            step()
            assert durable
        assert [commit for commit in hasty if commit.get_execution_options().get("writes")] == []


# --- several workers ------------------------------------------------------------------------------


def test_one_exchange_settles_many_and_claims_as_many_as_there_is_room_for(store: Store) -> None:
    issue = queued(store, *(f"reader{number}@r{number % 2}.example" for number in range(6)))
    first = claimed(store, MONDAY, room=4)
    assert [row.id for row in first] == [1, 2, 3, 4]
    assert {(row.domain, row.claimed_by) for row in first} == {("r0.example", "here"), ("r1.example", "here")}
    items = [Settlement(delivery=row, result=ACCEPTED) for row in first[:3]]
    exchanged = store.exchange(items, MONDAY, Claim(worker="here", newsletter_ids=IDS, room=9))
    assert ([row.id for row in exchanged.claimed], exchanged.lost) == ([5, 6], frozenset())
    states = [row.state for row in store.for_issue(issue.id)]
    assert states == [DeliveryState.ACCEPTED] * 3 + [DeliveryState.SENDING] * 3


def test_a_row_is_one_workers_and_only_that_one_settles_it(store: Store) -> None:
    queued(store, "ana@example.org", "bob@example.org")
    mine, theirs = claim(store), claim(store, worker="there")
    assert (mine.subscriber.email, theirs.subscriber.email) == ("ana@example.org", "bob@example.org")
    assert settle(store, replace(mine, claimed_by="there"), ACCEPTED, MONDAY, None) is False
    assert settle(store, mine, ACCEPTED, MONDAY, None) is True
    assert store.counts() == {DeliveryState.ACCEPTED: 1, DeliveryState.SENDING: 1}


def test_only_rows_whose_claim_stands_are_settled_and_the_others_are_named(store: Store) -> None:
    queued(store, "ana@example.org", "bob@example.org", "carl@example.org")
    rows = claimed(store, MONDAY, room=3)
    assert settle(store, rows[1], DEFERRED, MONDAY, MONDAY + HOUR) is True
    items = [Settlement(delivery=row, result=ACCEPTED) for row in rows]
    assert store.exchange(items, MONDAY + HOUR).lost == {rows[1].id}
    assert store.counts() == {DeliveryState.ACCEPTED: 2, DeliveryState.DEFERRED: 1}


def test_only_what_workers_that_are_gone_had_at_hand_is_in_doubt(store: Store) -> None:
    """One that is stopped holds its place, so its letter is neither sent again nor given up (F14)."""
    queued(store, "ana@example.org", "bob@example.org")
    gone, stopped = claim(store, worker="gone"), claim(store, worker="stopped")
    assert recover(store, MONDAY, "gone") == (1, 0)
    assert settle(store, gone, ACCEPTED, MONDAY, None) is False
    assert settle(store, stopped, ACCEPTED, MONDAY, None) is True


def test_a_newsletter_may_have_letters_in_doubt_sent_again_a_few_times(store: Store) -> None:
    issue = queued(store, "ana@example.org")
    names = {row.message_id for row in store.for_issue(issue.id)}
    for _ in range(2):
        claim(store)
        assert recover(store, MONDAY, resend=["weekly"]) == (0, 1)
    assert claim(store).message_id in names
    assert recover(store, MONDAY, resend=["weekly"]) == (1, 0)
    assert store.counts() == {DeliveryState.UNCERTAIN: 1}


def test_what_was_claimed_and_handed_to_nobody_waits_again(store: Store) -> None:
    queued(store, "ana@example.org", "bob@example.org")
    claim(store, worker="there")
    first = claim(store)
    assert store.release("here", MONDAY) == 1
    again = claim(store)
    assert (again.id, again.attempts) == (first.id, 2)
    assert settle(store, first, ACCEPTED, MONDAY, None) is False


def test_a_domain_that_had_its_share_waits_and_the_others_do_not(store: Store) -> None:
    queued(store, "ana@slow.example", "bob@quick.example", "carl@slow.example")
    wish = Claim(worker="here", newsletter_ids=IDS, room=9, but_to=["slow.example"])
    assert [row.subscriber.email for row in store.exchange((), MONDAY, wish).claimed] == ["bob@quick.example"]
    assert store.postpone(MONDAY, MONDAY + HOUR, domain="slow.example") == 2
    assert store.waiting(MONDAY, IDS) == 0
    assert store.postpone(MONDAY, MONDAY + 2 * HOUR, domain="slow.example") == 0
    assert store.postpone(MONDAY + HOUR, MONDAY + 2 * HOUR, newsletter_id="daily") == 0
    assert store.postpone(MONDAY + HOUR, MONDAY + 2 * HOUR, newsletter_id="weekly") == 2
    assert len(claimed(store, MONDAY + 2 * HOUR, room=9)) == 2


def test_what_servers_heard_of_lately_is_known_by_domain_and_newsletter(store: Store) -> None:
    queued(store, "ana@a.example", "bob@b.example", "carl@c.example", "dora@d.example")
    subscribe(store, "daily", "eve@e.example")
    record(store, "daily", "story-1")
    for minute, result in enumerate((ACCEPTED, REFUSED, DEFERRED)):
        settle(store, claim(store), result, MONDAY + minute * HOUR, None)
    settle(store, claim(store, worker="there"), ACCEPTED, MONDAY + 3 * HOUR, None)
    cancelled = SendResult(state=DeliveryState.CANCELLED, reply="not sent")
    settle(store, claim(store), cancelled, MONDAY + 3 * HOUR, None)
    sent = store.sent_since(MONDAY)
    assert [(item.at - MONDAY, item.domain, item.newsletter_id) for item in sorted(sent, key=lambda sent: sent.at)] == [
        (HOUR, "b.example", "weekly"),
        (2 * HOUR, "c.example", "weekly"),
        (3 * HOUR, "d.example", "weekly"),
    ]
    assert [item.domain for item in store.sent_since(MONDAY + 2 * HOUR, but_by="here")] == ["d.example"]


def test_workers_at_once_claim_each_row_once(tmp_path: Path) -> None:
    """Four at a time on one file, each with a connection of its own."""
    url = f"sqlite:///{tmp_path}/wire.db"
    database = open_database(url)
    migrate(database)
    queued(SqlStore(database), *(f"reader{number}@example.org" for number in range(200)))

    def work(worker: str) -> list[int]:
        own = open_database(url)
        store, ids, at_hand = SqlStore(own), list[int](), list[Delivery]()
        while True:
            items = [Settlement(delivery=row, result=ACCEPTED) for row in at_hand]
            at_hand = list(store.exchange(items, MONDAY, Claim(worker=worker, newsletter_ids=IDS, room=3)).claimed)
            if not at_hand:
                own.close()
                return ids
            ids += [row.id for row in at_hand]

    with ThreadPoolExecutor(4) as threads:
        taken = [id_ for ids in threads.map(work, "abcd") for id_ in ids]
    assert sorted(taken) == list(range(1, 201))
    assert SqlStore(database).counts() == {DeliveryState.ACCEPTED: 200}
    database.close()


def test_answers_are_told_latest_first(store: Store) -> None:
    queued(store, "ana@example.org", "bob@example.org", "carl@example.org", "dora@example.org")
    for minute, result in enumerate((ACCEPTED, REFUSED, DEFERRED)):
        retry_at = MONDAY + HOUR if result is DEFERRED else None
        settle(store, claim(store), result, MONDAY + timedelta(minutes=minute), retry_at)
    assert [row.state for row in store.answered(10)] == [DeliveryState.REFUSED, DeliveryState.ACCEPTED]
    assert [row.policy for row in store.answered(1)] == [True]


def test_a_list_of_issues_reads_no_letter() -> None:
    with database_of("sqlite") as database:
        store = SqlStore(database)
        queued(store, "ana@example.org")
        seen: list[str] = []
        event.listen(database.main, "before_cursor_execute", lambda *call: seen.append(call[2]))
        store.issues("weekly")
        assert "issues.subject" in seen[-1]
        assert "issues.html" not in seen[-1]


def test_the_next_row_is_found_along_an_index(tmp_path: Path) -> None:
    """However many rows wait: a sort of all of them for each claim would grow with the square."""
    database = open_database(f"sqlite:///{tmp_path}/wire.db")
    migrate(database)
    store = SqlStore(database)
    queued(store, "ana@example.org")
    seen: list[tuple[str, tuple[object, ...]]] = []
    event.listen(database.main, "before_cursor_execute", lambda *call: seen.append(call[2:4]))
    store.waiting(MONDAY, IDS)
    query, values = seen[-1]
    with database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
    assert any("USING INDEX ix_deliveries_next_attempt_at" in str(row) for row in plan)
    assert not any("TEMP B-TREE" in str(row) for row in plan)
    database.close()
