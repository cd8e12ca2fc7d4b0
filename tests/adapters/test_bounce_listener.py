"""Mail that is handed to us in LMTP and SMTP, by real clients over real sockets."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from aggregator.adapters import bounce_listener
from aggregator.adapters.bounce_listener import MAX_OCTETS, MOST_CONVERSATIONS, MOST_RECIPIENTS, listening
from aggregator.errors import BoxError, StoreError
from aggregator.model.bounce import BounceReport, BoxedMail

OURS = "b+1.good@bounces.example.org"
OTHER = "b+2.good@bounces.example.org"
MAIL = b"Subject: returned mail\r\n\r\n.It failed.\r\n"


class Kept:
    """Keeps what it is given, unless told otherwise."""

    def __init__(self) -> None:
        self.mails: list[BoxedMail] = []
        self.refusing: dict[str, Exception | BounceReport] = {}

    def __call__(self, mail: BoxedMail) -> BounceReport:
        told = self.refusing.get(mail.envelope_recipient or "")
        if isinstance(told, Exception):
            raise told
        self.mails.append(mail)
        return told or BounceReport(hard=1)


@contextmanager
def listener(kept: Kept) -> Iterator[int]:
    with listening("127.0.0.1", 0, keep=kept, is_ours=lambda address: ".good@" in address) as port:
        yield port


def client(port: int, kind: type[smtplib.SMTP] = smtplib.LMTP) -> smtplib.SMTP:
    return kind("127.0.0.1", port, timeout=10)


@pytest.mark.parametrize("kind", [smtplib.LMTP, smtplib.SMTP])
def test_a_mail_is_kept_as_it_came_before_the_answer(kind: type[smtplib.SMTP]) -> None:
    kept = Kept()
    with listener(kept) as port, client(port, kind) as sender:
        assert sender.sendmail("", [OURS], MAIL) == {}
        assert [(mail.raw, mail.envelope_recipient) for mail in kept.mails] == [(MAIL, OURS)]


def test_a_stranger_is_refused_and_nothing_is_relayed() -> None:
    kept = Kept()
    with listener(kept) as port, client(port) as sender:
        for address in ("someone@elsewhere.example", "postmaster@bounces.example.org", "b+1.forged@example.org"):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as raised:
                sender.sendmail("", [address], MAIL)
            assert raised.value.recipients == {address: (550, b"5.1.1 no such address here")}
    assert kept.mails == []


def test_in_lmtp_each_recipient_has_an_answer_of_its_own() -> None:
    kept = Kept()
    kept.refusing[OTHER] = StoreError("database: it is full")
    with listener(kept) as port, client(port) as sender:
        sender.ehlo_or_helo_if_needed()
        sender.mail("")
        assert [sender.rcpt(address)[0] for address in (OURS, "x@y.example", OTHER)] == [250, 550, 250]
        assert sender.docmd("DATA")[0] == 354
        sender.send(MAIL + b".\r\n")
        assert [sender.getreply()[0] for _ in range(2)] == [250, 451]
    assert [mail.envelope_recipient for mail in kept.mails] == [OURS]


def test_in_smtp_one_that_cannot_be_kept_has_all_tried_again() -> None:
    kept = Kept()
    kept.refusing[OTHER] = RuntimeError("the secret words of a mail")
    with listener(kept) as port, client(port, smtplib.SMTP) as sender:
        with pytest.raises(smtplib.SMTPDataError) as raised:
            sender.sendmail("", [OURS, OTHER], MAIL)
        assert (raised.value.smtp_code, b"secret" in raised.value.smtp_error) == (451, False)


def test_what_cannot_be_read_is_not_said_to_be() -> None:
    kept = Kept()
    kept.refusing[OURS] = BounceReport(left=(("lmtp", "it is empty"),))
    with listener(kept) as port, client(port) as sender, pytest.raises(smtplib.SMTPDataError, match="451"):
        sender.sendmail("", [OURS], MAIL)


def test_a_mail_of_long_lines_and_octets_beyond_ascii_is_taken() -> None:
    kept, raw = Kept(), b"Subject: x\r\n\r\n" + b"\xff" * 5000 + b"\r\n"
    with listener(kept) as port, client(port) as sender:
        sender.sendmail("", [OURS], raw)
    assert kept.mails[0].raw == raw


def test_a_mail_that_is_too_large_is_refused() -> None:
    kept = Kept()
    with listener(kept) as port, client(port) as sender:
        sender.ehlo_or_helo_if_needed()
        assert int(sender.esmtp_features["size"]) == MAX_OCTETS
        sender.mail("")
        sender.rcpt(OURS)
        code, words = sender.data((b"x" * 60_000 + b"\r\n") * (MAX_OCTETS // 60_000 + 1))
    assert (code, kept.mails) == (552, []), words


def test_recipients_of_one_mail_are_counted() -> None:
    with listener(Kept()) as port, client(port) as sender:
        sender.ehlo_or_helo_if_needed()
        sender.mail("")
        codes = [sender.rcpt(f"b+{number}.good@example.org")[0] for number in range(MOST_RECIPIENTS + 2)]
    assert codes == [250] * MOST_RECIPIENTS + [452] * 2


def test_what_could_be_used_to_send_is_not_there() -> None:
    with listener(Kept()) as port, client(port, smtplib.SMTP) as sender:
        sender.ehlo()
        assert {"auth", "starttls", "etrn"} & set(sender.esmtp_features) == set()
        assert sender.docmd("VRFY", OURS)[0] == 252
        assert sender.docmd("EXPN", OURS)[0] == 502
        assert sender.docmd("TURN")[0] == 500


def test_connections_are_counted() -> None:
    with listener(Kept()) as port, ExitStack() as stack:
        for _ in range(MOST_CONVERSATIONS):
            stack.enter_context(client(port)).ehlo()
        with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as one_too_many:
            assert one_too_many.recv(100).startswith(b"421 4.3.2")


def test_the_end_cuts_off_who_is_only_connected() -> None:
    with listener(Kept()) as port:
        idle = socket.create_connection(("127.0.0.1", port), timeout=10)
        assert idle.recv(100).startswith(b"220 ")
    with closing(idle):
        assert idle.recv(100) == b""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def test_a_port_that_is_taken_is_named() -> None:
    with (
        listener(Kept()) as port,
        pytest.raises(BoxError, match=f"cannot listen on 127.0.0.1:{port}"),
        listening("127.0.0.1", port, keep=Kept(), is_ours=lambda address: True),
    ):
        raise AssertionError("it listens twice")


def test_nothing_here_can_send_mail() -> None:
    assert not {"smtplib", "aiosmtplib", "SmtpMailer"} & set(vars(bounce_listener))
