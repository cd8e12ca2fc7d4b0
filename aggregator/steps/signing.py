"""Tokens in links and in addresses: what they say is plain, that we said it is signed (HMAC-SHA-256, RFC 2104).

Each purpose signs with a key of its own, so that a token made for one can do nothing else. A token is

    12.weekly.k7mzx3…       what it says . two letters that name the secret, then the signature

A secret is named so that taking it out is an act with a plain effect: the tokens of that secret end, no others.
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest, digest

import itsdangerous

from aggregator.errors import TokenError

UNSUBSCRIBE = "unsubscribe"
CONFIRM = "confirm"
PREFERENCES = "preferences"
LETTER = "letter"
BOUNCE = "bounce"
UNSUBSCRIBE_BY_MAIL = "unsubscribe by mail"
PURPOSES = (UNSUBSCRIBE, CONFIRM, PREFERENCES, LETTER, BOUNCE, UNSUBSCRIBE_BY_MAIL)
BOUNCE_PREFIX, UNSUBSCRIBE_PREFIX = "b+", "u+"
LONGEST_LOCAL_PART = 64
"""Octets before the @ of an address (RFC 5321 4.5.3.1.1)."""
_KEY_NAME = 2
"""Characters that name a secret, 32 ** 2 names; two secrets of one name are both tried."""
_IN_LINKS, _IN_ADDRESSES = 16, 10
"""Octets of a signature that are kept: half of it where a browser may try; where each try is a mail and an address
has to stay short, the 80 bits that RFC 2104 5 has for the least."""
_NONCE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What a confirm token says; how long it is good, and that it is good once, is for its reader to see to."""

    subscriber_id: int
    newsletter_id: str
    nonce: str
    issued_at: datetime


class Signer:
    """Signs with the first secret, believes all of them: a new one goes in front and old links stay good."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or not all(secrets):
            raise ValueError("links are signed with one secret at least, and none is empty")
        self._names = [_base32(_derived(secret, "name"))[:_KEY_NAME] for secret in secrets]
        self._keys = {purpose: [_derived(secret, purpose) for secret in secrets] for purpose in PURPOSES}

    # --- links ------------------------------------------------------------------------------------

    def unsubscribe_token(self, subscriber_id: int, newsletter_id: str) -> str:
        """Ends one subscription, for ever good for that and for nothing else."""
        return self._sign(UNSUBSCRIBE, f"{subscriber_id}.{newsletter_id}")

    def read_unsubscribe(self, token: str) -> tuple[int, str]:
        """(subscriber id, newsletter id); raises TokenError."""
        subscriber_id, newsletter_id = self._read(UNSUBSCRIBE, token, 2)
        return int(subscriber_id), newsletter_id

    def confirm_token(self, subscriber_id: int, newsletter_id: str, nonce: str, issued_at: datetime) -> str:
        """Confirms one subscription; the nonce is of letters, digits, `-` and `_`, the time is kept to the second.

        Raises ValueError for another nonce.
        """
        if not _NONCE.fullmatch(nonce):
            raise ValueError(f"a nonce is 1 to 64 letters, digits, - or _, not {nonce!r}")
        return self._sign(CONFIRM, f"{subscriber_id}.{newsletter_id}.{nonce}.{int(issued_at.timestamp())}")

    def read_confirm(self, token: str) -> Confirmation:
        """What it says, however old it is; raises TokenError."""
        subscriber_id, newsletter_id, nonce, seconds = self._read(CONFIRM, token, 4)
        return Confirmation(
            subscriber_id=int(subscriber_id),
            newsletter_id=newsletter_id,
            nonce=nonce,
            issued_at=datetime.fromtimestamp(int(seconds), UTC),
        )

    def preferences_token(self, subscriber_id: int) -> str:
        """Opens one person's preferences."""
        return self._sign(PREFERENCES, str(subscriber_id))

    def read_preferences(self, token: str) -> int:
        """The subscriber's id; raises TokenError."""
        (subscriber_id,) = self._read(PREFERENCES, token, 1)
        return int(subscriber_id)

    def letter_token(self, edition_id: int, number: int) -> str:
        """Opens one Issue of one edition in a browser, as all its readers got it."""
        return self._sign(LETTER, f"{edition_id}.{number}")

    def read_letter(self, token: str) -> tuple[int, int]:
        """(edition id, number of the Issue); raises TokenError."""
        edition_id, number = self._read(LETTER, token, 2)
        return int(edition_id), int(number)

    # --- addresses --------------------------------------------------------------------------------

    def bounce_address(self, delivery_id: int, domain: str) -> str:
        """The envelope sender of one Delivery: what comes back to it is about that one (VERP)."""
        return f"{BOUNCE_PREFIX}{self._sign(BOUNCE, str(delivery_id), _IN_ADDRESSES)}@{domain}"

    def read_bounce(self, address: str) -> int:
        """The Delivery's id, from such an address or its local part, in letters of any size; raises TokenError."""
        (delivery_id,) = self._read(BOUNCE, _local_part(address, BOUNCE_PREFIX), 1, _IN_ADDRESSES)
        return int(delivery_id)

    def unsubscribe_address(self, subscriber_id: int, newsletter_id: str, domain: str) -> str | None:
        """Any mail to it ends one subscription (RFC 2369 3.2); None when the ids are too long for an address."""
        signed = self._sign(UNSUBSCRIBE_BY_MAIL, f"{subscriber_id}.{newsletter_id}", _IN_ADDRESSES)
        local_part = f"{UNSUBSCRIBE_PREFIX}{signed}"
        return f"{local_part}@{domain}" if len(local_part) <= LONGEST_LOCAL_PART else None

    def read_unsubscribe_address(self, address: str) -> tuple[int, str]:
        """(subscriber id, newsletter id), from such an address or its local part; raises TokenError."""
        token = _local_part(address, UNSUBSCRIBE_PREFIX)
        subscriber_id, newsletter_id = self._read(UNSUBSCRIBE_BY_MAIL, token, 2, _IN_ADDRESSES)
        return int(subscriber_id), newsletter_id

    # --- both -------------------------------------------------------------------------------------

    def _sign(self, purpose: str, says: str, octets: int = _IN_LINKS) -> str:
        return f"{says}.{self._names[0]}{_seal(self._keys[purpose][0], says.encode('ascii'), octets)}"

    def _read(self, purpose: str, token: str, count: int, octets: int = _IN_LINKS) -> list[str]:
        """The `count` things a token of this purpose says."""
        says, _, end = token.rpartition(".")
        name, seal, value = end[:_KEY_NAME], end[_KEY_NAME:].encode("utf-8", "replace"), says.encode("utf-8", "replace")
        keys = (key for key, known in zip(self._keys[purpose], self._names, strict=True) if known == name)
        good = any(compare_digest(_seal(key, value, octets).encode("ascii"), seal) for key in keys)
        parts = says.split(".")
        if not good or len(parts) != count:
            raise TokenError("this link is not one of ours, or it was cut on its way")
        return parts


def _derived(secret: str, purpose: str) -> bytes:
    """The key of one purpose."""
    salt = f"aggregator.{purpose}"
    return itsdangerous.Signer(secret, salt=salt, key_derivation="hmac", digest_method=sha256).derive_key()


def _seal(key: bytes, value: bytes, octets: int) -> str:
    """The signature of a value, as much of it as a token carries."""
    return _base32(digest(key, value, "sha256")[:octets])


def _local_part(address: str, prefix: str) -> str:
    """What stands between prefix and @. Some servers write an address in large letters, ours are all small."""
    local_part = address.partition("@")[0]
    small = local_part.lower() if local_part.isascii() else ""
    return small.removeprefix(prefix) if small.startswith(prefix) else ""


def _base32(octets: bytes) -> str:
    """Letters and digits alone: no program on the way quotes, cuts or changes them."""
    return b32encode(octets).decode("ascii").rstrip("=").lower()
