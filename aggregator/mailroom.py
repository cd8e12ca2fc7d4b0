"""All that one process does about mail: the ledger's stores, the mail server, and the tasks that tie them to flows.

    compose > deliver; notify

`wiring.py` has one for each process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from threading import Event

import structlog

from aggregator.adapters.mailer import SmtpMailer
from aggregator.adapters.outbox import OutboxMailer
from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.facts import SqlFactStore
from aggregator.adapters.store.holds import SqlHoldStore
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.notices import SqlNoticeStore
from aggregator.adapters.store.session_places import SessionPlaces
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.adapters.worker_lock import FilePlaces
from aggregator.flows.compose import ComposePorts, compose, compose_one, edit_draft, preview
from aggregator.flows.delivering.deliver import deliver
from aggregator.flows.delivering.keeping_pace import PaceKeeper
from aggregator.flows.delivering.lettering import sample_letter, send_test
from aggregator.flows.delivering.noting import DeliverPorts
from aggregator.flows.holding import HoldPorts, cancel, pause, resend_uncertain, resume
from aggregator.flows.notify import NotifyPorts, notify
from aggregator.mail_ports import Mailer, Places
from aggregator.model.delivery import Delivery, DeliveryReport, SendResult
from aggregator.model.edition import Draft
from aggregator.model.newsletter import Issue
from aggregator.model.sending import Held
from aggregator.plans import Plans
from aggregator.ports import Clock
from aggregator.schedule import next_run, next_runs
from aggregator.settings.values import Settings

OUTBOX = "outbox"

log = structlog.get_logger()


class Mailroom:
    """The mail of one process; `plans` and `settings` give those of the moment, as feeds.yaml may be edited."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        clock: Clock,
        stopping: Event,
        plans: Callable[[], Plans],
        current: Callable[[], Settings],
        refused: Callable[[Delivery, SendResult], object],
    ) -> None:
        """`refused` is told of each letter that a server refused."""
        self.newsletters = SqlNewsletterStore(database)
        self.subscribers = SqlSubscriberStore(database)
        self.deliveries = SqlDeliveryStore(database)
        self.holds = SqlHoldStore(database)
        self.places = _places(database, settings)
        self.notices = SqlNoticeStore(database)
        self.mailer, self.postman = _mailer(settings), _mailer(settings)  # one caller each: letters, and notices
        self._pacing: PaceKeeper | None = None
        self._refused = refused
        self._stories, self._facts = SqlStoryStore(database), SqlFactStore(database)
        self._clock, self._stopping, self._plans, self._settings = clock, stopping, plans, current

    @property
    def outbox(self) -> Path | None:
        """Where letters go when no mail server is named."""
        settings = self._settings()
        return None if settings.smtp_url else Path(settings.data_dir) / OUTBOX

    # --- newsletters ------------------------------------------------------------------------------

    def follow(self, settings: Settings) -> None:
        """Have the database follow the newsletters of this feeds.yaml."""
        now = self._clock.now()
        self.newsletters.sync(settings.newsletters, lambda letter: next_runs(letter, now), self._stories.last_seq())

    def demand(self, newsletter_id: str) -> None:
        """Raises NotFoundError for one that neither feeds.yaml names nor the database knows."""
        if self._settings().newsletter(newsletter_id) is None:
            self.newsletters.slot(newsletter_id)

    def begin(self, newsletter_id: str) -> None:
        """Let one that this feeds.yaml names have its place in the database, whatever file that follows."""
        if letter := self._settings().newsletter(newsletter_id):
            self.newsletters.begin(letter, next_run(letter, self._clock.now()), self._stories.last_seq())

    def _compose_ports(self) -> ComposePorts:
        return ComposePorts(newsletters=self.newsletters, stories=self._stories, clock=self._clock)

    def compose(self) -> tuple[Issue, ...]:
        """Close the Issues that are due."""
        return compose(self._compose_ports(), self._plans().compose, should_stop=self._stopping.is_set)

    def compose_now(self, newsletter_id: str) -> Issue | None:
        """Close one Issue before its time; None when there is nothing to send, or it waits for approval. Raises
        NotFoundError."""
        self.begin(newsletter_id)
        return compose_one(self._compose_ports(), self._plans().compose, newsletter_id)

    def preview(self, newsletter_id: str) -> Issue:
        """What the next Issue would be now, not stored; raises NotFoundError."""
        return preview(self._compose_ports(), self._plans().compose, newsletter_id)

    def draft(self, newsletter_id: str) -> Draft | None:
        """What waits for approval; raises NotFoundError."""
        return self.newsletters.slot(newsletter_id).draft

    def edit_draft(
        self,
        newsletter_id: str,
        *,
        note: str | None = None,
        pin: Collection[str] = (),
        drop: Collection[str] = (),
        approve: bool = False,
    ) -> Draft:
        """A person's word on what waits; raises NotFoundError, UsageError."""
        ports, plan = self._compose_ports(), self._plans().compose
        return edit_draft(ports, plan, newsletter_id, note=note, pin=pin, drop=drop, approve=approve)

    # --- letters ----------------------------------------------------------------------------------

    def sample_letter(self, issue: Issue) -> bytes:
        """What a reader of this Issue gets, addressed to its own sender."""
        plan = self._plans().deliver
        return sample_letter(plan, issue, plan.newsletters[issue.newsletter_id].address)

    def send_test(self, newsletter_id: str, email: str) -> SendResult:
        """Send what the next Issue would be now to one address, as a test; raises NotFoundError, UsageError."""
        return send_test(self.mailer, self._plans().deliver, self.preview(newsletter_id), email)

    def _hold_ports(self) -> HoldPorts:
        return HoldPorts(holds=self.holds, newsletters=self.newsletters, clock=self._clock)

    def pause(self, newsletter_id: str, number: int | None = None) -> bool:
        """Hold the letters of a newsletter, or of one Issue; False when they are held. Raises NotFoundError."""
        return pause(self._hold_ports(), newsletter_id, number)

    def resume(self, newsletter_id: str, number: int | None = None) -> bool:
        """Let them go; False when they are not held. Raises NotFoundError."""
        return resume(self._hold_ports(), newsletter_id, number)

    def cancel(self, newsletter_id: str, number: int) -> int:
        """Let the letters of an Issue that wait never be sent; returns how many. Raises NotFoundError."""
        return cancel(self._hold_ports(), newsletter_id, number)

    def resend_uncertain(self, newsletter_id: str, number: int) -> int:
        """Send the letters of an Issue that are in doubt once more; returns how many. Raises NotFoundError."""
        return resend_uncertain(self._hold_ports(), newsletter_id, number)

    def held(self) -> Sequence[Held]:
        """All that is held."""
        return self.holds.holds()

    def recover(self) -> None:
        """Name the letters that workers now gone had at hand, or queue them again where the newsletter asks so."""
        letters = self._settings().newsletters
        resend = [letter.id for letter in letters if letter.uncertain == "resend"]
        found = self.deliveries.recover(self._clock.now(), is_gone=self.places.is_gone, resend=resend)
        if found.uncertain:
            log.warning("deliveries.uncertain", count=found.uncertain, why="a worker ended while it sent them")
        if found.resent:
            log.warning("deliveries.resent", count=found.resent, why="a worker ended while it sent them")

    def deliver(self) -> DeliveryReport:
        """Send what is due, beside any number of others who do."""
        self.recover()
        self.holds.park(self._clock.now())
        ports = DeliverPorts(
            deliveries=self.deliveries,
            newsletters=self.newsletters,
            mailer=self.mailer,
            clock=self._clock,
            refused=self._refused,
        )
        plan, worker = self._plans().deliver, self.places.mine()
        if self._pacing is None or (self._pacing.limits, self._pacing.worker) != (plan.limits, worker):
            self._pacing = PaceKeeper(plan.limits, worker)
        try:
            report = deliver(
                ports,
                plan,
                pacing=self._pacing,
                should_stop=self._stopping.is_set,
                wait=self._stopping.wait,
            )
        except BaseException:
            self.places.leave()  # what may be left at hand is named by whoever comes next
            raise
        if report.paused and not self._stopping.is_set():
            self._facts.record_unsent(self._clock.now())
        elif report.accepted or report.refused or report.deferred:
            self._facts.record_sent()
        return report

    # --- notices ----------------------------------------------------------------------------------

    def recover_notices(self) -> None:
        """Name the notices that a worker now gone had at hand; for the one that leads, which alone sends them."""
        if doubtful := self.notices.recover(self._clock.now()):
            log.warning("notices.uncertain", count=doubtful, why="a worker ended while it sent them")

    def notify(self) -> int:
        """Send the notices that are due; how many were accepted."""
        ports = NotifyPorts(notices=self.notices, mailer=self.postman, clock=self._clock)
        return notify(ports, self._plans().notify, should_stop=self._stopping.is_set)


def _mailer(settings: Settings) -> Mailer:
    if settings.smtp_url:
        return SmtpMailer(settings.smtp_url, connections=settings.mail.connections)
    return OutboxMailer(Path(settings.data_dir) / OUTBOX)


def _places(database: Database, settings: Settings) -> Places:
    if database.dialect == "sqlite":
        return FilePlaces(Path(settings.database_url.removeprefix("sqlite:///")))
    return SessionPlaces(database)
