"""Look-ups against a real name server on loopback, and a real conversation with a mail server."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from aggregator.adapters import mail_dns
from aggregator.adapters.mail_dns import DnsNames, look_at_relay
from aggregator.errors import UsageError
from aggregator.model.mailfacts import Answer, Question, RecordType, RelayFacts
from aggregator.settings.relay import parse_relay
from tests.dns_server import SERVFAIL, SILENCE, DnsServer
from tests.smtp_server import DROP, ScriptedSmtp, client_context, server_context

LONG = "v=DKIM1; k=rsa; p=" + "A" * 700
TLS_OFFERED = b"250-mail.example.org at your service\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    records = {
        ("TXT", "example.org"): ["v=spf1 mx -all", 'with "quotes" and \\'],
        ("TXT", "long.example.org"): [LONG],
        ("MX", "example.org"): ["10 mail.example.org.", "0 ."],
        ("A", "mail.example.org"): ["192.0.2.1", "192.0.2.2"],
        ("AAAA", "mail.example.org"): ["2001:db8::1"],
        ("PTR", "1.2.0.192.in-addr.arpa"): ["Mail.example.org."],
        ("TXT", "broken.example.org"): [SERVFAIL],
        ("TXT", "silent.example.org"): [SILENCE],
    }
    with DnsServer(records) as running:
        yield running


def ask(server: DnsServer, type: RecordType, name: str) -> Answer:
    question = Question(type=type, name=name)
    return DnsNames(server.address).answers([question])[question]


@pytest.mark.parametrize(
    ("type", "name", "values"),
    [
        ("TXT", "example.org", {"v=spf1 mx -all", 'with "quotes" and \\'}),
        ("MX", "example.org", {"10 mail.example.org.", "0 ."}),
        ("A", "mail.example.org", {"192.0.2.1", "192.0.2.2"}),
        ("AAAA", "mail.example.org", {"2001:db8::1"}),
        ("PTR", "1.2.0.192.in-addr.arpa", {"Mail.example.org."}),
    ],
)
def test_records_come_as_lines(server: DnsServer, type: RecordType, name: str, values: set[str]) -> None:
    found = ask(server, type, name)
    assert (set(found.values), found.fault) == (values, None)


def test_a_long_record_is_asked_for_again_over_tcp_and_is_one_text(server: DnsServer) -> None:
    assert ask(server, "TXT", "long.example.org") == Answer(values=(LONG,))
    assert ("tcp", "TXT", "long.example.org.") in server.asked


@pytest.mark.parametrize(("type", "name"), [("TXT", "nowhere.example.org"), ("TXT", "mail.example.org")])
def test_no_name_and_no_record_are_no_fault(server: DnsServer, type: RecordType, name: str) -> None:
    assert ask(server, type, name) == Answer()


def test_a_server_that_fails_is_a_fault(server: DnsServer) -> None:
    found = ask(server, "TXT", "broken.example.org")
    assert found.values == ()
    assert "gave no answer" in (found.fault or "")


def test_a_server_that_is_silent_is_a_fault_in_the_end(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_dns, "LONGEST_LOOK_UP", 0.3)
    assert "in time" in (ask(server, "TXT", "silent.example.org").fault or "")


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["long"] * 60), "", "é\u0000.example", "\ud800"])
def test_what_is_no_name_is_a_fault_or_nothing(server: DnsServer, name: str) -> None:
    assert ask(server, "TXT", name).values == ()


def test_many_questions_at_once(server: DnsServer) -> None:
    questions = [Question(type="TXT", name=f"n{number}.example.org") for number in range(40)]
    asked = DnsNames(server.address).answers([*questions, Question(type="A", name="mail.example.org")])
    assert len(asked) == 41
    assert {asked[question] for question in questions} == {Answer()}


@pytest.mark.parametrize("text", ["ns.example.org", "9.9.9.9:x", "9.9.9.9:0", "9.9.9.9:70000", "", "[::1", "::1]:5x"])
def test_a_name_server_is_given_by_address(text: str) -> None:
    with pytest.raises(UsageError, match="--resolver"):
        DnsNames(text)


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("9.9.9.9", "9.9.9.9", 53),
        ("9.9.9.9:5353", "9.9.9.9", 5353),
        ("2620:fe::fe", "2620:fe::fe", 53),
        ("[2620:fe::fe]:5353", "2620:fe::fe", 5353),
        ("[2620:fe::fe]", "2620:fe::fe", 53),
    ],
)
def test_addresses_of_name_servers(text: str, address: str, port: int) -> None:
    resolver = DnsNames(text)._resolver
    assert (resolver.nameservers, resolver.port) == ([address], port)


def test_the_machines_own_name_servers_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        mail_dns.dns.resolver.Resolver,
        "read_resolv_conf",
        lambda self, file: setattr(self, "nameservers", ["127.0.0.9"]),
    )
    assert DnsNames()._resolver.nameservers == ["127.0.0.9"]


def test_a_machine_without_name_servers_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: object, file: object) -> None:
        raise mail_dns.dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(mail_dns.dns.resolver.Resolver, "read_resolv_conf", nothing)
    with pytest.raises(UsageError, match="--resolver ADDRESS"):
        DnsNames()


# --- the mail server ------------------------------------------------------------------------------


def look(server: ScriptedSmtp, more: str = "") -> RelayFacts:
    return look_at_relay(parse_relay(server.url + more), tls_context=client_context())


def test_what_a_mail_server_shows() -> None:
    with ScriptedSmtp(replies={"EHLO": [TLS_OFFERED]}, tls=server_context()) as server:
        facts = look(server)
    assert (facts.name, facts.address, facts.offers_starttls) == ("mail.example.org", "127.0.0.1", True)
    assert (facts.fault, facts.tls_fault, facts.logs_in) == (None, None, False)
    assert "AUTH" not in " ".join(server.commands)
    assert "MAIL" not in " ".join(server.commands)
    assert server.taken == []


def test_one_without_tls() -> None:
    with ScriptedSmtp() as server:
        facts = look(server, "?tls=none")
    assert (facts.name, facts.offers_starttls, facts.tls_fault) == ("test", False, None)


def test_a_certificate_that_nobody_trusts() -> None:
    with ScriptedSmtp(replies={"EHLO": [TLS_OFFERED]}, tls=server_context("expired.crt")) as server:
        facts = look(server)
    assert "STARTTLS is offered and fails: " in (facts.tls_fault or "")
    assert "certificate verify failed" in (facts.tls_fault or "")


def test_starttls_that_is_offered_and_refused() -> None:
    with ScriptedSmtp(replies={"EHLO": [TLS_OFFERED], "STARTTLS": [b"454 not now\r\n"]}) as server:
        facts = look(server)
    assert "454 not now" in (facts.tls_fault or "")


@pytest.mark.parametrize("certificate", ["localhost.crt", "expired.crt"])
def test_tls_from_the_first_byte(certificate: str) -> None:
    with ScriptedSmtp(tls=server_context(certificate), implicit_tls=True) as server:
        facts = look_at_relay(parse_relay(f"smtps://127.0.0.1:{server.port}"), tls_context=client_context())
    assert facts.tls == "implicit"
    assert (facts.tls_fault is None) is (certificate == "localhost.crt")


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"connect": [b"554 go \x1b[31maway\r\n"]}, "it takes no connection: 554 go  [31maway"),
        ({"connect": [DROP]}, "it takes no connection"),
        ({"EHLO": [b"550 no\r\n"], "HELO": [b"550 no\r\n"]}, "it broke the conversation off: 550 no"),
        ({"EHLO": [DROP]}, "it broke the conversation off"),
    ],
)
def test_a_server_that_will_not_talk(replies: dict[str, list[bytes]], words: str) -> None:
    with ScriptedSmtp(replies=replies) as server:
        facts = look(server)
    assert words in (facts.fault or "")


def test_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    facts = look_at_relay(parse_relay(f"smtp://wire:geheim@127.0.0.1:{port}"))
    assert "it takes no connection" in (facts.fault or "")
    assert facts.logs_in
    assert "geheim" not in repr(facts)
