"""Tokens in links: what they say is plain, that we said it is signed (HMAC-SHA-256, RFC 2104).

Each purpose signs with a key of its own, so that a token made for one can do nothing else.
"""

from collections.abc import Sequence
from hashlib import sha256

import itsdangerous

from aggregator.errors import TokenError

UNSUBSCRIBE = "unsubscribe"


class Signer:
    """Signs with the first secret, believes all of them: a new one goes in front and old links stay good."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or not all(secrets):
            raise ValueError("links are signed with one secret at least, and none is empty")
        self._keys = list(reversed(secrets))  # itsdangerous signs with the last

    def unsubscribe_token(self, subscriber_id: int, newsletter_id: str) -> str:
        """Ends one subscription, for ever good for that and for nothing else."""
        return self._signer(UNSUBSCRIBE).sign(f"{subscriber_id}.{newsletter_id}").decode("ascii")

    def read_unsubscribe(self, token: str) -> tuple[int, str]:
        """(subscriber id, newsletter id); raises TokenError."""
        subscriber_id, _, newsletter_id = self._read(UNSUBSCRIBE, token).partition(".")
        return int(subscriber_id), newsletter_id

    def _read(self, purpose: str, token: str) -> str:
        try:
            return self._signer(purpose).unsign(token.encode("ascii")).decode("ascii")
        except (itsdangerous.BadSignature, UnicodeEncodeError) as error:
            raise TokenError("this link is not one of ours, or it was cut on its way") from error

    def _signer(self, purpose: str) -> itsdangerous.Signer:
        salt = f"aggregator.{purpose}"
        return itsdangerous.Signer(self._keys, salt=salt, key_derivation="hmac", digest_method=sha256)
