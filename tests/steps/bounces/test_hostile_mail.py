"""Mails made to hurt who reads them: each is read within bounds, none raises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.model.bounce import BounceKind, BounceReading
from aggregator.steps.bounces import free_text, opening
from aggregator.steps.bounces.classify import read_bounce
from aggregator.steps.bounces.opening import MAX_DEPTH, MAX_OCTETS, MAX_PARTS, MAX_TEXT, open_mail
from tests.bounce_mails import READER, VERP, arf, dsn, fields, mail, notice, vacation

HEAD = f"From: MAILER-DAEMON@mx.example\nTo: {VERP}\nSubject: failed\n".encode()
MIB = 1024 * 1024
NESTED = b"".join(
    b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (number, number) for number in range(9999)
)
HOSTILE = {
    "nothing": b"",
    "line ends": b"\n" * MIB,
    "one word": b"a" * MIB,
    "headers": b"a:\n" * (MIB // 3),
    "parts": HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * (MIB // 5),
    "parts, boundary in pieces": HEAD + b"Content-Type: multipart/mixed; boundary*0=b\n\n" + b"--b\n\nx" * (MIB // 6),
    "parts within parts": HEAD + NESTED,
    "mails within mails": HEAD + b"Content-Type: message/rfc822\n\n" * (MIB // 31),
    "digest": HEAD + b"Content-Type: multipart/digest; boundary=b\n\n" + b"--b\n\nSubject: x\n\n" * 40_000,
    "status of blank lines": HEAD + b"Content-Type: message/delivery-status\n\n" + b"\n" * MIB,
    "status of many": HEAD
    + b"Content-Type: message/delivery-status\n\n"
    + b"Action: failed\nFinal-Recipient: a@b\n\n" * 20_000,
    "a long line": HEAD + b"\nfailed addresses follow:\n" + b"x" * MIB,
    "long lines": HEAD + b"\nYour message to:\nfailed addresses follow:\n" + (b"x" * 997 + b"\n") * 1000,
    "tags": HEAD + b"Content-Type: text/html\n\n" + b"<" * MIB,
    "at signs": HEAD + b"\n" + b"a@" * (MIB // 2),
    "comments": b"From: " + b"(" * 200_000 + b"\n\nx",
    "encoded words": b"Subject: " + b"=?utf-8?b?" * 10_000 + b"\n" + HEAD + b"\nx",
    "broken base64": b"Subject: =?utf-8?b?AAA?=\n" + HEAD + b"Content-Transfer-Encoding: base64\n\n===A",
    "an unknown charset": HEAD + b'Content-Type: text/plain; charset="a\0b"\n\nabc',
    "a codec of octets": HEAD + b"Content-Type: text/plain; charset=zlib\n\nabc",
    "no sender": b"To: x\n" * 30_000 + b"\nx",
    "controls": HEAD
    + b"\n\0\x1b[31m\xe2\x80\xaecould not be delivered\0 <ada@think.example>: 550 5.1.1 user unknown\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_read_and_what_is_said_of_it_is_short(name: str) -> None:
    reading = read_bounce(HOSTILE[name], envelope_recipient=VERP)
    assert reading.sent_to[0] == VERP
    assert len(reading.reason) < 2100
    assert len(reading.recipients) < 1001
    assert reading.reason.isprintable()


@pytest.mark.parametrize("name", ["nothing", "one word", "headers"])
def test_what_cannot_be_opened_says_why(name: str) -> None:
    reading = read_bounce(HOSTILE[name])
    assert reading.kind is BounceKind.UNREADABLE
    assert reading.reason.startswith("it")


@pytest.mark.parametrize("name", ["parts", "parts within parts", "mails within mails", "digest"])
def test_parts_are_counted(name: str) -> None:
    assert len(open_mail(HOSTILE[name]).parts) <= MAX_PARTS


def test_no_part_lies_deeper_than_the_bound() -> None:
    levels = MAX_DEPTH + 5
    deep = HEAD + b"Content-Type: message/rfc822\n\n" * levels + b"\nhello"
    assert len(open_mail(deep).parts) <= MAX_DEPTH


def test_a_report_before_the_bound_is_read_and_nothing_after_it() -> None:
    report = dsn(fields("failed", "5.1.1"), returned="Content-Type: message/rfc822\n\nSubject: x\n\n" + "x\n" * MIB)
    assert len(report) > 2 * MAX_OCTETS
    assert [item.address for item in read_bounce(report).recipients] == [READER]
    late = notice("\n" * MAX_OCTETS + "<ada@think.example>: 550 5.1.1 user unknown", subject="x")
    assert read_bounce(late).recipients == ()


def test_only_the_top_of_a_notice_is_read() -> None:
    assert len(open_mail(notice("word " * MIB)).text) <= MAX_TEXT


def test_a_detector_that_fails_leaves_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise IndexError

    monkeypatch.setattr(free_text, "all_failures", fails)
    reading = read_bounce(notice("It could not be delivered:\n<ada@think.example>: 550 5.1.1 user unknown\n"))
    assert [(item.address, item.status) for item in reading.recipients] == [(READER, "5.1.1")]


def test_a_parser_that_fails_leaves_the_mail_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails:
        def __init__(self, **_: object) -> None:
            raise RecursionError

    monkeypatch.setattr(opening, "BytesParser", Fails)
    reading = read_bounce(b"Subject: x\n\n", envelope_recipient=VERP)
    assert (reading.kind, reading.sent_to) == (BounceKind.UNREADABLE, (VERP,))
    assert reading.reason == "it cannot be read (RecursionError)"


SEEDS = [
    dsn(fields("failed", "5.1.1"), fields("delayed", "4.4.1", "b@c.example")),
    arf(),
    notice("<ada@think.example>: 550 5.1.1 user unknown"),
    vacation("Auto-Submitted: auto-replied"),
    mail("Subject: =?utf-8?q?=C3=A9?=", "Content-Type: text/html; charset=utf-16", body="<p>failed</p>"),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=12)), max_size=8))
def test_no_damage_raises(seed: bytes, cuts: list[tuple[int, bytes]]) -> None:
    for place, octets in cuts:
        seed = seed[: place % len(seed)] + octets + seed[place % len(seed) + len(octets) // 2 :]
    reading = read_bounce(seed)
    assert isinstance(reading, BounceReading)
    assert "\n" not in reading.reason + reading.message_id + reading.original_message_id


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_no_octets_raise(raw: bytes) -> None:
    assert read_bounce(raw).kind in BounceKind
