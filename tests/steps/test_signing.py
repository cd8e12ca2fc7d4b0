"""A token says what it may do, and nobody else can make one."""

import itsdangerous
import pytest

from aggregator.errors import TokenError
from aggregator.steps.signing import Signer

SECRET = "a secret of enough letters"
SIGNER = Signer([SECRET])
TOKEN = SIGNER.unsubscribe_token(12, "weekly")


def test_a_token_names_one_subscription_again_and_again() -> None:
    assert SIGNER.read_unsubscribe(TOKEN) == (12, "weekly")
    assert SIGNER.unsubscribe_token(12, "weekly") == TOKEN


def test_tokens_are_short_and_need_no_quoting() -> None:
    token = SIGNER.unsubscribe_token(10**9, "w" * 64)
    assert len(TOKEN) <= 56
    assert len(token) <= 120
    assert token.replace(".", "").replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "12.weekly",
        "12.weekly.",
        TOKEN[:-3],
        TOKEN.replace("12.", "13.", 1),
        TOKEN.replace("weekly", "daily"),
        TOKEN + "\x00",
        "é" + TOKEN,
        "\ud800",
        TOKEN.swapcase(),
        "9" * 10_000,
        itsdangerous.Signer(SECRET).sign("12.weekly").decode(),
        Signer(["another secret altogether"]).unsubscribe_token(12, "weekly"),
        SIGNER._signer("confirm").sign("12.weekly").decode(),
    ],
)
def test_what_we_did_not_sign_for_this_purpose_is_refused(token: str) -> None:
    with pytest.raises(TokenError, match="not one of ours"):
        SIGNER.read_unsubscribe(token)


def test_old_links_stay_good_after_rotation_until_the_old_secret_is_taken_out() -> None:
    rotated = Signer(["the new secret, in front", SECRET])
    assert rotated.read_unsubscribe(TOKEN) == (12, "weekly")
    assert rotated.unsubscribe_token(12, "weekly") == Signer(["the new secret, in front"]).unsubscribe_token(
        12, "weekly"
    )
    with pytest.raises(TokenError):
        Signer(["the new secret, in front"]).read_unsubscribe(TOKEN)


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, ""]])
def test_an_empty_secret_signs_nothing(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="one secret at least"):
        Signer(secrets)
