"""Every answer at every step of a real conversation, and what it means for the letter."""

import gc
import json
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from aiosmtpd.controller import Controller
from structlog.testing import capture_logs

from aggregator.adapters.mailer import SmtpMailer
from aggregator.adapters.outbox import OutboxMailer
from aggregator.adapters.smtp import Timeouts
from aggregator.adapters.smtp_pool import LETTERS
from aggregator.model.delivery import DeliveryState, SendResult
from tests.smtp_server import DEFAULTS, DROP, SILENCE, STALL, ScriptedSmtp, client_context, server_context
from tests.steps.test_letter import HOSTILE
from tests.steps.test_letter import letter as written_letter

ACCEPTED, DEFERRED = DeliveryState.ACCEPTED, DeliveryState.DEFERRED
REFUSED, UNCERTAIN = DeliveryState.REFUSED, DeliveryState.UNCERTAIN
MESSAGE = b"Message-ID: <weekly-1.ab@example.org>\r\nSubject: Hello\r\n\r\nOne\r\n.\r\n..two\r\n"
BIG = b"Subject: x\r\n\r\n" + (b"x" * 990 + b"\r\n") * 16_000
"""More than a loopback connection holds on its way, so that the end has not left us when the server goes."""
QUICK = Timeouts(greeting=0.5, command=0.5, block=5, answer=0.5)
PATIENT = Timeouts(greeting=10, command=10, block=10, answer=10)


class Clock:
    """Seconds that pass when told."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def mailer_for(url: str, timeouts: Timeouts = PATIENT, clock: Clock | None = None) -> SmtpMailer:
    return SmtpMailer(
        url,
        timeouts=timeouts,
        local_hostname="client.example",
        tls_context=client_context(),
        monotonic=clock or Clock(),
    )


def send(mailer: SmtpMailer, recipient: str = "ana@reader.example", message: bytes = MESSAGE) -> SendResult:
    return mailer.send(message, sender="wire@example.org", recipient=recipient)


def outcome(
    server: ScriptedSmtp, timeouts: Timeouts = PATIENT, message: bytes = MESSAGE
) -> tuple[SendResult | None, SendResult | None]:
    """What connecting and then sending one letter said."""
    mailer = mailer_for(server.plain_url, timeouts)
    try:
        fault = mailer.connect()
        return fault, None if fault else send(mailer, message=message)
    finally:
        mailer.close()


# --- the way it should go -------------------------------------------------------------------------


def test_a_letter_arrives_as_it_was_written() -> None:
    with ScriptedSmtp() as server:
        assert outcome(server) == (None, SendResult(state=ACCEPTED, reply="250 2.0.0 taken", code=250))
    assert server.taken == [("ana@reader.example", MESSAGE)]
    assert server.commands == [
        "EHLO client.example",
        f"MAIL FROM:<wire@example.org> SIZE={len(MESSAGE) + 2}",
        "RCPT TO:<ana@reader.example>",
        "DATA",
        "QUIT",
    ]


class Keeper:
    """What aiosmtpd hands over."""

    def __init__(self) -> None:
        self.envelopes: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802 (aiosmtpd's name)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 kept"


def test_another_server_takes_the_same_bytes() -> None:
    keeper = Keeper()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(keeper, hostname="127.0.0.1", port=port)
    controller.start()
    raw = written_letter()
    mailer = mailer_for(f"smtp://127.0.0.1:{port}?tls=none")
    try:
        assert mailer.connect() is None
        assert [send(mailer, f"r{number}@reader.example", raw).state for number in range(3)] == [ACCEPTED] * 3
    finally:
        mailer.close()
        controller.stop()
    assert keeper.envelopes == [("wire@example.org", [f"r{number}@reader.example"], raw) for number in range(3)]


def bodies() -> list[str]:
    if not HOSTILE.exists():
        return [".", "a\r\n.\r\nb", "a\n.\nb", "a\r.\rb"]
    return [item["input"] for item in json.loads(HOSTILE.read_text(encoding="utf-8")) if item["kind"] == "smtp-body"]


@pytest.mark.parametrize("body", bodies())
def test_no_body_can_end_the_message_and_begin_another(body: str) -> None:
    raw = b"Subject: x\r\n\r\n" + body.encode()
    with ScriptedSmtp() as server:
        assert outcome_of(server, raw).state is ACCEPTED
    ((_, message),) = server.taken
    lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    assert message == b"".join(line + b"\r\n" for line in lines)
    assert server.steps == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def outcome_of(server: ScriptedSmtp, raw: bytes) -> SendResult:
    mailer = mailer_for(server.plain_url)
    try:
        assert mailer.connect() is None
        return send(mailer, message=raw)
    finally:
        mailer.close()


def test_a_big_message_goes_whole() -> None:
    raw = b"Subject: x\r\n\r\n" + b"0123456789" * 7 + b"\r\n"
    raw += (b"." * 70 + b"\r\n") * 50_000
    with ScriptedSmtp() as server:
        assert outcome_of(server, raw).state is ACCEPTED
    assert server.taken[0][1] == raw


# --- answers to one letter ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "reply", "state", "words", "policy"),
    [
        ("MAIL", b"450 4.2.0 later\r\n", DEFERRED, "450 4.2.0 later", False),
        ("MAIL", b"550 no such sender\r\n", REFUSED, "550 no such sender", True),
        ("RCPT", b"450 4.2.0 greylisted\r\n", DEFERRED, "450 4.2.0 greylisted", False),
        ("RCPT", b"550 5.1.1 unknown\r\n", REFUSED, "550 5.1.1 unknown", False),
        ("RCPT", b"550 5.7.1 blocked\r\n", REFUSED, "550 5.7.1 blocked", True),
        ("RCPT", b"554 5.1.1 unknown\r\n", REFUSED, "554 5.1.1 unknown", False),
        ("RCPT", b"251 will forward\r\n", ACCEPTED, "250 2.0.0 taken", False),
        ("RCPT", b"354 what now\r\n", DEFERRED, "354 what now", False),
        ("DATA", b"451 4.3.0 later\r\n", DEFERRED, "451 4.3.0 later", False),
        ("DATA", b"554 no valid recipients\r\n", REFUSED, "554 no valid recipients", True),
        ("DATA", b"250 well\r\n", DEFERRED, "250 well", False),
        ("MAIL", b"450 4.7.1 later\r\n", DEFERRED, "450 4.7.1 later", False),
        ("RCPT", b"450 4.7.1 slow down\r\n", DEFERRED, "450 4.7.1 slow down", True),
        ("RCPT", b"421 4.7.0 too many of yours\r\n", DEFERRED, "421 4.7.0 too many of yours", True),
        ("dot", b"421-4.7.28 rate\r\n421 4.7.28 limit\r\n", DEFERRED, "421 4.7.28 rate 4.7.28 limit", True),
        ("dot", b"451 4.3.0 later\r\n", DEFERRED, "451 4.3.0 later", False),
        ("dot", b"552 5.2.2 full\r\n", REFUSED, "552 5.2.2 full", False),
        ("dot", b"554 5.7.1 spam\r\n", REFUSED, "554 5.7.1 spam", True),
        ("dot", b"251 well\r\n", ACCEPTED, "251 well", False),
        ("dot", b"250\r\n", ACCEPTED, "250", False),
        ("dot", b"250-one\r\n250-two\r\n250 three\r\n", ACCEPTED, "250 one two three", False),
        ("dot", b"550-5.7.1 a\r\n550 5.7.1 b\r\n", REFUSED, "550 5.7.1 a 5.7.1 b", True),
        ("dot", b"354 more?\r\n", UNCERTAIN, "the server may have taken it: it answered 354 more?", False),
        ("RCPT", b"550 \x1b[2J\x07 no\x00\r\n", REFUSED, "550 \\x1b[2J\\x07 no\\x00", False),
        ("RCPT", b"550 caf\xe9\r\n", REFUSED, "550 caf\\udce9", False),
        ("RCPT", b"550 " + b"x" * 4000 + b"\r\n", REFUSED, "550 " + "x" * 500, False),
    ],
)
@pytest.mark.parametrize("pipelining", [False, True])
def test_what_an_answer_means(
    step: str, reply: bytes, state: DeliveryState, words: str, policy: bool, pipelining: bool
) -> None:
    with ScriptedSmtp({step: [reply]}, pipelining=pipelining) as server:
        fault, result = outcome(server)
    assert fault is None
    assert result is not None
    assert (result.state, result.reply, result.policy, result.server_down) == (state, words, policy, False)
    assert result.code == int(words[:3] if words[:3].isdigit() else 354)


def test_after_a_refusal_the_next_letter_begins_afresh() -> None:
    with ScriptedSmtp({"RCPT": [b"550 5.1.1 unknown\r\n"], "DATA": [b"554 5.7.1 no\r\n"]}) as server:
        mailer = mailer_for(server.plain_url)
        states = [send(mailer, f"{name}@reader.example").state for name in ("ana", "bob", "carl")]
        mailer.close()
    assert states == [REFUSED, REFUSED, ACCEPTED]
    assert [recipient for recipient, _ in server.taken] == ["carl@reader.example"]
    assert server.connections == 1
    assert server.steps.count("RSET") == 2


def test_what_was_sent_together_with_a_refused_command_is_taken_back() -> None:
    """And the next letter begins with the reset in the same flight, on the same connection (RFC 2920 3.1)."""
    no = b"503 no recipient\r\n"
    with ScriptedSmtp(
        {"RCPT": [b"550 5.1.1 unknown\r\n"], "DATA": [no, b"554 5.7.1 no\r\n"]}, pipelining=True
    ) as server:
        mailer = mailer_for(server.plain_url)
        results = [send(mailer, f"{name}@reader.example") for name in ("ana", "bob", "carl")]
        mailer.close()
    assert [result.reply for result in results] == ["550 5.1.1 unknown", "554 5.7.1 no", "250 2.0.0 taken"]
    assert [recipient for recipient, _ in server.taken] == ["carl@reader.example"]
    assert (server.connections, server.steps.count("RSET")) == (1, 2)


def test_a_server_that_waits_for_the_message_of_a_refused_letter_gets_none() -> None:
    """A lone dot, as RFC 2920 3.1 has it, might be an empty letter to whoever such a server takes it for."""
    with ScriptedSmtp({"MAIL": [b"550 5.7.1 no\r\n"]}, pipelining=True) as server:
        mailer = mailer_for(server.plain_url)
        assert [send(mailer, f"{name}@reader.example").state for name in ("ana", "bob")] == [REFUSED, ACCEPTED]
        mailer.close()
    assert [recipient for recipient, _ in server.taken] == ["bob@reader.example"]
    assert server.connections == 2


@pytest.mark.parametrize("reply", [DROP, SILENCE])
def test_a_refusal_stands_when_the_rest_of_the_flight_is_not_answered(reply: bytes) -> None:
    with ScriptedSmtp({"MAIL": [b"550 5.7.1 no\r\n"], "RCPT": [reply]}, pipelining=True) as server:
        _, result = outcome(server, QUICK)
    assert result is not None
    assert (result.state, result.reply) == (REFUSED, "550 5.7.1 no")


@pytest.mark.parametrize("reply", [DROP, b"500 what\r\n", b"421 bye\r\n"])
def test_a_refusal_stands_whatever_comes_after_it(reply: bytes) -> None:
    with ScriptedSmtp({"RCPT": [b"550 5.1.1 unknown\r\n"], "RSET": [reply]}) as server:
        mailer = mailer_for(server.plain_url)
        assert send(mailer).reply == "550 5.1.1 unknown"
        assert send(mailer).state is ACCEPTED
        mailer.close()
    assert server.connections == 2


# --- lost on the way ------------------------------------------------------------------------------


UNHEARD = (DROP, b"nonsense\r\n", b"2", SILENCE)
"""What is no answer."""


@pytest.mark.parametrize(
    ("step", "reply"),
    [("body", DROP), ("body", STALL), *((step, reply) for step in ("MAIL", "RCPT", "DATA") for reply in UNHEARD)],
)
@pytest.mark.parametrize("pipelining", [False, True])
def test_before_the_dot_nothing_is_lost(step: str, reply: bytes, pipelining: bool) -> None:
    timeouts = replace(QUICK, block=1) if reply == STALL else QUICK
    with ScriptedSmtp({step: [reply, reply]}, pipelining=pipelining) as server:
        fault, result = outcome(server, timeouts, BIG if step == "body" else MESSAGE)
    assert fault is None
    assert result is not None
    assert (result.state, result.server_down, result.code) == (DEFERRED, True, None)
    assert result.reply.startswith("the connection was lost before the message was complete: ")
    assert server.taken == []


@pytest.mark.parametrize("reply", [*UNHEARD, b"250-and\r\n"])
def test_after_the_dot_only_an_answer_tells(reply: bytes) -> None:
    with ScriptedSmtp({"dot": [reply]}) as server:
        fault, result = outcome(server, QUICK)
    assert fault is None
    assert result is not None
    assert (result.state, result.server_down) == (UNCERTAIN, False)
    assert result.reply.startswith("the server may have taken it: no answer after the message: ")


def test_a_letter_in_doubt_does_not_hold_up_the_next() -> None:
    with ScriptedSmtp({"dot": [DROP]}) as server:
        mailer = mailer_for(server.plain_url)
        assert [send(mailer, f"{name}@reader.example").state for name in ("ana", "bob")] == [UNCERTAIN, ACCEPTED]
        mailer.close()
    assert server.connections == 2


def test_the_late_answer_is_waited_for() -> None:
    """Giving up early after the dot is what makes doubt (RFC 5321 4.5.3.2.6, F13)."""
    assert Timeouts() == Timeouts(greeting=300, command=300, block=180, answer=600)
    with ScriptedSmtp() as server:
        server.on_step = lambda step, number: Event().wait(1.0) if step == "dot" else None
        _, result = outcome(server, replace(QUICK, answer=10))
    assert result is not None
    assert result.state is ACCEPTED


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "dot"])
def test_a_server_that_closes_is_down_and_its_no_is_no_ones_fault(step: str) -> None:
    with ScriptedSmtp({step: [b"421 4.3.2 closing\r\n"]}) as server:
        fault, result = outcome(server)
    assert fault is None
    assert result is not None
    assert (result.state, result.code, result.server_down, result.policy) == (DEFERRED, 421, True, False)
    assert server.taken == []


CLOSING = b"421 4.3.2 closing\r\n"


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("body", DROP),
        ("dot", CLOSING),
        *((step, reply) for step in ("MAIL", "RCPT", "DATA") for reply in (DROP, CLOSING)),
    ],
)
@pytest.mark.parametrize("pipelining", [False, True])
def test_a_conversation_that_went_well_is_begun_anew_once(step: str, reply: bytes, pipelining: bool) -> None:
    """Servers close after some letters, or some time; the letter at hand goes over a new connection (F12)."""
    with ScriptedSmtp({step: [DEFAULTS[step], reply]}, pipelining=pipelining) as server:
        mailer = mailer_for(server.plain_url)
        message = BIG if step == "body" else MESSAGE
        results = [send(mailer, f"{name}@reader.example", message) for name in ("ana", "bob", "carl")]
        mailer.close()
    assert [result.state for result in results] == [ACCEPTED] * 3
    assert [recipient for recipient, _ in server.taken] == [f"{name}@reader.example" for name in ("ana", "bob", "carl")]
    assert server.connections == 2


def test_a_server_that_resets_every_second_letter_loses_none() -> None:
    with ScriptedSmtp({"MAIL": [b"250 OK\r\n", DROP] * 10}) as server:
        mailer = mailer_for(server.plain_url)
        assert [send(mailer, f"r{number}@reader.example").state for number in range(8)] == [ACCEPTED] * 8
        mailer.close()
    assert len({recipient for recipient, _ in server.taken}) == len(server.taken) == 8


def test_a_connection_carries_so_many_letters_and_then_another_is_opened() -> None:
    with ScriptedSmtp() as server:
        mailer = mailer_for(server.plain_url)
        for _ in range(LETTERS + 1):
            assert send(mailer).state is ACCEPTED
        mailer.close()
    assert server.connections == 2
    assert server.steps.count("QUIT") == 2


def test_closing_twice_and_connecting_again() -> None:
    with ScriptedSmtp({"QUIT": [DROP]}) as server:
        mailer = mailer_for(server.plain_url)
        mailer.close()
        assert mailer.connect() is None
        assert mailer.connect() is None
        mailer.close()
        mailer.close()
        assert mailer.connect() is None
        mailer.close()
    assert server.connections == 2


# --- cut off --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "state", "taken"),
    [("connect", None, 0), ("EHLO", None, 0), ("MAIL", DEFERRED, 0), ("DATA", DEFERRED, 0), ("dot", UNCERTAIN, 1)],
)
def test_another_thread_may_cut_a_call_off(step: str, state: DeliveryState | None, taken: int) -> None:
    """And the letter at hand ends as what it then is, at once, though time-outs are of minutes."""
    with ScriptedSmtp({step: [SILENCE]}) as server, ThreadPoolExecutor() as threads, capture_logs() as logs:
        reached = Event()
        server.on_step = lambda at, number: reached.set() if at == step else None
        mailer = mailer_for(server.plain_url, Timeouts())
        call = threads.submit(lambda: mailer.connect() or send(mailer))
        assert reached.wait(10)
        mailer.close()
        result = call.result(timeout=10)
        assert (result.state, result.server_down) == (state or DEFERRED, step != "dot")
        assert len(server.taken) == taken
        mailer.close()
        assert send(mailer).state is ACCEPTED
        mailer.close()
    assert logs == []


def test_a_cut_conversation_that_went_well_is_not_begun_anew() -> None:
    with ScriptedSmtp({"MAIL": [DEFAULTS["MAIL"], SILENCE]}) as server, ThreadPoolExecutor() as threads:
        reached = Event()
        server.on_step = lambda at, number: reached.set() if (at, number) == ("MAIL", 2) else None
        mailer = mailer_for(server.plain_url, Timeouts())
        call = threads.submit(lambda: (send(mailer), send(mailer)))
        assert reached.wait(10)
        mailer.close()
        assert [result.state for result in call.result(timeout=10)] == [ACCEPTED, DEFERRED]
        mailer.close()
    assert server.connections == 1


# --- the whole server -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"connect": [b"421 4.3.2 too many\r\n"]}, "421 4.3.2 too many"),
        ({"connect": [b"554 no service\r\n"]}, "554 no service"),
        ({"connect": [DROP]}, "Unexpected EOF received"),
        ({"connect": [SILENCE]}, "Timed out waiting for server ready message"),
        ({"connect": [b"HTTP/1.1 400 Bad Request\r\n"]}, "Malformed SMTP response line: HTTP/1.1 400 Bad Request"),
        ({"EHLO": [b"421 closing\r\n"]}, "421 closing"),
        ({"EHLO": [DROP]}, "Unexpected EOF received"),
        ({"EHLO": [b"502 what\r\n"], "HELO": [b"550 no\r\n"]}, "550 no"),
    ],
)
def test_a_server_that_takes_no_mail_is_one_fault(replies: dict[str, list[bytes]], words: str) -> None:
    with ScriptedSmtp(replies) as server:
        fault, _ = outcome(server, QUICK)
    assert fault is not None
    assert (fault.state, fault.server_down) == (DEFERRED, True)
    assert fault.reply.startswith(f"127.0.0.1:{server.port} takes no mail from us: ")
    assert words in fault.reply
    assert "MAIL" not in server.steps


def test_a_server_of_old_is_greeted_with_helo() -> None:
    with ScriptedSmtp({"EHLO": [b"502 what\r\n"]}) as server:
        _, result = outcome(server)
    assert result is not None
    assert result.state is ACCEPTED
    assert server.commands[:3] == ["EHLO client.example", "HELO client.example", "MAIL FROM:<wire@example.org>"]


def test_nobody_there_is_one_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mailer = mailer_for(f"smtp://127.0.0.1:{port}?tls=none")
    fault = mailer.connect()
    assert fault is not None
    assert "Connect call failed" in fault.reply
    assert send(mailer).server_down
    mailer.close()


def test_a_server_that_is_down_is_left_alone_for_a_while_longer_each_time() -> None:
    clock = Clock()
    with ScriptedSmtp({"connect": [b"421 closing\r\n"] * 7}) as server, capture_logs() as logs:
        mailer = mailer_for(server.plain_url, clock=clock)
        for asked, rest in enumerate((30, 60, 120, 240, 480, 900, 900), start=1):
            assert mailer.connect() is not None
            clock.seconds += rest - 1
            assert mailer.connect() is not None
            assert server.connections == asked
            clock.seconds += 1
        assert mailer.connect() is None
        assert send(mailer).state is ACCEPTED
        mailer.close()
    assert [entry["event"] for entry in logs] == ["mailer.down", "mailer.up"]


@pytest.mark.parametrize("code", [b"530 5.7.0 Authentication required", b"535 5.7.8 no", b"538 5.7.11 TLS first"])
def test_a_login_asked_for_at_mail_blames_no_letter(code: bytes) -> None:
    with ScriptedSmtp({"MAIL": [code + b"\r\n"]}) as server:
        _, result = outcome(server)
    assert result is not None
    assert (result.state, result.server_down, result.policy) == (DEFERRED, True, False)


# --- TLS and login --------------------------------------------------------------------------------

OFFERS_TLS = b"250-test\r\n250 STARTTLS\r\n"
OFFERS_LOGIN = b"250-test\r\n250 AUTH PLAIN LOGIN\r\n"


def test_starttls_and_login() -> None:
    with ScriptedSmtp({"EHLO": [OFFERS_TLS, OFFERS_LOGIN]}, tls=server_context()) as server:
        mailer = mailer_for(f"smtp://wire%40example.org:p%3Ass@127.0.0.1:{server.port}")
        assert mailer.connect() is None
        assert send(mailer).state is ACCEPTED
        mailer.close()
    assert server.steps == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("implicit", [True, False])
def test_letter_after_letter_by_tls(implicit: bool) -> None:
    impatient = Timeouts(greeting=20, command=20, block=3, answer=20)
    replies = {"EHLO": [] if implicit else [OFFERS_TLS]}
    with ScriptedSmtp(replies, tls=server_context(), implicit_tls=implicit) as server:
        mailer = mailer_for(f"{'smtps' if implicit else 'smtp'}://localhost:{server.port}", impatient)
        try:
            results = [send(mailer, f"r{number}@reader.example") for number in range(6)]
        finally:
            mailer.close()
    assert [result.state for result in results] == [DeliveryState.ACCEPTED] * 6
    assert (len(server.taken), server.connections) == (6, 1)


def test_implicit_tls() -> None:
    with ScriptedSmtp({"EHLO": [OFFERS_LOGIN]}, tls=server_context(), implicit_tls=True) as server:
        mailer = mailer_for(f"smtps://wire:secret@127.0.0.1:{server.port}")
        assert mailer.connect() is None
        assert send(mailer).state is ACCEPTED
        mailer.close()


@pytest.mark.parametrize(
    "replies",
    [
        {"EHLO": [OFFERS_LOGIN]},
        {"EHLO": [OFFERS_TLS], "STARTTLS": [b"454 not now\r\n"]},
        {"EHLO": [OFFERS_TLS], "STARTTLS": [DROP]},
    ],
)
def test_no_tls_no_login_and_no_letter(replies: dict[str, list[bytes]]) -> None:
    with ScriptedSmtp(replies) as server:
        mailer = mailer_for(f"smtp://wire:geheim@127.0.0.1:{server.port}")
        fault = mailer.connect()
        mailer.close()
    assert fault is not None
    assert fault.server_down
    assert "geheim" not in fault.reply
    assert not {"AUTH", "MAIL"} & set(server.steps)


@pytest.mark.parametrize("implicit", [False, True])
def test_a_certificate_of_the_past_is_not_believed(implicit: bool) -> None:
    with ScriptedSmtp({"EHLO": [OFFERS_TLS]}, tls=server_context("expired.crt"), implicit_tls=implicit) as server:
        scheme = "smtps" if implicit else "smtp"
        mailer = SmtpMailer(f"{scheme}://wire:geheim@127.0.0.1:{server.port}", local_hostname="client.example")
        fault = mailer.connect()
        mailer.close()
    assert fault is not None
    assert "certificate" in fault.reply.lower()
    assert "AUTH" not in server.steps


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_fault_leaves_no_socket_open_though_the_server_lingers(scheme: str) -> None:
    """What is left open warns when it is collected, and warnings are errors here."""
    replies = {"connect": [b"421 closing\r\n"], "EHLO": [OFFERS_TLS] * (scheme == "smtp") + [OFFERS_LOGIN]}
    replies["AUTH"] = [b"535 no\r\n"] * 2
    clock = Clock()
    with ScriptedSmtp(replies, tls=server_context(), implicit_tls=scheme == "smtps", lingers=True) as server:
        mailer = mailer_for(f"{scheme}://wire:geheim@127.0.0.1:{server.port}", clock=clock)
        for words in ("421 closing", "535 no"):
            fault = mailer.connect()
            assert fault is not None
            assert words in fault.reply
            clock.seconds += 100
        mailer.close()
        gc.collect()


def test_a_login_that_is_refused_pauses_all_and_tells_no_secret() -> None:
    refusal = b"535 5.7.8 wire with password geheim is not known\r\n"
    replies = {"EHLO": [OFFERS_TLS, OFFERS_LOGIN], "AUTH": [refusal, refusal]}
    with ScriptedSmtp(replies, tls=server_context()) as server:
        mailer = mailer_for(f"smtp://wire:geheim@127.0.0.1:{server.port}")
        fault = mailer.connect()
        mailer.close()
    assert fault is not None
    assert fault.server_down
    assert "535 5.7.8 wire with password *** is not known" in fault.reply


# --- addresses ------------------------------------------------------------------------------------


def hostile_addresses() -> list[str]:
    own = ["a@b.example>\r\nDATA", "a b@example.com", "a@example.com\x00", "", "a", "<a@b.example>", "a@b@c.example"]
    if not HOSTILE.exists():
        return own
    strings = json.loads(HOSTILE.read_text(encoding="utf-8"))
    return own + [item["input"] for item in strings if item["kind"] == "address"]


def test_no_address_becomes_a_command() -> None:
    with ScriptedSmtp() as server:
        mailer = mailer_for(server.plain_url)
        assert mailer.connect() is None
        for address in hostile_addresses():
            with suppress(ValueError):
                send(mailer, address)
        mailer.close()
    harmless = {"EHLO", "MAIL", "RCPT", "DATA", "RSET", "QUIT"}
    assert set(server.steps) <= harmless
    for command in server.commands:
        if command.startswith("RCPT"):
            assert command.count("@") == command.count("<") == command.count(">") == 1
            assert " " not in command.removeprefix("RCPT ")


def test_letters_outside_ascii_need_a_server_that_knows_them() -> None:
    with ScriptedSmtp({"EHLO": [b"250-test\r\n250 SIZE\r\n", b"250-test\r\n250 SMTPUTF8\r\n"]}) as server:
        first = mailer_for(server.plain_url)
        refused = send(first, "ünal@reader.example")
        assert send(first, "ana@reader.example").state is ACCEPTED
        first.close()
        second = mailer_for(server.plain_url)
        assert send(second, "ünal@reader.example").state is ACCEPTED
        second.close()
    assert refused.state is REFUSED
    assert "SMTPUTF8" in refused.reply
    assert "MAIL FROM:<wire@example.org> SMTPUTF8" in server.commands


# --- the outbox -----------------------------------------------------------------------------------


def test_the_outbox_keeps_each_letter_once(tmp_path: Path) -> None:
    outbox = OutboxMailer(tmp_path / "out" / "box")
    assert outbox.connect() is None
    for _ in range(2):
        result = outbox.send(MESSAGE, sender="wire@example.org", recipient="ana@reader.example")
        assert result.state is ACCEPTED
    outbox.close()
    (file,) = (tmp_path / "out" / "box").iterdir()
    assert file.name == "weekly-1.ab@example.org.eml"
    assert file.read_bytes() == MESSAGE
    assert str(file) in result.reply


def test_a_letter_is_on_disk_with_its_name_before_it_is_said_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace_file = os.fsync, Path.replace

    def seen_fsync(descriptor: int) -> None:
        state = os.fstat(descriptor)
        steps.append("folder" if stat.S_ISDIR(state.st_mode) else f"{state.st_size} octets")
        fsync(descriptor)

    def seen_replace(part: Path, target: Path) -> Path:
        steps.append("name")
        return replace_file(part, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "replace", seen_replace)
    outbox = OutboxMailer(tmp_path)
    assert outbox.send(MESSAGE, sender="wire@example.org", recipient="ana@reader.example").state is ACCEPTED
    assert steps == [f"{len(MESSAGE)} octets", "name", "folder"]


def test_an_outbox_that_cannot_be_written_is_the_servers_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fault = OutboxMailer(tmp_path / "file" / "box").connect()
    assert fault is not None
    assert (fault.state, fault.server_down) == (DEFERRED, True)
    outbox = OutboxMailer(tmp_path / "missing")
    result = outbox.send(MESSAGE, sender="wire@example.org", recipient="ana@reader.example")
    assert replace(result, reply="") == replace(fault, reply="")
    assert "No such file" in result.reply


def test_no_message_id_leads_out_of_the_outbox(tmp_path: Path) -> None:
    raw = MESSAGE.replace(b"<weekly-1.ab@example.org>", b"<../../etc/pass wd@x>")
    outbox = OutboxMailer(tmp_path / "box")
    outbox.connect()
    outbox.send(raw, sender="wire@example.org", recipient="ana@reader.example")
    assert [path.name for path in (tmp_path / "box").iterdir()] == ["....etcpasswd@x.eml"]
