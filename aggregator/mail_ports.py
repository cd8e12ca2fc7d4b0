"""What flows need of the world to make Issues, send letters and read what comes back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from aggregator.model.bounce import Bounce, BounceHistory, BounceVerdict, BoxedMail, RunOutcome
from aggregator.model.consent import LEFT, Evidence
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, Subscriber, Subscription, SubscriptionState
from aggregator.model.edition import Choices, Draft, Edition, Slot, Told
from aggregator.model.mailfacts import Answer, Question
from aggregator.model.newcomer import Enlisted, Newcomer
from aggregator.model.newsletter import Issue, IssueSummary, Newsletter
from aggregator.model.sending import Answered, Claim, Exchanged, Held, Hold, Outgoing, Recovered, Sent, Settlement

Runs = Callable[[Newsletter], tuple[datetime, datetime]]
"""The next two times of a Newsletter, with a reader's Choices applied."""


class NewsletterStore(Protocol):
    def sync(self, newsletters: Sequence[Newsletter], runs: Runs, last_seq: int) -> None:
        """Make the tables follow feeds.yaml; a new newsletter starts after `last_seq` and is due at its first run. The
        due time of a known Edition is set anew when its schedule or zone changed, or when it lies further off than its
        second run from now (the clock was wrong)."""

    def begin(self, newsletter: Newsletter, due_at: datetime, last_seq: int) -> None:
        """Give it a place as `sync` does, unless it has one."""

    def due(self, now: datetime) -> Sequence[Slot]:
        """Editions of active newsletters whose time has come, longest waiting first; those of readers only while they
        have one. Of those with a draft: when it was approved, or its deadline has come."""

    def slot(self, newsletter_id: str) -> Slot:
        """Where its own Edition stands; raises NotFoundError."""

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
        """One transaction: move the cursor to `up_to`, set the next due time unless None, end the draft, store the
        issue and one queued Delivery per confirmed subscription, each with its Message-ID in `domain`, note the titles
        under which it told Stories of earlier ones again (`retold`); let readers who have caught up with the Edition
        they chose join it. Returns the stored issue. When the Edition no longer stands as in `slot`, nothing is written
        and None returned. Raises ConflictError for a Story that stands in an Issue of it already."""

    def told(self, edition: Edition, story_ids: Collection[str]) -> Collection[str]:
        """Those of these Stories that stand in one of its Issues or were dropped from one; of an Edition of readers'
        own also those that its readers were told by another, or an editor dropped from the newsletter's own."""

    def told_since(self, edition_id: int, moment: datetime) -> Sequence[Told]:
        """What its Issues made since then told, the latest first, each under the title it was last told by."""

    def issues(
        self, newsletter_id: str, *, before: int | None = None, limit: int | None = None
    ) -> Sequence[IssueSummary]:
        """Those of its own Edition, newest first, those with a number below `before`; all unless limited."""

    def latest(self, newsletter_id: str, limit: int) -> Sequence[Issue]:
        """Issues of its own Edition, the newest first, without their Stories."""

    def issue(self, newsletter_id: str, number: int) -> Issue | None:
        """The Issue of its own Edition with that number."""

    def edition_issue(self, edition_id: int, number: int) -> Issue | None:
        """The Issue of any Edition."""

    def put_draft(self, slot: Slot, draft: Draft) -> bool:
        """Have the Edition wait for a person, or change what waits; False when it no longer stands as in `slot`."""


class SubscriberStore(Protocol):
    def put(
        self,
        subscribers: Sequence[Subscriber],
        newsletter_id: str,
        state: SubscriptionState,
        source: str,
        now: datetime,
    ) -> tuple[int, int]:
        """Add subscriptions; returns (added, already there). An unsubscribed person stays unsubscribed.
        Addresses that differ in case only are one person's."""

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
        """Subscribe people who agreed, in one transaction; whose address is suppressed, and who has unsubscribed, stays
        out. Choices that nobody made before are first due at their first run, and stand at `last_seq`."""

    def foresee(self, newsletter_id: str, people: Sequence[Newcomer]) -> Enlisted:
        """What `enlist` would do; nothing is written."""

    def standing(self, emails: Collection[str], newsletter_id: str) -> Sequence[Subscription]:
        """The subscriptions these addresses have to it, whatever their state."""

    def subscriptions(self, newsletter_id: str | None = None) -> Sequence[Subscription]:
        """By newsletter, then in order of arrival."""

    def every_subscription(self, newsletter_id: str | None = None) -> Iterator[Subscription]:
        """The same, read a page at a time."""

    def choose(
        self, subscriber_id: int, newsletter: Newsletter, choices: Choices, *, due_at: datetime, last_seq: int
    ) -> Edition:
        """Give a reader the newsletter as they chose, from where they stand; one made for it is first due at `due_at`,
        and stands at `last_seq` for who reads none yet."""

    def unsubscribe(
        self,
        subscriber_id: int,
        newsletter_id: str,
        now: datetime,
        evidence: Evidence = LEFT,
    ) -> bool:
        """True when something changed; queued and deferred deliveries of it are cancelled in the same transaction, and
        it is noted how it ended."""


class DeliveryStore(Protocol):
    def recover(self, now: datetime, *, is_gone: Callable[[str], bool], resend: Collection[str] = ()) -> Recovered:
        """Rows left `sending` by workers that are gone become `uncertain`, or `queued` once more in the newsletters of
        `resend`, a few times at most. Rows that wait longer than any wait of ours, by a clock that was wrong, are due
        now."""

    def release(self, worker: str, now: datetime) -> int:
        """Rows that this worker has claimed and handed to nobody wait again; returns how many. For who knows that every
        letter it handed over has been settled."""

    def waiting(self, now: datetime, newsletter_ids: Collection[str], *, limit: int = 1) -> int:
        """How many rows there are to claim, counted up to `limit`."""

    def exchange(self, settled: Sequence[Settlement], now: datetime, claim: Claim | None = None) -> Exchanged:
        """One transaction, on disk when this returns: note what became of claimed rows, unless their claim no longer
        stands; then move the longest waiting due rows that a claim asks for to `sending`, and to `cancelled` when their
        subscription is no longer confirmed. A kill leaves as many rows in doubt as were claimed and not yet settled."""

    def postpone(
        self, now: datetime, until: datetime, *, domain: str | None = None, newsletter_id: str | None = None
    ) -> int:
        """Let each letter to a domain, or of a newsletter, that is due now wait until then; returns how many."""

    def sent_since(self, since: datetime, *, but_by: str | None = None) -> Sequence[Sent]:
        """The letters that servers have heard of since, each at its last attempt; without those of one worker."""

    def answered(self, limit: int) -> Sequence[Delivery]:
        """Rows the server accepted or refused, the latest first."""

    def for_issue(self, issue_id: int) -> Sequence[Delivery]:
        """Every row of an issue, in the order of their ids."""

    def counts(self) -> Mapping[DeliveryState, int]:
        """Rows by state; states without rows are left out."""


class HoldStore(Protocol):
    def hold(self, hold: Hold) -> bool:
        """Let no letter of it be claimed from now on; False when it is held already."""

    def resume(self, hold: Hold, now: datetime) -> bool:
        """Let its letters be sent, those at once that waited; False when it is not held."""

    def holds(self) -> Sequence[Held]:
        """All there are, by newsletter."""

    def park(self, now: datetime) -> int:
        """Take the time from letters that are held and due; returns how many."""

    def cancel(self, hold: Hold) -> int:
        """Hold an Issue, and let its letters that wait never be sent; returns how many."""

    def resend_uncertain(self, issue_id: int, now: datetime) -> int:
        """Queue the letters of an Issue that are in doubt once more, under their Message-IDs; returns how many."""


class Places(Protocol):
    """Who sends for a database: a worker has a name while it lives, and it is known of every name whether it does."""

    def mine(self) -> str:
        """The name of this worker, in which it claims; held until it leaves, or ends in any way."""

    def leave(self) -> None:
        """Give the name up; the next is another."""

    def is_gone(self, worker: str) -> bool:
        """Whether that worker has ended. One that is only stopped has not."""


class Mailer(Protocol):
    """Letters handed over, several at once; one caller at a time, and `close` from any thread."""

    def connect(self, letters: int = 1) -> SendResult | None:
        """Be ready to send about so many letters, as soon as one can be taken or some are at hand; what is wrong with
        the whole server when none can."""

    def room(self) -> int:
        """How many letters may be handed over now."""

    def hand(self, letter: Outgoing) -> None:
        """Take one letter to a server, when answers are asked for at the latest; its own will be among them. Raises
        ValueError for an address that cannot be spoken of to a server."""

    def answers(self, seconds: float) -> Sequence[Answered]:
        """What has been answered since the last call; waits so long for a first one, and for others a moment only."""

    def send(self, message: bytes, *, sender: str, recipient: str) -> SendResult:
        """Hand one message to the mail server, by itself, and say what it answered; never raises for a server's fault.
        Raises ValueError for an address that cannot be spoken of to a server."""

    def close(self) -> None:
        """End the conversations politely; `connect` begins others. While another thread has letters at hand they are
        cut off: each is answered as what it then is."""


class BounceBox(Protocol):
    """A place where mail that comes back waits for us."""

    def mails(self) -> Iterator[BoxedMail]:
        """What waits, the oldest first, each cut to what is read of a mail; raises BoxError."""

    def done(self, key: str) -> None:
        """It is read, and what it says is stored: it does not wait any more, and is not deleted."""

    def leave(self, key: str) -> None:
        """It cannot be read: it stays where it is, for a person."""


class BounceStore(Protocol):
    def delivery(self, delivery_id: int) -> Delivery | None: ...

    def known(self, digest: bytes) -> bool:
        """Whether this mail is recorded."""

    def of_delivery(self, delivery_id: int) -> Sequence[Bounce]:
        """Bounces of one Delivery, a hundred at most, the latest first."""

    def history(self, subscriber_id: int) -> BounceHistory:
        """Scored bounces of a Subscriber, and the days on which a letter was accepted that did not come back."""

    def run(self, issue_id: int) -> RunOutcome:
        """What became of an Issue's letters so far, scored or not."""

    def record_bounce(self, bounce: Bounce, verdict: BounceVerdict, *, key: str, now: datetime) -> bool:
        """One transaction: keep the bounce, mark its Delivery, and do what the verdict says to the Subscriber's
        subscriptions, waiting letters, and the suppression under `key`; False, with nothing written, for a mail that
        is recorded already."""

    def pardon(self, issue_id: int) -> Mapping[int, str]:
        """Let no bounce of this Issue count, but complaints; the Subscribers for whom one did, with their addresses."""

    def enable(self, subscriber_id: int, keys: Collection[str], now: datetime) -> bool:
        """Let a Subscriber stopped by bounces have mail again, whose address is suppressed under one of `keys`; True
        when one was stopped."""

    def bounces(self, limit: int) -> Sequence[Bounce]:
        """The latest first."""

    def forgive(self, bounce_id: int) -> Bounce:
        """Let one bounce not count; raises NotFoundError."""


class MailNames(Protocol):
    def answers(self, questions: Collection[Question]) -> Mapping[Question, Answer]:
        """What the DNS says to each; a name that is not there has no records, a silent server is a fault."""
