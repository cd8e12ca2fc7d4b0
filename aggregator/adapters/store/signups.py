"""Asking and confirming: a form becomes a pending subscription and a mail, in one transaction; a link makes it good.

subscribe: form > throttle > **sign_ups, subscriptions, consents, notices**; link > **subscriptions, consents**
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, literal, select, update

from aggregator.adapters.store.confirmations import WELCOME, confirm_asked, read_asked, states_of
from aggregator.adapters.store.consents import note_acts
from aggregator.adapters.store.engine import Database, among, upsert
from aggregator.adapters.store.mail_tables import (
    bounces,
    consents,
    deliveries,
    editions,
    notices,
    sign_ups,
    subscribers,
    subscriptions,
)
from aggregator.adapters.store.notices import queue_notice
from aggregator.adapters.store.suppressions import suppressed_among
from aggregator.mail_ports import Runs
from aggregator.model.consent import Act, Evidence
from aggregator.model.delivery import SubscriptionState
from aggregator.model.edition import OWN, Choices
from aggregator.model.newsletter import Newsletter
from aggregator.model.signup import AskedFor, ConfirmOutcome, SignUp, SignUpCounts, SignUpVerdict
from aggregator.steps.throttle import DAY, HOUR, MONTH

CONFIRM = "confirm"
"""The kind of the mail that asks to confirm."""
NO_MAIL = ""
"""Stands for the address of a form that led to no mail."""
_CONFIRMED, _PENDING = SubscriptionState.CONFIRMED.value, SubscriptionState.PENDING.value


class SqlSignUpStore:
    """`people_ports.SignUpStore` on the database; what it writes is on disk when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, form: SignUp, now: datetime, judge: Callable[[SignUpCounts], SignUpVerdict]) -> SignUpVerdict:
        """Take a form in as the verdict on what was asked lately says."""
        with self._database.write_ledger() as connection:
            person = _person(connection, form.email)
            waiting = _unanswered(connection, person, now)
            waits = waiting is not None or _was_told(connection, form, person, now)
            verdict = judge(_counts(connection, form, now, waits=waits))
            if verdict in (SignUpVerdict.LATER, SignUpVerdict.CEILING):
                return verdict
            mails = verdict is SignUpVerdict.MAIL
            row = {"at": now, "address": form.mailboxes[0] if mails else NO_MAIL, "network": form.network}
            connection.execute(insert(sign_ups).values(row))
            if mails:
                _write(connection, form, person, now)
            elif person is not None and waiting is not None:
                _add_to(connection, waiting, form, person, now)
        return verdict

    def asked(self, subscriber_id: int, nonce: str) -> AskedFor | None:
        """What the mail with this nonce asks its reader to confirm; None when nothing is known of it."""
        with self._database.read() as connection:
            return read_asked(connection, subscriber_id, nonce)

    def confirm(
        self,
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
        with self._database.write_ledger() as connection:
            return confirm_asked(connection, asked, newsletter, evidence, now, keys=keys, runs=runs, last_seq=last_seq)

    def expire(self, before: datetime) -> int:
        """Erase what nobody has confirmed since then, with the people of whom nothing else is kept; how many."""
        old = (subscriptions.c.state == _PENDING, subscriptions.c.changed_at < before)
        later = consents.alias()
        confirmed = exists().where(
            later.c.subscriber_id == consents.c.subscriber_id,
            later.c.newsletter_id == consents.c.newsletter_id,
            later.c.message_id == consents.c.message_id,
            later.c.act == Act.CONFIRMED.value,
        )
        asked = (consents.c.act == Act.ASKED.value, consents.c.at < before)
        with self._database.write_ledger() as connection:
            gone = connection.scalars(delete(subscriptions).where(*old).returning(subscriptions.c.subscriber_id)).all()
            connection.execute(delete(consents).where(*asked, ~confirmed))
            connection.execute(delete(notices).where(notices.c.kind == CONFIRM, notices.c.created_at < before))
            _drop_unknown(connection, sorted(set(gone)))
        return len(gone)

    def forget_counts(self, before: datetime) -> None:
        """Let forms and settled notices of before then go."""
        done = (notices.c.created_at < before, notices.c.next_attempt_at.is_(None))
        with self._database.write_ledger() as connection:
            connection.execute(delete(sign_ups).where(sign_ups.c.at < before))
            connection.execute(delete(notices).where(*done))


# --- a form ---------------------------------------------------------------------------------------


def _counts(connection: Connection, form: SignUp, now: datetime, *, waits: bool) -> SignUpCounts:
    of_network = (sign_ups.c.network == form.network, sign_ups.c.at > now - HOUR)
    of_site = (sign_ups.c.address != NO_MAIL, sign_ups.c.at > now - HOUR)
    of_address = (sign_ups.c.address.in_(form.mailboxes), sign_ups.c.at > now - MONTH)
    counted = [select(func.count()).where(*which).scalar_subquery() for which in (of_network, of_site, of_address)]
    network, site, address = connection.execute(select(*counted)).one()
    suppressed = bool(suppressed_among(connection, form.keys))
    return SignUpCounts(network=network, site=site, address=address, waits=waits, is_suppressed=suppressed)


def _person(connection: Connection, email: str) -> Row[Any] | None:
    return connection.execute(select(subscribers).where(subscribers.c.email_key == email.lower())).first()


def _unanswered(connection: Connection, person: Row[Any] | None, now: datetime) -> Row[Any] | None:
    """The mail of the last day that its reader has not answered at all."""
    if person is None:
        return None
    theirs = (notices.c.subscriber_id == person.id, notices.c.kind == CONFIRM, notices.c.created_at > now - DAY)
    answered = exists().where(
        consents.c.subscriber_id == person.id,
        consents.c.act == Act.CONFIRMED.value,
        consents.c.message_id == notices.c.message_id,
    )
    query = select(notices).where(*theirs, ~answered).order_by(notices.c.id.desc())
    return connection.execute(query).first()


def _was_told(connection: Connection, form: SignUp, person: Row[Any] | None, now: datetime) -> bool:
    """Whether a reader who has all that the form asks for was told within a day where their preferences are."""
    if person is None or _wanted(connection, form, person):
        return False
    theirs = (notices.c.subscriber_id == person.id, notices.c.kind == WELCOME, notices.c.created_at > now - DAY)
    return connection.execute(select(notices.c.id).where(*theirs).limit(1)).first() is not None


def _wanted(connection: Connection, form: SignUp, person: Row[Any] | None) -> dict[str, Choices]:
    """What of it is not confirmed."""
    states = {} if person is None else states_of(connection, person.id)
    return {id_: choices for id_, choices in form.asked.items() if states.get(id_) != _CONFIRMED}


def _write(connection: Connection, form: SignUp, person: Row[Any] | None, now: datetime) -> None:
    """A mail that asks to confirm what is not confirmed; or one that says where a reader's preferences are."""
    wanted = _wanted(connection, form, person)
    if not wanted and person is not None:
        facts = {"language": form.language, "asked": dict.fromkeys(form.asked)}
        letter = next(iter(form.asked))
        queue_notice(
            connection,
            WELCOME,
            email=person.email,
            domain=form.domain,
            now=now,
            subscriber_id=person.id,
            newsletter_id=letter,
            facts=facts,
        )
        return
    if person is None:
        row = {"email": form.email, "email_key": form.email.lower(), "created_at": now}
        connection.execute(insert(subscribers).values(row))
        person = _person(connection, form.email)
    assert person is not None  # noqa: S101 (just inserted)
    message_id = queue_notice(
        connection,
        CONFIRM,
        email=person.email,
        domain=form.domain,
        now=now,
        subscriber_id=person.id,
        newsletter_id=next(iter(wanted)),
        facts={"language": form.language, "asked": _kept(wanted)},
    )
    _note_asked(connection, person.id, wanted, form.evidence, message_id, now)


def _add_to(connection: Connection, notice: Row[Any], form: SignUp, person: Row[Any], now: datetime) -> None:
    """What is asked for while a mail waits for its answer is confirmed by its link too; what it asks already stays."""
    asked = notice.facts["asked"]
    more = {id_: choices for id_, choices in _wanted(connection, form, person).items() if id_ not in asked}
    if more:
        facts = {**notice.facts, "asked": {**asked, **_kept(more)}}
        connection.execute(update(notices).where(notices.c.id == notice.id).values(facts=facts))
        _note_asked(connection, person.id, more, form.evidence, notice.message_id, now)


def _note_asked(
    connection: Connection,
    subscriber_id: int,
    asked: Mapping[str, Choices],
    evidence: Evidence,
    message_id: str,
    now: datetime,
) -> None:
    """Pending subscriptions, where there are none; one that was ended stays ended until it is confirmed.

    However many are asked for, it is as many statements: the time an answer takes says nothing of who has what.
    """
    told = Evidence(**(asdict(evidence) | {"message_id": message_id}))
    moment = literal(now, subscriptions.c.created_at.type)
    values = {
        "subscriber_id": literal(subscriber_id),
        "newsletter_id": editions.c.newsletter_id,
        "edition_id": editions.c.id,
        "state": literal(_PENDING),
        "consent_source": literal(evidence.source),
        "created_at": moment,
        "changed_at": moment,
    }
    own = select(*values.values()).where(editions.c.newsletter_id.in_(asked), editions.c.key == OWN)
    row = upsert(subscriptions).from_select(list(values), own.order_by(editions.c.newsletter_id))
    pending = subscriptions.c.state == _PENDING
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["subscriber_id", "newsletter_id"], set_={"changed_at": now}, where=pending
        )
    )
    note_acts(connection, [(subscriber_id, letter) for letter in asked], Act.ASKED, told, now)


def _kept(asked: Mapping[str, Choices]) -> dict[str, dict[str, str]]:
    return {id_: {name: value for name, value in asdict(choices).items() if value} for id_, choices in asked.items()}


def _drop_unknown(connection: Connection, ids: Sequence[int]) -> None:
    """Take out people of whom nothing is kept but their address."""
    tables = (subscriptions, consents, deliveries, bounces)
    known = [exists().where(table.c.subscriber_id == subscribers.c.id) for table in tables]
    query = select(subscribers.c.id).where(among(subscribers.c.id, ids), *(~one for one in known))
    unknown = list(connection.scalars(query))
    connection.execute(delete(notices).where(among(notices.c.subscriber_id, unknown)))
    connection.execute(delete(subscribers).where(among(subscribers.c.id, unknown)))
