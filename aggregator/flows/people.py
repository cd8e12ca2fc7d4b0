"""One person, by an admin's hand: added, looked at, kept out, forgotten; and all of them as a list.

address > persons.find > subscribers.enlist / suppressions.suppress / persons.erase
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from aggregator.errors import NotFoundError, UsageError
from aggregator.mail_ports import SubscriberStore
from aggregator.model.consent import Evidence, Suppression, SuppressionReason
from aggregator.model.delivery import Subscription, SubscriptionState
from aggregator.model.newcomer import Newcomer
from aggregator.model.person import PersonalData
from aggregator.people_ports import PeoplePlan, PersonStore, SuppressionStore
from aggregator.ports import Clock, StoryStore
from aggregator.schedule import next_runs
from aggregator.settings.addresses import read_address, read_name, read_source

EXPORTED = (
    "email",
    "name",
    "newsletter",
    "state",
    "since",
    "consent_source",
    "language",
    "timezone",
    "schedule",
    "quiet",
    "query",
)
"""The columns of an export, under the names that an import knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePorts:
    """What dealing with one person needs of the world."""

    subscribers: SubscriberStore
    persons: PersonStore
    suppressions: SuppressionStore
    stories: StoryStore
    clock: Clock


def add_one(
    ports: PeoplePorts, plan: PeoplePlan, email: str, name: str, newsletter_id: str, source: str
) -> Subscription | None:
    """Subscribe a person who agreed, as `source` can show; the subscription that stands already, if one does: it is
    left as it is.

    Raises NotFoundError, and UsageError for what is no address and for one that gets no mail.
    """
    newsletter = plan.newsletters.get(newsletter_id)
    if newsletter is None:
        raise NotFoundError(f"no newsletter {newsletter_id!r}; `aggregator newsletters list` names them")
    person, evidence, now = _newcomer(email, name, plan), Evidence(source=read_source(source)), ports.clock.now()
    standing = ports.subscribers.standing([person.email], newsletter_id)
    done = ports.subscribers.enlist(
        newsletter,
        [person],
        evidence,
        now,
        runs=lambda letter: next_runs(letter, now),
        last_seq=ports.stories.last_seq(),
    )
    if done.suppressed:
        cure = "only its reader can undo that, by subscribing on the site and confirming"
        raise UsageError(f"{person.email!r} gets no mail: the address is suppressed; {cure}")
    return next((item for item in standing if item.state is not SubscriptionState.PENDING), None)


def suppress(ports: PeoplePorts, plan: PeoplePlan, email: str, note: str) -> tuple[bool, int]:
    """Keep an address out, whoever asks for mail to it, and end what it is subscribed to; (new, subscriptions ended).

    Raises UsageError.
    """
    address, now = _address(email), ports.clock.now()
    held = ports.suppressions.suppression(plan.keys(address))
    reason = Suppression(reason=SuppressionReason.BY_HAND.value, since=now, note=note)
    is_new = held is None and ports.suppressions.suppress(plan.keys(address)[0], reason)
    person = ports.persons.find(address)
    ended = 0
    if person is not None:
        ended = ports.persons.end_all(person.subscriber.id, Evidence(source="suppressed by hand"), now)
    return is_new, ended


def forget(ports: PeoplePorts, plan: PeoplePlan, email: str) -> None:
    """Erase the person of this address; raises UsageError, and NotFoundError when there is none."""
    person = ports.persons.find(_address(email))
    if person is None:
        raise NotFoundError(f"nobody here has the address {email!r}")
    ports.persons.erase(person.subscriber.id, plan.keys(person.subscriber.email), ports.clock.now())


def show(ports: PeoplePorts, plan: PeoplePlan, email: str) -> tuple[PersonalData | None, Suppression | None]:
    """All that is kept about the person of this address, and whether it is suppressed; raises UsageError."""
    address = _address(email)
    person, keys = ports.persons.find(address), plan.keys(address)
    data = ports.persons.everything(person.subscriber.id, keys) if person else None
    return data, ports.suppressions.suppression(keys)


def exported(ports: PeoplePorts, newsletter_id: str | None) -> Iterator[dict[str, str]]:
    """Every subscription as a row of `EXPORTED`, read as it is asked for."""
    for item in ports.subscribers.every_subscription(newsletter_id):
        row = {
            "email": item.subscriber.email,
            "name": item.subscriber.name,
            "newsletter": item.newsletter_id,
            "state": item.state.value,
            "since": f"{item.changed_at:%Y-%m-%dT%H:%M:%SZ}",
            "consent_source": item.consent_source,
        } | asdict(item.choices)
        yield {name: row[name] or "" for name in EXPORTED}


def _newcomer(email: str, name: str, plan: PeoplePlan) -> Newcomer:
    address = _address(email)
    return Newcomer(email=address, name=read_name(name), keys=plan.keys(address))


def _address(email: str) -> str:
    try:
        return read_address(email)
    except ValueError as error:
        raise UsageError(f"{email!r} {error}") from error
