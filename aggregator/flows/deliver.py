"""Sending: due Deliveries in, letters out, answers noted as they come.

    mailer.connect > deliveries.exchange > letter > dkim > mailer.hand > mailer.answers > retrying > deliveries.exchange

One transaction notes the answers that have come and claims as many rows as there is room for. A row is `sending` on
disk before a server hears of it, so whatever kills us leaves no more letters in doubt than were at hand: they are
listed as `uncertain`. An answer is held until it is noted, however long the database is away.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from aggregator.errors import StoreError, UsageError
from aggregator.faults import fault
from aggregator.model.channel import Site
from aggregator.model.delivery import Delivery, DeliveryReport, DeliveryState, SendResult, Subscriber
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.model.sending import Claim, Exchanged, Outgoing, Settlement
from aggregator.ports import Clock, DeliveryStore, Mailer, NewsletterStore
from aggregator.settings.addresses import read_address
from aggregator.steps.dkim import DkimSigner
from aggregator.steps.letter import LetterPress, WaysOut
from aggregator.steps.retrying import pause_of, settlement

FRESH = timedelta(days=7)
"""An Issue older than this is no news, and none of its letters is sent any more: who takes a newsletter back into
feeds.yaml after a month, or starts a machine after one, does not mail what was left."""
POLICY_REFUSALS = 10
"""So many refusals in a row that blame us and not the address: going on would only make our name worse."""
POLICY_PAUSE = timedelta(hours=1)
LONGEST_SETTLE_WAIT = 60.0
"""Seconds between two attempts to note an answer, at most; the first wait is one."""
MOST_COUNTED = 1_000
"""Letters that wait are counted so far: more connections than for these are not opened."""
PRESSES = 8
"""Issues whose letters are ready to be made; of the editions of a newsletter several are sent at once."""
PATIENCE_SECONDS = 1.0
"""So long an answer is waited for before we look whether we are to stop."""
TEST_MARK = "[Test]"
"""Begins the subject of a letter that a person sends to look at it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverPorts:
    """What sending needs of the world."""

    deliveries: DeliveryStore
    newsletters: NewsletterStore
    mailer: Mailer
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverPlan:
    """What feeds.yaml says of sending.

    `unsubscribe_url`, `unsubscribe_mail`: a reader's own ways out, by (subscriber id, newsletter id);
    `preferences_url`: where they choose what they get. `return_path`:
    where the mail of a Delivery comes back to, by its id; to the newsletter's own address without one. `signers`: who
    signs, by the domain of From; elsewhere the mail server does.
    """

    newsletters: Mapping[str, Newsletter]
    site: Site
    unsubscribe_url: Callable[[int, str], str]
    preferences_url: Callable[[int], str]
    unsubscribe_mail: Callable[[int, str], str | None] = lambda subscriber_id, newsletter_id: None
    return_path: Callable[[int], str] | None = None
    signers: Mapping[str, DkimSigner] = field(default_factory=dict)

    def press(self, issue: Issue) -> LetterPress:
        """What makes the letters of an Issue."""
        newsletter, site = self.newsletters[issue.newsletter_id], self.site
        return LetterPress(issue, newsletter, site, archive_url=f"{site.base_url}/newsletters/{newsletter.id}")

    def letter(self, press: LetterPress, issue: Issue, delivery: Delivery) -> Outgoing:
        """One letter, signed; the same at every attempt. Raises ValueError for an address that no header can hold."""
        newsletter, reader = self.newsletters[delivery.newsletter_id], delivery.subscriber
        ways_out = WaysOut(
            url=self.unsubscribe_url(reader.id, newsletter.id),
            preferences_url=self.preferences_url(reader.id),
            mail=self.unsubscribe_mail(reader.id, newsletter.id),
        )
        message = press.letter(delivery, ways_out)
        if signer := self.signers.get(newsletter.domain):
            message = signer.sign(message, issue.created_at) + message
        return Outgoing(
            key=delivery.id,
            message=message,
            sender=self.return_path(delivery.id) if self.return_path else newsletter.address,
            recipient=reader.email,
            envelope_id=delivery.message_id.strip("<>"),
        )


@dataclass(slots=True)
class _Run:
    """One run over what is due: what is at hand, what is to be noted, and why it ends."""

    ports: DeliverPorts
    plan: DeliverPlan
    worker: str
    should_stop: Callable[[], bool]
    wait: Callable[[float], object]
    letters: int = 0
    counts: Counter[DeliveryState] = field(default_factory=Counter)
    resent: int = 0
    presses: dict[int, tuple[Issue, LetterPress]] = field(default_factory=dict)
    at_hand: dict[int, Delivery] = field(default_factory=dict)
    settled: list[Settlement] = field(default_factory=list)
    paused: str | None = None
    error: Exception | None = None
    unsure: bool = False
    """A transaction failed, and whether it was not written after all is not known."""

    @property
    def ends(self) -> bool:
        return self.paused is not None or self.error is not None or self.should_stop()

    def report(self) -> DeliveryReport:
        return DeliveryReport(
            accepted=self.counts[DeliveryState.ACCEPTED],
            deferred=self.counts[DeliveryState.DEFERRED],
            refused=self.counts[DeliveryState.REFUSED],
            uncertain=self.counts[DeliveryState.UNCERTAIN],
            cancelled=self.counts[DeliveryState.CANCELLED],
            resent=self.resent,
            paused=self.paused,
        )


def deliver(
    ports: DeliverPorts,
    plan: DeliverPlan,
    *,
    worker: str,
    should_stop: Callable[[], bool] = lambda: False,
    wait: Callable[[float], object] = time.sleep,
) -> DeliveryReport:
    """Send what is due until nothing is, the server is down, or `should_stop` says so between two letters.

    Rows are claimed in the name of `worker`. `wait` lets so many seconds pass while the database is away, or less when
    the run is to stop. A fault of ours in a letter settles that one and is raised: going on might cost every reader
    theirs. What is raised as StoreError may leave rows claimed.
    """
    run = _Run(ports, plan, worker, should_stop, wait)
    run.letters = ports.deliveries.waiting(ports.clock.now(), plan.newsletters, limit=MOST_COUNTED)
    if not run.letters:
        return run.report()
    try:
        _send_all(run)
    finally:
        ports.mailer.close()
        fault("send.closed")
    if run.unsure:
        ports.deliveries.release(worker, ports.clock.now())
    if run.error is not None:
        raise run.error
    return run.report()


def _send_all(run: _Run) -> None:
    run.paused = _policy_pause(run.ports)
    while True:
        noted = bool(run.settled)
        exchanged = _exchange(run, _room(run))
        for delivery in exchanged.claimed:
            _hand(run, delivery)
        if not (noted or exchanged.claimed or run.settled or run.at_hand):
            return
        _collect(run, PATIENCE_SECONDS if run.at_hand and not run.settled else 0)


def _room(run: _Run) -> int:
    """How many rows to claim now; none while something is to be noted that may end the run or slow a domain down."""
    if run.ends or any(item.result.policy for item in run.settled):
        return 0
    if problem := run.ports.mailer.connect(run.letters):
        run.paused = problem.reply
        return 0
    return run.ports.mailer.room()


def _policy_pause(ports: DeliverPorts) -> str | None:
    """Why nothing is sent for now, read off the ledger, so that a restart does not forget it (RFC 3463 3.8)."""
    last = ports.deliveries.answered(POLICY_REFUSALS)
    if len(last) < POLICY_REFUSALS or not all(delivery.policy for delivery in last):
        return None
    newest = last[0].settled_at
    if newest is None or not newest <= ports.clock.now() < newest + POLICY_PAUSE:
        return None  # over, and the next letter tries anew; or of a time when the clock was wrong
    return (
        f"the last {POLICY_REFUSALS} letters were refused by policy; trying again after {POLICY_PAUSE}: {last[0].reply}"
    )


# --- the ledger -----------------------------------------------------------------------------------


def _exchange(run: _Run, room: int) -> Exchanged:
    """Note what is settled, and claim so many rows. The server's word is nowhere else: while something is to be noted
    or is at hand, only who has to stop gives up."""
    seconds = 1.0
    while True:
        stopping = run.should_stop()
        try:
            exchanged = _transaction(run, 0 if stopping else room)
        except (StoreError, OSError) as error:
            run.unsure = True
            if stopping or not (run.settled or run.at_hand):
                _tell_unnoted(run, "deliver.not_noted", error)
                raise
            _tell_unnoted(run, "deliver.not_noted_yet", error)
        else:
            _note(run, exchanged)
            return exchanged
        run.wait(seconds)
        seconds = min(2 * seconds, LONGEST_SETTLE_WAIT)
        _collect(run, 0)


def _transaction(run: _Run, room: int) -> Exchanged:
    if not (room or run.settled):
        return Exchanged()
    if run.settled:
        fault("send.mark")
    claim = Claim(worker=run.worker, newsletter_ids=run.plan.newsletters, room=room) if room else None
    exchanged = run.ports.deliveries.exchange(run.settled, run.ports.clock.now(), claim)
    if run.settled:
        fault("send.marked")
    if exchanged.claimed:
        fault("send.committed")
    return exchanged


def _note(run: _Run, exchanged: Exchanged) -> None:
    """Count what is on disk now, and draw the conclusions that concern more than one letter."""
    settled, run.settled = run.settled, []
    for item in settled:
        delivery, result = item.delivery, item.result
        run.counts[result.state] += 1
        event = "deliver.claim_lost" if delivery.id in exchanged.lost else "deliver.settled"
        log.info(event, delivery_id=delivery.id, issue_id=delivery.issue_id, state=result.state.value, code=result.code)
    if run.paused is None and any(item.result.policy for item in settled):
        try:
            _slow_down(run, settled)
            run.paused = _policy_pause(run.ports)
        except StoreError as error:  # rows are claimed, so it ends where each of them is settled
            run.paused = str(error)
        if run.paused:
            log.error("deliver.paused", reason=run.paused)
    run.counts[DeliveryState.CANCELLED] += sum(row.state is DeliveryState.CANCELLED for row in exchanged.claimed)


def _slow_down(run: _Run, settled: list[Settlement]) -> None:
    """Let a domain that has put us off rest: the letters to it that wait go after those it put off (RFC 3463 3.8)."""
    pauses: dict[str, datetime] = {}
    for item in settled:
        if until := pause_of(item):
            pauses[item.delivery.domain] = max(until, pauses.get(item.delivery.domain, until))
    for domain, until in pauses.items():
        count = run.ports.deliveries.postpone(until, domain=domain)
        log.warning("deliver.domain_slowed", domain=domain, letters=count, until=until.isoformat(" ", "seconds"))


def _tell_unnoted(run: _Run, event: str, error: Exception) -> None:
    for item in run.settled:
        result = item.result
        log.error(event, delivery_id=item.delivery.id, state=result.state.value, reply=result.reply, error=str(error))


# --- letters --------------------------------------------------------------------------------------


def _hand(run: _Run, delivery: Delivery) -> None:
    """Make the letter of a claimed row and hand it over, or settle the row."""
    if delivery.state is DeliveryState.CANCELLED:
        return
    if run.error is not None:
        _settle(run, delivery, SendResult(state=DeliveryState.QUEUED, reply="not sent: another letter met a fault"))
        return
    try:
        issue, press = _press(run, delivery)
        if run.ports.clock.now() - issue.created_at > FRESH:
            words = f"not sent: the issue is older than {FRESH.days} days"
            _settle(run, delivery, SendResult(state=DeliveryState.CANCELLED, reply=words))
            return
        letter = run.plan.letter(press, issue, delivery)
    except ValueError as error:
        _settle(run, delivery, _unspeakable(error))
    except Exception as error:
        words = f"not sent for a fault of ours ({type(error).__name__}); the log says where"
        _settle(run, delivery, SendResult(state=DeliveryState.DEFERRED, reply=words))
        run.error = error
    else:
        _hand_over(run, delivery, letter)


def _hand_over(run: _Run, delivery: Delivery, letter: Outgoing) -> None:
    try:
        run.ports.mailer.hand(letter)
    except ValueError as error:
        _settle(run, delivery, _unspeakable(error))
    except Exception as error:
        _settle(run, delivery, _doubtful(error))
        run.error = error
    else:
        run.at_hand[delivery.id] = delivery


def _press(run: _Run, delivery: Delivery) -> tuple[Issue, LetterPress]:
    """The issue of a delivery and what makes its letters, read once and kept for the next ones."""
    found = run.presses.pop(delivery.issue_id, None)
    if found is None:
        issue = run.ports.newsletters.edition_issue(delivery.edition_id, delivery.issue_number)
        assert issue is not None  # noqa: S101 (a delivery is stored with its issue, and issues are never deleted)
        found = issue, run.plan.press(issue)
    run.presses[delivery.issue_id] = found
    if len(run.presses) > PRESSES:
        del run.presses[next(iter(run.presses))]
    return found


def _collect(run: _Run, seconds: float) -> None:
    """Take the answers that have come, to be noted next."""
    for answered in run.ports.mailer.answers(seconds):
        delivery = run.at_hand.pop(answered.key)
        if answered.error is not None:
            run.error = run.error or answered.error
        _settle(run, delivery, _doubtful(answered.error) if answered.error else answered.result)


def _settle(run: _Run, delivery: Delivery, result: SendResult) -> None:
    resend = run.plan.newsletters[delivery.newsletter_id].uncertain == "resend"
    item = settlement(delivery, result, run.ports.clock.now(), resend=resend)
    run.resent += result.state is DeliveryState.UNCERTAIN and item.result.state is DeliveryState.DEFERRED
    if result.server_down:
        run.paused = run.paused or result.reply
    run.settled.append(item)


def _unspeakable(error: ValueError) -> SendResult:
    """What becomes of a letter to an address that no header or command can hold: it never reached a server."""
    return SendResult(state=DeliveryState.REFUSED, reply=f"not sent: {error}")


def _doubtful(error: Exception) -> SendResult:
    """A fault of ours that may have come when the server had the letter."""
    words = f"a fault of ours while it was sent ({type(error).__name__}); the log says where"
    return SendResult(state=DeliveryState.UNCERTAIN, reply=words)


# --- outside the ledger ---------------------------------------------------------------------------


def sample_letter(plan: DeliverPlan, issue: Issue, email: str) -> bytes:
    """What a reader of this Issue gets, stored or not, addressed to `email`: no row is kept of it.

    Its way out is real and leads to the subscription of nobody, whoever tries it.
    """
    return _sample(plan, issue, email).message


def _sample(plan: DeliverPlan, issue: Issue, email: str) -> Outgoing:
    newsletter = plan.newsletters[issue.newsletter_id]
    moment = f"{issue.created_at:%Y%m%d%H%M%S%f}"  # mail programs show one of two letters that have one Message-ID
    delivery = Delivery(
        id=0,
        issue_id=issue.id,
        newsletter_id=issue.newsletter_id,
        edition_id=issue.edition_id,
        issue_number=issue.number,
        subscriber=Subscriber(email=email),
        state=DeliveryState.SENDING,
        message_id=f"<{issue.newsletter_id}-{issue.number}.sample.{moment}@{newsletter.domain}>",
    )
    return replace(plan.letter(plan.press(issue), issue, delivery), sender=newsletter.address)


def send_test(mailer: Mailer, plan: DeliverPlan, issue: Issue, email: str) -> SendResult:
    """Send such a letter, marked as a test, to one address, and say what the server answered; raises UsageError."""
    try:
        recipient = read_address(email)
    except ValueError as error:
        raise UsageError(f"{email!r} {error}") from error
    marked = replace(issue, rendering=replace(issue.rendering, subject=f"{TEST_MARK} {issue.rendering.subject}"))
    letter = _sample(plan, marked, recipient)
    try:
        return mailer.connect() or mailer.send(letter.message, sender=letter.sender, recipient=recipient)
    finally:
        mailer.close()
