"""What is done for order's sake, a few times an hour: what nobody confirmed is erased, who is disabled is told.

sign_ups.expire, sign_ups.forget_counts;  persons.disabled > bouncing > notices / subscribers.unsubscribe
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from aggregator.model.consent import Evidence
from aggregator.model.person import DisabledReader
from aggregator.people_ports import PeoplePlan, PersonStore, SignUpStore, SuppressionStore
from aggregator.ports import Clock
from aggregator.steps.bouncing import next_step
from aggregator.steps.throttle import MONTH, TERM

GIVEN_UP = Evidence(source="mail came back, and nobody answered three notices")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class HousekeepPorts:
    """What keeping order needs of the world."""

    sign_ups: SignUpStore
    persons: PersonStore
    suppressions: SuppressionStore
    clock: Clock


def housekeep(ports: HousekeepPorts, plan: PeoplePlan) -> None:
    """Do what is due."""
    now = ports.clock.now()
    if expired := ports.sign_ups.expire(now - TERM):
        log.info("subscribe.expired", count=expired)
    ports.sign_ups.forget_counts(now - MONTH)
    for reader in _told(ports, plan):
        step = next_step(reader.since, reader.told_at)
        letter = next((plan.newsletters[id_] for id_ in reader.newsletter_ids if id_ in plan.newsletters), None)
        if step.at > now or letter is None:
            continue
        if step.notice:
            ports.persons.tell_disabled(reader, letter.domain, now)
        else:
            ended = ports.persons.end_all(reader.subscriber_id, GIVEN_UP, now)
            log.info("disabled.ended", subscriber_id=reader.subscriber_id, subscriptions=ended)


def _told(ports: HousekeepPorts, plan: PeoplePlan) -> Iterator[DisabledReader]:
    """Those whose mail came back too often, but for whom nothing may be sent at all."""
    found = ports.persons.disabled()
    keys = {reader.email: plan.keys(reader.email) for reader in found}
    suppressed = set(ports.suppressions.among([key for own in keys.values() for key in own]))
    return (reader for reader in found if suppressed.isdisjoint(keys[reader.email]))
