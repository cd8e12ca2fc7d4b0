"""In-memory ports of newsletters and their delivery; `tests/adapters/test_mail_store_contract.py` keeps them honest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aggregator.errors import ConflictError, NotFoundError
from aggregator.mail_ports import Runs
from aggregator.model.channel import Site
from aggregator.model.consent import LEFT, Evidence
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, Subscriber, Subscription, SubscriptionState
from aggregator.model.edition import Choices, Draft, Edition, Slot, Told
from aggregator.model.newcomer import Enlisted, Newcomer
from aggregator.model.newsletter import Issue, IssueSummary, Newsletter, Rendering
from aggregator.model.sending import Answered, Claim, Exchanged, Outgoing, Recovered, Sent, Settlement

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
TO_SERVERS = (DeliveryState.ACCEPTED, DeliveryState.REFUSED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)


def issue_of(slot: Slot, created_at: datetime, *story_ids: str) -> Issue:
    """The next issue of a newsletter, with these Stories."""
    return Issue(
        newsletter_id=slot.newsletter_id,
        edition_id=slot.edition.id,
        number=slot.next_number,
        created_at=created_at,
        rendering=RENDERING,
        story_ids=story_ids,
        titles=tuple(f"Title of {story_id}" for story_id in story_ids),
    )


def _times(newsletter: Newsletter) -> tuple[object, ...]:
    return newsletter.schedule, newsletter.timezone, newsletter.quiet, newsletter.holidays


class MemoryMailStore:
    """`NewsletterStore`, `SubscriberStore` and `DeliveryStore` in dictionaries."""

    def __init__(self) -> None:
        self._active: set[str] = set()
        self._editions: dict[int, Slot] = {}
        self._schedules: dict[int, tuple[object, ...]] = {}
        self._issues: list[Issue] = []
        self._dropped: dict[str, set[str]] = {}
        self._retold: dict[tuple[int, str], str] = {}
        self._people: dict[str, Subscriber] = {}
        self._subscriptions: dict[tuple[str, int], Subscription] = {}
        self._reads: dict[tuple[str, int], int] = {}
        self.keys_out: set[str] = set()
        """Keyed hashes of addresses that are suppressed."""
        self._deliveries: dict[int, Delivery] = {}

    def sync(self, newsletters: Sequence[Newsletter], runs: Runs, last_seq: int) -> None:
        self._active = {newsletter.id for newsletter in newsletters}
        for newsletter in newsletters:
            if self._own(newsletter.id) is None:
                self._add(newsletter, Choices(), "", runs(newsletter)[0], last_seq)
            for slot in list(self._editions.values()):
                if slot.newsletter_id == newsletter.id:
                    chosen = slot.edition.choices.applied(newsletter)
                    try:
                        first, second = runs(chosen)
                    except (ValueError, KeyError):
                        continue
                    if self._schedules[slot.edition.id] != _times(chosen) or slot.due_at > second:
                        self._editions[slot.edition.id] = replace(slot, due_at=first)
                    self._schedules[slot.edition.id] = _times(chosen)

    def begin(self, newsletter: Newsletter, due_at: datetime, last_seq: int) -> None:
        if self._own(newsletter.id) is None:
            self._add(newsletter, Choices(), "", due_at, last_seq)
            self._active.add(newsletter.id)

    def _add(
        self,
        newsletter: Newsletter,
        choices: Choices,
        key: str,
        due_at: datetime,
        cursor: int,
        base_id: int | None = None,
    ) -> Edition:
        edition = Edition(
            id=len(self._editions) + 1, newsletter_id=newsletter.id, key=key, choices=choices, base_id=base_id
        )
        self._editions[edition.id] = Slot(edition=edition, cursor=cursor, due_at=due_at, next_number=1)
        self._schedules[edition.id] = _times(choices.applied(newsletter))
        return edition

    def _own(self, newsletter_id: str) -> Slot | None:
        return self._keyed(newsletter_id, "")

    def _keyed(self, newsletter_id: str, key: str) -> Slot | None:
        return next(
            (s for s in self._editions.values() if (s.newsletter_id, s.edition.key) == (newsletter_id, key)), None
        )

    def _readers(self, edition_id: int) -> list[Subscriber]:
        return [
            item.subscriber
            for key, item in sorted(self._subscriptions.items())
            if self._reads[key] == edition_id and item.state is SubscriptionState.CONFIRMED
        ]

    def _place(
        self, newsletter: Newsletter, choices: Choices, subscriber_id: int, *, due_at: datetime, last_seq: int
    ) -> int:
        """What the store's `place` does: the Edition that brings a reader what they chose from where they stand."""
        key = (newsletter.id, subscriber_id)
        standing = self._subscriptions.get(key)
        had = standing is not None and standing.state is not SubscriptionState.PENDING
        present = self._editions[self._reads[key]] if had else None
        reads = present is not None and standing is not None and standing.state is SubscriptionState.CONFIRMED
        if reads and present is not None and present.edition.choices == choices:
            return present.edition.id
        target, cursor = self._keyed(newsletter.id, choices.key), last_seq
        if reads and present is not None:
            cursor = present.cursor
        if target is None:
            return self._add(newsletter, choices, choices.key, due_at, cursor).id
        is_read = target.edition.is_own or bool(self._readers(target.edition.id))
        if is_read and not reads:
            cursor = max(target.cursor, present.cursor if present else 0)
        if not is_read and target.cursor <= cursor:
            self._editions[target.edition.id] = replace(target, cursor=cursor, due_at=due_at)
        elif cursor != target.cursor:
            name = f"#{subscriber_id} {choices.key}"
            alone = self._keyed(newsletter.id, name)
            if alone is None:
                return self._add(newsletter, choices, name, due_at, cursor, target.edition.id).id
            self._editions[alone.edition.id] = replace(alone, cursor=cursor, due_at=due_at)
            return alone.edition.id
        return target.edition.id

    def choose(
        self, subscriber_id: int, newsletter: Newsletter, choices: Choices, *, due_at: datetime, last_seq: int
    ) -> Edition:
        edition_id = self._place(newsletter, choices, subscriber_id, due_at=due_at, last_seq=last_seq)
        self._reads[newsletter.id, subscriber_id] = edition_id
        return self._editions[edition_id].edition

    def due(self, now: datetime) -> Sequence[Slot]:
        waiting = [
            slot
            for slot in self._editions.values()
            if slot.newsletter_id in self._active
            and (slot.edition.is_own or self._readers(slot.edition.id))
            and (slot.due_at <= now if slot.draft is None else slot.draft.approved_at or slot.draft.deadline_at <= now)
        ]
        return sorted(waiting, key=lambda slot: (slot.due_at, slot.edition.id))

    def slot(self, newsletter_id: str) -> Slot:
        own = self._own(newsletter_id)
        if own is None:
            raise NotFoundError(f"no newsletter {newsletter_id!r}")
        return own

    def put_draft(self, slot: Slot, draft: Draft) -> bool:
        if self._editions[slot.edition.id] != slot:
            return False
        self._editions[slot.edition.id] = replace(slot, draft=draft)
        return True

    def record(
        self,
        slot: Slot,
        *,
        up_to: int,
        next_due: datetime | None,
        issue: Issue | None,
        domain: str,
        retold: Mapping[str, str] | None = None,
    ) -> Issue | None:
        id_ = slot.edition.id
        if self._editions[id_] != slot:
            return None
        if issue and (twice := self._told(id_) & set(issue.story_ids)):
            raise ConflictError(f"database: {sorted(twice)} stand in an issue already")
        number = slot.next_number + (1 if issue else 0)
        self._editions[id_] = replace(
            slot, cursor=up_to, due_at=next_due or slot.due_at, next_number=number, draft=None
        )
        if slot.draft is not None:
            self._dropped.setdefault(slot.newsletter_id, set()).update(slot.draft.dropped)
        if issue is not None:
            issue = replace(issue, id=len(self._issues) + 1)
            self._issues.append(issue)
            self._retold |= {(id_, story_id): title for story_id, title in (retold or {}).items()}
            for reader in self._readers(id_):
                self._queue(issue, reader, domain)
        base = slot.edition.base_id or id_
        for other in self._editions.values():
            is_read = self._editions[base].edition.is_own or self._readers(base)
            if is_read and other.edition.base_id == base and other.cursor == self._editions[base].cursor:
                self._reads |= {key: base for key, reads in self._reads.items() if reads == other.edition.id}
        return issue

    def _queue(self, issue: Issue, subscriber: Subscriber, domain: str) -> None:
        id_ = len(self._deliveries) + 1
        self._deliveries[id_] = Delivery(
            id=id_,
            issue_id=issue.id,
            newsletter_id=issue.newsletter_id,
            edition_id=issue.edition_id,
            issue_number=issue.number,
            subscriber=subscriber,
            state=DeliveryState.QUEUED,
            message_id=f"<{issue.newsletter_id}-{issue.number}.{id_:08x}@{domain}>",
            domain=subscriber.email.rpartition("@")[2].lower(),
            next_attempt_at=issue.created_at,
        )

    def told(self, edition: Edition, story_ids: Collection[str]) -> Collection[str]:
        told = self._told(edition.id) | self._dropped.get(edition.newsletter_id, set())
        if not edition.is_own and len(self._readers(edition.id)) == 1:
            readers = {reader.id for reader in self._readers(edition.id)}
            letters = {row.issue_id for row in self._deliveries.values() if row.subscriber.id in readers}
            for issue in self._issues:
                if issue.newsletter_id == edition.newsletter_id:
                    told |= set(issue.story_ids if issue.id in letters else ())
        return told & set(story_ids)

    def _told(self, edition_id: int) -> set[str]:
        own = [issue for issue in self._issues if issue.edition_id == edition_id]
        return {story_id for issue in own for story_id in issue.story_ids}

    def told_since(self, edition_id: int, moment: datetime) -> Sequence[Told]:
        return [
            Told(
                story_id=story_id,
                issue_number=issue.number,
                title=self._retold.get((edition_id, story_id), title),
            )
            for issue in reversed(self._issues)
            if issue.edition_id == edition_id and issue.created_at >= moment
            for story_id, title in zip(issue.story_ids, issue.titles, strict=False)
        ]

    def issues(
        self, newsletter_id: str, *, before: int | None = None, limit: int | None = None
    ) -> Sequence[IssueSummary]:
        own = self.whole(newsletter_id)
        return [issue.summary for issue in own if before is None or issue.number < before][:limit]

    def latest(self, newsletter_id: str, limit: int) -> Sequence[Issue]:
        return [replace(issue, story_ids=(), titles=()) for issue in self.whole(newsletter_id)[:limit]]

    def issue(self, newsletter_id: str, number: int) -> Issue | None:
        return next((issue for issue in self.whole(newsletter_id) if issue.number == number), None)

    def edition_issue(self, edition_id: int, number: int) -> Issue | None:
        found = (issue for issue in self._issues if (issue.edition_id, issue.number) == (edition_id, number))
        return next(found, None)

    def every_issue(self) -> Sequence[Issue]:
        """Those of all Editions, in the order in which they were made."""
        return list(self._issues)

    def whole(self, newsletter_id: str) -> Sequence[Issue]:
        """The Issues of its own Edition with all they hold, newest first."""
        own = self._own(newsletter_id)
        return [issue for issue in reversed(self._issues) if own and issue.edition_id == own.edition.id]

    def put(
        self, people: Sequence[Subscriber], newsletter_id: str, state: SubscriptionState, source: str, now: datetime
    ) -> tuple[int, int]:
        before = len(self._subscriptions)
        for person in people:
            kept = self._people.setdefault(person.email.lower(), replace(person, id=len(self._people) + 1))
            self._reads.setdefault((newsletter_id, kept.id), self.slot(newsletter_id).edition.id)
            self._subscriptions.setdefault(
                (newsletter_id, kept.id),
                Subscription(
                    subscriber=kept, newsletter_id=newsletter_id, state=state, consent_source=source, changed_at=now
                ),
            )
        added = len(self._subscriptions) - before
        return added, len(people) - added

    def enlist(
        self,
        newsletter: Newsletter,
        people: Sequence[Newcomer],
        evidence: Evidence,
        now: datetime,
        *,
        runs: Runs,
        last_seq: int,
    ) -> Enlisted:
        done = self.foresee(newsletter.id, people)
        for person in people:
            kept = self._people.setdefault(
                person.email.lower(), Subscriber(id=len(self._people) + 1, email=person.email, name=person.name)
            )
            key = (newsletter.id, kept.id)
            old = self._subscriptions.get(key)
            if person.email in done.suppressed or (old and old.state is not SubscriptionState.PENDING):
                continue
            due_at = runs(person.choices.applied(newsletter))[0]
            self._reads[key] = self._place(newsletter, person.choices, 0, due_at=due_at, last_seq=last_seq)
            self._subscriptions[key] = Subscription(
                subscriber=kept,
                newsletter_id=newsletter.id,
                state=SubscriptionState.CONFIRMED,
                consent_source=evidence.source,
                changed_at=now,
                choices=person.choices,
            )
        return done

    def foresee(self, newsletter_id: str, people: Sequence[Newcomer]) -> Enlisted:
        out = frozenset(person.email for person in people if not self.keys_out.isdisjoint(person.keys))
        states = {item.subscriber.email.lower(): item.state for item in self.subscriptions(newsletter_id)}
        found = [states.get(person.email.lower()) for person in people if person.email not in out]
        added = sum(state in (None, SubscriptionState.PENDING) for state in found)
        left = found.count(SubscriptionState.UNSUBSCRIBED)
        return Enlisted(added=added, known=len(found) - added - left, unsubscribed=left, suppressed=out)

    def every_subscription(self, newsletter_id: str | None = None) -> Iterator[Subscription]:
        yield from self.subscriptions(newsletter_id)

    def standing(self, emails: Collection[str], newsletter_id: str) -> Sequence[Subscription]:
        wanted = {email.lower() for email in emails}
        return [item for item in self.subscriptions(newsletter_id) if item.subscriber.email.lower() in wanted]

    def subscriptions(self, newsletter_id: str | None = None) -> Sequence[Subscription]:
        keys = sorted(key for key in self._subscriptions if newsletter_id in (None, key[0]))
        return [self._subscriptions[key] for key in keys]

    def unsubscribe(self, subscriber_id: int, newsletter_id: str, now: datetime, evidence: Evidence = LEFT) -> bool:
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

    def recover(self, now: datetime, *, is_gone: Callable[[str], bool], resend: Collection[str] = ()) -> Recovered:
        for row in list(self._deliveries.values()):
            if row.next_attempt_at is not None and row.next_attempt_at > now + timedelta(days=1):
                self._change(row, next_attempt_at=now)
        left = [row for row in self._deliveries.values() if row.state is DeliveryState.SENDING]
        left = [row for row in left if row.claimed_by is None or is_gone(row.claimed_by)]
        again = [row for row in left if row.newsletter_id in resend and row.attempts < 3]
        for row in left:
            if row in again:
                self._change(row, state=DeliveryState.QUEUED, next_attempt_at=now)
            else:
                words = "the sender stopped before the server's answer was noted"
                self._change(row, state=DeliveryState.UNCERTAIN, settled_at=now, reply=words)
        return Recovered(uncertain=len(left) - len(again), resent=len(again))

    def release(self, worker: str, now: datetime) -> int:
        rows = [row for row in self._deliveries.values() if row.state is DeliveryState.SENDING]
        for row in (theirs := [row for row in rows if row.claimed_by == worker]):
            self._change(row, state=DeliveryState.QUEUED, next_attempt_at=now)
        return len(theirs)

    def waiting(self, now: datetime, newsletter_ids: Collection[str], *, limit: int = 1) -> int:
        return len(self._due(now, newsletter_ids)[:limit])

    def exchange(self, settled: Sequence[Settlement], now: datetime, claim: Claim | None = None) -> Exchanged:
        lost = frozenset(item.delivery.id for item in settled if not self._settle(item, now))
        if claim is None:
            return Exchanged(lost=lost)
        rows = [row for row in self._due(now, claim.newsletter_ids) if row.domain not in claim.but_to]
        claimed = [self._claim(row, now, claim.worker) for row in rows[: claim.room]]
        return Exchanged(claimed=tuple(sorted(claimed, key=lambda row: row.id)), lost=lost)

    def _claim(self, row: Delivery, now: datetime, worker: str) -> Delivery:
        subscription = self._subscriptions[row.newsletter_id, row.subscriber.id]
        wanted = subscription.state is SubscriptionState.CONFIRMED
        return self._change(
            row,
            state=DeliveryState.SENDING if wanted else DeliveryState.CANCELLED,
            settled_at=None if wanted else now,
            attempts=row.attempts + 1,
            claimed_by=worker,
            next_attempt_at=None,
        )

    def _due(self, now: datetime, newsletter_ids: Collection[str]) -> list[Delivery]:
        waiting = [
            (row.next_attempt_at, row.id)
            for row in self._deliveries.values()
            if row.next_attempt_at is not None and row.next_attempt_at <= now and row.newsletter_id in newsletter_ids
        ]
        return [self._deliveries[id_] for _, id_ in sorted(waiting)]

    def _settle(self, item: Settlement, now: datetime) -> bool:
        row, held = self._deliveries[item.delivery.id], item.delivery
        claim = (row.state, row.attempts, row.claimed_by)
        if claim != (DeliveryState.SENDING, held.attempts, held.claimed_by):
            return False
        self._change(
            row,
            state=item.result.state,
            settled_at=now,
            next_attempt_at=item.retry_at,
            policy=item.result.policy,
            reply=item.result.reply,
        )
        return True

    def postpone(
        self, now: datetime, until: datetime, *, domain: str | None = None, newsletter_id: str | None = None
    ) -> int:
        sooner = [
            row
            for row in self._deliveries.values()
            if row.next_attempt_at is not None and row.next_attempt_at <= now
            if (row.domain == domain if newsletter_id is None else row.newsletter_id == newsletter_id)
        ]
        for row in sooner:
            self._change(row, next_attempt_at=until)
        return len(sooner)

    def sent_since(self, since: datetime, *, but_by: str | None = None) -> Sequence[Sent]:
        return [
            Sent(at=row.settled_at, domain=row.domain, newsletter_id=row.newsletter_id)
            for row in self._deliveries.values()
            if row.settled_at is not None and row.settled_at > since and row.state in TO_SERVERS
            if but_by is None or row.claimed_by != but_by
        ]

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
    """Answers each recipient with the results set for them, in turn, else with 250; so many letters at once."""

    answers_to: dict[str, list[SendResult]] = field(default_factory=dict)
    down: SendResult | None = None
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)
    on_send: Callable[[], object] = lambda: None
    closed: int = 0
    lanes: int = 1
    connected: list[int] = field(default_factory=list)
    envelopes: list[str] = field(default_factory=list)
    most_at_hand: int = 0
    _answered: list[Answered] = field(default_factory=list)

    def connect(self, letters: int = 1) -> SendResult | None:
        self.connected.append(letters)
        return self.down

    def room(self) -> int:
        return self.lanes - len(self._answered)

    def hand(self, letter: Outgoing) -> None:
        self.envelopes.append(letter.envelope_id)
        result = self.send(letter.whole(), sender=letter.sender, recipient=letter.recipient)
        self._answered.append(Answered(key=letter.key, result=result))
        self.most_at_hand = max(self.most_at_hand, len(self._answered))

    def answers(self, seconds: float) -> Sequence[Answered]:
        answered, self._answered = self._answered, []
        return answered

    def send(self, message: bytes, *, sender: str, recipient: str) -> SendResult:
        self.sent.append((sender, recipient, message))
        self.on_send()
        waiting = self.answers_to.get(recipient)
        return waiting.pop(0) if waiting else ACCEPTED

    def close(self) -> None:
        self.closed += 1

    @property
    def recipients(self) -> list[str]:
        return [recipient for _, recipient, _ in self.sent]
