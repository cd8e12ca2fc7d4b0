"""Letters go out once each, and every answer of a server has its consequence."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.errors import StoreError, UsageError
from aggregator.flows.delivering.deliver import FRESH, PRINT_RUNS, deliver
from aggregator.flows.delivering.keeping_pace import PaceKeeper
from aggregator.flows.delivering.lettering import DeliverPlan, sample_letter, send_test
from aggregator.flows.delivering.noting import DeliverPorts
from aggregator.model.delivery import Delivery, DeliveryReport, DeliveryState, SendResult, Subscriber, SubscriptionState
from aggregator.model.mailkey import mail_key
from aggregator.model.pace import Limits, Rate
from aggregator.model.sending import Answered, Claim, Exchanged, Settlement
from aggregator.steps.dkim import DkimSigner
from tests.fakes import START, FrozenClock
from tests.mail_fakes import ACCEPTED, DAILY, RENDERING, SITE, WEEKLY, MemoryMailStore, ScriptedMailer, issue_of

LATER = SendResult(state=DeliveryState.DEFERRED, reply="450 4.2.0 Greylisted", code=450)
UNKNOWN = SendResult(state=DeliveryState.REFUSED, reply="550 5.1.1 No such user", code=550)
POLICY = SendResult(state=DeliveryState.REFUSED, reply="554 5.7.1 Blocked", code=554, policy=True)
LOST = SendResult(state=DeliveryState.UNCERTAIN, reply="no answer after the message")
DOWN = SendResult(state=DeliveryState.DEFERRED, reply="no connection to 'relay'", server_down=True)
GONE = SendResult(state=DeliveryState.DEFERRED, reply="421 4.3.2 Closing", code=421, server_down=True)


@dataclass
class World:
    store: MemoryMailStore
    mailer: ScriptedMailer
    clock: FrozenClock
    ports: DeliverPorts
    plan: DeliverPlan
    pacing: PaceKeeper = field(default_factory=lambda: PaceKeeper(Limits(), "here"))

    def queue(self, *names: str, newsletter_id: str = "weekly") -> None:
        people = [Subscriber(email=f"{name}@reader.example", name=name.title()) for name in names]
        self.store.put(people, newsletter_id, SubscriptionState.CONFIRMED, "form", START)
        slot = self.store.slot(newsletter_id)
        issue = issue_of(slot, self.clock.now(), f"story-{slot.next_number}")
        self.store.record(slot, up_to=slot.cursor, next_due=None, issue=issue, domain="example.org")

    def script(self, **answers: SendResult | list[SendResult]) -> None:
        for name, results in answers.items():
            self.mailer.answers_to[f"{name}@reader.example"] = results if isinstance(results, list) else [results]

    def deliver(self) -> DeliveryReport:
        """Send what is due."""
        return deliver(self.ports, self.plan, pacing=self.pacing)

    def recover(self) -> int:
        """What the next worker does, when every other is gone."""
        return self.store.recover(self.clock.now(), is_gone=lambda worker: True).uncertain

    def row(self, name: str) -> Delivery:
        rows = [row for issue in self.store.whole("weekly") for row in self.store.for_issue(issue.id)]
        return next(row for row in rows if row.subscriber.email == f"{name}@reader.example")


@pytest.fixture
def world() -> World:
    store, mailer, clock = MemoryMailStore(), ScriptedMailer(), FrozenClock()
    store.sync([WEEKLY, DAILY], lambda newsletter: (START, START), 0)
    return World(
        store=store,
        mailer=mailer,
        clock=clock,
        ports=DeliverPorts(deliveries=store, newsletters=store, mailer=mailer, clock=clock),
        plan=DeliverPlan(
            newsletters={"weekly": WEEKLY, "daily": DAILY},
            site=SITE,
            unsubscribe_url=lambda subscriber_id, newsletter_id: f"https://w.example/u/{subscriber_id}.{newsletter_id}",
            preferences_url=lambda subscriber_id: f"https://w.example/p/{subscriber_id}",
        ),
    )


def test_each_reader_gets_their_own_letter_once(world: World) -> None:
    world.queue("ana", "bob")
    assert world.deliver() == DeliveryReport(accepted=2)
    assert world.deliver() == DeliveryReport()
    assert [(sender, recipient) for sender, recipient, _ in world.mailer.sent] == [
        ("wire@example.org", "ana@reader.example"),
        ("wire@example.org", "bob@reader.example"),
    ]
    for number, (_, _, raw) in enumerate(world.mailer.sent, start=1):
        message = message_from_bytes(raw)
        assert message["Message-ID"] == world.store.for_issue(1)[number - 1].message_id
        assert message["List-Unsubscribe"] == f"<https://w.example/u/{number}.weekly>"
        assert message["List-Archive"] == "<https://wire.example.org/newsletters/weekly>"


@pytest.mark.parametrize(
    ("age", "state"), [(FRESH, DeliveryState.ACCEPTED), (FRESH + timedelta(seconds=1), DeliveryState.CANCELLED)]
)
def test_a_letter_that_was_held_back_too_long_is_not_sent(world: World, age: timedelta, state: DeliveryState) -> None:
    world.queue("ana")
    away = replace(world.plan, newsletters={"daily": DAILY})
    assert deliver(world.ports, away, pacing=world.pacing) == DeliveryReport()
    world.clock.moment += age
    report = world.deliver()
    assert (report.accepted, report.cancelled) == ((1, 0) if state is DeliveryState.ACCEPTED else (0, 1))
    assert world.row("ana").state is state
    assert len(world.mailer.sent) == report.accepted
    if report.cancelled:
        assert world.row("ana").reply == "not sent: the issue is older than 7 days"
        assert world.row("ana").next_attempt_at is None


def unwilling(world: World, monkeypatch: pytest.MonkeyPatch, times: int) -> list[SendResult]:
    """A database that fails to note an answer so many times; returns the attempts, as they are made."""
    tried: list[SendResult] = []
    exchange = world.store.exchange

    def failing(settled: Sequence[Settlement], *rest: object) -> Exchanged:
        if settled:
            tried.append(settled[0].result)
            if len(tried) <= times:
                raise StoreError("database: database is locked")
        return exchange(settled, *rest)

    monkeypatch.setattr(world.store, "exchange", failing)
    return tried


def test_an_answer_is_held_until_the_database_takes_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.queue("ana", "bob")
    unwilling(world, monkeypatch, times=9)
    waited: list[float] = []
    report = deliver(world.ports, world.plan, pacing=world.pacing, wait=waited.append)
    assert report == DeliveryReport(accepted=2)
    assert (world.row("ana").state, world.row("ana").reply) == (DeliveryState.ACCEPTED, "250 OK")
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert world.mailer.recipients == ["ana@reader.example", "bob@reader.example"]


def test_who_has_to_stop_tries_once_more_and_leaves_the_letter_in_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queue("ana", "bob")
    tried, waited = unwilling(world, monkeypatch, times=9), list[float]()
    with pytest.raises(StoreError):
        deliver(world.ports, world.plan, pacing=world.pacing, should_stop=lambda: len(waited) > 1, wait=waited.append)
    assert len(tried) == 3
    assert world.row("ana").state is DeliveryState.SENDING
    assert world.mailer.recipients == ["ana@reader.example"]
    monkeypatch.undo()
    assert world.deliver() == DeliveryReport(accepted=1)
    assert world.recover() == 1
    assert world.row("ana").state is DeliveryState.UNCERTAIN


def test_a_fault_of_ours_before_the_letter_is_sent_defers_it_and_is_raised(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queue("ana", "bob")
    monkeypatch.setattr(world.store, "edition_issue", lambda *key: None)
    with pytest.raises(AssertionError):
        world.deliver()
    assert world.mailer.sent == []
    assert world.row("ana").state is DeliveryState.DEFERRED
    assert world.row("ana").reply == "not sent for a fault of ours (AssertionError); the log says where"
    assert world.row("bob").state is DeliveryState.QUEUED
    monkeypatch.undo()
    world.clock.advance(minutes=6)
    assert world.deliver() == DeliveryReport(accepted=2)


def test_a_fault_of_ours_while_it_is_sent_leaves_that_letter_in_doubt_and_is_raised(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise TypeError("of ours")

    world.queue("ana", "bob")
    world.mailer.on_send = broken
    with pytest.raises(TypeError):
        world.deliver()
    assert world.row("ana").state is DeliveryState.UNCERTAIN
    assert world.row("ana").reply == "a fault of ours while it was sent (TypeError); the log says where"
    assert world.row("bob").state is DeliveryState.QUEUED
    assert world.mailer.closed == 1


def test_nothing_due_speaks_to_no_server(world: World) -> None:
    world.mailer.down = DOWN
    assert world.deliver() == DeliveryReport()
    assert world.mailer.closed == 0


def test_the_conversation_is_ended_when_all_is_sent(world: World) -> None:
    world.queue("ana")
    world.deliver()
    assert world.mailer.closed == 1


def test_an_issue_is_read_once_for_all_its_readers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.queue("ana", "bob", "carl")
    world.queue("dora", newsletter_id="daily")
    read = []
    issue = world.store.edition_issue
    monkeypatch.setattr(world.store, "edition_issue", lambda *key: (read.append(key), issue(*key))[1])
    assert world.deliver().accepted == 4
    assert read == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("result", "state", "report"),
    [
        (ACCEPTED, DeliveryState.ACCEPTED, DeliveryReport(accepted=2)),
        (LATER, DeliveryState.DEFERRED, DeliveryReport(accepted=1, deferred=1)),
        (UNKNOWN, DeliveryState.REFUSED, DeliveryReport(accepted=1, refused=1)),
        (POLICY, DeliveryState.REFUSED, DeliveryReport(accepted=1, refused=1)),
        (LOST, DeliveryState.UNCERTAIN, DeliveryReport(accepted=1, uncertain=1)),
    ],
)
def test_one_answer_is_one_readers_fate(
    world: World, result: SendResult, state: DeliveryState, report: DeliveryReport
) -> None:
    world.queue("ana", "bob")
    world.script(ana=result)
    assert world.deliver() == report
    assert (world.row("ana").state, world.row("ana").reply) == (state, result.reply)
    assert world.row("bob").state is DeliveryState.ACCEPTED


def test_greylisting_ends_accepted_once(world: World) -> None:
    world.queue("ana")
    world.script(ana=[LATER, ACCEPTED])
    world.deliver()
    world.clock.advance(minutes=4, seconds=59)
    assert world.deliver() == DeliveryReport()
    world.clock.advance(minutes=1, seconds=1)
    assert world.deliver() == DeliveryReport(accepted=1)
    first, second = (raw for _, _, raw in world.mailer.sent)
    assert first == second


def test_attempts_grow_apart_and_end_after_three_days(world: World) -> None:
    world.queue("ana")
    world.script(ana=[LATER] * 99)
    waits = []
    while (report := world.deliver()).deferred:
        row = world.row("ana")
        waits.append(row.next_attempt_at - world.clock.now())
        world.clock.moment = row.next_attempt_at
    assert report == DeliveryReport(refused=1)
    for attempt, wait in enumerate(waits):
        planned = min(timedelta(minutes=5) * 2**attempt, timedelta(hours=4))
        assert planned <= wait <= planned * 1.2
    assert timedelta(hours=66) < sum(waits, timedelta()) < timedelta(hours=72 * 1.2)
    assert world.row("ana").reply == f"given up after {len(waits) + 1} attempts: 450 4.2.0 Greylisted"
    world.clock.advance(days=9)
    assert world.deliver() == DeliveryReport()


def test_days_off_are_not_counted_as_attempts(world: World) -> None:
    world.queue("ana")
    world.script(ana=LATER)
    world.deliver()
    world.clock.advance(days=5)
    assert world.deliver() == DeliveryReport(accepted=1)


def test_letters_deferred_together_do_not_return_together(world: World) -> None:
    names = [f"reader{number}" for number in range(20)]
    world.queue(*names)
    world.script(**{name: [LATER] for name in names})
    world.deliver()
    assert len({world.row(name).next_attempt_at for name in names}) == 20


# --- the whole server -----------------------------------------------------------------------------


def test_a_server_that_is_down_touches_no_row(world: World) -> None:
    world.queue("ana", "bob")
    world.mailer.down = DOWN
    assert world.deliver() == DeliveryReport(paused="no connection to 'relay'")
    assert {(row.state, row.attempts) for row in world.store.for_issue(1)} == {(DeliveryState.QUEUED, 0)}
    assert world.mailer.sent == []
    world.mailer.down = None
    assert world.deliver() == DeliveryReport(accepted=2)


def test_a_server_that_goes_down_in_a_run_ends_it_and_nothing_is_skipped(world: World) -> None:
    world.queue("ana", "bob", "carl")
    world.script(bob=[GONE])
    assert world.deliver() == DeliveryReport(accepted=1, deferred=1, paused="421 4.3.2 Closing")
    assert [row.state for row in world.store.for_issue(1)] == [
        DeliveryState.ACCEPTED,
        DeliveryState.DEFERRED,
        DeliveryState.QUEUED,
    ]
    assert world.mailer.closed == 1
    world.clock.advance(minutes=10)
    assert world.deliver() == DeliveryReport(accepted=2)
    assert sorted(world.mailer.recipients) == [f"{name}@reader.example" for name in ("ana", "bob", "bob", "carl")]


def test_refusals_by_policy_in_a_row_pause_the_run_for_an_hour(world: World) -> None:
    names = [f"reader{number:02}" for number in range(30)]
    world.queue(*names)
    world.script(**{name: [POLICY] for name in names})
    report = world.deliver()
    assert (report.refused, report.accepted) == (10, 0)
    assert report.paused == (
        "the last 10 letters were refused by policy; trying again after 1:00:00: 554 5.7.1 Blocked"
    )
    world.clock.advance(minutes=59)
    assert world.deliver() == DeliveryReport(paused=report.paused)
    world.clock.advance(minutes=1)
    assert world.deliver().refused == 1
    world.mailer.answers_to.clear()
    world.clock.advance(hours=1)
    assert world.deliver() == DeliveryReport(accepted=19)


def test_refusals_between_others_pause_nothing(world: World) -> None:
    names = [f"reader{number:02}" for number in range(30)]
    world.queue(*names)
    world.script(**{name: UNKNOWN if number % 9 == 0 else POLICY for number, name in enumerate(names)})
    assert world.deliver() == DeliveryReport(refused=30)


def test_a_pause_written_by_a_wrong_clock_does_not_last(world: World) -> None:
    names = [f"reader{number:02}" for number in range(11)]
    world.clock.advance(days=3650)
    world.queue(*names)
    world.script(**{name: [POLICY] for name in names[:10]})
    assert world.deliver().paused
    world.clock.moment = START
    world.queue("ana", newsletter_id="daily")
    assert world.deliver() == DeliveryReport(accepted=1)


# --- several at once ------------------------------------------------------------------------------


def test_as_many_are_at_hand_as_there_is_room_for(world: World) -> None:
    world.queue(*(f"reader{number:02}" for number in range(10)))
    world.mailer.lanes = 4
    assert world.deliver() == DeliveryReport(accepted=10)
    assert world.mailer.most_at_hand == 4
    assert len(set(world.mailer.recipients)) == 10
    assert world.mailer.connected[0] == 10, "so that no more connections are opened than are of use"


def test_without_room_nothing_is_claimed(world: World) -> None:
    world.queue("ana")
    world.mailer.lanes = 0
    assert world.deliver() == DeliveryReport()
    assert world.row("ana").state is DeliveryState.QUEUED


def test_a_fault_of_ours_in_one_letter_lets_those_at_hand_end_and_the_others_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queue("ana", "bob", "carl", "dora", "eve")
    world.mailer.lanes = 4
    url = world.plan.unsubscribe_url
    monkeypatch.setattr(
        world, "plan", replace(world.plan, unsubscribe_url=lambda *ids: url(*ids) if ids[0] != 2 else 1)
    )
    with pytest.raises(TypeError):
        world.deliver()
    assert world.mailer.recipients == ["ana@reader.example"]
    assert [row.state for row in world.store.for_issue(1)] == [
        DeliveryState.ACCEPTED,
        DeliveryState.DEFERRED,
        *[DeliveryState.QUEUED] * 3,
    ]


def test_a_fault_of_the_mailers_own_leaves_that_letter_in_doubt_and_is_raised(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queue("ana", "bob")
    answers = world.mailer.answers

    def broken(seconds: float) -> list[Answered]:
        return [replace(answer, result=LOST, error=KeyError("of ours")) for answer in answers(seconds)]

    monkeypatch.setattr(world.mailer, "answers", broken)
    with pytest.raises(KeyError):
        world.deliver()
    assert world.row("ana").state is DeliveryState.UNCERTAIN
    assert world.row("bob").state is DeliveryState.QUEUED


def test_what_was_claimed_while_the_database_failed_waits_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction was written, and only its answer lost (F6)."""
    world.queue("ana", "bob", "carl")
    exchange, calls = world.store.exchange, list[object]()

    def unheard(*arguments: object) -> Exchanged:
        exchanged = exchange(*arguments)
        calls.append(exchanged)
        if len(calls) == 2:
            raise StoreError("database: server closed the connection unexpectedly")
        return exchanged

    monkeypatch.setattr(world.store, "exchange", unheard)
    assert deliver(world.ports, world.plan, pacing=world.pacing, wait=lambda seconds: None).accepted == 2
    assert [row.state for row in world.store.for_issue(1)] == [
        DeliveryState.ACCEPTED,
        DeliveryState.QUEUED,
        DeliveryState.ACCEPTED,
    ]
    assert world.deliver() == DeliveryReport(accepted=1)
    assert len(set(world.mailer.recipients)) == 3


@pytest.mark.parametrize(
    ("policy", "state", "report"),
    [
        ("leave", DeliveryState.UNCERTAIN, DeliveryReport(uncertain=1)),
        ("resend", DeliveryState.DEFERRED, DeliveryReport(deferred=1, resent=1)),
    ],
)
def test_a_newsletter_says_what_becomes_of_a_letter_in_doubt(
    world: World, policy: str, state: DeliveryState, report: DeliveryReport
) -> None:
    world.queue("ana")
    world.plan = replace(world.plan, newsletters={"weekly": replace(WEEKLY, uncertain=policy)})
    world.script(ana=[LOST] * 9)
    assert world.deliver() == report
    assert world.row("ana").state is state
    for _ in range(5):
        world.clock.advance(hours=2)
        world.deliver()
    assert world.row("ana").state is DeliveryState.UNCERTAIN
    raws = [raw for _, _, raw in world.mailer.sent]
    assert len(raws) == (1 if policy == "leave" else 3)
    assert len({message_from_bytes(raw)["Message-ID"] for raw in raws}) == 1


def test_many_issues_are_sent_at_once_and_few_are_kept_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(PRINT_RUNS + 2):
        world.queue(f"reader{number}")
        world.clock.advance(seconds=1)
    read, issue = [], world.store.edition_issue
    monkeypatch.setattr(world.store, "edition_issue", lambda *key: (read.append(key), issue(*key))[1])
    assert world.deliver().accepted == sum(range(1, PRINT_RUNS + 3))
    assert len(read) == PRINT_RUNS + 2


def test_a_database_that_fails_between_two_letters_pauses_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is at hand is noted all the same."""

    def away(*arguments: object, **more: object) -> int:
        raise StoreError("database: gone")

    world.queue("ana", "bob", "carl")
    world.script(ana=[POLICY])
    answered, calls = world.store.answered, list[int]()

    def once(limit: int) -> Sequence[Delivery]:
        calls.append(limit)
        return answered(limit) if len(calls) == 1 else away()

    monkeypatch.setattr(world.store, "answered", once)
    assert world.deliver() == DeliveryReport(refused=1, paused="database: gone")
    assert [row.state for row in world.store.for_issue(1)] == [
        DeliveryState.REFUSED,
        DeliveryState.QUEUED,
        DeliveryState.QUEUED,
    ]


def test_who_counts_refusals_is_told_of_each_and_may_fail(world: World) -> None:
    told: list[str] = []

    def tell(delivery: Delivery, result: SendResult) -> None:
        told.append(f"{delivery.subscriber.email}: {result.reply}")
        raise StoreError("database: gone")

    world.queue("ana", "bob")
    world.script(ana=UNKNOWN)
    world.ports = replace(world.ports, refused=tell)
    assert world.deliver() == DeliveryReport(accepted=1, refused=1)
    assert told == ["ana@reader.example: 550 5.1.1 No such user"]


# --- how fast -------------------------------------------------------------------------------------

SLOW = SendResult(state=DeliveryState.DEFERRED, reply="421 4.7.28 Too fast", code=421, policy=True)


def queue_domains(world: World, *emails: str) -> None:
    world.store.put([Subscriber(email=email) for email in emails], "weekly", SubscriptionState.CONFIRMED, "form", START)
    slot = world.store.slot("weekly")
    issue = issue_of(slot, world.clock.now(), f"story-{slot.next_number}")
    world.store.record(slot, up_to=slot.cursor, next_due=None, issue=issue, domain="example.org")


def test_a_domain_that_puts_us_off_rests_and_the_others_do_not(world: World) -> None:
    """Those it put off go first when it has rested: they tell whether it takes letters again (M19)."""
    queue_domains(world, "a@big.example", "b@big.example", "c@small.example", "d@big.example")
    world.mailer.answers_to["a@big.example"] = [SLOW, SLOW]
    assert world.deliver() == DeliveryReport(accepted=1, deferred=1)
    assert world.mailer.recipients == ["a@big.example", "c@small.example"]
    rows = {row.subscriber.email: row for row in world.store.for_issue(1)}
    assert START + timedelta(minutes=5) <= rows["a@big.example"].next_attempt_at < rows["b@big.example"].next_attempt_at
    assert rows["b@big.example"].state is DeliveryState.QUEUED
    world.clock.moment = rows["b@big.example"].next_attempt_at
    assert world.deliver() == DeliveryReport(deferred=1), "it still does not, and rests longer"
    world.clock.advance(minutes=13)
    assert world.deliver() == DeliveryReport(accepted=3)


def test_limits_hold_over_runs_and_what_is_over_them_waits_in_the_ledger(world: World) -> None:
    queue_domains(world, *(f"reader{number}@big.example" for number in range(5)), "x@small.example")
    limits = Limits(domains={"big.example": Rate(letters=2, span=timedelta(hours=1))})
    world.plan, world.pacing = replace(world.plan, limits=limits), PaceKeeper(limits, "here")
    world.mailer.lanes = 4
    assert world.deliver() == DeliveryReport(accepted=3)
    assert sorted(world.mailer.recipients)[2] == "x@small.example"
    assert world.deliver() == DeliveryReport()
    assert world.mailer.closed == 1, "nobody is connected to for nothing"
    world.pacing = PaceKeeper(limits, "another, that has read the ledger")
    world.clock.advance(minutes=62)
    assert world.deliver() == DeliveryReport(accepted=2)
    world.clock.advance(minutes=62)
    assert world.deliver() == DeliveryReport(accepted=1)


def test_a_restart_forgets_no_letter_that_went(world: World) -> None:
    queue_domains(world, *(f"reader{number}@d{number}.example" for number in range(5)))
    limits = Limits(whole=Rate(letters=2, span=timedelta(hours=1)))
    world.plan = replace(world.plan, limits=limits)
    for worker in ("first", "second"):
        world.pacing = PaceKeeper(limits, worker)
        world.deliver()
    assert len(world.mailer.sent) == 2
    world.clock.advance(minutes=62)
    assert world.deliver() == DeliveryReport(accepted=2)


def test_workers_see_what_each_other_send(world: World) -> None:
    limits = Limits(whole=Rate(letters=3, span=timedelta(hours=1)))
    world.plan = replace(world.plan, limits=limits)
    first, second = PaceKeeper(limits, "first"), PaceKeeper(limits, "second")
    for pacing in (first, second):
        assert pacing.pace(world.store, world.clock.now()).room == 3
    world.clock.advance(seconds=1)
    queue_domains(world, "a@a.example", "b@b.example")
    deliver(world.ports, world.plan, pacing=first)
    world.clock.advance(seconds=11)
    assert second.pace(world.store, world.clock.now()).room == 1
    assert first.pace(world.store, world.clock.now()).room == 1


def test_a_newsletter_over_its_rate_waits_alone(world: World) -> None:
    world.queue("ana", "bob")
    world.queue("carl", "dora", newsletter_id="daily")
    limits = Limits(newsletters={"weekly": Rate(letters=1, span=timedelta(hours=1))})
    world.plan, world.pacing = replace(world.plan, limits=limits), PaceKeeper(limits, "here")
    assert world.deliver() == DeliveryReport(accepted=3)
    assert world.row("bob").state is DeliveryState.QUEUED
    world.clock.advance(minutes=62)
    assert world.deliver() == DeliveryReport(accepted=1)


# --- how a letter is addressed --------------------------------------------------------------------


def test_each_letter_is_signed_and_comes_back_to_an_address_of_its_own(world: World) -> None:
    key = mail_key("sel", Ed25519PrivateKey.generate())
    world.plan = replace(
        world.plan,
        return_path=lambda delivery_id: f"b+{delivery_id}@bounces.example.org",
        unsubscribe_mail=lambda subscriber_id, newsletter_id: f"u+{subscriber_id}@bounces.example.org",
        signers={"example.org": DkimSigner(domain="example.org", keys=(key,))},
    )
    world.queue("ana", "bob")
    world.deliver()
    assert [sender for sender, _, _ in world.mailer.sent] == ["b+1@bounces.example.org", "b+2@bounces.example.org"]
    for number, (_, _, raw) in enumerate(world.mailer.sent, start=1):
        assert raw.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256;")
        assert message_from_bytes(raw)["List-Unsubscribe"].endswith(f"<mailto:u+{number}@bounces.example.org>")
    assert world.mailer.envelopes == [row.message_id.strip("<>") for row in world.store.for_issue(1)]


# --- stopping, leaving, losing --------------------------------------------------------------------


def test_stopping_lets_the_current_letter_end_and_starts_no_other(world: World) -> None:
    world.queue("ana", "bob", "carl")
    stop = []
    world.mailer.on_send = lambda: stop.append(True)
    assert deliver(world.ports, world.plan, pacing=world.pacing, should_stop=lambda: bool(stop)) == DeliveryReport(
        accepted=1
    )
    assert [row.state for row in world.store.for_issue(1)] == [
        DeliveryState.ACCEPTED,
        DeliveryState.QUEUED,
        DeliveryState.QUEUED,
    ]
    assert world.mailer.closed == 1


def test_a_reader_who_leaves_while_we_send_gets_nothing(world: World) -> None:
    world.queue("ana", "bob")
    bob = world.row("bob").subscriber
    world.mailer.on_send = lambda: world.store.unsubscribe(bob.id, "weekly", START)
    assert world.deliver() == DeliveryReport(accepted=1)
    assert world.row("bob").state is DeliveryState.CANCELLED


def test_a_reader_who_left_during_their_own_attempt_is_counted_as_cancelled(world: World) -> None:
    world.queue("ana")
    world.script(ana=[LATER])
    ana = world.row("ana").subscriber
    world.mailer.on_send = lambda: world.store.unsubscribe(ana.id, "weekly", START)
    assert world.deliver() == DeliveryReport(deferred=1)
    world.clock.advance(hours=1)
    assert world.deliver() == DeliveryReport(cancelled=1)
    assert len(world.mailer.sent) == 1


def test_a_newsletter_no_longer_configured_mails_nobody(world: World) -> None:
    world.queue("ana")
    world.plan = replace(world.plan, newsletters={"daily": DAILY})
    assert world.deliver() == DeliveryReport()
    world.plan = replace(world.plan, newsletters={"weekly": WEEKLY})
    assert world.deliver() == DeliveryReport(accepted=1)


def test_an_address_no_server_may_hear_of_is_refused_without_one(world: World) -> None:
    world.queue("ana", "x\r\nrcpt", "bob")
    assert world.deliver() == DeliveryReport(accepted=2, refused=1)
    refused = world.row("x\r\nrcpt")
    assert refused.reply is not None
    assert refused.reply.startswith("not sent: no header can hold the address 'x\\r\\nrcpt@reader.example'")
    assert world.mailer.recipients == ["ana@reader.example", "bob@reader.example"]


def test_an_address_the_mailer_cannot_speak_of_is_refused(world: World) -> None:
    def unspeakable() -> None:
        raise ValueError("an address of another world")

    world.queue("ana")
    world.mailer.on_send = unspeakable
    assert world.deliver() == DeliveryReport(refused=1)
    assert world.row("ana").reply == "not sent: an address of another world"


def test_a_worker_that_was_stopped_too_long_changes_nothing(world: World) -> None:
    """Paused while it sent; another declared the row in doubt, and its own late answer does not count (F14)."""
    world.queue("ana")
    world.mailer.on_send = world.recover
    assert world.deliver() == DeliveryReport(accepted=1)
    assert world.row("ana").state is DeliveryState.UNCERTAIN


def test_without_room_for_its_mark_no_letter_is_begun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise StoreError("database: full")

    world.queue("ana")
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "exchange", full)
        with pytest.raises(StoreError):
            world.deliver()
    assert world.mailer.sent == []
    assert world.mailer.closed == 1
    assert world.deliver() == DeliveryReport(accepted=1)


def test_no_run_sends_what_is_in_doubt(world: World) -> None:
    world.queue("ana", "bob")
    world.store.exchange((), START, Claim(worker="another", newsletter_ids=["weekly"]))
    world.recover()
    assert world.deliver() == DeliveryReport(accepted=1)
    assert world.mailer.recipients == ["bob@reader.example"]


def test_the_rendering_is_stored_and_not_made_anew(world: World) -> None:
    world.queue("ana")
    world.plan = replace(world.plan, newsletters={"weekly": replace(WEEKLY, title="Another title")})
    world.deliver()
    assert message_from_bytes(world.mailer.sent[0][2])["Subject"] == RENDERING.subject


# --- outside the ledger ---------------------------------------------------------------------------


def test_a_test_goes_to_one_address_and_leaves_no_row(world: World) -> None:
    issue = issue_of(world.store.slot("weekly"), START, "story-1")
    assert send_test(world.mailer, world.plan, issue, "desk@wire.example") == ACCEPTED
    ((sender, recipient, raw),) = world.mailer.sent
    message = message_from_bytes(raw)
    assert (sender, recipient, message["To"]) == ("wire@example.org", "desk@wire.example", "desk@wire.example")
    assert message["Subject"] == f"[Test] {RENDERING.subject}"
    assert message["List-Unsubscribe"] == "<https://w.example/u/0.weekly>"
    assert (world.store.counts(), world.store.issues("weekly"), world.mailer.closed) == ({}, [], 1)


def test_but_for_its_mark_and_its_name_a_test_is_what_readers_get(world: World) -> None:
    issue = issue_of(world.store.slot("weekly"), START, "story-1")
    send_test(world.mailer, world.plan, issue, "desk@wire.example")
    sample = sample_letter(world.plan, issue, "desk@wire.example")
    assert world.mailer.sent[0][2] == sample.replace(b"Subject: ", b"Subject: [Test] ")


@pytest.mark.parametrize("answer", [LATER, UNKNOWN, POLICY, LOST])
def test_the_answer_to_a_test_is_told_and_ends_the_conversation(world: World, answer: SendResult) -> None:
    issue = issue_of(world.store.slot("weekly"), START)
    world.script(ana=answer)
    assert send_test(world.mailer, world.plan, issue, "ana@reader.example") == answer
    assert world.mailer.closed == 1


def test_a_test_waits_for_no_server_that_is_down(world: World) -> None:
    world.mailer.down = DOWN
    issue = issue_of(world.store.slot("weekly"), START)
    assert send_test(world.mailer, world.plan, issue, "desk@wire.example") == DOWN
    assert (world.mailer.sent, world.mailer.closed) == ([], 1)


def test_a_test_to_no_address_is_refused(world: World) -> None:
    issue = issue_of(world.store.slot("weekly"), START)
    with pytest.raises(UsageError, match=r"'desk' is not an e-mail address"):
        send_test(world.mailer, world.plan, issue, "desk")
    assert (world.mailer.sent, world.mailer.closed) == ([], 0)


def test_who_counts_bounces_is_told_of_each_refusal_once_it_is_noted(world: World) -> None:
    told: list[tuple[str, str]] = []
    refusal = SendResult(state=DeliveryState.REFUSED, reply="550 5.1.1 unknown", code=550)

    def refused(delivery: Delivery, result: SendResult) -> None:
        assert world.row("bob").state is DeliveryState.REFUSED, "it is on disk"
        told.append((delivery.subscriber.email, result.reply))

    world.ports = replace(world.ports, refused=refused)
    world.queue("ana", "bob")
    world.script(bob=refusal)
    assert world.deliver() == DeliveryReport(accepted=1, refused=1)
    assert told == [("bob@reader.example", "550 5.1.1 unknown")]


def test_a_refusal_that_cannot_be_counted_stops_nothing(world: World) -> None:
    def refused(delivery: Delivery, result: SendResult) -> None:
        raise StoreError("the database is away")

    world.ports = replace(world.ports, refused=refused)
    world.queue("ana", "bob")
    world.script(ana=SendResult(state=DeliveryState.REFUSED, reply="550 5.1.1 unknown", code=550))
    assert world.deliver() == DeliveryReport(accepted=1, refused=1)
