"""Signatures as a receiver checks them: by another program, from the bytes and the records alone."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.model.delivery import Subscriber
from aggregator.model.mailkey import MailKey, mail_key
from aggregator.model.newsletter import Rendering
from aggregator.steps.dkim import DkimSigner
from tests.mail_fakes import WEEKLY
from tests.steps.test_letter import letter

NOW = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
RSA = mail_key("2026a", generate_private_key(public_exponent=65537, key_size=2048))
ED25519 = mail_key("2026e", Ed25519PrivateKey.generate())
BOTH = DkimSigner(domain="example.org", keys=(RSA, ED25519))
RECORDS = {f"{key.selector}._domainkey.example.org.": key.record.encode("ascii") for key in BOTH.keys}
PLAIN = b"From: a@example.org\r\nTo: b@reader.example\r\nSubject: Hello\r\n\r\nBody.\r\n"


def look_up(name: bytes, timeout: int = 5) -> bytes | None:
    return RECORDS.get(name.decode("ascii"))


def signed(message: bytes, signer: DkimSigner = BOTH) -> bytes:
    return signer.sign(message, NOW) + message


def verdicts(raw: bytes) -> list[bool]:
    """What a receiver says of each signature, from the top down."""
    count = raw.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [verdict(raw, number) for number in range(count)]


def verdict(raw: bytes, number: int) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(idx=number, dnsfunc=look_up))
    except dkim.ValidationError:  # said so of a body, where a header's signature just does not hold
        return False


def tags(header: bytes) -> dict[str, str]:
    value = header.decode("ascii").partition(":")[2]
    pairs = (item.partition("=") for item in re.sub(r"\s", "", value).split(";"))
    return {name: text for name, _, text in pairs}


def only(*keys: MailKey) -> DkimSigner:
    return DkimSigner(domain="example.org", keys=keys)


# --- what a receiver believes ---------------------------------------------------------------------


@pytest.mark.parametrize("key", [RSA, ED25519], ids=lambda key: key.algorithm)
def test_a_letter_verifies_by_the_record_of_its_key(key: MailKey) -> None:
    assert verdicts(signed(letter(), only(key))) == [True]


def test_two_keys_make_two_signatures_and_both_hold() -> None:
    raw = signed(letter())
    assert verdicts(raw) == [True, True]
    top, below = re.findall(rb"DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*", raw)
    assert (tags(top)["a"], tags(below)["a"]) == ("rsa-sha256", "ed25519-sha256")


def test_the_tags_are_these() -> None:
    found = tags(only(RSA).sign(letter(), NOW))
    assert list(found) == ["v", "a", "c", "d", "s", "t", "h", "bh", "b"]
    assert {name: found[name] for name in "vcdst"} == {
        "v": "1",
        "c": "relaxed/simple",
        "d": "example.org",
        "s": "2026a",
        "t": str(int(NOW.timestamp())),
    }
    assert len(b64decode(found["bh"])) == 32
    assert len(b64decode(found["b"])) == 256


def test_a_signature_is_the_same_at_every_attempt() -> None:
    assert BOTH.sign(letter(), NOW) == BOTH.sign(letter(), NOW)


LETTER = letter(newsletter=replace(WEEKLY, reply_to="The desk <desk@example.org>"))


def test_every_header_that_readers_or_programs_go_by_is_signed() -> None:
    names = tags(only(RSA).sign(LETTER, NOW))["h"].split(":")
    assert names[:2] == ["from", "from"]
    assert sorted(names[2:]) == sorted(
        "to subject date message-id mime-version content-type reply-to list-id list-unsubscribe list-unsubscribe-post "
        "list-archive list-help list-owner list-post feedback-id auto-submitted precedence".split()
    )


def without(name: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: re.sub(rb"(?m)^" + name + rb":.*\r\n(?:[ \t].*\r\n)*", b"", raw, count=1)


def in_place(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: raw.replace(old, new, 1)


@pytest.mark.parametrize(
    "tamper",
    [
        in_place(b"List-Unsubscribe: <https://wire", b"List-Unsubscribe: <https://evil"),
        in_place(b"List-Unsubscribe=One-Click", b"List-Unsubscribe=One-Clock"),
        without(b"List-Unsubscribe"),
        without(b"List-Unsubscribe-Post"),
        without(b"Reply-To"),
        in_place(b"\r\nFrom: ", b"\r\nFrom: Mallory <m@evil.example>\r\nFrom: "),
        in_place(b"\r\nMIME-Version", b"\r\nFrom: Mallory <m@evil.example>\r\nMIME-Version"),
        in_place(b"Subject: The", b"Subject: the"),
        in_place(b"Feedback-ID: 4", b"Feedback-ID: 5"),
        in_place(b"=C3=89nergie", b"=C3=89nergi"),
        lambda raw: raw + b"One more line.\r\n",
        lambda raw: raw[:-20] + b"\r\n",
        in_place(b"d=example.org", b"d=evil.example"),
        in_place(b"t=17", b"t=16"),
    ],
)
def test_what_was_changed_on_the_way_is_refused(tamper: Callable[[bytes], bytes]) -> None:
    raw = signed(LETTER, only(RSA))
    assert verdicts(raw) == [True]
    changed = tamper(raw)
    assert changed != raw
    assert verdicts(changed) == [False]


@pytest.mark.parametrize(
    "alter",
    [
        in_place(b"Subject: The week", b"subject:\t The   week "),
        in_place(b"think tanks: Energy", b"think\r\n\ttanks: Energy"),
        lambda raw: raw + b"\r\n\r\n",
        lambda raw: b"Received: from x by y\r\nX-Spam: no\r\n" + raw,
    ],
)
def test_what_servers_do_on_the_way_is_not(alter: Callable[[bytes], bytes]) -> None:
    raw = signed(LETTER)
    assert alter(raw) != raw
    assert verdicts(alter(raw)) == [True, True]


# --- any letter -----------------------------------------------------------------------------------

TEXT = st.text(max_size=300)


@settings(max_examples=60, deadline=None)
@given(subject=TEXT, name=TEXT, title=TEXT, text=TEXT, html=TEXT)
def test_any_letter_of_ours_verifies(subject: str, name: str, title: str, text: str, html: str) -> None:
    raw = letter(
        rendering=Rendering(subject=subject, html=html, text=text),
        newsletter=replace(WEEKLY, title=title),
        subscriber=Subscriber(id=1, email="ana@reader.example", name=name),
    )
    assert verdicts(signed(raw)) == [True, True]


BODY = st.lists(st.sampled_from([b"", b".", b" ", b"\t", b"a  b ", b"From me", b"\xff"]), max_size=8)


@settings(max_examples=100, deadline=None)
@given(lines=BODY, ends=st.sampled_from([b"", b"\r\n", b"\r\n\r\n\r\n"]))
def test_any_body_verifies(lines: list[bytes], ends: bytes) -> None:
    raw = PLAIN.replace(b"Body.\r\n", b"\r\n".join(lines) + ends)
    assert verdicts(signed(raw, only(ED25519))) == [True]


VALUE = st.lists(st.sampled_from([b"a", b"b:c", b" ", b"\t", b"\r\n ", b"\r\n\t", b"=?utf-8?q?x?=", b";"]), max_size=12)


@settings(max_examples=200, deadline=None)
@given(value=VALUE, name=st.sampled_from([b"Subject", b"SUBJECT", b"List-Id"]))
def test_any_fold_and_space_verifies(value: list[bytes], name: bytes) -> None:
    raw = PLAIN.replace(b"Subject: Hello", name + b":" + b"".join(value))
    assert verdicts(signed(raw, only(ED25519))) == [True]


def test_a_letter_signed_twice_over_verifies() -> None:
    """A relay may sign as well; ours then stands below its signature."""
    assert verdicts(signed(signed(letter(), only(ED25519)), only(RSA))) == [True, True]


@pytest.mark.parametrize("raw", [b"From: a@example.org\r\n", b"From: a@example.org\r\n\r\n", b"From: a@example.org"])
def test_a_message_without_a_body_is_signed(raw: bytes) -> None:
    whole = raw.rstrip(b"\r\n") + b"\r\n\r\n"
    assert verdicts(BOTH.sign(raw, NOW) + whole) == [True, True]


def test_headers_that_are_there_twice_are_both_signed() -> None:
    raw = PLAIN.replace(b"Subject", b"List-Id: <a.example.org>\r\nList-Id: <b.example.org>\r\nSubject")
    assert verdicts(signed(raw)) == [True, True]
    for number in (b"a", b"b"):
        assert verdicts(signed(raw).replace(b"<" + number, b"<c")) == [False, False]


# --- form -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [RSA, ED25519], ids=lambda key: key.algorithm)
@pytest.mark.parametrize("raw", [LETTER, PLAIN, b"From: a@example.org\r\n\r\n"])
def test_its_lines_are_short_and_end_with_crlf(key: MailKey, raw: bytes) -> None:
    header = only(key).sign(raw, NOW)
    assert header.endswith(b"\r\n")
    lines = header.removesuffix(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) <= 78
    assert lines[0].startswith(b"DKIM-Signature: ")
    assert all(re.match(rb" \S", line) and not line.endswith(b" ") for line in lines[1:])
    assert b"\n" not in b"".join(lines)


def test_a_domain_and_a_selector_that_fill_lines_of_their_own_verify() -> None:
    domain, selector = f"{'d' * 60}.{'e' * 60}.example", f"{'s' * 60}.{'t' * 30}"
    key = replace(ED25519, selector=selector)
    raw = DkimSigner(domain=domain, keys=(key,)).sign(PLAIN, NOW) + PLAIN
    records = {f"{selector}._domainkey.{domain}.": key.record.encode("ascii")}
    assert dkim.verify(raw, dnsfunc=lambda name, timeout=5: records.get(name.decode("ascii")))
    assert max(map(len, raw.split(b"\r\n"))) < 200


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"To: a@example.org\r\n\r\nx", "one From"),
        (b"", "one From"),
        (b"\r\n\r\nFrom: a@example.org", "one From"),
        (b"From: a@example.org\r\nFrom: b@example.org\r\n\r\nx", "one From"),
        (b"From: a@example.org\nTo: b@example.org\r\n\r\nx", "end with CRLF"),
        (b"From: a@example.org\rTo: b@example.org\r\n\r\nx", "end with CRLF"),
    ],
)
def test_what_would_arrive_as_another_letter_is_not_signed(raw: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BOTH.sign(raw, NOW)


@pytest.mark.parametrize(
    "domain", ["", "a b", "ex;ample.org", "example.org\r\nX: y", "-a.org", "a..b", "é.org", "a" * 254]
)
def test_a_domain_that_no_tag_can_hold_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match="no signature can name"):
        DkimSigner(domain=domain, keys=(RSA,))


def test_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match="one key at least"):
        DkimSigner(domain="example.org", keys=())


# --- keys -----------------------------------------------------------------------------------------


def test_a_key_shows_its_public_half_only() -> None:
    assert isinstance(RSA.private, RSAPrivateKey)
    assert (RSA.bits, ED25519.bits) == (2048, 256)
    assert RSA.record.startswith("v=DKIM1; k=rsa; p=MII")
    assert len(b64decode(ED25519.public)) == 32
    for key in BOTH.keys:
        assert "private" not in repr(key).lower()
    assert replace(RSA) == RSA != replace(RSA, selector="other")
