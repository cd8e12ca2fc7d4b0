"""A token says what it may do, and nobody else can make one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations

import itsdangerous
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import TokenError
from aggregator.settings.addresses import read_address
from aggregator.steps.signing import PURPOSES, Confirmation, Signer

SECRET, NEWER = "a secret of enough letters", "the new secret, in front"
SIGNER, OTHER = Signer([SECRET]), Signer(["another secret altogether"])
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DOMAIN = "bounces.example.org"
TOKEN = SIGNER.unsubscribe_token(12, "weekly")
SAID: dict[str, object] = {
    "unsubscribe": (12, "weekly"),
    "confirm": Confirmation(subscriber_id=12, newsletter_id="weekly", nonce="aB3_-x", issued_at=NOON),
    "preferences": 12,
    "letter": (12, 4),
    "bounce": 12,
    "unsubscribe by mail": (12, "weekly"),
}
"""What each purpose's token of these tests says."""


def made(signer: Signer, purpose: str) -> str:
    """A token of this purpose; of an address, the whole of it."""
    makers: dict[str, Callable[[], str | None]] = {
        "unsubscribe": lambda: signer.unsubscribe_token(12, "weekly"),
        "confirm": lambda: signer.confirm_token(12, "weekly", "aB3_-x", NOON),
        "preferences": lambda: signer.preferences_token(12),
        "letter": lambda: signer.letter_token(12, 4),
        "bounce": lambda: signer.bounce_address(12, DOMAIN),
        "unsubscribe by mail": lambda: signer.unsubscribe_address(12, "weekly", DOMAIN),
    }
    token = makers[purpose]()
    assert token is not None
    return token


def read(signer: Signer, purpose: str, token: str) -> object:
    readers: dict[str, Callable[[str], object]] = {
        "unsubscribe": signer.read_unsubscribe,
        "confirm": signer.read_confirm,
        "preferences": signer.read_preferences,
        "letter": signer.read_letter,
        "bounce": signer.read_bounce,
        "unsubscribe by mail": signer.read_unsubscribe_address,
    }
    return readers[purpose](token)


def bare(token: str) -> str:
    """A token without the prefix and domain of an address."""
    return token.partition("@")[0].removeprefix("b+").removeprefix("u+")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_token_says_the_same_again_and_again(purpose: str) -> None:
    assert read(SIGNER, purpose, made(SIGNER, purpose)) == SAID[purpose]
    assert made(SIGNER, purpose) == made(Signer([SECRET]), purpose)


@pytest.mark.parametrize(("made_for", "read_as"), list(permutations(PURPOSES, 2)))
def test_a_token_of_one_purpose_does_nothing_else(made_for: str, read_as: str) -> None:
    token = made(SIGNER, made_for)
    for form in (token, bare(token), f"b+{bare(token)}@{DOMAIN}", f"u+{bare(token)}@{DOMAIN}"):
        with pytest.raises(TokenError, match="not one of ours"):
            read(SIGNER, read_as, form)


def test_the_same_words_have_another_signature_for_each_purpose() -> None:
    """Of one length, so that only the key tells them apart."""
    assert len({SIGNER._sign(purpose, "12.weekly") for purpose in PURPOSES}) == len(PURPOSES)


def test_tokens_are_short_and_need_no_quoting() -> None:
    tokens = [bare(made(SIGNER, purpose)) for purpose in PURPOSES]
    assert max(map(len, tokens)) <= 56
    assert len(SIGNER.unsubscribe_token(10**9, "w" * 64)) <= 120
    for token in tokens:
        assert token.replace(".", "").replace("-", "").replace("_", "").isalnum()


FORGED = [
    "",
    ".",
    "..",
    "12.weekly",
    "12.weekly.",
    TOKEN[:-3],
    TOKEN[:-1],
    TOKEN.replace("12.", "13.", 1),
    TOKEN.replace("weekly", "daily"),
    TOKEN.replace("12.", "012.", 1),
    f".{TOKEN}",
    TOKEN + "a",
    TOKEN + "=",
    TOKEN + "\x00",
    "é" + TOKEN,
    TOKEN + "é",
    "\ud800",
    TOKEN.upper(),
    TOKEN.swapcase(),
    "9" * 10_000,
    f"12.weekly.{'a' * 10_000}",
    itsdangerous.Signer(SECRET).sign("12.weekly").decode(),
    OTHER.unsubscribe_token(12, "weekly"),
    f"12.weekly.{TOKEN.rpartition('.')[2][:2]}{OTHER.unsubscribe_token(12, 'weekly').rpartition('.')[2][2:]}",
]


@pytest.mark.parametrize("token", FORGED)
def test_what_we_did_not_sign_for_this_purpose_is_refused(token: str) -> None:
    with pytest.raises(TokenError, match="not one of ours"):
        SIGNER.read_unsubscribe(token)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567018.-_ A"))
def test_a_token_with_one_other_character_is_refused(place: int, character: str) -> None:
    altered = TOKEN[:place] + character + TOKEN[place + 1 :]
    if altered != TOKEN:
        with pytest.raises(TokenError):
            SIGNER.read_unsubscribe(altered)


@given(st.text(max_size=100))
def test_no_text_is_more_than_refused(text: str) -> None:
    for purpose in PURPOSES:
        for form in (text, f"1.{text}", f"b+{text}", f"u+1.{text}@x"):
            with pytest.raises(TokenError):
                read(SIGNER, purpose, form)


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", PURPOSES)
def test_old_tokens_stay_good_after_rotation_until_the_old_secret_is_taken_out(purpose: str) -> None:
    rotated = Signer([NEWER, SECRET])
    assert read(rotated, purpose, made(SIGNER, purpose)) == SAID[purpose]
    assert made(rotated, purpose) == made(Signer([NEWER]), purpose)
    with pytest.raises(TokenError):
        read(Signer([NEWER]), purpose, made(SIGNER, purpose))


def test_a_token_names_its_secret_and_does_not_show_it() -> None:
    def name_of(signer: Signer) -> str:
        return signer.preferences_token(7).rpartition(".")[2][:2]

    assert name_of(SIGNER) == name_of(Signer([SECRET, NEWER])) != name_of(Signer([NEWER]))
    with pytest.raises(TokenError):  # a good signature under the name of another secret
        SIGNER.read_preferences(SIGNER.preferences_token(7).replace(name_of(SIGNER), name_of(OTHER), 1))


def test_two_secrets_of_one_name_are_both_believed() -> None:
    def name_of(secret: str) -> str:
        return Signer([secret]).preferences_token(7).rpartition(".")[2][:2]

    twin = next(secret for number in range(100_000) if name_of(secret := f"{number:016}") == name_of(SECRET))
    for signer in (Signer([SECRET, twin]), Signer([twin, SECRET])):
        assert signer.read_unsubscribe(TOKEN) == (12, "weekly")
        assert signer.read_unsubscribe(Signer([twin]).unsubscribe_token(3, "daily")) == (3, "daily")


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, ""]])
def test_an_empty_secret_signs_nothing(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="one secret at least"):
        Signer(secrets)


# --- confirmations --------------------------------------------------------------------------------


def test_a_confirmation_keeps_its_time_in_utc_to_the_second() -> None:
    issued = (NOON + timedelta(microseconds=999_999)).astimezone()
    assert SIGNER.read_confirm(SIGNER.confirm_token(1, "weekly", "n", issued)).issued_at == NOON


@pytest.mark.parametrize("nonce", ["", "a.b", "a b", "é", "n" * 65, "a\n"])
def test_a_nonce_that_would_need_quoting_is_refused(nonce: str) -> None:
    with pytest.raises(ValueError, match="a nonce is 1 to 64 letters"):
        SIGNER.confirm_token(1, "weekly", nonce, NOON)


# --- addresses ------------------------------------------------------------------------------------


@given(st.integers(1, 2**63 - 1))
def test_every_delivery_has_an_address_that_servers_take(delivery_id: int) -> None:
    address = SIGNER.bounce_address(delivery_id, DOMAIN)
    assert len(address.partition("@")[0]) <= 64
    assert read_address(address) == address == address.lower()
    for form in (address, address.upper(), address.partition("@")[0], address.title(), f"{address}@elsewhere"):
        assert SIGNER.read_bounce(form) == delivery_id


def test_an_address_carries_eighty_bits_of_signature() -> None:
    local_part = SIGNER.bounce_address(12, DOMAIN).partition("@")[0]
    assert len(local_part.removeprefix("b+12.")) == 2 + 80 // 5


def test_a_mail_that_leaves_names_one_subscription() -> None:
    address = SIGNER.unsubscribe_address(12, "weekly", "example.org")
    assert address is not None
    assert address.startswith("u+12.weekly.")
    assert read_address(address) == address
    assert SIGNER.read_unsubscribe_address(address.upper()) == (12, "weekly")


def test_ids_that_are_too_long_for_an_address_get_none() -> None:
    longest = SIGNER.unsubscribe_address(1, "w" * 41, "example.org")
    assert longest is not None
    assert len(longest.partition("@")[0]) == 64
    assert SIGNER.unsubscribe_address(1, "w" * 42, "example.org") is None


BOUNCE = SIGNER.bounce_address(12, DOMAIN)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "b+@x",
        "b+12@x",
        "b+12.@x",
        "postmaster@x",
        BOUNCE.removeprefix("b+"),
        BOUNCE.replace("b+", "u+"),
        BOUNCE.replace("12.", "13."),
        BOUNCE.replace("b+", "b+b+"),
        BOUNCE.replace("@", "a@"),
        BOUNCE.replace("@", "\u212a@"),
        OTHER.bounce_address(12, DOMAIN),
        f"b+12.{SIGNER.preferences_token(12).rpartition('.')[2][:18]}@{DOMAIN}",
    ],
)
def test_an_address_that_we_did_not_make_is_refused(address: str) -> None:
    with pytest.raises(TokenError):
        SIGNER.read_bounce(address)
