"""Mail that comes back: out of a box, into the score of a Subscriber.

    box.mails > reading > bounces.delivery > bouncing > bounces.record_bounce > box.done

Whose mail it is, only a signed address tells: the one it came back to, or the envelope sender of what it brought
back. A mail is marked as done once what it says is on disk; read again, it changes nothing. No mail is ever answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import structlog

from aggregator.errors import AggregatorError, TokenError, UsageError
from aggregator.mail_ports import BounceBox, BounceStore, SubscriberStore
from aggregator.model.bounce import (
    Bounce,
    BounceAction,
    BouncedRecipient,
    BounceKind,
    BounceReading,
    BounceReport,
    BounceVerdict,
    BoxedMail,
    Strike,
)
from aggregator.model.consent import Evidence
from aggregator.model.delivery import Delivery, SendResult
from aggregator.model.sending import Hold
from aggregator.ports import Clock
from aggregator.steps.bounces.classify import read_bounce, unnamed
from aggregator.steps.bounces.refusals import refused
from aggregator.steps.bouncing import LIMIT, judge, relay_fault, score

_DIGEST = 16
"""Octets of a mail's SHA-256 that are kept of it."""
MOST_OF_ONE = 20
"""Bounces of one Delivery that are kept; what a flood has to say beyond these is known."""
_COUNTED = {
    BounceKind.HARD: "hard",
    BounceKind.SOFT: "soft",
    BounceKind.COMPLAINT: "complaints",
    BounceKind.DELIVERED: "delivered",
    BounceKind.AUTO_REPLY: "answers",
    BounceKind.OTHER: "others",
}
_ACTED = {BounceAction.DISABLE: "disabled", BounceAction.SUPPRESS: "suppressed"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncePorts:
    """What reading bounces needs of the world."""

    bounces: BounceStore
    subscribers: SubscriberStore
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncePlan:
    """How addresses are read: `whose` gives a Delivery's id, `leaving` (subscriber id, newsletter id), and both raise
    TokenError. `suppression_keys`: what an address is suppressed under, and may be, the first from now on. `hold`: hold
    letters back, and say whether they were not."""

    whose: Callable[[str], int]
    leaving: Callable[[str], tuple[int, str]]
    suppression_keys: Callable[[str], Sequence[str]]
    hold: Callable[[Hold], bool]


@dataclass(slots=True)
class _Reading:
    """What has been counted of one box."""

    counts: Counter[str] = field(default_factory=Counter)
    left: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[str, None] = field(default_factory=dict)

    def report(self) -> BounceReport:
        return BounceReport(**self.counts, left=tuple(self.left), faults=tuple(self.faults))


def read_box(
    ports: BouncePorts, plan: BouncePlan, box: BounceBox, *, should_stop: Callable[[], bool] = lambda: False
) -> BounceReport:
    """Read all that waits; raises BoxError and StoreError: what was not marked as done waits still."""
    reading = _Reading()
    for mail in box.mails():
        if should_stop():
            break
        if _take(ports, plan, mail, reading):
            box.done(mail.key)
        else:
            box.leave(mail.key)
    return reading.report()


def take(ports: BouncePorts, plan: BouncePlan, mail: BoxedMail) -> BounceReport:
    """Read one mail, with the effect on disk when this returns; raises StoreError."""
    reading = _Reading()
    _take(ports, plan, mail, reading)
    return reading.report()


def _take(ports: BouncePorts, plan: BouncePlan, mail: BoxedMail, reading: _Reading) -> bool:
    """Whether the mail is dealt with; a fault of ours in it leaves it where it is, and the others are read."""
    try:
        return _deal(ports, plan, mail, reading)
    except AggregatorError:
        raise
    except Exception as error:
        log.exception("bounce.failed", key=mail.key)
        reading.left.append((mail.key, f"a fault of ours ({type(error).__name__}); the log says where"))
        return False


def _deal(ports: BouncePorts, plan: BouncePlan, mail: BoxedMail, reading: _Reading) -> bool:
    read = _read(mail)
    if read.kind is BounceKind.UNREADABLE:
        log.warning("bounce.unreadable", key=mail.key, reason=read.reason)
        reading.left.append((mail.key, read.reason))
    elif read.kind is BounceKind.UNSUBSCRIBE:
        reading.counts[_unsubscribe(ports, plan, read)] += 1
    elif read.kind in (BounceKind.AUTO_REPLY, BounceKind.OTHER):
        reading.counts[_COUNTED[read.kind]] += 1
        log.info("bounce.none", kind=read.kind.value)
    else:
        _count(ports, plan, read, sha256(mail.raw).digest()[:_DIGEST], reading)
    return read.kind is not BounceKind.UNREADABLE


def _read(mail: BoxedMail) -> BounceReading:
    if mail.trouble:
        return BounceReading(kind=BounceKind.UNREADABLE, reason=mail.trouble)
    return read_bounce(mail.raw, envelope_recipient=mail.envelope_recipient)


def _unsubscribe(ports: BouncePorts, plan: BouncePlan, read: BounceReading) -> str:
    """Any mail to an address that unsubscribes does so, whoever sent it (RFC 2369 3.2); none is answered."""
    for address in read.sent_to:
        try:
            subscriber_id, newsletter_id = plan.leaving(address)
        except TokenError:
            continue
        evidence = Evidence(source="a mail to the address in a letter", message_id=read.message_id)
        changed = ports.subscribers.unsubscribe(subscriber_id, newsletter_id, ports.clock.now(), evidence)
        log.info("bounce.unsubscribed", newsletter_id=newsletter_id, changed=changed)
        return "unsubscribed" if changed else "known"
    return "strangers"


def _count(ports: BouncePorts, plan: BouncePlan, read: BounceReading, digest: bytes, reading: _Reading) -> None:
    delivery = _delivery(ports, plan, (*read.sent_to, *read.returned_from))
    if delivery is None:
        reading.counts["strangers"] += 1
        log.info("bounce.of_no_delivery", kind=read.kind.value)
    elif ports.bounces.known(digest):
        reading.counts["known"] += 1
    elif read.kind is BounceKind.DELIVERED:
        reading.counts["delivered"] += 1
    else:
        _record(ports, plan, delivery, about(read, delivery.subscriber.email), digest, reading)


def _delivery(ports: BouncePorts, plan: BouncePlan, addresses: Iterable[str]) -> Delivery | None:
    """The Delivery that one of these addresses was made for; who forges one is of nobody's."""
    for address in addresses:
        try:
            delivery = ports.bounces.delivery(plan.whose(address))
        except TokenError:
            continue
        return delivery if delivery and delivery.subscriber.email else None  # who is forgotten is a stranger
    return None


def about(read: BounceReading, email: str) -> BouncedRecipient:
    """What a mail says of a reader: by their address, else by all it names, as they may have theirs forwarded.

    That another address is no good does not say that theirs is.
    """
    own = [recipient for recipient in read.recipients if recipient.address.lower() == email.lower()]
    if own:
        return own[0]
    same = [recipient for recipient in read.recipients if recipient.kind is read.kind]
    return replace(same[0], names_address=False) if same else unnamed(read, email)


# --- what follows ---------------------------------------------------------------------------------


def _record(
    ports: BouncePorts,
    plan: BouncePlan,
    delivery: Delivery,
    recipient: BouncedRecipient,
    digest: bytes,
    reading: _Reading,
) -> None:
    """Keep one bounce with what it leads to; one in a run that is our relay's fault leads to nothing."""
    if _says_nothing_new(ports, delivery, recipient):
        reading.counts["known"] += 1
        return
    now = ports.clock.now()
    verdict = _verdict(ports, delivery, recipient, digest)
    bounce = Bounce(
        digest=digest,
        subscriber_id=delivery.subscriber.id,
        delivery_id=delivery.id,
        email=delivery.subscriber.email,
        kind=recipient.kind,
        status=_kept_status(recipient),
        reason=verdict.reason,
        received_at=now,
        scored=verdict.action is not BounceAction.NOTHING and recipient.kind is not BounceKind.COMPLAINT,
        came_back=not recipient.delayed,
    )
    key = plan.suppression_keys(delivery.subscriber.email)[0]
    if not ports.bounces.record_bounce(bounce, verdict, key=key, now=now):
        reading.counts["known"] += 1
        return
    reading.counts[_COUNTED[recipient.kind]] += 1
    if acted := _ACTED.get(verdict.action):
        reading.counts[acted] += 1
    log.info(
        "bounce.recorded",
        delivery_id=delivery.id,
        kind=recipient.kind.value,
        status=recipient.status,
        action=verdict.action.value,
        score=verdict.score,
    )
    _pardon_faulty_run(ports, plan, delivery, reading)


def _says_nothing_new(ports: BouncePorts, delivery: Delivery, recipient: BouncedRecipient) -> bool:
    """There are many bounces of this Delivery, and one of them says as much."""
    kept = ports.bounces.of_delivery(delivery.id)
    same = [bounce for bounce in kept if bounce.kind is recipient.kind]
    if recipient.names_address:
        same = [bounce for bounce in same if bounce.status == _kept_status(recipient)]
    return len(kept) >= MOST_OF_ONE and bool(same)


def _verdict(ports: BouncePorts, delivery: Delivery, recipient: BouncedRecipient, digest: bytes) -> BounceVerdict:
    now = ports.clock.now()
    strike = Strike(digest=digest, at=now, kind=recipient.kind, issue_id=delivery.issue_id)
    verdict = judge(recipient, strike, ports.bounces.history(delivery.subscriber.id), now)
    if recipient.kind is not BounceKind.COMPLAINT and relay_fault(ports.bounces.run(delivery.issue_id)):
        return replace(verdict, action=BounceAction.NOTHING)
    return verdict


def _kept_status(recipient: BouncedRecipient) -> str:
    """What names an address is kept as RFC 3463 has it, also when the server had words for it and no code."""
    return recipient.status if not recipient.names_address or recipient.status.startswith("5.1.") else "5.1.1"


def _pardon_faulty_run(ports: BouncePorts, plan: BouncePlan, delivery: Delivery, reading: _Reading) -> None:
    """Once a run turns out to be our relay's fault, what its bounces led to is taken back, and the rest of it waits for
    a person."""
    fault = relay_fault(ports.bounces.run(delivery.issue_id))
    if fault is None:
        return
    now = ports.clock.now()
    reading.faults[f"{delivery.newsletter_id} {delivery.issue_number}: {fault}"] = None
    pardoned = ports.bounces.pardon(delivery.issue_id)
    if pardoned and plan.hold(Hold(newsletter_id=delivery.newsletter_id, issue_id=delivery.issue_id, since=now)):
        cure = f"aggregator newsletters resume {delivery.newsletter_id} {delivery.issue_number}"
        log.error("deliver.held", newsletter_id=delivery.newsletter_id, number=delivery.issue_number, cure=cure)
    for subscriber_id, email in pardoned.items():
        if score(ports.bounces.history(subscriber_id), now) <= LIMIT:
            ports.bounces.enable(subscriber_id, plan.suppression_keys(email), now)
    log.error("bounces.relay_fault", issue_id=delivery.issue_id, why=fault, pardoned=len(pardoned))


def count_refusal(ports: BouncePorts, plan: BouncePlan, delivery: Delivery, result: SendResult) -> BounceReport:
    """Count a letter that was refused while it was sent as a report about it would count; raises StoreError.

    Every other result is nothing here. The same refusal counts once.
    """
    reading = _Reading()
    recipient = refused(delivery, result)
    if recipient is not None and delivery.subscriber.email:
        digest = sha256(f"refused {delivery.id} {delivery.message_id}".encode()).digest()[:_DIGEST]
        _record(ports, plan, delivery, recipient, digest, reading)
    return reading.report()


def undo(ports: BouncePorts, plan: BouncePlan, bounce_id: int) -> tuple[Bounce, bool]:
    """Let one bounce not count, and its Subscriber have mail again; (the bounce, whether they had none).

    Raises NotFoundError, and UsageError for a complaint: only its reader can take that back, by subscribing anew.
    """
    bounce = ports.bounces.forgive(bounce_id)
    if bounce.kind is BounceKind.COMPLAINT:
        raise UsageError(f"bounce {bounce_id} is a complaint: only its reader can undo it, by subscribing anew")
    enabled = ports.bounces.enable(bounce.subscriber_id, plan.suppression_keys(bounce.email), ports.clock.now())
    return replace(bounce, scored=False), enabled
