"""Records in, verdicts out: each fault of a set-up has its line, and what nobody can tell is said to be so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.mailfacts import Answer, MailSetup, Outcome, Question, RelayFacts, Sending, Verdict
from aggregator.model.mailkey import mail_key
from aggregator.steps.mailcheck.judging import judge

RSA = mail_key("2026a", generate_private_key(public_exponent=65537, key_size=2048))
ED25519 = mail_key("2026e", Ed25519PrivateKey.generate())
OWN = Sending(sender="example.org", envelope="example.org")
SETUP = MailSetup(sendings=(OWN,), keys=(RSA,))
RELAY = RelayFacts(
    place="mail.example.org:587",
    tls="starttls",
    logs_in=False,
    address="8.8.4.4",
    name="mail.example.org",
    offers_starttls=True,
)
Records = Mapping[str, list[str] | str]
"""By `TYPE name`: the records, or why nobody can say."""
GOOD: Records = {
    "TXT example.org": ["some-site-verification=1", "v=spf1 include:relay.example mx -all"],
    "TXT relay.example": ["v=spf1 ip4:198.51.100.0/24 ~all"],
    "TXT 2026a._domainkey.example.org": [RSA.record],
    "TXT _dmarc.example.org": ["v=DMARC1; p=reject; rua=mailto:dmarc@example.org"],
    "MX example.org": ["10 mail.example.org."],
    "PTR 4.4.8.8.in-addr.arpa": ["mail.example.org."],
    "A mail.example.org": ["8.8.4.4"],
}


def judged(
    records: Records, setup: MailSetup = SETUP, relay: RelayFacts | None = RELAY
) -> tuple[dict[str, Verdict], int]:
    """The verdicts by their checks, and how many rounds of questions they took."""
    known: dict[Question, Answer] = {}
    verdicts, missing = judge(setup, relay, known)
    rounds = 0
    while missing:
        rounds += 1
        assert rounds < 40
        assert not missing & known.keys()
        for question in missing:
            held = records.get(f"{question.type} {question.name}", [])
            known[question] = Answer(fault=held) if isinstance(held, str) else Answer(values=tuple(held))
        verdicts, missing = judge(setup, relay, known)
    return {verdict.check: verdict for verdict in verdicts}, rounds


def verdict(check: str, changes: Records, setup: MailSetup = SETUP, relay: RelayFacts | None = RELAY) -> Verdict:
    return judged({**GOOD, **changes}, setup, relay)[0][check]


def test_what_is_right_passes_and_needs_no_cure() -> None:
    verdicts, rounds = judged(GOOD)
    assert list(verdicts) == ["SPF", "DKIM", "DMARC", "alignment", "MX", "STARTTLS", "PTR"]
    assert {item.outcome for item in verdicts.values()} == {Outcome.PASS}
    assert {item.cure for item in verdicts.values()} == {""}
    assert rounds == 2


def test_nothing_published_is_nothing_passed() -> None:
    verdicts, _ = judged({})
    failed = {check for check, item in verdicts.items() if item.outcome is Outcome.FAIL}
    assert failed == {"SPF", "DKIM", "DMARC", "MX", "PTR"}
    assert all(item.cure.endswith((".", RSA.public, "REPORTS")) for item in verdicts.values() if item.cure)


@pytest.mark.parametrize("check", ["SPF", "DKIM", "DMARC", "MX", "PTR"])
def test_a_name_server_that_fails_is_nobodys_fault(check: str) -> None:
    names = {"SPF": "TXT example.org", "DKIM": "TXT 2026a._domainkey.example.org", "DMARC": "TXT _dmarc.example.org"}
    name = names.get(check) or next(name for name in GOOD if name.startswith(check))
    found = verdict(check, {name: "the name server did not answer in time"})
    assert (found.outcome, found.seen) == (Outcome.UNKNOWN, "the name server did not answer in time")


# --- SPF ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "outcome", "words"),
    [
        ("v=spf1 -all", Outcome.PASS, "0 of 10"),
        ("V=SPF1 MX -ALL", Outcome.PASS, "1 of 10"),
        ("v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 a mx/24 a:x.example//64 ptr exists:%{i}.x ?all", Outcome.PASS, "5 of"),
        ("v=spf1 redirect=relay.example", Outcome.PASS, "1 of 10"),
        ("v=spf1 -all redirect=nowhere.example include:nowhere.example", Outcome.PASS, "0 of 10"),
        ("v=spf1 -include:relay.example exp=why.example other=x -all", Outcome.PASS, "1 of 10"),
        ("v=spf1  a   -all", Outcome.PASS, "1 of 10"),
        ("v=spf1 +all", Outcome.FAIL, "everybody"),
        ("v=spf1 mx all", Outcome.FAIL, "everybody"),
        ("v=spf10 -all", Outcome.FAIL, "no record"),
        ("v=spf1 include:nowhere.example -all", Outcome.FAIL, "nowhere.example, which it includes, has no record"),
        ("v=spf1 include: -all", Outcome.FAIL, "which it includes, has no record"),
        ("v=spf1 ipv4:192.0.2.1 -all", Outcome.FAIL, "'ipv4:192.0.2.1' in the record of example.org is no term"),
        ("v=spf1 , -all", Outcome.FAIL, "is no term"),
        ("v=spf1 include:%{d}.relay.example -all", Outcome.UNKNOWN, "another name for each letter"),
        ("v=spf1 include:slow.example -all", Outcome.UNKNOWN, "slow.example: no answer"),
        ("v=spf1 " + "a " * 10 + "-all", Outcome.PASS, "10 of 10"),
        ("v=spf1 " + "a " * 11 + "-all", Outcome.FAIL, "more than 10 look-ups"),
        ("v=spf1 include:example.org -all", Outcome.FAIL, "more than 10 look-ups"),
        ("v=spf1 include:many.example include:many.example a -all", Outcome.FAIL, "more than"),
    ],
)
def test_spf(record: str, outcome: Outcome, words: str) -> None:
    others: Records = {
        "TXT slow.example": "no answer",
        "TXT many.example": ["v=spf1 a mx a:x.example mx:y.example ~all"],
    }
    found = verdict("SPF", {"TXT example.org": [record], **others})
    assert (found.outcome, words in found.seen) == (outcome, True), found


def test_spf_is_one_record() -> None:
    found = verdict("SPF", {"TXT example.org": ["v=spf1 mx -all", "v=spf1 a -all"]})
    assert found.outcome is Outcome.FAIL
    assert "there are 2 records" in found.seen
    two: Records = {"TXT relay.example": ["v=spf1 a", "v=spf1 mx"]}
    assert "relay.example, which it includes, has 2 records" in verdict("SPF", two).seen


def test_look_ups_are_counted_through_all_includes() -> None:
    chain: dict[str, list[str] | str] = {
        f"TXT s{n}.example": [f"v=spf1 include:s{n + 1}.example ~all"] for n in range(12)
    }
    chain["TXT s8.example"] = ["v=spf1 ip4:192.0.2.1 ~all"]
    assert "9 of 10" in verdict("SPF", {**chain, "TXT example.org": ["v=spf1 include:s0.example -all"]}).seen
    assert verdict("SPF", {**chain, "TXT example.org": ["v=spf1 include:s0.example mx a -all"]}).outcome is Outcome.FAIL


def test_spf_is_asked_of_the_envelope() -> None:
    setup = replace(SETUP, sendings=(Sending(sender="example.org", envelope="bounces.example.org"),))
    found = verdict("SPF", {"TXT bounces.example.org": ["v=spf1 mx -all"]}, setup)
    assert (found.subject, found.outcome) == ("bounces.example.org", Outcome.PASS)


TERM = st.sampled_from(
    "include:example.org include:b.example redirect=b.example redirect=example.org a -all all ? = : include".split()
)


@given(st.lists(TERM, max_size=14), st.lists(TERM, max_size=14))
def test_no_records_however_tangled_are_followed_for_ever(one: list[str], other: list[str]) -> None:
    records: Records = {
        "TXT example.org": ["v=spf1 " + " ".join(one)],
        "TXT b.example": ["v=spf1 " + " ".join(other)],
    }
    _, rounds = judged({**GOOD, **records})
    assert rounds <= 12


# --- DKIM -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "outcome", "words"),
    [
        ([RSA.record], Outcome.PASS, "our rsa key of 2048 bits"),
        ([f"p={RSA.public}"], Outcome.PASS, "our rsa key"),
        (
            [f"v=DKIM1;k=rsa;t=s;s=email;h=sha256; p = {RSA.public[:100]} {RSA.public[100:]};"],
            Outcome.PASS,
            "our rsa key",
        ),
        ([], Outcome.FAIL, "there is no record"),
        ([RSA.record, RSA.record], Outcome.FAIL, "there are 2 records"),
        (["v=DKIM1; k=rsa; p="], Outcome.FAIL, "withdrawn"),
        (["hello"], Outcome.FAIL, "no DKIM record"),
        ([RSA.record.replace("DKIM1", "DKIM2")], Outcome.FAIL, "no DKIM record"),
        ([RSA.record.replace("k=rsa", "k=ed25519")], Outcome.FAIL, "another kind"),
        ([RSA.record[:-9]], Outcome.FAIL, "another key than ours"),
        ([f"{RSA.record}; t=y:s"], Outcome.FAIL, "it is a test"),
        ([f"{RSA.record}; h=sha1"], Outcome.FAIL, "no SHA-256"),
        ([f"{RSA.record}; s=chat"], Outcome.FAIL, "something else than mail"),
    ],
)
def test_dkim(records: list[str], outcome: Outcome, words: str) -> None:
    found = verdict("DKIM", {"TXT 2026a._domainkey.example.org": records})
    assert (found.outcome, words in found.seen) == (outcome, True), found
    assert (RSA.record in found.cure) is (outcome is Outcome.FAIL)


def test_each_key_of_each_domain_has_its_line() -> None:
    sendings = (OWN, Sending(sender="wire.example.net", envelope="example.org"))
    verdicts, _ = judge(MailSetup(sendings=sendings, keys=(RSA, ED25519)), None, {})
    assert [item.subject for item in verdicts if item.check == "DKIM"] == [
        "2026a._domainkey.example.org",
        "2026e._domainkey.example.org",
        "2026a._domainkey.wire.example.net",
        "2026e._domainkey.wire.example.net",
    ]
    assert [item.subject for item in verdicts if item.check == "SPF"] == ["example.org"]
    assert [item.subject for item in verdicts if item.check == "MX"] == ["example.org", "wire.example.net"]


def test_an_ed25519_key_is_found_too() -> None:
    setup = MailSetup(sendings=(OWN,), keys=(ED25519,))
    records: Records = {"TXT 2026e._domainkey.example.org": [ED25519.record]}
    assert verdict("DKIM", records, setup).seen == "our ed25519 key"


def test_without_a_key_only_a_letter_can_tell() -> None:
    found = verdict("DKIM", {}, MailSetup(sendings=(OWN,)))
    assert (found.outcome, "the mail server has to sign" in found.seen) == (Outcome.UNKNOWN, True)


# --- DMARC ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "outcome", "words"),
    [
        (["v=DMARC1; p=none"], Outcome.PASS, "policy none; nobody gets reports"),
        (["v=DMARC1;p=Quarantine;rua=mailto:a@b.example"], Outcome.PASS, "policy quarantine"),
        (["hello", "v=DMARC1; p=reject; rua=mailto:a@b.example"], Outcome.PASS, "policy reject"),
        ([], Outcome.FAIL, "there is no record"),
        (["p=none; v=DMARC1"], Outcome.FAIL, "there is no record"),
        (["v=DMARC2; p=none"], Outcome.FAIL, "there is no record"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], Outcome.FAIL, "there are 2 records"),
        (["v=DMARC1; rua=mailto:a@b.example"], Outcome.FAIL, "no policy"),
        (["v=DMARC1; p=nothing"], Outcome.FAIL, "'nothing'"),
    ],
)
def test_dmarc(records: list[str], outcome: Outcome, words: str) -> None:
    found = verdict("DMARC", {"TXT _dmarc.example.org": records})
    assert (found.outcome, words in found.seen) == (outcome, True), found


def test_a_policy_is_found_above() -> None:
    setup = MailSetup(sendings=(Sending(sender="news.wire.example.org", envelope="example.org"),), keys=(RSA,))
    found = verdict("DMARC", {}, setup)
    assert found.seen == "policy reject, from the record of example.org"
    lower: Records = {"TXT _dmarc.example.org": ["v=DMARC1; p=reject; sp=none; rua=mailto:a@b.example"]}
    assert verdict("DMARC", lower, setup).seen == "policy none, from the record of example.org"
    assert verdict("DMARC", {"TXT _dmarc.example.org": []}, setup).outcome is Outcome.FAIL


# --- alignment ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "envelope", "more", "outcome"),
    [
        ("example.org", "example.org", "", Outcome.PASS),
        ("example.org", "bounces.example.org", "", Outcome.PASS),
        ("news.example.org", "example.org", "", Outcome.PASS),
        ("example.org", "bounces.example.org", "; aspf=s", Outcome.UNKNOWN),
        ("example.org", "example.org", "; aspf=s", Outcome.PASS),
        ("example.org", "badexample.org", "", Outcome.UNKNOWN),
        ("a.example.org", "b.example.org", "", Outcome.UNKNOWN),
        ("example.org", "relay.example", "", Outcome.UNKNOWN),
    ],
)
def test_alignment_without_a_key_of_ours(sender: str, envelope: str, more: str, outcome: Outcome) -> None:
    setup = MailSetup(sendings=(Sending(sender=sender, envelope=envelope),))
    found = verdict("alignment", {"TXT _dmarc.example.org": [f"v=DMARC1; p=none{more}"]}, setup)
    assert found.outcome is outcome
    signed = verdict("alignment", {}, replace(setup, keys=(RSA,)))
    assert (signed.outcome, signed.seen) == (Outcome.PASS, f"letters are signed with d={sender}")


# --- MX and the mail server -----------------------------------------------------------------------


def test_a_domain_that_takes_no_mail() -> None:
    assert "takes no mail" in verdict("MX", {"MX example.org": ["0 ."]}).seen
    assert verdict("MX", {"MX example.org": ["10 a.example.", "20 b.example."]}).seen == "a.example, b.example"


@pytest.mark.parametrize(
    ("changes", "relay", "outcome", "words"),
    [
        ({}, {}, Outcome.PASS, "8.8.4.4 is mail.example.org, both ways"),
        ({}, {"name": "MAIL.example.org."}, Outcome.PASS, "both ways"),
        ({"PTR 4.4.8.8.in-addr.arpa": []}, {}, Outcome.FAIL, "has no PTR record"),
        ({"A mail.example.org": ["8.8.8.8"]}, {}, Outcome.FAIL, "does not lead back"),
        ({"A mail.example.org": ["8.8.8.8", "8.8.4.4"]}, {}, Outcome.PASS, "both ways"),
        ({}, {"name": "localhost"}, Outcome.FAIL, "is mail.example.org, but it calls itself localhost"),
        ({}, {"name": None}, Outcome.FAIL, "but it calls itself nothing"),
        ({}, {"name": "localhost", "logs_in": True}, Outcome.UNKNOWN, "it may send from others"),
        ({}, {"address": "10.0.0.7"}, Outcome.UNKNOWN, "inside your network"),
        ({}, {"fault": "it takes no connection: refused"}, Outcome.UNKNOWN, "takes no connection"),
    ],
)
def test_ptr(changes: Records, relay: dict[str, object], outcome: Outcome, words: str) -> None:
    found = verdict("PTR", changes, relay=replace(RELAY, **relay))  # type: ignore[arg-type]
    assert (found.outcome, words in found.seen) == (outcome, True), found


def test_ptr_of_the_longer_addresses() -> None:
    reverse = "8.8.8.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.8.4.0.6.8.4.1.0.0.2.ip6.arpa"
    changes: Records = {f"PTR {reverse}": ["mail.example.org."], "AAAA mail.example.org": ["2001:4860:4860:0::8888"]}
    found = verdict("PTR", changes, relay=replace(RELAY, address="2001:4860:4860::8888"))
    assert found.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("relay", "outcome", "words"),
    [
        ({}, Outcome.PASS, "STARTTLS is offered"),
        ({"offers_starttls": False}, Outcome.FAIL, "it offers no STARTTLS"),
        ({"tls": "implicit", "offers_starttls": False}, Outcome.PASS, "TLS from the first byte"),
        ({"tls": "none"}, Outcome.PASS, "?tls=none does without"),
        ({"tls": "none", "offers_starttls": False}, Outcome.FAIL, "it offers no STARTTLS"),
        ({"tls": "none", "offers_starttls": False, "address": "127.0.0.1"}, Outcome.PASS, "on this machine"),
        ({"fault": "it takes no connection: refused"}, Outcome.FAIL, "refused"),
        ({"tls_fault": "certificate expired"}, Outcome.FAIL, "certificate expired"),
    ],
)
def test_starttls(relay: dict[str, object], outcome: Outcome, words: str) -> None:
    found = verdict("STARTTLS", {}, relay=replace(RELAY, **relay))  # type: ignore[arg-type]
    assert (found.outcome, words in found.seen) == (outcome, True), found


def test_no_mail_server_is_told() -> None:
    for check in ("STARTTLS", "PTR"):
        found = verdict(check, {}, relay=None)
        assert (found.outcome, "names no mail server" in found.seen) == (Outcome.UNKNOWN, True)


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_record_is_more_than_judged(one: str, other: str) -> None:
    texts = [one, f"v=spf1 {other}", f"v=DMARC1; {one}", f"v=DKIM1; {other}"]
    names = [name for name in GOOD if name.startswith("TXT")]
    for values in (texts, *([text] for text in texts)):
        verdicts, _ = judged(dict.fromkeys(names, values))
        assert len(verdicts) == 7
