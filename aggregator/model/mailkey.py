"""A key that signs mail: the private half, and what the DNS says of the other (RFC 6376 3.6.1, RFC 8463)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Algorithm = Literal["rsa", "ed25519"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailKey:
    """`public` is the half that the TXT record at `SELECTOR._domainkey.DOMAIN` shows, as its `p=` has it."""

    selector: str
    public: str
    private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def algorithm(self) -> Algorithm:
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    @property
    def bits(self) -> int:
        """The size of its modulus; 256 for Ed25519."""
        return self.private.key_size if isinstance(self.private, RSAPrivateKey) else 256

    @property
    def record(self) -> str:
        """The value of that TXT record."""
        return f"v=DKIM1; k={self.algorithm}; p={self.public}"


def mail_key(selector: str, private: RSAPrivateKey | Ed25519PrivateKey) -> MailKey:
    """The key with its public half worked out, which takes longer than asking for it."""
    if isinstance(private, RSAPrivateKey):
        octets = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        octets = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)  # RFC 8463 4.2
    return MailKey(selector=selector, public=b64encode(octets).decode("ascii"), private=private)
