"""In-memory ports of bounces; `tests/adapters/test_bounce_store_contract.py` keeps them honest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from aggregator.errors import NotFoundError
from aggregator.mail_ports import DeliveryStore
from aggregator.model.bounce import (
    Bounce,
    BounceAction,
    BounceHistory,
    BounceKind,
    BounceVerdict,
    BoxedMail,
    RunOutcome,
    Strike,
)
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, SubscriptionState
from aggregator.model.sending import Claim, Settlement
from tests.mail_fakes import WAITING, MemoryMailStore

COUNTED = (BounceKind.HARD, BounceKind.SOFT)


class MemoryBounceStore(MemoryMailStore):
    """`BounceStore` beside the stores of mail, in dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, Bounce] = {}
        self.suppressed: dict[str, str] = {}
        """Reasons by key."""

    def delivery(self, delivery_id: int) -> Delivery | None:
        return self._deliveries.get(delivery_id)

    def known(self, digest: bytes) -> bool:
        return any(row.digest == digest for row in self.rows.values())

    def of_delivery(self, delivery_id: int) -> Sequence[Bounce]:
        return [row for row in reversed(self.rows.values()) if row.delivery_id == delivery_id][:100]

    def history(self, subscriber_id: int) -> BounceHistory:
        own = [row for row in self.rows.values() if row.subscriber_id == subscriber_id]
        back = {row.delivery_id for row in own if row.kind in COUNTED}
        return BounceHistory(
            strikes=tuple(
                Strike(
                    digest=row.digest,
                    at=row.received_at,
                    kind=row.kind,
                    issue_id=self._deliveries[row.delivery_id].issue_id,
                )
                for row in own
                if row.scored
            ),
            accepted=tuple(
                {
                    row.settled_at.date()
                    for row in self._deliveries.values()
                    if row.subscriber.id == subscriber_id
                    and row.state is DeliveryState.ACCEPTED
                    and row.settled_at
                    and row.id not in back
                }
            ),
        )

    def run(self, issue_id: int) -> RunOutcome:
        letters = {row.id: row for row in self._deliveries.values() if row.issue_id == issue_id}
        back: dict[int, list[Bounce]] = {}
        for row in self.rows.values():
            if row.delivery_id in letters and row.kind in COUNTED:
                back.setdefault(row.delivery_id, []).append(row)
        named = {id_ for id_, rows in back.items() if any(row.status.startswith("5.1.") for row in rows)}
        return RunOutcome(
            letters=sum(row.state is not DeliveryState.CANCELLED for row in letters.values()),
            unnamed=tuple(letters[id_].subscriber.email.partition("@")[2] for id_ in back if id_ not in named),
            named=len(named),
        )

    def record_bounce(self, bounce: Bounce, verdict: BounceVerdict, *, key: str, now: datetime) -> bool:
        if self.known(bounce.digest):
            return False
        id_ = len(self.rows) + 1
        self.rows[id_] = replace(bounce, id=id_)
        if bounce.came_back:
            self._mark(self._deliveries[bounce.delivery_id], bounce.kind)
        if bounce.kind is BounceKind.COMPLAINT:
            self.unsubscribe(bounce.subscriber_id, self._deliveries[bounce.delivery_id].newsletter_id, now)
        if verdict.action is BounceAction.SUPPRESS:
            self._suppress(key, "complaint" if bounce.kind is BounceKind.COMPLAINT else "bounce")
        if verdict.action in (BounceAction.SUPPRESS, BounceAction.DISABLE):
            self._stop(bounce.subscriber_id, now)
        return True

    def _suppress(self, key: str, reason: str) -> None:
        if self.suppressed.get(key, "bounce") == "bounce":
            self.suppressed[key] = reason

    def _mark(self, row: Delivery, kind: BounceKind) -> None:
        if kind is BounceKind.COMPLAINT:
            if row.state in (DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN, DeliveryState.BOUNCED):
                self._change(row, state=DeliveryState.COMPLAINED)
        elif row.state in (DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN):
            self._change(row, state=DeliveryState.BOUNCED)

    def _stop(self, subscriber_id: int, now: datetime) -> None:
        self._turn(subscriber_id, SubscriptionState.CONFIRMED, SubscriptionState.DISABLED, now)
        for row in list(self._deliveries.values()):
            if row.subscriber.id == subscriber_id and row.state in WAITING:
                self._change(row, state=DeliveryState.CANCELLED, settled_at=now, next_attempt_at=None)

    def _turn(self, subscriber_id: int, old: SubscriptionState, new: SubscriptionState, now: datetime) -> bool:
        theirs = [key for key, item in self._subscriptions.items() if key[1] == subscriber_id and item.state is old]
        for key in theirs:
            self._subscriptions[key] = replace(self._subscriptions[key], state=new, changed_at=now)
        return bool(theirs)

    def pardon(self, issue_id: int) -> Mapping[int, str]:
        pardoned = {}
        for id_, row in self.rows.items():
            if row.scored and self._deliveries[row.delivery_id].issue_id == issue_id:
                self.rows[id_] = replace(row, scored=False)
                pardoned[row.subscriber_id] = row.email
        return pardoned

    def enable(self, subscriber_id: int, keys: Collection[str], now: datetime) -> bool:
        stood = [key for key in keys if self.suppressed.get(key) == "bounce"]
        for key in stood:
            del self.suppressed[key]
        if not self.suppressed.keys().isdisjoint(keys):
            return False
        return self._turn(subscriber_id, SubscriptionState.DISABLED, SubscriptionState.CONFIRMED, now) or bool(stood)

    def bounces(self, limit: int) -> Sequence[Bounce]:
        return list(reversed(self.rows.values()))[:limit]

    def forgive(self, bounce_id: int) -> Bounce:
        if bounce_id not in self.rows:
            raise NotFoundError(f"no bounce {bounce_id}")
        row = self.rows[bounce_id]
        self.rows[bounce_id] = replace(row, scored=False)
        return row


@dataclass
class ListedBox:
    """`BounceBox` on a list; what is done waits no more, what is left does."""

    waiting: list[BoxedMail] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def mails(self) -> Iterator[BoxedMail]:
        yield from [mail for mail in self.waiting if mail.key not in self.finished]

    def done(self, key: str) -> None:
        self.finished.append(key)

    def leave(self, key: str) -> None:
        self.kept.append(key)


def key_of(email: str) -> str:
    """Stands for the keyed hash under which an address is suppressed."""
    return f"key of {email.lower()}"


def keys_of(email: str) -> tuple[str, ...]:
    """The same under an older secret beside it."""
    return key_of(email), f"older {key_of(email)}"


def settle_all(
    store: DeliveryStore, newsletter_id: str, now: datetime, result: SendResult, retry_at: datetime | None = None
) -> None:
    """Let every letter of this newsletter that waits have this result."""
    wish = Claim(worker="here", newsletter_ids=[newsletter_id], room=10_000)
    claimed = store.exchange((), now, wish).claimed
    store.exchange([Settlement(delivery=row, result=result, retry_at=retry_at) for row in claimed], now)
