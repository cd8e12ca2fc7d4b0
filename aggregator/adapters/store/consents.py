"""The evidence of consent: rows are added, and taken out only with the person they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from aggregator.adapters.store.mail_tables import consents
from aggregator.model.consent import Act, Consent, Evidence

LONGEST = 1000
"""Characters that are kept of what a stranger's program says of itself, or of a source."""


def note_consents(
    connection: Connection,
    subscriber_ids: Iterable[int],
    newsletter_id: str,
    act: Act,
    evidence: Evidence,
    now: datetime,
) -> None:
    """Keep that each of them did this, for one newsletter."""
    note_acts(connection, [(subscriber_id, newsletter_id) for subscriber_id in subscriber_ids], act, evidence, now)


def note_acts(
    connection: Connection, whose: Iterable[tuple[int, str]], act: Act, evidence: Evidence, now: datetime
) -> None:
    """Keep that this was done, `whose` being (subscriber id, newsletter id)."""
    row = {
        "act": act.value,
        "at": now,
        "source": evidence.source[:LONGEST],
        "wording": evidence.wording,
        "language": evidence.language,
        "client": evidence.client[:LONGEST],
        "agent": evidence.agent[:LONGEST],
        "message_id": evidence.message_id,
    }
    rows = [row | {"subscriber_id": id_, "newsletter_id": newsletter_id} for id_, newsletter_id in whose]
    if rows:
        connection.execute(insert(consents), rows)


def read_consents(connection: Connection, subscriber_id: int) -> Sequence[Consent]:
    """All there is of a person, in the order in which it was noted."""
    query = select(consents).where(consents.c.subscriber_id == subscriber_id).order_by(consents.c.id)
    return [
        Consent(
            newsletter_id=row.newsletter_id,
            act=Act(row.act),
            at=row.at,
            evidence=Evidence(
                source=row.source,
                wording=row.wording,
                language=row.language,
                client=row.client,
                agent=row.agent,
                message_id=row.message_id,
            ),
        )
        for row in connection.execute(query)
    ]


def drop_consents(connection: Connection, subscriber_id: int) -> None:
    """Take out all there is of a person."""
    connection.execute(delete(consents).where(consents.c.subscriber_id == subscriber_id))
