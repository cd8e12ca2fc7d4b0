"""Sending: due Deliveries in, letters out, each answer noted before the next letter.

    mailer.connect > deliveries.claim > letter > mailer.send > deliveries.settle

A row is `sending` on disk before the server hears of it, and one row at a time. So whatever kills us leaves at
most one letter in doubt: it is listed as `uncertain` and never sent again by itself. An answer is held until it is
noted, however long the database is away.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b

import structlog

from aggregator.errors import StoreError, UsageError
from aggregator.model.channel import Site
from aggregator.model.delivery import Delivery, DeliveryReport, DeliveryState, SendResult, Subscriber
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.ports import Clock, DeliveryStore, Mailer, NewsletterStore
from aggregator.settings.addresses import read_address
from aggregator.steps.letter import write_letter

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=4)
PATIENCE = timedelta(hours=72)
"""A letter has waited this long between attempts, all together, when we give it up."""
FRESH = timedelta(days=7)
"""An Issue older than this is no news, and none of its letters is sent any more: who takes a newsletter back into
feeds.yaml after a month, or starts a machine after one, does not mail what was left."""
POLICY_REFUSALS = 10
"""So many refusals in a row that blame us and not the address: going on would only make our name worse."""
POLICY_PAUSE = timedelta(hours=1)
LONGEST_SETTLE_WAIT = 60.0
"""Seconds between two attempts to note an answer, at most; the first wait is one."""
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
    """What feeds.yaml says of sending, and how a reader's own address is made: (subscriber id, newsletter id)."""

    newsletters: Mapping[str, Newsletter]
    site: Site
    unsubscribe_url: Callable[[int, str], str]


@dataclass(slots=True)
class _Run:
    """One run over what is due: what it has counted, and the issues it has read."""

    ports: DeliverPorts
    plan: DeliverPlan
    should_stop: Callable[[], bool]
    wait: Callable[[float], object]
    counts: Counter[DeliveryState] = field(default_factory=Counter)
    issues: dict[int, Issue] = field(default_factory=dict)

    def issue(self, delivery: Delivery) -> Issue:
        """The issue of a delivery, read once; the last one stays, since deliveries come issue by issue."""
        if delivery.issue_id not in self.issues:
            issue = self.ports.newsletters.edition_issue(delivery.edition_id, delivery.issue_number)
            assert issue is not None  # noqa: S101 (a delivery is stored with its issue, and issues are never deleted)
            self.issues = {delivery.issue_id: issue}
        return self.issues[delivery.issue_id]

    def report(self, paused: str | None = None) -> DeliveryReport:
        return DeliveryReport(
            accepted=self.counts[DeliveryState.ACCEPTED],
            deferred=self.counts[DeliveryState.DEFERRED],
            refused=self.counts[DeliveryState.REFUSED],
            uncertain=self.counts[DeliveryState.UNCERTAIN],
            cancelled=self.counts[DeliveryState.CANCELLED],
            paused=paused,
        )


def deliver(
    ports: DeliverPorts,
    plan: DeliverPlan,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    wait: Callable[[float], object] = time.sleep,
) -> DeliveryReport:
    """Send what is due until nothing is, the server is down, or `should_stop` says so between two letters.

    `wait` lets so many seconds pass while the database is away, or less when the run is to stop. A fault of ours in a
    letter settles that one and is raised: going on might cost every reader theirs.
    """
    run = _Run(ports, plan, should_stop, wait)
    if not ports.deliveries.waiting(ports.clock.now(), plan.newsletters):
        return run.report()
    try:
        return run.report(paused=_send_all(run))
    finally:
        ports.mailer.close()


def _send_all(run: _Run) -> str | None:
    """Why it ended before all was sent, if it did for a reason of the server's."""
    ports = run.ports
    if reason := _policy_pause(ports):
        return reason
    while not run.should_stop():
        if fault := ports.mailer.connect():
            return fault.reply
        delivery = ports.deliveries.claim(ports.clock.now(), run.plan.newsletters)
        if delivery is None:
            return None
        result = _send(run, delivery)
        if result.server_down:
            return result.reply
        if result.policy and (reason := _policy_pause(ports)):
            log.error("deliver.paused", reason=reason)
            return reason
    return None


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


def _send(run: _Run, delivery: Delivery) -> SendResult:
    """What became of a claimed row, settled."""
    if delivery.state is DeliveryState.CANCELLED:
        run.counts[delivery.state] += 1
        return SendResult(state=delivery.state, reply="no longer subscribed")
    try:
        issue = run.issue(delivery)
        if run.ports.clock.now() - issue.created_at > FRESH:
            words = f"not sent: the issue is older than {FRESH.days} days"
            return _settle(run, delivery, SendResult(state=DeliveryState.CANCELLED, reply=words))
        message = _letter(run.plan, issue, delivery)
    except ValueError as error:
        return _settle(run, delivery, _unspeakable(error))
    except Exception as error:
        words = f"not sent for a fault of ours ({type(error).__name__}); the log says where"
        _settle(run, delivery, SendResult(state=DeliveryState.DEFERRED, reply=words))
        raise
    sender = run.plan.newsletters[delivery.newsletter_id].address
    try:
        result = run.ports.mailer.send(message, sender=sender, recipient=delivery.subscriber.email)
    except ValueError as error:
        result = _unspeakable(error)
    except Exception as error:  # it may have come when the server had the letter
        words = f"a fault of ours while it was sent ({type(error).__name__}); the log says where"
        _settle(run, delivery, SendResult(state=DeliveryState.UNCERTAIN, reply=words))
        raise
    return _settle(run, delivery, result)


def _unspeakable(error: ValueError) -> SendResult:
    """What becomes of a letter to an address that no header or command can hold: it never reached a server."""
    return SendResult(state=DeliveryState.REFUSED, reply=f"not sent: {error}")


def _settle(run: _Run, delivery: Delivery, result: SendResult) -> SendResult:
    """Note what became of it, with the time of its next attempt if it has one."""
    now, retry_at = run.ports.clock.now(), None
    if result.state is DeliveryState.DEFERRED:
        result, retry_at = _deferred(delivery, result, now)
    standing = _noted(run, delivery, result, now, retry_at)
    run.counts[result.state] += 1
    event = "deliver.settled" if standing else "deliver.claim_lost"
    log.info(event, delivery_id=delivery.id, issue_id=delivery.issue_id, state=result.state.value, code=result.code)
    return result


def _noted(run: _Run, delivery: Delivery, result: SendResult, now: datetime, retry_at: datetime | None) -> bool:
    """Whether the claim still stood. The server's word is nowhere else: only who has to stop gives up noting it."""
    seconds = 1.0
    while True:
        stopping = run.should_stop()
        try:
            return run.ports.deliveries.settle(delivery, result, now, retry_at)
        except StoreError as error:
            event = "deliver.not_noted" if stopping else "deliver.not_noted_yet"
            log.error(event, delivery_id=delivery.id, state=result.state.value, reply=result.reply, error=str(error))
            if stopping:
                raise
        run.wait(seconds)
        seconds = min(2 * seconds, LONGEST_SETTLE_WAIT)


def _letter(plan: DeliverPlan, issue: Issue, delivery: Delivery) -> bytes:
    newsletter, site = plan.newsletters[delivery.newsletter_id], plan.site
    return write_letter(
        issue,
        newsletter,
        site,
        delivery,
        unsubscribe_url=plan.unsubscribe_url(delivery.subscriber.id, newsletter.id),
        archive_url=f"{site.base_url}/newsletters/{newsletter.id}",
    )


def _deferred(delivery: Delivery, result: SendResult, now: datetime) -> tuple[SendResult, datetime | None]:
    """When to try again (RFC 5321 4.5.4.1), or the letter given up. Waits are counted, not days: a machine that
    was off has not tried."""
    waits = [min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) for attempt in range(min(delivery.attempts, 64))]
    if sum(waits, timedelta()) <= PATIENCE:
        return result, now + waits[-1] * (1 + _share(delivery) / 5)
    words = f"given up after {delivery.attempts} attempts: {result.reply}"
    return SendResult(state=DeliveryState.REFUSED, reply=words, code=result.code, server_down=result.server_down), None


def _share(delivery: Delivery) -> float:
    """A number from 0 to 1 that is this attempt's own, so that letters deferred together do not return together."""
    name = f"{delivery.message_id}{delivery.attempts}".encode()
    return int.from_bytes(blake2b(name, digest_size=4).digest()) / 0xFFFFFFFF


# --- outside the ledger ---------------------------------------------------------------------------


def sample_letter(plan: DeliverPlan, issue: Issue, email: str) -> bytes:
    """What a reader of this Issue gets, stored or not, addressed to `email`: no row is kept of it.

    Its way out is real and leads to the subscription of nobody, whoever tries it.
    """
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
    return _letter(plan, issue, delivery)


def send_test(mailer: Mailer, plan: DeliverPlan, issue: Issue, email: str) -> SendResult:
    """Send such a letter, marked as a test, to one address, and say what the server answered; raises UsageError."""
    try:
        recipient = read_address(email)
    except ValueError as error:
        raise UsageError(f"{email!r} {error}") from error
    marked = replace(issue, rendering=replace(issue.rendering, subject=f"{TEST_MARK} {issue.rendering.subject}"))
    message, sender = sample_letter(plan, marked, recipient), plan.newsletters[issue.newsletter_id].address
    try:
        return mailer.connect() or mailer.send(message, sender=sender, recipient=recipient)
    finally:
        mailer.close()
