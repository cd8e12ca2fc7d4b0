"""In-memory ports of newsletters and their delivery; `tests/adapters/test_mail_store_contract.py` keeps them honest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aggregator.errors import ConflictError, NotFoundError
from aggregator.model.channel import Site
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, Subscriber, Subscription, SubscriptionState
from aggregator.model.newsletter import Issue, IssueSummary, Newsletter, Rendering, Slot

WEEKLY = Newsletter(
    id="weekly",
    title="The week in think tanks",
    schedule="mon 07:30",
    timezone="Europe/Paris",
    sender="Think Tank Wire <wire@example.org>",
)
DAILY = replace(WEEKLY, id="daily", title="The day in think tanks", schedule="daily 07:30")
SITE = Site(title="Think Tank Wire", base_url="https://wire.example.org", contact="desk@example.org")
RENDERING = Rendering(
    subject="The week in think tanks: Energy, Trade",
    html='<p>Énergie &amp; co</p><a href="https://unsubscribe.invalid/">Unsubscribe</a>',
    text="Énergie & co\n\nUnsubscribe: https://unsubscribe.invalid/\n",
)
ACCEPTED = SendResult(state=DeliveryState.ACCEPTED, reply="250 OK", code=250)
WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)


def issue_of(slot: Slot, created_at: datetime, *story_ids: str) -> Issue:
    """The next issue of a newsletter, with these Stories."""
    return Issue(
        newsletter_id=slot.newsletter_id,
        number=slot.next_number,
        created_at=created_at,
        rendering=RENDERING,
        story_ids=story_ids,
    )


class MemoryMailStore:
    """`NewsletterStore`, `SubscriberStore` and `DeliveryStore` in dictionaries."""

    def __init__(self) -> None:
        self._configured: dict[str, tuple[str, str]] = {}
        self._active: set[str] = set()
        self._slots: dict[str, Slot] = {}
        self._issues: list[Issue] = []
        self._people: dict[str, Subscriber] = {}
        self._subscriptions: dict[tuple[str, int], Subscription] = {}
        self._deliveries: dict[int, Delivery] = {}

    def sync(self, newsletters: Sequence[Newsletter], due: Mapping[str, datetime], last_seq: int) -> None:
        self._active = {newsletter.id for newsletter in newsletters}
        for newsletter in newsletters:
            id_, words = newsletter.id, (newsletter.schedule, newsletter.timezone)
            slot = self._slots.get(id_)
            if slot is None:
                slot = Slot(newsletter_id=id_, cursor=last_seq, due_at=due[id_], next_number=1)
            far = slot.due_at > due[id_] + timedelta(days=32)
            if self._configured.get(id_) != words or far:
                slot = replace(slot, due_at=due[id_])
            self._slots[id_], self._configured[id_] = slot, words

    def begin(self, newsletter: Newsletter, due_at: datetime, last_seq: int) -> None:
        if newsletter.id not in self._slots:
            slot = Slot(newsletter_id=newsletter.id, cursor=last_seq, due_at=due_at, next_number=1)
            self._slots[newsletter.id] = slot
            self._configured[newsletter.id] = (newsletter.schedule, newsletter.timezone)
            self._active.add(newsletter.id)

    def due(self, now: datetime) -> Sequence[Slot]:
        waiting = [self._slots[id_] for id_ in self._active if self._slots[id_].due_at <= now]
        return sorted(waiting, key=lambda slot: (slot.due_at, slot.newsletter_id))

    def slot(self, newsletter_id: str) -> Slot:
        if newsletter_id not in self._slots:
            raise NotFoundError(f"no newsletter {newsletter_id!r}")
        return self._slots[newsletter_id]

    def record(
        self, slot: Slot, *, up_to: int, next_due: datetime | None, issue: Issue | None, domain: str
    ) -> Issue | None:
        if self._slots[slot.newsletter_id] != slot:
            return None
        if issue and (twice := self._told(issue.newsletter_id) & set(issue.story_ids)):
            raise ConflictError(f"database: {sorted(twice)} stand in an issue already")
        number = slot.next_number + (1 if issue else 0)
        self._slots[slot.newsletter_id] = replace(
            slot, cursor=up_to, due_at=next_due or slot.due_at, next_number=number
        )
        if issue is None:
            return None
        issue = replace(issue, id=len(self._issues) + 1)
        self._issues.append(issue)
        for subscription in self.subscriptions(issue.newsletter_id):
            if subscription.state is SubscriptionState.CONFIRMED:
                self._queue(issue, subscription.subscriber, domain)
        return issue

    def _queue(self, issue: Issue, subscriber: Subscriber, domain: str) -> None:
        id_ = len(self._deliveries) + 1
        self._deliveries[id_] = Delivery(
            id=id_,
            issue_id=issue.id,
            newsletter_id=issue.newsletter_id,
            issue_number=issue.number,
            subscriber=subscriber,
            state=DeliveryState.QUEUED,
            message_id=f"<{issue.newsletter_id}-{issue.number}.{id_:08x}@{domain}>",
            next_attempt_at=issue.created_at,
        )

    def told(self, newsletter_id: str, story_ids: Collection[str]) -> Collection[str]:
        return self._told(newsletter_id) & set(story_ids)

    def _told(self, newsletter_id: str) -> set[str]:
        return {story_id for issue in self.whole(newsletter_id) for story_id in issue.story_ids}

    def issues(
        self, newsletter_id: str, *, before: int | None = None, limit: int | None = None
    ) -> Sequence[IssueSummary]:
        own = self.whole(newsletter_id)
        return [issue.summary for issue in own if before is None or issue.number < before][:limit]

    def issue(self, newsletter_id: str, number: int) -> Issue | None:
        return next((issue for issue in self.whole(newsletter_id) if issue.number == number), None)

    def whole(self, newsletter_id: str) -> Sequence[Issue]:
        """Its Issues with all they hold, newest first."""
        return [issue for issue in reversed(self._issues) if issue.newsletter_id == newsletter_id]

    def put(
        self, people: Sequence[Subscriber], newsletter_id: str, state: SubscriptionState, source: str, now: datetime
    ) -> tuple[int, int]:
        before = len(self._subscriptions)
        for person in people:
            kept = self._people.setdefault(person.email.lower(), replace(person, id=len(self._people) + 1))
            self._subscriptions.setdefault(
                (newsletter_id, kept.id),
                Subscription(
                    subscriber=kept, newsletter_id=newsletter_id, state=state, consent_source=source, changed_at=now
                ),
            )
        added = len(self._subscriptions) - before
        return added, len(people) - added

    def standing(self, emails: Collection[str], newsletter_id: str) -> Sequence[Subscription]:
        wanted = {email.lower() for email in emails}
        return [item for item in self.subscriptions(newsletter_id) if item.subscriber.email.lower() in wanted]

    def subscriptions(self, newsletter_id: str | None = None) -> Sequence[Subscription]:
        keys = sorted(key for key in self._subscriptions if newsletter_id in (None, key[0]))
        return [self._subscriptions[key] for key in keys]

    def unsubscribe(self, subscriber_id: int, newsletter_id: str, now: datetime) -> bool:
        old = self._subscriptions.get((newsletter_id, subscriber_id))
        if old is None or old.state is SubscriptionState.UNSUBSCRIBED:
            return False
        self._subscriptions[newsletter_id, subscriber_id] = replace(
            old, state=SubscriptionState.UNSUBSCRIBED, changed_at=now
        )
        for row in self._deliveries.values():
            if (row.newsletter_id, row.subscriber.id) == (newsletter_id, subscriber_id) and row.state in WAITING:
                self._change(row, state=DeliveryState.CANCELLED, settled_at=now, next_attempt_at=None)
        return True

    def recover(self, now: datetime) -> int:
        for row in list(self._deliveries.values()):
            if row.next_attempt_at is not None and row.next_attempt_at > now + timedelta(days=1):
                self._change(row, next_attempt_at=now)
        left = [row for row in self._deliveries.values() if row.state is DeliveryState.SENDING]
        for row in left:
            self._change(row, state=DeliveryState.UNCERTAIN, settled_at=now, reply="the sender stopped")
        return len(left)

    def waiting(self, now: datetime, newsletter_ids: Collection[str]) -> bool:
        return self._next(now, newsletter_ids) is not None

    def claim(self, now: datetime, newsletter_ids: Collection[str]) -> Delivery | None:
        row = self._next(now, newsletter_ids)
        if row is None:
            return None
        subscription = self._subscriptions[row.newsletter_id, row.subscriber.id]
        wanted = subscription.state is SubscriptionState.CONFIRMED
        return self._change(
            row,
            state=DeliveryState.SENDING if wanted else DeliveryState.CANCELLED,
            settled_at=None if wanted else now,
            attempts=row.attempts + 1,
            next_attempt_at=None,
        )

    def _next(self, now: datetime, newsletter_ids: Collection[str]) -> Delivery | None:
        waiting = [
            (row.next_attempt_at, row.id)
            for row in self._deliveries.values()
            if row.next_attempt_at is not None and row.next_attempt_at <= now and row.newsletter_id in newsletter_ids
        ]
        return self._deliveries[min(waiting)[1]] if waiting else None

    def settle(self, delivery: Delivery, result: SendResult, now: datetime, retry_at: datetime | None) -> bool:
        row = self._deliveries[delivery.id]
        if row.state is not DeliveryState.SENDING or row.attempts != delivery.attempts:
            return False
        self._change(
            row,
            state=result.state,
            settled_at=now,
            next_attempt_at=retry_at,
            policy=result.policy,
            reply=result.reply,
        )
        return True

    def answered(self, limit: int) -> Sequence[Delivery]:
        answers = (DeliveryState.ACCEPTED, DeliveryState.REFUSED)
        rows = [(row.settled_at, row.id) for row in self._deliveries.values() if row.state in answers]
        return [self._deliveries[id_] for _, id_ in sorted(rows, reverse=True)][:limit]

    def for_issue(self, issue_id: int) -> Sequence[Delivery]:
        return [row for row in self._deliveries.values() if row.issue_id == issue_id]

    def counts(self) -> Mapping[DeliveryState, int]:
        return Counter(row.state for row in self._deliveries.values())

    def _change(self, row: Delivery, **fields: object) -> Delivery:
        self._deliveries[row.id] = replace(row, **fields)
        return self._deliveries[row.id]


@dataclass
class ScriptedMailer:
    """Answers each recipient with the results set for them, in turn, else with 250."""

    answers: dict[str, list[SendResult]] = field(default_factory=dict)
    down: SendResult | None = None
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)
    on_send: Callable[[], object] = lambda: None
    closed: int = 0

    def connect(self) -> SendResult | None:
        return self.down

    def send(self, message: bytes, *, sender: str, recipient: str) -> SendResult:
        self.sent.append((sender, recipient, message))
        self.on_send()
        waiting = self.answers.get(recipient)
        return waiting.pop(0) if waiting else ACCEPTED

    def close(self) -> None:
        self.closed += 1

    @property
    def recipients(self) -> list[str]:
        return [recipient for _, recipient, _ in self.sent]
