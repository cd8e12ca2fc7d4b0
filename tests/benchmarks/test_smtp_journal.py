"""The mail server whose journal is the truth of a crash: it says what it is told to, and writes before it speaks."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.smtp_journal import JournalServer, Mode, Taken, read_journal

SENDER = "wire@wire.example"
GREETING = b"220 journal\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JournalServer]:
    with JournalServer(tmp_path) as running:
        yield running


def letter(to: str, words: str = "Words.") -> bytes:
    return f"To: <{to}>\r\nMessage-ID: <{to}>\r\nSubject: s\r\n\r\n{words}\r\n".encode()


def send(server: JournalServer, *recipients: str) -> list[object]:
    """What each send on one connection said: None, or what smtplib raised."""
    said: list[object] = []
    with socket_closed(smtplib.SMTP("127.0.0.1", server.port, timeout=10)) as client:
        for to in recipients:
            try:
                client.sendmail(SENDER, to, letter(to))
                said.append(None)
            except (smtplib.SMTPException, OSError) as error:
                said.append(error)
    return said


class socket_closed:  # noqa: N801 (a verb of the tests)
    """The client closed without a word, as one that was killed; smtplib's own way out may raise."""

    def __init__(self, client: smtplib.SMTP) -> None:
        self._client = client

    def __enter__(self) -> smtplib.SMTP:
        return self._client

    def __exit__(self, *error: object) -> None:
        self._client.close()


def lines(server: JournalServer) -> list[tuple[str, int, bool]]:
    server.settle()
    return [(line.to, line.code, line.taken) for line in read_journal(server.journal)]


@pytest.mark.parametrize("fate", ["", ".accept", ".lines", ".late"])
def test_a_letter_that_is_taken_is_written_down_once(server: JournalServer, fate: str) -> None:
    to = f"ana{fate}@reader.example"
    assert send(server, to) == [None]
    assert lines(server) == [(to, 250, True)]
    (line,) = read_journal(server.journal)
    assert (line.message_id, line.own) == (f"<{to}>", True)
    assert line.octets == len(letter(to))


@pytest.mark.parametrize(("fate", "code"), [("greylist", 450), ("busy", 451)])
def test_who_is_put_off_is_taken_the_second_time(server: JournalServer, fate: str, code: int) -> None:
    to = f"ana.{fate}@reader.example"
    first, second = send(server, to, to)
    assert second is None
    assert code in (getattr(first, "smtp_code", None), getattr(first, "recipients", {}).get(to, (None,))[0])
    assert lines(server) == [(to, 250, True)]


@pytest.mark.parametrize(("fate", "code"), [("refuse", 550), ("reject", 554)])
def test_who_is_refused_is_refused_each_time(server: JournalServer, fate: str, code: int) -> None:
    to = f"ana.{fate}@reader.example"
    assert all(isinstance(error, smtplib.SMTPException) for error in send(server, to, to))
    assert lines(server) == [(to, code, False)] * 2


def test_who_is_deferred_is_so_for_ever(server: JournalServer) -> None:
    to = "ana.defer@reader.example"
    assert [getattr(error, "smtp_code", None) for error in send(server, to, to)] == [451, 451]
    assert lines(server) == []


@pytest.mark.parametrize(
    ("fate", "first", "second"),
    [
        ("cut", [], [("250", True)]),
        ("break", [], [("250", True)]),
        ("vanish", [("0", True)], [("0", True)]),
        ("stall", [("0", False)], [("0", False)]),
    ],
)
def test_lines_are_cut_where_the_address_says(
    server: JournalServer, fate: str, first: list[tuple[str, bool]], second: list[tuple[str, bool]]
) -> None:
    to = f"ana.{fate}@reader.example"
    assert isinstance(send(server, to)[0], (smtplib.SMTPServerDisconnected, smtplib.SMTPException, OSError))
    assert [(str(code), taken) for _, code, taken in lines(server)] == first
    send(server, to)
    assert [(str(code), taken) for _, code, taken in lines(server)] == first + second


def test_the_letter_of_a_sender_who_dies_after_the_dot_is_taken_and_before_it_is_not(server: JournalServer) -> None:
    for name, end in (("dead", b"."), ("alive", b".\r\n")):
        line = socket.create_connection(("127.0.0.1", server.port))
        to = f"{name}@reader.example"
        line.sendall(f"EHLO c\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode() + letter(to) + end)
        line.close()
    assert lines(server) == [("alive@reader.example", 250, True)]


def test_a_pipelined_letter_whose_recipient_is_refused_costs_the_next_one_nothing(server: JournalServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        offer = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<a.refuse@x.example>\r\nDATA\r\nRSET\r\n"
        line.sendall(offer.encode() + b"MAIL FROM:<b@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n")
        said = b""
        while b"354" not in said:
            said += line.recv(4096)
        codes = [answer[:3] for answer in said.removeprefix(GREETING).splitlines()]
        line.sendall(letter("b@x.example") + b".\r\n")
        assert line.recv(4096).startswith(b"250")
    assert codes == [b"250", b"550", b"503", b"250", b"250", b"250", b"354"]
    assert lines(server) == [("a.refuse@x.example", 550, False), ("b@x.example", 250, True)]


def test_dots_are_taken_off_and_a_letter_that_went_astray_shows(server: JournalServer) -> None:
    with socket_closed(smtplib.SMTP("127.0.0.1", server.port, timeout=10)) as client:
        client.sendmail(SENDER, "ana@reader.example", letter("bob@reader.example", ".dot\r\n..\r\n."))
    (line,) = (server.settle(), *read_journal(server.journal))[1:]
    assert line.octets == len(letter("bob@reader.example", ".dot\r\n..\r\n."))
    assert not line.own


@pytest.mark.parametrize(("mode", "fails"), [("odd", 0), ("closing", 1), ("resetting", 1), ("good", 0)])
def test_the_whole_server_is_as_its_mode(server: JournalServer, mode: Mode, fails: int) -> None:
    server.mode = mode
    said = send(server, *(f"r{number}@reader.example" for number in range(8)))
    assert [error is not None for error in said] == [False] * 7 + [bool(fails)]
    assert len(lines(server)) == 8 - fails


def test_a_full_server_takes_nothing_until_it_is_good_again(server: JournalServer) -> None:
    server.mode = "full"
    with pytest.raises(smtplib.SMTPConnectError, match="full"):
        send(server, "ana@reader.example")
    server.mode = "good"
    assert send(server, "ana@reader.example") == [None]


def test_another_journal_begins_anew(server: JournalServer, tmp_path: Path) -> None:
    to = "ana.greylist@reader.example"
    first = server.journal
    assert send(server, to, to)[1] is None
    server.begin(tmp_path / "other")
    assert send(server, to)[0] is not None
    assert lines(server) == []
    assert [line.to for line in read_journal(first)] == [to]
    assert read_journal(tmp_path / "none") == list[Taken]()
