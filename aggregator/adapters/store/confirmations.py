"""A link is used: what its mail asked for becomes good, once.

subscribe: link > **notices** > **subscriptions, consents, suppressions**
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from aggregator.adapters.store.consents import note_consents
from aggregator.adapters.store.editions import place
from aggregator.adapters.store.engine import upsert
from aggregator.adapters.store.mail_tables import consents, editions, notices, subscriptions
from aggregator.adapters.store.notices import queue_notice
from aggregator.adapters.store.subscribers import of_reader
from aggregator.adapters.store.suppressions import lift_suppressions
from aggregator.mail_ports import Runs
from aggregator.model.consent import Act, Evidence
from aggregator.model.delivery import SubscriptionState
from aggregator.model.edition import Choices
from aggregator.model.newsletter import Newsletter
from aggregator.model.signup import Asked, AskedFor, ConfirmOutcome

WELCOME = "welcome"
"""The kind of the mail that says where a reader's preferences are."""
_CONFIRMED = SubscriptionState.CONFIRMED.value


def read_asked(connection: Connection, subscriber_id: int, nonce: str) -> AskedFor | None:
    """What the mail with this nonce asks its reader to confirm; None when nothing is known of it."""
    notice = _notice(connection, subscriber_id, nonce)
    return None if notice is None else _asked(connection, notice)


def confirm_asked(
    connection: Connection,
    asked: AskedFor,
    newsletter: Newsletter,
    evidence: Evidence,
    now: datetime,
    *,
    keys: Collection[str],
    runs: Runs,
    last_seq: int,
) -> ConfirmOutcome:
    """Make one subscription of a mail good, once, and lift what `keys` suppress."""
    found = read_asked(connection, asked.subscriber_id, asked.nonce)
    items = found.newsletters if found else ()
    item = next((one for one in items if one.newsletter_id == newsletter.id), None)
    if item is None:
        return ConfirmOutcome.GONE
    state = states_of(connection, asked.subscriber_id).get(newsletter.id)
    if item.is_done or state == _CONFIRMED:
        return ConfirmOutcome.ALREADY
    choices = item.choices or _present_choices(connection, asked.subscriber_id, newsletter.id)
    settle_choices(connection, asked.subscriber_id, newsletter, choices, evidence, now, runs=runs, last_seq=last_seq)
    note_consents(connection, [asked.subscriber_id], newsletter.id, Act.CONFIRMED, evidence, now)
    lift_suppressions(connection, keys)
    queue_notice(
        connection,
        WELCOME,
        email=asked.email,
        domain=newsletter.domain,
        now=now,
        subscriber_id=asked.subscriber_id,
        newsletter_id=newsletter.id,
        facts={"language": asked.language},
    )
    return ConfirmOutcome.CONFIRMED


def settle_choices(
    connection: Connection,
    subscriber_id: int,
    newsletter: Newsletter,
    choices: Choices,
    evidence: Evidence,
    now: datetime,
    *,
    runs: Runs,
    last_seq: int,
) -> None:
    """Confirm a person's subscription, new or old, with the Edition that brings what they chose; since when it stands,
    and by what consent, stays as it is for who has it already."""
    due_at = runs(choices.applied(newsletter))[0]
    edition_id = place(connection, newsletter, choices, subscriber_id, due_at=due_at, last_seq=last_seq)
    row = upsert(subscriptions).values(
        subscriber_id=subscriber_id,
        newsletter_id=newsletter.id,
        edition_id=edition_id,
        state=_CONFIRMED,
        consent_source=evidence.source,
        created_at=now,
        changed_at=now,
    )
    others = subscriptions.c.state != _CONFIRMED
    taken = {name: row.excluded[name] for name in ("edition_id", "state", "consent_source", "changed_at")}
    connection.execute(
        row.on_conflict_do_update(index_elements=["subscriber_id", "newsletter_id"], set_=taken, where=others)
    )
    connection.execute(
        update(subscriptions).where(*of_reader(subscriber_id, newsletter.id)).values(edition_id=edition_id)
    )


def _notice(connection: Connection, subscriber_id: int, nonce: str) -> Row[Any] | None:
    query = select(notices).where(notices.c.subscriber_id == subscriber_id).order_by(notices.c.id)
    return next((row for row in connection.execute(query) if row.facts["nonce"] == nonce), None)


def _asked(connection: Connection, notice: Row[Any]) -> AskedFor:
    theirs = (consents.c.subscriber_id == notice.subscriber_id, consents.c.act == Act.CONFIRMED.value)
    done = set(
        connection.scalars(select(consents.c.newsletter_id).where(*theirs, consents.c.message_id == notice.message_id))
    )
    asked: Mapping[str, Mapping[str, str] | None] = notice.facts.get("asked") or {notice.newsletter_id: None}
    return AskedFor(
        subscriber_id=notice.subscriber_id,
        email=notice.email,
        nonce=notice.facts["nonce"],
        language=notice.facts.get("language", ""),
        message_id=notice.message_id,
        asked_at=notice.created_at,
        newsletters=tuple(
            Asked(newsletter_id=id_, is_done=id_ in done, choices=None if choices is None else Choices(**choices))
            for id_, choices in asked.items()
        ),
    )


def _present_choices(connection: Connection, subscriber_id: int, newsletter_id: str) -> Choices:
    """What they chose when they still got it."""
    query = select(editions.c.choices).join(subscriptions, subscriptions.c.edition_id == editions.c.id)
    return Choices(**(connection.scalar(query.where(*of_reader(subscriber_id, newsletter_id))) or {}))


def states_of(connection: Connection, subscriber_id: int) -> Mapping[str, str]:
    """The state of each subscription of a person, by newsletter."""
    query = select(subscriptions.c.newsletter_id, subscriptions.c.state)
    rows = connection.execute(query.where(subscriptions.c.subscriber_id == subscriber_id))
    return {row.newsletter_id: row.state for row in rows}
