"""Each kind of mail that comes back, and what it must not be taken for."""

from __future__ import annotations

import pytest

from aggregator.model.bounce import BouncedRecipient, BounceKind, BounceReading
from aggregator.steps.bounces.classify import read_bounce, unnamed
from tests.bounce_mails import READER, VERP, arf, dsn, fields, mail, notice, vacation

HARD, SOFT, DELIVERED = BounceKind.HARD, BounceKind.SOFT, BounceKind.DELIVERED


def only(raw: bytes) -> BouncedRecipient:
    """The one recipient of a mail."""
    (recipient,) = read_bounce(raw).recipients
    return recipient


# --- reports --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("failed", "5.1.1", HARD),
        ("failed", "5.4.4 (unrouteable)", HARD),
        ("Failed (user unknown)", "5.0.0", HARD),
        ("error", "5.2.2", HARD),
        ("failed", "4.4.1", SOFT),
        ("failed", "4.4.7", HARD),
        ("delayed", "4.4.1", SOFT),
        ("delayed", "5.0.0", SOFT),
        ("delivered", "2.1.5", DELIVERED),
        ("relayed", "2.1.9", DELIVERED),
        ("expanded", "2.1.5", DELIVERED),
    ],
)
def test_the_action_and_the_status_of_a_report_decide(action: str, status: str, kind: BounceKind) -> None:
    reading = read_bounce(dsn(fields(action, status)))
    assert reading.kind is kind
    assert [(item.address, item.kind, item.status) for item in reading.recipients] == [(READER, kind, status[:5])]


def test_each_recipient_of_a_report_stands_alone() -> None:
    reading = read_bounce(
        dsn(
            fields("failed", "5.1.1", "gone@think.example"),
            fields("delayed", "4.2.2", "full@think.example"),
            fields("delivered", "2.0.0", "there@think.example"),
        )
    )
    assert {item.address: item.kind for item in reading.recipients} == {
        "gone@think.example": HARD,
        "full@think.example": SOFT,
        "there@think.example": DELIVERED,
    }
    assert reading.kind is HARD
    assert [item.delayed for item in reading.recipients] == [False, True, False]


def test_the_address_we_wrote_to_is_preferred_to_the_one_it_became() -> None:
    recipient = only(dsn(fields("failed", "5.1.1", "a.l@inner.example", original=READER)))
    assert recipient.address == READER


def test_fields_that_name_no_recipient_are_none() -> None:
    reading = read_bounce(dsn("Action: failed\nStatus: 5.1.1", "Final-Recipient: x400; /S=ada/\nAction: failed"))
    assert reading.recipients == ()


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("rfc822;ada@think.example", READER),
        ("RFC822; <ada@think.example>", READER),
        ("<ada@think.example>", READER),
        ("utf-8; ad\\x{E4}@think.example", "adä@think.example"),
        ("rfc822; a-b+c@think-tank.co.example (Ada)", "a-b+c@think-tank.co.example"),
    ],
)
def test_addresses_are_read_as_servers_write_them(written: str, address: str) -> None:
    assert only(dsn(f"Final-Recipient: {written}\nAction: failed\nStatus: 5.1.1")).address == address


def test_a_better_code_in_the_servers_words_is_taken() -> None:
    recipient = only(dsn(fields("failed", "5.0.0", words="550 5.1.1 <ada@think.example>:\n  User unknown")))
    assert (recipient.status, recipient.names_address) == ("5.1.1", True)
    assert recipient.diagnostic == "smtp; 550 5.1.1 <ada@think.example>: User unknown"


def test_a_status_in_base64_and_of_the_type_for_utf_8_are_read() -> None:
    encoded = (
        "RmluYWwtUmVjaXBpZW50OiByZmM4MjI7IGFkYUB0aGluay5leGFtcGxlCkFjdGlvbjogZmFpbGVkClN0YXR1czogNS4xLjEK"  # fields()
    )
    headers = "message/delivery-status\nContent-Transfer-Encoding: base64"
    whole = dsn("X: y").decode().replace("\r\n", "\n")
    start, end = whole.index("message/delivery-status\n"), whole.index("--=_x--")
    assert only(f"{whole[:start]}{headers}\n\n{encoded}\n{whole[end:]}".encode()).address == READER
    global_ = dsn(fields("failed", "5.1.1")).replace(b"message/delivery", b"message/global-delivery")
    assert only(global_).status == "5.1.1"


def test_a_report_within_the_mail_that_came_back_is_not_about_us() -> None:
    inner = dsn(fields("failed", "5.1.1", "stranger@elsewhere.example")).decode().replace("=_x", "=_in")
    outer = dsn(fields("delivered", "2.0.0"), returned=f"Content-Type: message/rfc822\n\n{inner}")
    assert [item.address for item in read_bounce(outer).recipients] == [READER]


def test_a_report_passed_on_whole_is_read() -> None:
    inner = dsn(fields("failed", "5.1.1")).decode().replace("\r\n", "\n")
    body = f"--=_f\nContent-Type: message/rfc822\n\n{inner}\n--=_f--\n"
    passed_on = mail(f"To: {VERP}", 'Content-Type: multipart/mixed; boundary="=_f"', body=body)
    assert only(passed_on).kind is HARD


@pytest.mark.parametrize("type_", ["message/rfc822", "text/rfc822-headers", "message/rfc822-headers"])
def test_what_came_back_tells_its_message_id_and_its_sender(type_: str) -> None:
    letter = f"Return-Path: <{VERP}>\nMessage-ID: <weekly-3.00000011@example.org>\nSubject: News\n\nHello\n"
    reading = read_bounce(dsn(fields("failed", "5.1.1"), returned=f"Content-Type: {type_}\n\n{letter}"))
    assert reading.original_message_id == "<weekly-3.00000011@example.org>"
    assert reading.message_id == "<report-1@mx.think.example>"
    assert reading.returned_from == (VERP,)


def test_where_it_went_is_told_the_envelope_first() -> None:
    raw = dsn(fields("failed", "5.1.1"), to="Wire <wire@example.org>", extra=f"X-Original-To: {VERP}")
    assert read_bounce(raw).sent_to == (VERP, "wire@example.org")
    assert read_bounce(raw, envelope_recipient="b+1.x@e.example").sent_to[0] == "b+1.x@e.example"


# --- whose fault ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words", "policy", "names"),
    [
        ("5.1.1", "550 5.1.1 User unknown", False, True),
        ("5.1.10", "556 5.1.10 null MX", False, True),
        ("5.1.8", "553 5.1.8 sender domain does not resolve", False, False),
        ("5.0.0", "550 No such user here", False, True),
        ("5.5.0", "550 5.5.0 mailbox unavailable", False, False),
        ("5.2.2", "552 5.2.2 mailbox full", False, False),
        ("5.7.1", "550 5.7.1 Message rejected as spam", True, False),
        ("5.7.26", "550-5.7.26 unauthenticated, DMARC policy", True, False),
        ("5.7.1", "550 5.7.1 user unknown", True, False),
        ("5.0.0", "554 Client host blocked using zen.spamhaus.org", True, False),
        ("5.6.0", "554 5.6.0 content not acceptable", True, False),
        ("5.3.4", "552 5.3.4 message too big", True, False),
        ("5.1.1", "550 5.1.1 no such user; see our spam policy", False, True),
        ("5.4.4", "Host or domain name not found", False, False),
    ],
)
def test_what_is_no_fault_of_the_address_is_marked(status: str, words: str, policy: bool, names: bool) -> None:
    recipient = only(dsn(fields("failed", status, words=words)))
    assert (recipient.kind, recipient.policy, recipient.names_address) == (HARD, policy, names)


@pytest.mark.parametrize(
    ("words", "status", "policy", "names"),
    [
        (
            "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
            "5.1.10",
            False,
            True,
        ),
        ("smtp; 550 5.4.1 Recipient address rejected: Access denied. [AM5EUR02FT010.example]", "5.4.1", False, False),
        ("smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try", "5.1.1", False, True),
        ("smtp; 550 5.2.1 The email account that you tried to reach is disabled. b2-20020", "5.2.1", False, False),
        ("smtp; 554 delivery error: dd This user doesn't have a yahoo.com account [0]", "5.0.0", False, True),
        ("smtp; 550 Requested action not taken: mailbox unavailable", "5.0.0", False, False),
        ("smtp; 550 Rejected by header based manually Blocked Senders: bounces.example.org", "5.0.0", True, False),
        ("smtp; 550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus", "5.7.1", True, False),
        (
            "smtp; 550 messages from 192.0.2.1 weren't sent; part of their network is on our block list",
            "5.0.0",
            True,
            False,
        ),
        ("smtp; 554 Message rejected due to content restrictions", "5.0.0", True, False),
        ("X-Postfix; unable to look up host mx.think.example: Name or service not known", "5.0.0", False, False),
    ],
)
def test_the_words_of_large_receivers_are_understood(words: str, status: str, policy: bool, names: bool) -> None:
    recipient = only(dsn(fields("failed", "5.0.0", words=words).replace("smtp; ", "", 1)))
    assert (recipient.status, recipient.policy, recipient.names_address) == (status, policy, names)


def test_a_passing_fault_names_no_address() -> None:
    assert not only(dsn(fields("failed", "4.1.1", words="450 4.1.1 user unknown for now"))).names_address


# --- in their own words ---------------------------------------------------------------------------


def test_a_domain_with_a_hyphen_is_read_in_plain_text() -> None:
    text = (
        "A message that you sent could not be delivered.\n\n  ada@think-tank.co.example:\n    550 unknown user\n\n---\n"
    )
    recipient = only(notice(text))
    assert (recipient.address, recipient.kind, recipient.names_address) == ("ada@think-tank.co.example", HARD, True)


def test_text_in_base64_is_read() -> None:
    encoded = "PGFkYUB0aGluay5leGFtcGxlPjogNTUwIDUuMS4xIFVzZXIgdW5rbm93bgo="
    assert only(notice(encoded, "Content-Transfer-Encoding: base64", subject="Delivery failed")).status == "5.1.1"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Your message to ada@think.example could not be delivered.", SOFT),
        ("Ihre Nachricht konnte nicht zugestellt werden:\nada@think.example\nEmpfänger unbekannt", HARD),
        ("Votre message n'a pas pu être remis à\nada@think.example\nutilisateur inconnu", HARD),
        ("No se ha podido entregar:\nada@think.example\nusuario desconocido", HARD),
        ("Delivery problem\nada@think.example: 452 4.2.2 mailbox full", SOFT),
        ("Could not be delivered yet, will keep trying\nada@think.example", SOFT),
        ("Gave up: could not be delivered to\nada@think.example", HARD),
    ],
)
def test_a_notice_of_no_known_format_is_read_by_its_words_and_unsure_is_soft(text: str, kind: BounceKind) -> None:
    reading = read_bounce(notice(f"{text}\n\n--- Original message ---\nSubject: 550 user unknown\nTo: {READER}\n"))
    assert reading.kind is kind
    assert {item.address for item in reading.recipients} <= {READER}


def test_a_notice_that_names_nobody_is_of_the_one_it_came_back_to() -> None:
    reading = read_bounce(notice("The user you wrote to does not exist: 550 5.1.1 no such user", subject="Mail error"))
    assert (reading.kind, reading.recipients) == (HARD, ())
    recipient = unnamed(reading, READER)
    assert (recipient.address, recipient.kind, recipient.status, recipient.names_address) == (
        READER,
        HARD,
        "5.1.1",
        True,
    )


def test_who_an_address_was_made_of_is_meant() -> None:
    text = "   ----- The following addresses had permanent fatal errors -----\ninner@mx.example\n"
    text += f"    (expanded from: {READER})\n\n   ----- Transcript of session follows -----\n550 no\n"
    assert only(notice(text)).address == READER


def test_a_code_of_another_class_is_of_an_attempt_before() -> None:
    text = "The following addresses had permanent fatal errors\n<ada@think.example>\n\n"
    text += "   ----- Transcript of session follows -----\n451 4.4.1 ada@think.example: timed out before\n"
    recipient = only(notice(text))
    assert (recipient.kind, recipient.status) == (HARD, "")


def test_of_several_each_has_the_words_that_stand_with_it() -> None:
    text = "Delivery to the following recipients failed.\n\n"
    text += "  ada@think.example\n  bob@think.example\n  550 5.1.1 unknown\n"
    first, second = read_bounce(notice(text)).recipients
    assert (first.status, second.status) == ("", "5.1.1")
    assert (first.diagnostic, second.diagnostic) == ("ada@think.example", "bob@think.example 550 5.1.1 unknown")


def test_an_address_that_the_notice_does_not_show_has_the_whole_for_a_reason() -> None:
    raw = notice("It cannot be delivered: 550 5.2.1 disabled", f"X-Failed-Recipients: {READER}")
    recipient = only(raw)
    assert (recipient.status, recipient.diagnostic) == ("5.2.1", "It cannot be delivered: 550 5.2.1 disabled")


def test_the_version_of_a_program_is_no_code() -> None:
    assert only(notice("Undeliverable:\n<ada@think.example>\nsays Mail 5.9.1 on 5.0.2\n")).status == ""


# --- what is no bounce ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        vacation("Auto-Submitted: auto-replied"),
        vacation("Auto-Submitted: auto-replied (vacation)", subject="Re: News"),
        vacation("X-Autoreply: yes", subject="News"),
        vacation("Precedence: auto_reply", subject="News"),
        vacation(subject="Automatic reply: News"),
        vacation(subject="Réponse automatique : News"),
        vacation(subject="=?utf-8?q?Abwesenheitsnotiz=3A_News?="),
        vacation(subject="AW: Out of Office: 550 5.1.1 user unknown"),
        vacation(subject="Please confirm your message"),
        vacation("X-TMDA-Fingerprint: x", subject="News"),
        mail(
            f"From: {READER}",
            f"To: {VERP}",
            "Subject: Not read: News",
            'Content-Type: multipart/report; report-type=disposition-notification; boundary="=_r"',
            body="--=_r\n\nYour message was deleted without being read.\n--=_r\n"
            "Content-Type: message/disposition-notification\n\nDisposition: automatic-action; deleted\n--=_r--\n",
        ),
        mail(
            f"From: {READER}",
            f"To: {VERP}",
            "Subject: Read: News",
            'Content-Type: multipart/mixed; boundary="=_r"',
            body="--=_r\nContent-Type: message/disposition-notification\n\nDisposition: displayed\n--=_r--\n",
        ),
    ],
)
def test_answers_of_programs_are_no_bounces(raw: bytes) -> None:
    reading = read_bounce(raw)
    assert (reading.kind, reading.recipients) == (BounceKind.AUTO_REPLY, ())


@pytest.mark.parametrize(
    "raw",
    [
        mail(
            f"From: {READER}",
            f"To: {VERP}",
            "Subject: Re: News",
            "In-Reply-To: <weekly-3.00000011@example.org>",
            body="> The following addresses had permanent fatal errors\n> ada@think.example\n\nWhat is this?\n",
        ),
        mail(f"From: {READER}", f"To: {VERP}", "Subject: hello", body="I like your newsletter."),
        mail(f"From: {READER}", f"To: {VERP}", "Subject: a question", body="My mail to Bob could not be delivered."),
    ],
)
def test_mail_of_people_is_no_bounce(raw: bytes) -> None:
    assert read_bounce(raw).kind is BounceKind.OTHER


def test_a_servers_bounce_that_calls_itself_an_answer_is_one() -> None:
    text = "A message that you sent was rejected.\n Local mailbox ada@think.example is unavailable: user not found\n"
    raw = notice(f"{text}--- This is a copy of your message\n", "Auto-Submitted: auto-replied")
    assert only(raw).kind is HARD
    polite = notice("Thank you for writing to the postmaster.", "Auto-Submitted: auto-replied", subject="Thank you")
    assert read_bounce(polite).kind is BounceKind.AUTO_REPLY


@pytest.mark.parametrize("body", ["", "remove me", "550 5.1.1 User unknown: ada@think.example"])
@pytest.mark.parametrize("sender", ["<>", "Ada <ada@elsewhere.example>", "MAILER-DAEMON@mx.example"])
def test_any_mail_to_an_address_that_unsubscribes_does(body: str, sender: str) -> None:
    raw = mail(f"From: {sender}", "To: <u+5.weekly.aabcdefghijklmnop@example.org>", "Subject: x", body=body)
    reading = read_bounce(raw)
    assert reading.kind is BounceKind.UNSUBSCRIBE
    assert reading.sent_to == ("u+5.weekly.aabcdefghijklmnop@example.org",)


# --- complaints -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["abuse", "Fraud", "other", "opt-out"])
def test_a_complaint_names_whom_and_which_letter(kind: str) -> None:
    reading = read_bounce(arf(kind))
    assert reading.kind is BounceKind.COMPLAINT
    assert [item.address for item in reading.recipients] == [READER]
    assert reading.returned_from == (VERP,)
    assert reading.original_message_id == "<weekly-3.00000011@example.org>"


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "not-spam (moved)"])
def test_feedback_that_blames_nobody_is_no_complaint(kind: str) -> None:
    assert read_bounce(arf(kind)).kind is BounceKind.OTHER


def test_a_reading_is_a_value() -> None:
    assert read_bounce(arf()) == read_bounce(arf())
    assert isinstance(read_bounce(b""), BounceReading)
