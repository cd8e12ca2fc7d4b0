"""Mail that comes back finds its reader by a signed address, counts once, and stops mail when it must."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from aggregator.errors import NotFoundError, StoreError, UsageError
from aggregator.flows.bounce import MOST_OF_ONE, BouncePlan, BouncePorts, about, count_refusal, read_box, take, undo
from aggregator.model.bounce import BouncedRecipient, BounceKind, BounceReading, BounceReport, BoxedMail
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, Subscriber, SubscriptionState
from aggregator.model.sending import Hold
from aggregator.steps.bouncing import score
from aggregator.steps.signing import Signer
from tests.bounce_fakes import ListedBox, MemoryBounceStore, key_of, keys_of, settle_all
from tests.bounce_mails import arf, dsn, fields, mail, notice, vacation
from tests.fakes import START, FrozenClock
from tests.mail_fakes import ACCEPTED, DAILY, WEEKLY, issue_of

SIGNER = Signer(["a secret of sixteen characters", "an older secret of that kind"])
FULL = fields("failed", "5.2.2", "ada@think.example", words="552 5.2.2 mailbox full")
GONE = fields("failed", "5.1.1", "ada@think.example", words="550 5.1.1 user unknown")
HARD, SOFT = BounceReport(hard=1), BounceReport(soft=1)


@dataclass
class World:
    store: MemoryBounceStore = field(default_factory=MemoryBounceStore)
    clock: FrozenClock = field(default_factory=FrozenClock)
    held: list[Hold] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store.sync([WEEKLY, DAILY], lambda newsletter: (START, START), 0)
        self.ports = BouncePorts(bounces=self.store, subscribers=self.store, clock=self.clock)
        self.plan = BouncePlan(
            whose=SIGNER.read_bounce,
            leaving=SIGNER.read_unsubscribe_address,
            suppression_keys=keys_of,
            hold=self.hold,
        )

    def hold(self, hold: Hold) -> bool:
        self.held.append(hold)
        return len(self.held) == 1

    def send(self, *emails: str, newsletter_id: str = "weekly", result: SendResult = ACCEPTED) -> list[Delivery]:
        """The letters of one more Issue, each with this result."""
        people = [Subscriber(email=email) for email in emails]
        self.store.put(people, newsletter_id, SubscriptionState.CONFIRMED, "form", START)
        slot = self.store.slot(newsletter_id)
        issue = issue_of(slot, self.clock.now(), f"{newsletter_id} {slot.next_number}")
        stored = self.store.record(slot, up_to=slot.cursor, next_due=None, issue=issue, domain="example.org")
        assert stored is not None
        settle_all(self.store, newsletter_id, self.clock.now(), result)
        return [row for row in self.store.for_issue(stored.id) if row.subscriber.email in emails]

    def back(self, delivery: Delivery, *blocks: str, raw: bytes | None = None) -> BounceReport:
        """What a report about this letter leads to."""
        address = SIGNER.bounce_address(delivery.id, "bounces.example.org")
        return take(self.ports, self.plan, BoxedMail(key="k", raw=raw or dsn(*blocks, to=address)))

    def states(self, newsletter_id: str = "weekly") -> dict[str, str]:
        return {item.subscriber.email: item.state.value for item in self.store.subscriptions(newsletter_id)}

    def delivery(self, id_: int) -> DeliveryState:
        found = self.store.delivery(id_)
        assert found is not None
        return found.state


@pytest.fixture
def world() -> World:
    return World()


# --- whose ----------------------------------------------------------------------------------------


def test_a_bounce_finds_its_letter_by_the_address_it_came_back_to(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    assert world.back(letter, FULL) == HARD
    assert world.delivery(letter.id) is DeliveryState.BOUNCED
    (bounce,) = world.store.bounces(9)
    assert (bounce.email, bounce.status, bounce.scored) == ("ada@think.example", "5.2.2", True)
    assert bounce.reason == "5.2.2 smtp; 552 5.2.2 mailbox full"


def test_an_address_of_large_letters_and_of_an_older_secret_is_believed(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    older = Signer(["an older secret of that kind"]).bounce_address(letter.id, "example.org")
    assert world.back(letter, raw=dsn(FULL, to=older.upper())) == HARD


def test_a_forged_address_is_of_nobody(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    forged = Signer(["somebody else's secret, as long"]).bounce_address(letter.id, "example.org")
    for address in (forged, "b+1@example.org", "wire@example.org", "b+999.aaaaaaaaaaaaaaaaaa@example.org"):
        assert world.back(letter, raw=dsn(GONE, to=address)) == BounceReport(strangers=1)
    assert world.states() == {"ada@think.example": "confirmed"}


def test_a_letter_that_is_not_there_is_of_nobody(world: World) -> None:
    raw = dsn(GONE, to=SIGNER.bounce_address(404, "example.org"))
    assert take(world.ports, world.plan, BoxedMail(key="k", raw=raw)) == BounceReport(strangers=1)


def test_the_envelope_names_it_where_no_header_does(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    address = SIGNER.bounce_address(letter.id, "example.org")
    boxed = BoxedMail(key="k", raw=dsn(FULL, to="undisclosed-recipients:;"), envelope_recipient=address)
    assert take(world.ports, world.plan, boxed) == HARD


def test_of_several_recipients_the_reader_is_meant(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    assert world.back(letter, fields("failed", "5.1.1", "other@think.example"), FULL.replace("ada", "Ada")) == HARD
    assert world.states() == {"ada@think.example": "confirmed"}


def test_that_another_address_is_no_good_does_not_say_that_the_readers_is(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    assert world.back(letter, GONE.replace("ada@", "forwarded-to@")) == HARD
    assert world.states() == {"ada@think.example": "confirmed"}
    reading = BounceReading(
        kind=BounceKind.HARD,
        recipients=(
            BouncedRecipient(address="a@b.example", kind=BounceKind.DELIVERED),
            BouncedRecipient(address="c@d.example", kind=BounceKind.HARD, names_address=True),
        ),
    )
    assert about(reading, "ada@think.example").address == "c@d.example"


def test_a_bounce_of_who_is_forgotten_is_of_nobody(world: World) -> None:
    (letter,) = world.send(
        "ada@think.example", result=SendResult(state=DeliveryState.REFUSED, reply="550 no", code=550)
    )
    nobody = replace(letter, subscriber=replace(letter.subscriber, email=""))
    world.store._deliveries[letter.id] = nobody
    assert world.back(letter, GONE) == BounceReport(strangers=1)
    refusal = SendResult(state=DeliveryState.REFUSED, reply="550 no such user", code=550)
    assert count_refusal(world.ports, world.plan, nobody, refusal) == BounceReport()
    assert world.store.rows == {}


# --- what follows ---------------------------------------------------------------------------------


def test_an_address_that_is_no_good_gets_no_mail_any_more(world: World) -> None:
    world.send("ada@think.example", newsletter_id="daily")
    (letter,) = world.send("ada@think.example", "bob@think.example")[:1]
    assert world.back(letter, GONE) == BounceReport(hard=1, suppressed=1)
    assert world.states() == {"ada@think.example": "disabled", "bob@think.example": "confirmed"}
    assert world.states("daily") == {"ada@think.example": "disabled"}
    assert world.store.suppressed == {key_of("ada@think.example"): "bounce"}
    assert world.send("ada@think.example") == []


def test_words_without_a_code_name_an_address_too(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    text = "<ada@think.example>: unknown user\n"
    address = SIGNER.bounce_address(letter.id, "example.org")
    raw = mail("From: MAILER-DAEMON@mx.example", f"To: {address}", "Subject: failure notice", body=text)
    assert world.back(letter, raw=raw) == BounceReport(hard=1, suppressed=1)
    assert world.store.bounces(1)[0].status == "5.1.1"


def test_four_days_of_hard_bounces_disable_and_letters_that_arrive_forgive(world: World) -> None:
    reports = []
    for _ in range(4):
        (letter,) = world.send("ada@think.example")
        reports.append(world.back(letter, FULL))
        world.clock.advance(days=1)
    assert reports == [HARD, HARD, HARD, BounceReport(hard=1, disabled=1)]
    assert world.states() == {"ada@think.example": "disabled"}
    assert world.store.suppressed == {}

    quiet = World()
    for day in range(24):
        (letter,) = quiet.send("ada@think.example")
        if day % 8 == 0:
            quiet.back(letter, FULL)
        quiet.clock.advance(days=1)
    assert quiet.states() == {"ada@think.example": "confirmed"}


def test_a_flood_about_one_letter_is_one_days_worth(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    reports = [world.back(letter, FULL, f"X-Number: {number}") for number in range(3 * MOST_OF_ONE)]
    assert reports == [HARD] * MOST_OF_ONE + [BounceReport(known=1)] * 2 * MOST_OF_ONE
    assert world.states() == {"ada@think.example": "confirmed"}
    assert score(world.store.history(letter.subscriber.id), START) == 1.0
    assert world.back(letter, GONE) == BounceReport(hard=1, suppressed=1)
    assert world.back(letter, GONE, "X-Number: one more") == BounceReport(known=1)
    complaint = arf(sender=SIGNER.bounce_address(letter.id, "example.org"))
    assert world.back(letter, raw=complaint).complaints == 1


def test_the_same_mail_twice_counts_once(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    assert [world.back(letter, FULL), world.back(letter, FULL)] == [HARD, BounceReport(known=1)]
    assert len(world.store.bounces(9)) == 1


def test_a_letter_that_is_only_late_has_not_come_back(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    assert world.back(letter, fields("delayed", "4.4.1")) == SOFT
    assert world.delivery(letter.id) is DeliveryState.ACCEPTED
    assert world.back(letter, fields("failed", "4.4.7")) == HARD
    assert world.delivery(letter.id) is DeliveryState.BOUNCED


def test_a_refusal_of_us_never_counts(world: World) -> None:
    for _ in range(9):
        (letter,) = world.send("ada@think.example")
        assert world.back(letter, fields("failed", "5.7.1", words="550 5.7.1 spam")) == HARD
        world.clock.advance(days=1)
    assert world.states() == {"ada@think.example": "confirmed"}
    assert [bounce.scored for bounce in world.store.bounces(9)] == [False] * 9


def test_what_is_no_bounce_changes_nothing(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    address = SIGNER.bounce_address(letter.id, "example.org")
    assert world.back(letter, fields("delivered", "2.0.0")) == BounceReport(delivered=1)
    assert world.back(letter, raw=vacation("Auto-Submitted: auto-replied")) == BounceReport(answers=1)
    person = mail("From: ada@think.example", f"To: {address}", "Subject: thanks", body="I like it")
    assert world.back(letter, raw=person) == BounceReport(others=1)
    assert (world.store.bounces(9), world.delivery(letter.id)) == ([], DeliveryState.ACCEPTED)


def test_a_notice_that_names_nobody_counts_for_the_one_it_came_back_to(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    address = SIGNER.bounce_address(letter.id, "example.org")
    raw = mail("From: MAILER-DAEMON@mx.example", f"To: {address}", "Subject: Mail error", body="It failed.")
    assert world.back(letter, raw=raw) == SOFT


# --- complaints and those who leave ---------------------------------------------------------------


def test_a_complaint_ends_that_subscription_and_all_mail(world: World) -> None:
    world.send("ada@think.example", newsletter_id="daily")
    (letter,) = world.send("ada@think.example")
    address = SIGNER.bounce_address(letter.id, "example.org")
    assert world.back(letter, raw=arf(sender=address)) == BounceReport(complaints=1, suppressed=1)
    assert (world.states(), world.states("daily")) == (
        {"ada@think.example": "unsubscribed"},
        {"ada@think.example": "disabled"},
    )
    assert world.store.suppressed == {key_of("ada@think.example"): "complaint"}
    assert world.delivery(letter.id) is DeliveryState.COMPLAINED
    assert [bounce.scored for bounce in world.store.bounces(9)] == [False]


@pytest.mark.parametrize("body", ["", "unsubscribe", "please stop"])
def test_a_mail_to_the_address_that_unsubscribes_does_so(world: World, body: str) -> None:
    (letter,) = world.send("ada@think.example")
    world.send("ada@think.example", newsletter_id="daily")
    address = SIGNER.unsubscribe_address(letter.subscriber.id, "weekly", "example.org")
    raw = mail("From: someone.else@phone.example", f"To: <{address}>", body=body)
    reports = [take(world.ports, world.plan, BoxedMail(key="k", raw=raw)) for _ in range(2)]
    assert reports == [BounceReport(unsubscribed=1), BounceReport(known=1)]
    assert (world.states(), world.states("daily")) == (
        {"ada@think.example": "unsubscribed"},
        {"ada@think.example": "confirmed"},
    )


def test_a_forged_address_unsubscribes_nobody(world: World) -> None:
    world.send("ada@think.example")
    raw = mail("From: x@y.example", "To: u+1.weekly.aaaaaaaaaaaaaaaaaa@example.org")
    assert take(world.ports, world.plan, BoxedMail(key="k", raw=raw)) == BounceReport(strangers=1)
    assert world.states() == {"ada@think.example": "confirmed"}


# --- a relay at fault -----------------------------------------------------------------------------


def test_a_run_that_comes_back_counts_against_nobody(world: World) -> None:
    readers = [f"reader{number}@{'ab'[number % 2]}.example" for number in range(100)]
    for _ in range(3):
        letters = world.send(*readers)
        for letter in letters[:2]:
            world.back(letter, fields("failed", "5.3.0", letter.subscriber.email))
        world.clock.advance(days=1)
    letters = world.send(*readers)
    reports = [
        world.back(letter, fields("failed", "5.4.4", letter.subscriber.email, words="no route"))
        for letter in letters[:9]
    ]
    assert [report.disabled for report in reports] == [1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert reports[4].faults == ()
    assert reports[5].faults == ("weekly 4: 6 of 100 letters came back for reasons that are no reader's",)
    assert set(world.states().values()) == {"confirmed"}
    scored = {bounce.delivery_id for bounce in world.store.bounces(99) if bounce.scored}
    assert not scored & {letter.id for letter in letters}
    assert world.held == [Hold(newsletter_id="weekly", issue_id=letters[0].issue_id, since=world.clock.now())]


def test_who_has_too_many_of_other_runs_stays_disabled_when_one_is_pardoned(world: World) -> None:
    readers = [f"reader{number}@{'ab'[number % 2]}.example" for number in range(100)]
    runs = []
    for _ in range(4):
        runs.append(world.send(*readers))
        world.back(runs[-1][0], fields("failed", "5.3.0", readers[0]))
        world.clock.advance(days=1)
    world.back(runs[2][0], fields("failed", "5.3.2", readers[0], words="once more"))
    for letter in runs[3][1:7]:
        world.back(letter, fields("failed", "5.4.4", letter.subscriber.email))
    assert [email for email, state in world.states().items() if state == "disabled"] == [readers[0]]


def test_a_relay_that_knows_nobody_suppresses_nobody(world: World) -> None:
    readers = [f"reader{number}@a.example" for number in range(8)]
    for letter in world.send(*readers):
        world.back(letter, fields("failed", "5.1.1", letter.subscriber.email))
    assert set(world.states().values()) == {"confirmed"}
    assert world.store.suppressed == {}


def test_a_complaint_counts_in_a_faulty_run_too(world: World) -> None:
    readers = [f"reader{number}@{'ab'[number % 2]}.example" for number in range(8)]
    letters = world.send(*readers)
    complaint = arf(sender=SIGNER.bounce_address(letters[0].id, "example.org"))
    assert world.back(letters[0], raw=complaint).complaints == 1
    for letter in letters[1:]:
        world.back(letter, fields("failed", "5.4.4", letter.subscriber.email))
    assert world.states()[readers[0]] == "unsubscribed"
    assert len(world.store.suppressed) == 1


# --- refused while it was sent --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "report"),
    [
        (SendResult(state=DeliveryState.REFUSED, reply="550 5.2.2 full", code=550), HARD),
        (SendResult(state=DeliveryState.REFUSED, reply="given up: 450 4.2.0 later", code=450), SOFT),
        (
            SendResult(state=DeliveryState.REFUSED, reply="550 No such user", code=550),
            BounceReport(hard=1, suppressed=1),
        ),
        (SendResult(state=DeliveryState.REFUSED, reply="554 5.7.1 No", code=554, policy=True), HARD),
        (SendResult(state=DeliveryState.REFUSED, reply="not sent: no header can hold it"), BounceReport()),
        (SendResult(state=DeliveryState.DEFERRED, reply="450 later", code=450), BounceReport()),
        (SendResult(state=DeliveryState.REFUSED, reply="421 down", code=421, server_down=True), BounceReport()),
        (ACCEPTED, BounceReport()),
    ],
)
def test_a_refusal_counts_as_a_report_would(world: World, result: SendResult, report: BounceReport) -> None:
    (letter,) = world.send("ada@think.example", result=result)
    assert count_refusal(world.ports, world.plan, letter, result) == report
    again = count_refusal(world.ports, world.plan, letter, result)
    assert again == (BounceReport() if report == BounceReport() else BounceReport(known=1))
    assert world.delivery(letter.id) is result.state


# --- the box --------------------------------------------------------------------------------------


def box_of(world: World, **mails: bytes) -> ListedBox:
    return ListedBox(waiting=[BoxedMail(key=key, raw=raw) for key, raw in mails.items()])


def test_a_box_is_read_and_what_cannot_be_read_stays_and_is_named(world: World) -> None:
    first, second = world.send("ada@think.example", "bob@think.example")
    box = box_of(
        world,
        one=dsn(FULL, to=SIGNER.bounce_address(first.id, "e.example")),
        two=b"",
        three=vacation("Auto-Submitted: auto-replied"),
        four=dsn(fields("failed", "5.2.2", "bob@think.example"), to=SIGNER.bounce_address(second.id, "e.example")),
    )
    report = read_box(world.ports, world.plan, box)
    assert report == BounceReport(hard=2, answers=1, left=(("two", "it is empty"),))
    assert (box.finished, box.kept) == (["one", "three", "four"], ["two"])
    assert read_box(world.ports, world.plan, box) == BounceReport(left=(("two", "it is empty"),))


def test_what_the_box_cannot_read_is_left_with_its_trouble(world: World) -> None:
    box = ListedBox(waiting=[BoxedMail(key="new/1", raw=b"", trouble="the file cannot be read: Permission denied")])
    assert read_box(world.ports, world.plan, box).left == (("new/1", "the file cannot be read: Permission denied"),)
    assert box.kept == ["new/1"]


def test_a_mail_is_not_done_before_it_is_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (letter,) = world.send("ada@think.example")
    box = box_of(world, one=dsn(FULL, to=SIGNER.bounce_address(letter.id, "e.example")))

    def fails(*_: object, **__: object) -> bool:
        raise StoreError("database: it is full")

    with monkeypatch.context() as broken:
        broken.setattr(world.store, "record_bounce", fails)
        with pytest.raises(StoreError):
            read_box(world.ports, world.plan, box)
    assert (box.finished, box.kept) == ([], [])
    assert read_box(world.ports, world.plan, box) == HARD


def test_a_fault_of_ours_in_one_mail_leaves_that_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = world.send("ada@think.example", "bob@think.example")
    real = world.store.delivery
    monkeypatch.setattr(world.store, "delivery", lambda id_: real(id_) if id_ == second.id else 1 // 0)
    box = box_of(
        world,
        one=dsn(FULL, to=SIGNER.bounce_address(first.id, "e.example")),
        two=dsn(fields("failed", "5.2.2", "bob@think.example"), to=SIGNER.bounce_address(second.id, "e.example")),
    )
    report = read_box(world.ports, world.plan, box)
    assert report.left == (("one", "a fault of ours (ZeroDivisionError); the log says where"),)
    assert (report.hard, box.finished) == (1, ["two"])


def test_reading_stops_when_told_between_two_mails(world: World) -> None:
    box = box_of(world, one=b"", two=b"")
    answers = iter([False, True])
    report = read_box(world.ports, world.plan, box, should_stop=lambda: next(answers))
    assert [key for key, _ in report.left] == ["one"]


def test_no_address_of_a_reader_is_logged(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    address = SIGNER.bounce_address(letter.id, "example.org")
    with capture_logs() as events:
        world.back(letter, GONE)
        world.back(letter, raw=arf(sender=address))
        world.back(letter, raw=notice("<ada@think.example>: 550 user unknown"))
        world.back(letter, raw=vacation("Auto-Submitted: auto-replied"))
    assert len(events) == 4
    assert "ada@" not in str(events)


# --- a person undoes it ---------------------------------------------------------------------------


def test_a_bounce_is_undone_and_its_reader_has_mail_again(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    world.back(letter, GONE)
    bounce, enabled = undo(world.ports, world.plan, 1)
    assert (bounce.email, bounce.scored, enabled) == ("ada@think.example", False, True)
    assert (world.states(), world.store.suppressed) == ({"ada@think.example": "confirmed"}, {})
    assert undo(world.ports, world.plan, 1)[1] is False
    assert world.back(letter, GONE) == BounceReport(known=1)
    assert world.states() == {"ada@think.example": "confirmed"}


def test_a_complaint_is_not_undone(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    world.back(letter, raw=arf(sender=SIGNER.bounce_address(letter.id, "example.org")))
    with pytest.raises(UsageError, match="only its reader"):
        undo(world.ports, world.plan, 1)
    assert len(world.store.suppressed) == 1


def test_a_bounce_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(NotFoundError, match="no bounce 7"):
        undo(world.ports, world.plan, 7)


def test_undoing_a_bounce_lifts_no_complaint(world: World) -> None:
    (letter,) = world.send("ada@think.example")
    world.back(letter, FULL)
    world.back(letter, raw=arf(sender=SIGNER.bounce_address(letter.id, "example.org")))
    assert undo(world.ports, world.plan, 1)[1] is False
    assert world.states() == {"ada@think.example": "unsubscribed"}
