"""Letters of an Issue: made once as far as they are alike, then one after another; and those outside the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from aggregator.errors import UsageError
from aggregator.mail_ports import Mailer
from aggregator.model.channel import Site
from aggregator.model.delivery import Delivery, DeliveryState, SendResult, Subscriber
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.model.pace import Limits
from aggregator.model.sending import Outgoing
from aggregator.settings.addresses import read_address
from aggregator.steps.dkim import DkimSigner
from aggregator.steps.letter import LetterPress, WaysOut

TEST_MARK = "[Test]"
"""Begins the subject of a letter that a person sends to look at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverPlan:
    """What feeds.yaml says of sending.

    `unsubscribe_url`, `unsubscribe_mail`: a reader's own ways out, by (subscriber id, newsletter id).
    `preferences_url`: where they choose what they get. `return_path`: where the mail of a Delivery comes back to, by
    its id; to the newsletter's own address without one. `signers`: who signs, by the domain of From; elsewhere the mail
    server does.
    """

    newsletters: Mapping[str, Newsletter]
    site: Site
    unsubscribe_url: Callable[[int, str], str]
    preferences_url: Callable[[int], str]
    unsubscribe_mail: Callable[[int, str], str | None] = lambda subscriber_id, newsletter_id: None
    return_path: Callable[[int], str] | None = None
    signers: Mapping[str, DkimSigner] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def print_run(self, issue: Issue) -> PrintRun:
        """All that makes the letters of an Issue."""
        newsletter, site = self.newsletters[issue.newsletter_id], self.site
        archive_url = f"{site.base_url}/newsletters/{newsletter.id}"
        return PrintRun(
            plan=self,
            issue=issue,
            press=LetterPress(issue, newsletter, site, archive_url=archive_url),
            address=newsletter.address,
            signer=self.signers.get(newsletter.domain),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintRun:
    """An Issue whose letters are being made."""

    plan: DeliverPlan
    issue: Issue
    press: LetterPress
    address: str
    signer: DkimSigner | None

    def letter(self, delivery: Delivery) -> Outgoing:
        """One letter, the same at every attempt. Raises ValueError for an address that no header can hold."""
        plan, reader, newsletter_id = self.plan, delivery.subscriber, delivery.newsletter_id
        ways_out = WaysOut(
            url=plan.unsubscribe_url(reader.id, newsletter_id),
            preferences_url=plan.preferences_url(reader.id),
            mail=plan.unsubscribe_mail(reader.id, newsletter_id),
        )
        lines = self.press.letter(delivery, ways_out)
        return Outgoing(
            key=delivery.id,
            message=lines.octets,
            sender=plan.return_path(delivery.id) if plan.return_path else self.address,
            recipient=reader.email,
            envelope_id=delivery.message_id.strip("<>"),
            in_lines=True,
            dotless=lines.dotless,
            signature=None if self.signer is None else self._signature,
        )

    def _signature(self, message: bytes) -> bytes:
        return self.signer.sign(message, self.issue.created_at) if self.signer is not None else b""


# --- outside the ledger ---------------------------------------------------------------------------


def sample_letter(plan: DeliverPlan, issue: Issue, email: str) -> bytes:
    """What a reader of this Issue gets, stored or not, addressed to `email`: no row is kept of it.

    Its way out is real and leads to the subscription of nobody, whoever tries it.
    """
    return _sample(plan, issue, email).whole()


def send_test(mailer: Mailer, plan: DeliverPlan, issue: Issue, email: str) -> SendResult:
    """Send such a letter, marked as a test, to one address, and say what the server answered; raises UsageError."""
    try:
        recipient = read_address(email)
    except ValueError as error:
        raise UsageError(f"{email!r} {error}") from error
    marked = replace(issue, rendering=replace(issue.rendering, subject=f"{TEST_MARK} {issue.rendering.subject}"))
    letter = _sample(plan, marked, recipient)
    try:
        return mailer.connect() or mailer.send(letter.whole(), sender=letter.sender, recipient=recipient)
    finally:
        mailer.close()


def _sample(plan: DeliverPlan, issue: Issue, email: str) -> Outgoing:
    run = plan.print_run(issue)
    domain = plan.newsletters[issue.newsletter_id].domain
    moment = f"{issue.created_at:%Y%m%d%H%M%S%f}"  # mail programs show one of two letters that have one Message-ID
    delivery = Delivery(
        id=0,
        issue_id=issue.id,
        newsletter_id=issue.newsletter_id,
        edition_id=issue.edition_id,
        issue_number=issue.number,
        subscriber=Subscriber(email=email),
        state=DeliveryState.SENDING,
        message_id=f"<{issue.newsletter_id}-{issue.number}.sample.{moment}@{domain}>",
    )
    return replace(run.letter(delivery), sender=run.address)  # what comes back of it is for whom it names
