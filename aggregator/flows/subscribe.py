"""Readers subscribe by themselves: a form in, a mail that asks to confirm out; then its link in, a subscription out.

    form > throttle > sign_ups.ask;  link > sign_ups.asked > sign_ups.confirm

What a form gets for an answer says nothing about the address in it: the same is written, and a mail, if there is to be
one, is sent later by `notify`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from aggregator.model.consent import Evidence
from aggregator.model.edition import Choices
from aggregator.model.newsletter import Newsletter
from aggregator.model.signup import AskedFor, ConfirmOutcome, SignUp, SignUpVerdict
from aggregator.people_ports import SignUpStore
from aggregator.ports import Clock, StoryStore
from aggregator.schedule import next_runs
from aggregator.settings.addresses import read_address
from aggregator.steps.pseudonyms import Pseudonyms
from aggregator.steps.signing import Confirmation
from aggregator.steps.throttle import MAILS_OF_THE_SITE, TERM, judge

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribePorts:
    """What subscribing needs of the world."""

    sign_ups: SignUpStore
    stories: StoryStore
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribePlan:
    """The newsletters there are, how addresses and networks are hashed, and whom to tell of too many forms."""

    newsletters: Mapping[str, Newsletter]
    pseudonyms: Pseudonyms
    alarm: Callable[[], None] = lambda: None


def sign_up(
    ports: SubscribePorts,
    plan: SubscribePlan,
    *,
    email: str,
    asked: Mapping[str, Choices],
    language: str,
    evidence: Evidence,
) -> SignUpVerdict:
    """Take a form in; `evidence.client` is where it came from, `asked` names newsletters there are, one at least."""
    first = plan.newsletters[next(iter(asked))]
    try:
        address = read_address(email)
    except ValueError:  # told to nobody: a form that means no address is answered as any other
        log.info("subscribe.no_address")
        return SignUpVerdict.NO_MAIL
    form = SignUp(
        email=address,
        asked=asked,
        language=language,
        domain=first.domain,
        mailboxes=plan.pseudonyms.mailboxes(address),
        network=plan.pseudonyms.network(evidence.client),
        evidence=evidence,
        keys=plan.pseudonyms.addresses(address),
    )
    verdict = ports.sign_ups.ask(form, ports.clock.now(), judge)
    if verdict is SignUpVerdict.CEILING:
        log.error("subscribe.ceiling", mails_an_hour=MAILS_OF_THE_SITE, why="somebody may be using the form on others")
        plan.alarm()
    else:
        log.info("subscribe.asked", newsletters=len(asked), verdict=verdict.value)
    return verdict


def asked_for(ports: SubscribePorts, confirmation: Confirmation) -> AskedFor | None:
    """What a link asks to confirm; None when it is too old, or nothing is known of it any more."""
    if ports.clock.now() - confirmation.issued_at >= TERM:
        return None
    found = ports.sign_ups.asked(confirmation.subscriber_id, confirmation.nonce)
    known = found is not None and any(one.newsletter_id == confirmation.newsletter_id for one in found.newsletters)
    return found if known else None


def confirm(
    ports: SubscribePorts, plan: SubscribePlan, confirmation: Confirmation, evidence: Evidence
) -> ConfirmOutcome:
    """Make the subscription of a link good, once."""
    now = ports.clock.now()
    newsletter, found = plan.newsletters.get(confirmation.newsletter_id), asked_for(ports, confirmation)
    if found is None or newsletter is None:
        is_old = now - confirmation.issued_at >= TERM
        return ConfirmOutcome.EXPIRED if is_old else ConfirmOutcome.GONE
    outcome = ports.sign_ups.confirm(
        found,
        newsletter,
        replace(evidence, message_id=found.message_id),
        now,
        keys=plan.pseudonyms.addresses(found.email),
        runs=lambda letter: next_runs(letter, now),
        last_seq=ports.stories.last_seq(),
    )
    who = {"subscriber_id": found.subscriber_id, "newsletter_id": newsletter.id}
    log.info("subscribe.confirmed", **who, outcome=outcome.value)
    return outcome
