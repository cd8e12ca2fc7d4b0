"""Letters through a mail server that people run, to a mailbox: what was written arrives, and its signatures hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from aggregator.adapters.mailer import SmtpMailer
from aggregator.flows.delivering.lettering import DeliverPlan
from aggregator.model.delivery import Delivery, DeliveryState, Subscriber
from aggregator.model.mailkey import mail_key
from aggregator.model.newsletter import UNSUBSCRIBE_PLACEHOLDER, Issue, Rendering
from aggregator.model.sending import Outgoing
from aggregator.steps.dkim import DkimSigner
from aggregator.steps.signing import Signer
from tests.fakes import START
from tests.mail_fakes import SITE, WEEKLY
from tests.real_mta import DOMAIN, Postfix, postfix

KEYS = (
    mail_key("rsa", generate_private_key(public_exponent=65537, key_size=2048)),
    mail_key("ed", Ed25519PrivateKey.generate()),
)
AWKWARD = "\n".join((".", "..two dots", "From the sea", "é" * 70, "x" * 3000, " trailing ", "", "日本 🗾", "=20"))
READERS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[Postfix]:
    with postfix() as server:
        yield server


def letters() -> list[Outgoing]:
    """One Issue to a few readers, with all that is hard on the way in it."""
    signer = Signer(["a secret of tests"])
    plan = DeliverPlan(
        newsletters={"weekly": replace(WEEKLY, title="Énergie & Wirtschaft: “日本”")},
        site=SITE,
        unsubscribe_url=lambda reader, letter: (
            f"https://wire.example.org/unsubscribe/{signer.unsubscribe_token(reader, letter)}"
        ),
        preferences_url=lambda reader: f"https://wire.example.org/preferences/{signer.preferences_token(reader)}",
        unsubscribe_mail=lambda reader, letter: signer.unsubscribe_address(reader, letter, "bounces.example.org"),
        return_path=lambda delivery_id: signer.bounce_address(delivery_id, "bounces.example.org"),
        signers={"example.org": DkimSigner(domain="example.org", keys=KEYS)},
    )
    body = f"{AWKWARD}\nUnsubscribe: {UNSUBSCRIBE_PLACEHOLDER}\n"
    issue = Issue(
        id=7,
        newsletter_id="weekly",
        edition_id=1,
        number=3,
        created_at=START,
        rendering=Rendering(subject="Énergie: “What next?” " * 6, html=f"<pre>{body}</pre>", text=body),
        story_ids=(),
    )
    printing = plan.print_run(issue)
    return [
        printing.letter(
            Delivery(
                id=number,
                issue_id=7,
                newsletter_id="weekly",
                edition_id=1,
                issue_number=3,
                subscriber=Subscriber(id=number, email=f"reader{number}@{DOMAIN}", name=f"Léa {number}"),
                state=DeliveryState.SENDING,
                message_id=f"<weekly-3.{number:08x}@example.org>",
            )
        )
        for number in range(1, READERS + 1)
    ]


def test_what_arrives_is_what_was_written_octet_for_octet(server: Postfix) -> None:
    """Several at once, over what such a server offers: PIPELINING, SIZE, 8BITMIME, DSN, CHUNKING."""
    sent, answers = {letter.key: letter for letter in letters()}, {}
    mailer = SmtpMailer(server.url, connections=3, local_hostname="client.example")
    waiting = list(sent.values())
    while len(answers) < READERS:
        assert mailer.connect(READERS) is None
        for _ in range(min(mailer.room(), len(waiting))):
            mailer.hand(waiting.pop(0))
        answers |= {answer.key: answer.result for answer in mailer.answers(5)}
    mailer.close()
    assert {result.state for result in answers.values()} == {DeliveryState.ACCEPTED}
    arrived = server.letters(READERS)
    assert len(arrived) == READERS
    for raw in arrived:
        head, letter = taken_apart(raw)
        number = int(re.search(rb"reader(\d+)@", head)[1])  # type: ignore[index]
        assert letter == sent[number].whole()
        assert f"Return-Path: <{sent[number].sender}>".encode() in head


def taken_apart(raw: bytes) -> tuple[bytes, bytes]:
    """What a server put on top, and what it got, with the ends of line that it had."""
    on_wire = raw.replace(b"\n", b"\r\n")
    start = on_wire.index(b"DKIM-Signature:")
    return on_wire[:start], on_wire[start:]


def test_both_signatures_hold_where_they_arrive(server: Postfix) -> None:
    server.letters(1)
    records = {f"{key.selector}._domainkey.example.org.".encode(): key.record.encode() for key in KEYS}
    for raw in server.letters(READERS):
        letter = taken_apart(raw)[1]
        assert message_from_bytes(letter)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        for index in (0, 1):
            verifier = dkim.DKIM(letter)
            assert verifier.verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name))
            assert {b"list-unsubscribe", b"list-unsubscribe-post"} <= {
                name.lower() for name in verifier.include_headers
            }
    broken = letter.replace(b"List-Unsubscribe: <https", b"List-Unsubscribe: <http")
    assert not dkim.DKIM(broken).verify(idx=0, dnsfunc=lambda name, timeout=5: records.get(name))


def test_a_reader_that_there_is_not_is_refused_and_the_next_letter_goes(server: Postfix) -> None:
    mailer = SmtpMailer(server.url, local_hostname="client.example")
    first, second = letters()[:2]
    refused = mailer.send(first.whole(), sender=first.sender, recipient="ana@elsewhere.example")
    accepted = mailer.send(second.whole(), sender=second.sender, recipient=second.recipient)
    mailer.close()
    assert (refused.state, refused.code) == (DeliveryState.REFUSED, 554)
    assert accepted.state is DeliveryState.ACCEPTED
