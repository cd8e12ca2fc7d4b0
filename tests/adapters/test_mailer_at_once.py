"""Several letters at once, over several connections, to several servers; and what is said to each."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

import pytest
from structlog.testing import capture_logs

from aggregator.adapters.mailer import SmtpMailer
from aggregator.adapters.smtp import Timeouts
from aggregator.adapters.smtp_pool import LETTERS_FOR_ANOTHER
from aggregator.errors import ConfigError
from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.model.sending import Answered, Outgoing
from tests.adapters.test_mailer import MESSAGE, PATIENT, QUICK, Clock
from tests.smtp_server import DEFAULTS, DROP, PIPELINING, SILENCE, ScriptedSmtp, client_context

ACCEPTED, DEFERRED, UNCERTAIN = DeliveryState.ACCEPTED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN
MANY = 10 * LETTERS_FOR_ANOTHER
"""Letters that are worth more connections than any test has."""


@contextmanager
def mailing(
    *servers: ScriptedSmtp | str, connections: int = 1, timeouts: Timeouts = PATIENT, clock: Clock | None = None
) -> Iterator[SmtpMailer]:
    urls = [server if isinstance(server, str) else server.plain_url for server in servers]
    mailer = SmtpMailer(
        " ".join(urls),
        connections=connections,
        timeouts=timeouts,
        local_hostname="client.example",
        tls_context=client_context(),
        monotonic=clock or Clock(),
    )
    try:
        yield mailer
    finally:
        mailer.close()


def letter(key: int, **more: str) -> Outgoing:
    return Outgoing(
        key=key, message=MESSAGE, sender="wire@example.org", **{"recipient": f"reader{key}@reader.example", **more}
    )


def collected(mailer: SmtpMailer, count: int) -> list[Answered]:
    """So many answers, in the order they come."""
    answers: list[Answered] = []
    for _ in range(100):
        answers += mailer.answers(0.2)
        if len(answers) >= count:
            return answers
    raise AssertionError(f"{len(answers)} of {count} answers came: {answers}")


def room_for(mailer: SmtpMailer, count: int) -> int:
    """The room there is once there is so much, or once nothing more comes."""
    for _ in range(50):
        if mailer.room() >= count:
            break
        mailer.answers(0.1)
    return mailer.room()


def states(answers: Sequence[Answered]) -> dict[int, DeliveryState]:
    return {answer.key: answer.result.state for answer in answers}


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"smtp://127.0.0.1:{free.getsockname()[1]}?tls=none"


# --- at once --------------------------------------------------------------------------------------


def test_a_slow_letter_holds_up_no_other() -> None:
    with ScriptedSmtp() as server, mailing(server, connections=3) as mailer:
        go_on = Event()
        server.on_step = lambda step, number: go_on.wait(20) if (step, number) == ("dot", 1) else None
        assert mailer.connect(MANY) is None
        assert room_for(mailer, 3) == 3
        for key in (1, 2, 3):
            mailer.hand(letter(key))
        assert mailer.room() == 0
        first = collected(mailer, 2)
        assert mailer.room() == 2
        for key in (4, 5):
            mailer.hand(letter(key))
        second = collected(mailer, 2)
        assert not go_on.is_set()
        go_on.set()
        third = collected(mailer, 1)
    assert states([*first, *second, *third]) == dict.fromkeys((1, 2, 3, 4, 5), ACCEPTED)
    assert len(server.taken) == 5
    assert server.connections == 3


@pytest.mark.parametrize(("letters", "connections"), [(1, 1), (LETTERS_FOR_ANOTHER, 2), (MANY, 4)])
def test_few_letters_open_few_connections(letters: int, connections: int) -> None:
    with ScriptedSmtp() as server, mailing(server, connections=4) as mailer:
        assert mailer.connect(letters) is None
        assert room_for(mailer, connections) == connections
        assert mailer.connect(letters) is None
    assert server.connections == connections


@pytest.mark.parametrize("reply", [b"421 4.7.0 too many connections\r\n", DROP])
def test_a_server_that_takes_one_connection_is_sent_letters_over_that(reply: bytes) -> None:
    with (
        ScriptedSmtp({"connect": [DEFAULTS["connect"], *[reply] * 9]}) as server,
        capture_logs() as logs,
        mailing(server, connections=3, timeouts=QUICK) as mailer,
    ):
        assert mailer.connect(MANY) is None
        for key in range(1, 4):
            assert room_for(mailer, 1) == 1
            mailer.hand(letter(key))
            assert states(collected(mailer, 1)) == {key: ACCEPTED}
            assert mailer.connect(MANY) is None
    assert "mailer.down" not in [entry["event"] for entry in logs]
    assert server.connections <= 3


def test_a_flight_of_commands_needs_no_reply_between_them() -> None:
    """The server answers only once it has all three (RFC 2920)."""
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            connection.sendall(b"220 test\r\n")
            heard.append(until(connection, b"\r\n"))
            connection.sendall(PIPELINING)
            heard.append(until(connection, b"DATA\r\n"))
            connection.sendall(b"250 a\r\n250 b\r\n354 c\r\n")
            heard.append(until(connection, b"\r\n.\r\n"))
            connection.sendall(b"250 taken\r\n")
            until(connection, b"QUIT\r\n")

    def until(connection: socket.socket, end: bytes) -> bytes:
        octets = b""
        while not octets.endswith(end):
            octets += connection.recv(65536)
        return octets

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:
        done = threads.submit(serve, listener)
        with mailing(f"smtp://127.0.0.1:{listener.getsockname()[1]}?tls=none") as mailer:
            result = mailer.send(MESSAGE, sender="wire@example.org", recipient="ana@reader.example")
        done.result(20)
    assert result == SendResult(state=ACCEPTED, reply="250 taken", code=250)
    assert heard[1].split(b"\r\n")[1:] == [b"RCPT TO:<ana@reader.example>", b"DATA", b""]


def test_another_thread_cuts_off_all_that_is_at_hand_and_each_ends_as_what_it_is() -> None:
    with ScriptedSmtp() as server, mailing(server, connections=3, timeouts=Timeouts()) as mailer:
        reached = {"RCPT": Event(), "dot": Event()}

        def step(at: str, number: int) -> None:
            if (at, number) in (("RCPT", 3), ("dot", 1)):
                reached[at].set()
                server.replies[at] = [SILENCE]

        with ThreadPoolExecutor() as threads:

            def run() -> list[Answered]:
                assert mailer.connect(MANY) is None
                assert room_for(mailer, 3) == 3
                server.on_step = step
                mailer.hand(letter(1))
                assert mailer.answers(0) == []
                assert reached["dot"].wait(10)
                mailer.hand(letter(2))
                answers = collected(mailer, 1)
                mailer.hand(letter(3))
                assert mailer.answers(0) == []
                assert reached["RCPT"].wait(10)
                return [*answers, *collected(mailer, 2)]

            call = threads.submit(run)
            assert reached["RCPT"].wait(20)
            mailer.close()
            assert states(call.result(20)) == {1: UNCERTAIN, 2: ACCEPTED, 3: DEFERRED}


def test_a_line_that_closed_while_nothing_was_said_is_replaced_before_a_letter_is_claimed() -> None:
    with ScriptedSmtp() as server, mailing(server) as mailer:
        assert mailer.connect() is None
        assert mailer.room() == 1
        server.drop_all()
        for _ in range(100):
            if mailer.room() == 0:
                break
            mailer.answers(0.05)
        assert mailer.room() == 0
        assert mailer.connect() is None
        assert mailer.room() == 1
        mailer.hand(letter(1))
        assert states(collected(mailer, 1)) == {1: ACCEPTED}
    assert server.connections == 2


def test_a_reply_that_nobody_asked_for_answers_no_letter() -> None:
    """421 in the midst of nothing is how a server says goodbye (RFC 5321 3.8); here with a 250 after it."""
    with ScriptedSmtp({"dot": [b"250 first\r\n250 one too many\r\n"]}) as server, mailing(server) as mailer:
        replies = []
        for key in (1, 2):
            assert mailer.connect() is None
            mailer.hand(letter(key))
            replies += [answer.result.reply for answer in collected(mailer, 1)]
    assert replies == ["250 first", "250 2.0.0 taken"]
    assert server.connections == 2


def test_letters_are_signed_on_their_way_and_one_that_cannot_be_reaches_nobody() -> None:
    """Its fault is ours, and it is known that no server has it."""

    def broken(message: bytes) -> bytes:
        raise KeyError("of ours")

    with ScriptedSmtp() as server, mailing(server, connections=2) as mailer:
        assert mailer.connect(MANY) is None
        assert room_for(mailer, 2) == 2
        mailer.hand(replace(letter(1), signature=lambda message: b"Signature: %d\r\n" % len(message)))
        mailer.hand(replace(letter(2), signature=broken))
        answers = {answer.key: answer for answer in collected(mailer, 2)}
        assert mailer.room() == 2
    assert (answers[1].result.state, answers[1].error) == (ACCEPTED, None)
    assert answers[2].result.state is DEFERRED
    assert isinstance(answers[2].error, KeyError)
    assert server.taken == [("reader1@reader.example", b"Signature: %d\r\n" % len(MESSAGE) + MESSAGE)]


# --- several servers ------------------------------------------------------------------------------


def test_the_next_server_stands_in_and_the_first_comes_back_after_its_rest() -> None:
    clock = Clock()
    with (
        ScriptedSmtp({"connect": [b"421 4.3.2 closing\r\n"]}) as first,
        ScriptedSmtp() as second,
        capture_logs() as logs,
        mailing(first, second, clock=clock) as mailer,
    ):
        for key in (1, 2):
            assert mailer.connect() is None
            mailer.hand(letter(key))
            assert states(collected(mailer, 1)) == {key: ACCEPTED}
            mailer.close()
        clock.seconds += 31
        assert mailer.connect() is None
        mailer.hand(letter(3))
        assert states(collected(mailer, 1)) == {3: ACCEPTED}
    assert [recipient for recipient, _ in second.taken] == ["reader1@reader.example", "reader2@reader.example"]
    assert [recipient for recipient, _ in first.taken] == ["reader3@reader.example"]
    assert [entry["event"] for entry in logs] == ["mailer.down", "mailer.up"]


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_a_letter_that_a_server_never_had_whole_goes_over_the_next(step: str) -> None:
    with ScriptedSmtp({step: [DROP]}) as first, ScriptedSmtp() as second, mailing(first, second) as mailer:
        assert mailer.connect() is None
        mailer.hand(letter(1))
        assert states(collected(mailer, 1)) == {1: ACCEPTED}
    assert (len(first.taken), len(second.taken)) == (0, 1)


def test_a_letter_in_doubt_goes_over_no_other_server() -> None:
    with ScriptedSmtp({"dot": [DROP]}) as first, ScriptedSmtp() as second, mailing(first, second) as mailer:
        assert mailer.connect() is None
        mailer.hand(letter(1))
        assert states(collected(mailer, 1)) == {1: UNCERTAIN}
    assert (len(first.taken), len(second.taken), second.connections) == (1, 0, 0)


def test_when_all_are_down_the_fault_of_the_first_is_told() -> None:
    with ScriptedSmtp({"connect": [b"554 no service\r\n"]}) as first, mailing(first, closed_port()) as mailer:
        for _ in range(2):
            fault = mailer.connect()
            assert fault is not None
            assert fault.server_down
            assert "554 no service" in fault.reply
    assert first.connections == 1


@pytest.mark.parametrize("urls", ["", "smtp://a.example smtp://a.example", "smtp://a.example http://b.example"])
def test_what_names_no_servers_is_refused(urls: str) -> None:
    with pytest.raises(ConfigError):
        SmtpMailer(urls)


# --- what is said ---------------------------------------------------------------------------------


def test_where_reports_are_offered_they_are_asked_for_failures_only() -> None:
    """With what tells us which letter it was, and to whom, in the form of RFC 3461 4."""
    offers = b"250-test\r\n250-DSN\r\n250 SIZE\r\n"
    with ScriptedSmtp({"EHLO": [offers]}) as server, mailing(server) as mailer:
        mailer.hand(letter(1, envelope_id="weekly-4.0a+b=c", recipient="ana+news@reader.example"))
        assert states(collected(mailer, 1)) == {1: ACCEPTED}
    assert server.commands[1:3] == [
        f"MAIL FROM:<wire@example.org> SIZE={len(MESSAGE) + 2} RET=HDRS ENVID=weekly-4.0a+2Bb+3Dc",
        "RCPT TO:<ana+news@reader.example> NOTIFY=FAILURE ORCPT=rfc822;ana+2Bnews@reader.example",
    ]


def test_where_no_reports_are_offered_no_word_of_them_is_said() -> None:
    with ScriptedSmtp() as server, mailing(server) as mailer:
        mailer.hand(letter(1, envelope_id="weekly-4.0a"))
        assert states(collected(mailer, 1)) == {1: ACCEPTED}
    assert not any(word in command for command in server.commands for word in ("RET", "ENVID", "NOTIFY", "ORCPT"))


@pytest.mark.parametrize("address", ["ana@reader.example>\r\nRCPT TO:<x@y", "ana", "a b@reader.example"])
def test_an_address_that_cannot_be_spoken_of_is_not_taken(address: str) -> None:
    with ScriptedSmtp() as server, mailing(server) as mailer:
        assert mailer.connect() is None
        with pytest.raises(ValueError, match="no command can hold the address"):
            mailer.hand(letter(1, recipient=address))
        assert mailer.room() == 1
    assert "MAIL" not in server.steps
