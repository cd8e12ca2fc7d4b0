"""Readers change what they get, see what is kept about them, and erase it: by the link that each letter has.

link > persons.person > choices > persons.prefer / subscribers.unsubscribe / persons.erase
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from aggregator.mail_ports import SubscriberStore
from aggregator.model.consent import Act, Evidence
from aggregator.model.edition import Choices
from aggregator.people_ports import PeoplePlan, PersonStore
from aggregator.ports import Clock, StoryStore
from aggregator.schedule import next_runs

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferPorts:
    """What a reader's preferences need of the world."""

    persons: PersonStore
    subscribers: SubscriberStore
    stories: StoryStore
    clock: Clock


def prefer(
    ports: PreferPorts, plan: PeoplePlan, subscriber_id: int, newsletter_id: str, choices: Choices, evidence: Evidence
) -> Act | None:
    """Give a reader a newsletter as they chose, whether they had it or not; what they did, None for nothing.

    Who has taken it up anew has confirmed it: the link came to their address by mail, so it lifts a suppression too.
    """
    person, newsletter = ports.persons.person(subscriber_id), plan.newsletters.get(newsletter_id)
    if person is None or newsletter is None:
        return None
    now = ports.clock.now()
    act = ports.persons.prefer(
        subscriber_id,
        newsletter,
        choices,
        evidence,
        now,
        keys=plan.keys(person.subscriber.email),
        runs=lambda letter: next_runs(letter, now),
        last_seq=ports.stories.last_seq(),
    )
    if act is not None:
        log.info("preferences", subscriber_id=subscriber_id, newsletter_id=newsletter_id, act=act.value)
    return act


def leave(ports: PreferPorts, subscriber_id: int, newsletter_id: str | None, evidence: Evidence) -> bool:
    """End one subscription of a reader, or all; whether anything changed."""
    now = ports.clock.now()
    if newsletter_id is None:
        changed = bool(ports.persons.end_all(subscriber_id, evidence, now))
    else:
        changed = ports.subscribers.unsubscribe(subscriber_id, newsletter_id, now, evidence)
    log.info("unsubscribed", subscriber_id=subscriber_id, newsletter_id=newsletter_id or "all", changed=changed)
    return changed


def erase(ports: PreferPorts, plan: PeoplePlan, subscriber_id: int) -> bool:
    """Take out all that tells who a reader is, and keep their address out; whether there was one."""
    person = ports.persons.person(subscriber_id)
    if person is None:
        return False
    log.info("forgotten", subscriber_id=subscriber_id)
    return ports.persons.erase(subscriber_id, plan.keys(person.subscriber.email), ports.clock.now())
