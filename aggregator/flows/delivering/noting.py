"""One run of sending: what is at hand, and what is noted of it in the ledger.

    mailer.answers > retrying > **deliveries.exchange**

The server's word is nowhere else than here until it is noted: so it is held, however long the database is away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from aggregator.errors import StoreError
from aggregator.faults import fault
from aggregator.flows.delivering.keeping_pace import PaceKeeper
from aggregator.flows.delivering.lettering import DeliverPlan, PrintRun
from aggregator.mail_ports import DeliveryStore, Mailer, NewsletterStore
from aggregator.model.delivery import Delivery, DeliveryReport, DeliveryState, SendResult
from aggregator.model.sending import Claim, Exchanged, Settlement
from aggregator.ports import Clock
from aggregator.steps.retrying import pause_of, settlement

POLICY_REFUSALS = 10
"""So many refusals in a row that blame us and not the address: going on would only make our name worse."""
POLICY_PAUSE = timedelta(hours=1)
LONGEST_SETTLE_WAIT = 60.0
"""Seconds between two attempts to note an answer, at most; the first wait is one."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverPorts:
    """What sending needs of the world."""

    deliveries: DeliveryStore
    newsletters: NewsletterStore
    mailer: Mailer
    clock: Clock
    refused: Callable[[Delivery, SendResult], object] = lambda delivery, result: None
    """Told of each letter that a server refused, once that is on disk: it counts as one that came back would."""


@dataclass(slots=True)
class Run:
    """One run over what is due: what is at hand, what is to be noted, and why it ends."""

    ports: DeliverPorts
    plan: DeliverPlan
    pacing: PaceKeeper
    should_stop: Callable[[], bool]
    wait: Callable[[float], object]
    letters: int = 0
    counts: Counter[DeliveryState] = field(default_factory=Counter)
    resent: int = 0
    print_runs: dict[int, PrintRun] = field(default_factory=dict)
    at_hand: dict[int, Delivery] = field(default_factory=dict)
    settled: list[Settlement] = field(default_factory=list)
    paused: str | None = None
    error: Exception | None = None
    unsure: bool = False
    """A transaction failed, and whether it was not written after all is not known."""

    @property
    def now(self) -> datetime:
        return self.ports.clock.now()

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


def policy_pause(ports: DeliverPorts) -> str | None:
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


def exchange(run: Run, wish: Claim | None) -> Exchanged:
    """Note what is settled, and claim what is wished. The server's word is nowhere else: while something is to be noted
    or is at hand, only who has to stop gives up."""
    seconds = 1.0
    while True:
        stopping = run.should_stop()
        try:
            exchanged = _transaction(run, None if stopping else wish)
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
        collect(run, 0)


def _transaction(run: Run, wish: Claim | None) -> Exchanged:
    if wish is not None and not wish.room:
        wish = None
    if wish is None and not run.settled:
        return Exchanged()
    if run.settled:
        fault("send.mark")
    now = run.now
    exchanged = run.ports.deliveries.exchange(run.settled, now, wish)
    run.pacing.count(exchanged.claimed, now)
    if run.settled:
        fault("send.marked")
    if exchanged.claimed:
        fault("send.committed")
    return exchanged


def _note(run: Run, exchanged: Exchanged) -> None:
    """Count what is on disk now, and draw the conclusions that concern more than one letter."""
    settled, run.settled = run.settled, []
    for item in settled:
        delivery, result = item.delivery, item.result
        run.counts[result.state] += 1
        event = "deliver.claim_lost" if delivery.id in exchanged.lost else "deliver.settled"
        log.info(event, delivery_id=delivery.id, issue_id=delivery.issue_id, state=result.state.value, code=result.code)
        if result.state is DeliveryState.REFUSED and delivery.id not in exchanged.lost:
            _tell_refused(run, delivery, result)
    if run.paused is None and any(item.result.policy for item in settled):
        try:
            _slow_down(run, settled)
            run.paused = policy_pause(run.ports)
        except StoreError as error:  # rows are claimed, so it ends where each of them is settled
            run.paused = str(error)
        if run.paused:
            log.error("deliver.paused", reason=run.paused)
    run.counts[DeliveryState.CANCELLED] += sum(row.state is DeliveryState.CANCELLED for row in exchanged.claimed)


def _tell_refused(run: Run, delivery: Delivery, result: SendResult) -> None:
    try:
        run.ports.refused(delivery, result)
    except StoreError as error:  # the refusal stands; that it counts is told again by the next one
        log.error("deliver.refusal_not_counted", delivery_id=delivery.id, error=str(error))


def _slow_down(run: Run, settled: list[Settlement]) -> None:
    """Let a domain that has put us off rest: the letters to it that wait go after those it put off (RFC 3463 3.8)."""
    pauses: dict[str, datetime] = {}
    for item in settled:
        if until := pause_of(item):
            pauses[item.delivery.domain] = max(until, pauses.get(item.delivery.domain, until))
    for domain, until in pauses.items():
        count = run.ports.deliveries.postpone(run.now, until, domain=domain)
        log.warning("deliver.domain_slowed", domain=domain, letters=count, until=until.isoformat(" ", "seconds"))


def _tell_unnoted(run: Run, event: str, error: Exception) -> None:
    for item in run.settled:
        result = item.result
        log.error(event, delivery_id=item.delivery.id, state=result.state.value, reply=result.reply, error=str(error))


def collect(run: Run, seconds: float) -> None:
    """Take the answers that have come, to be noted next."""
    for answered in run.ports.mailer.answers(seconds):
        delivery = run.at_hand.pop(answered.key)
        if answered.error is not None:
            run.error = run.error or answered.error
        settle(run, delivery, answered.result)


def settle(run: Run, delivery: Delivery, result: SendResult) -> None:
    """Have it noted with the next exchange; a fault of the whole server ends the run."""
    resend = run.plan.newsletters[delivery.newsletter_id].uncertain == "resend"
    item = settlement(delivery, result, run.now, resend=resend)
    run.resent += result.state is DeliveryState.UNCERTAIN and item.result.state is DeliveryState.DEFERRED
    if result.server_down:
        run.paused = run.paused or result.reply
    run.settled.append(item)


def doubtful(error: Exception) -> SendResult:
    """A fault of ours that may have come when the server had the letter."""
    words = f"a fault of ours while it was sent ({type(error).__name__}); the log says where"
    return SendResult(state=DeliveryState.UNCERTAIN, reply=words)
