"""Mails of one purpose to one person, as a ledger like that of letters: queued, sending, and what became of them.

subscribe: ... > **notices**; notify: **notices.claim** > notice > mailer.send > **notices.settle**
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.mail_tables import notices
from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.model.signup import Notice

IN_DOUBT = "the sender stopped before the server's answer was noted"
_NONCE_OCTETS = 16


class SqlNoticeStore:
    """`people_ports.NoticeStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alert(self, email: str, subject: str, lines: Sequence[str], domain: str, now: datetime) -> None:
        """Queue a mail to the admin."""
        facts = {"subject": subject, "lines": list(lines)}
        with self._database.write_ledger() as connection:
            queue_notice(connection, "alert", email=email, domain=domain, now=now, facts=facts)

    def recover(self, now: datetime) -> int:
        """Rows left `sending` by a worker that is gone become `uncertain`; how many."""
        left = notices.c.state == DeliveryState.SENDING.value
        doubt = {"state": DeliveryState.UNCERTAIN.value, "settled_at": now, "reply": IN_DOUBT}
        with self._database.write_ledger() as connection:
            return connection.execute(update(notices).where(left).values(doubt)).rowcount

    def waiting(self, now: datetime) -> bool:
        """Whether there is one to claim."""
        with self._database.read() as connection:
            return connection.execute(_next(now)).first() is not None

    def claim(self, now: datetime) -> Notice | None:
        """Move the longest waiting due row to `sending`, and return it."""
        claimed = (
            update(notices)
            .where(notices.c.id.in_(_next(now).with_for_update(skip_locked=True)))
            .values(
                state=DeliveryState.SENDING.value,
                attempts=notices.c.attempts + 1,
                claimed_at=now,
                next_attempt_at=None,
            )
            .returning(notices.c.id)
        )
        with self._database.write_ledger() as connection:
            id_ = connection.scalar(claimed)
            if id_ is None:
                return None
            return read_notice(connection.execute(select(notices).where(notices.c.id == id_)).one())

    def settle(self, notice: Notice, result: SendResult, now: datetime, retry_at: datetime | None) -> bool:
        """Move a claimed row from `sending` to its result; False when the claim no longer stands. A fault of the whole
        server was no attempt of this mail's."""
        claim = (
            notices.c.id == notice.id,
            notices.c.state == DeliveryState.SENDING.value,
            notices.c.attempts == notice.attempts,
        )
        outcome = {
            "state": result.state.value,
            "attempts": notice.attempts - result.server_down,
            "settled_at": now,
            "next_attempt_at": retry_at,
            "code": result.code,
            "policy": result.policy,
            "reply": result.reply,
        }
        with self._database.write_ledger() as connection:
            return connection.execute(update(notices).where(*claim).values(outcome)).rowcount == 1


def queue_notice(
    connection: Connection,
    kind: str,
    *,
    email: str,
    domain: str,
    now: datetime,
    subscriber_id: int | None = None,
    newsletter_id: str | None = None,
    facts: Mapping[str, Any],
) -> str:
    """Have a mail sent as soon as may be; its Message-ID. The link in it is told from all others by a nonce."""
    nonce = secrets.token_hex(_NONCE_OCTETS)
    message_id = f"<{kind}.{nonce}@{domain}>"
    row = {
        "kind": kind,
        "subscriber_id": subscriber_id,
        "newsletter_id": newsletter_id,
        "email": email,
        "facts": {**facts, "nonce": secrets.token_hex(_NONCE_OCTETS)},
        "state": DeliveryState.QUEUED.value,
        "message_id": message_id,
        "attempts": 0,
        "created_at": now,
        "next_attempt_at": now,
        "policy": False,
    }
    connection.execute(insert(notices).values(row))
    return message_id


def read_notice(row: Row[Any]) -> Notice:
    """The Notice of a row of the table."""
    facts: Mapping[str, Any] = row.facts
    return Notice(
        id=row.id,
        kind=row.kind,
        email=row.email,
        message_id=row.message_id,
        created_at=row.created_at,
        subscriber_id=row.subscriber_id,
        newsletter_ids=tuple(facts.get("asked", ())) or ((row.newsletter_id,) if row.newsletter_id else ()),
        nonce=facts["nonce"],
        language=facts.get("language", ""),
        attempts=row.attempts,
        subject=facts.get("subject", ""),
        lines=tuple(facts.get("lines", ())),
    )


def _next(now: datetime) -> Any:
    """The id of the row to claim."""
    due = select(notices.c.id).where(notices.c.next_attempt_at <= now)
    return due.order_by(notices.c.next_attempt_at, notices.c.id).limit(1)
