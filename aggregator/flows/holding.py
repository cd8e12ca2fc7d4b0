"""A person's word on letters that wait: hold them, let them go, send them never, or once more.

newsletters.issue > holds.hold | resume | cancel | resend_uncertain
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from aggregator.errors import NotFoundError
from aggregator.mail_ports import HoldStore, NewsletterStore
from aggregator.model.newsletter import Issue
from aggregator.model.sending import Hold
from aggregator.ports import Clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPorts:
    """What a person's word needs of the world."""

    holds: HoldStore
    newsletters: NewsletterStore
    clock: Clock


def pause(ports: HoldPorts, newsletter_id: str, number: int | None) -> bool:
    """Hold the letters of a newsletter, or of one Issue; False when they are held already. Raises NotFoundError."""
    hold = _hold(ports, newsletter_id, number)
    log.info("deliver.held", newsletter_id=newsletter_id, number=number)
    return ports.holds.hold(hold)


def resume(ports: HoldPorts, newsletter_id: str, number: int | None) -> bool:
    """Let them go; False when they are not held. Raises NotFoundError."""
    log.info("deliver.resumed", newsletter_id=newsletter_id, number=number)
    return ports.holds.resume(_hold(ports, newsletter_id, number), ports.clock.now())


def cancel(ports: HoldPorts, newsletter_id: str, number: int) -> int:
    """Let the letters of an Issue that wait never be sent; returns how many. Raises NotFoundError."""
    count = ports.holds.cancel(_hold(ports, newsletter_id, number))
    log.warning("deliver.cancelled", newsletter_id=newsletter_id, number=number, letters=count)
    return count


def resend_uncertain(ports: HoldPorts, newsletter_id: str, number: int) -> int:
    """Send the letters of an Issue that are in doubt once more; returns how many. Raises NotFoundError."""
    issue = find_issue(ports.newsletters, newsletter_id, number)
    count = ports.holds.resend_uncertain(issue.id, ports.clock.now())
    log.warning("deliver.resent", newsletter_id=newsletter_id, number=number, letters=count)
    return count


def find_issue(newsletters: NewsletterStore, newsletter_id: str, number: int) -> Issue:
    """Raises NotFoundError for a number that there is not."""
    issue = newsletters.issue(newsletter_id, number)
    if issue is None:
        raise NotFoundError(
            f"no issue {number}; `aggregator newsletters issues {newsletter_id}` numbers those there are"
        )
    return issue


def _hold(ports: HoldPorts, newsletter_id: str, number: int | None) -> Hold:
    newsletter_id = ports.newsletters.slot(newsletter_id).newsletter_id  # or it is not known
    issue = None if number is None else find_issue(ports.newsletters, newsletter_id, number)
    return Hold(newsletter_id=newsletter_id, issue_id=issue.id if issue else None, since=ports.clock.now())
