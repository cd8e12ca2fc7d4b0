"""Keyed hashes that stand for addresses and networks where these may not be kept themselves (HMAC-SHA-256, RFC 2104).

Who has no secret of ours cannot tell whose a hash is, nor try addresses on it. A hash is

    k7mz.5f2e0c…       four letters that name the secret, then the hash

so that what was noted under an older secret is found again as long as that secret is still given, and counted as out of
reach once it is not.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

ADDRESS, NETWORK = "address", "network"
_NAME = 4
"""Characters that name a secret."""
_IPV4_PREFIX, _IPV6_PREFIX = 24, 64
"""What counts as one client: a whole site has as much of IPv6 at least (RFC 6177 2), and many of IPv4."""


class Pseudonyms:
    """Writes with the first secret, finds again with all of them: a new one goes in front."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or not all(secrets):
            raise ValueError("addresses are hashed with one secret at least, and none is empty")
        self.names = tuple(_named(secret) for secret in secrets)
        """The secrets that are at hand, the one that writes first."""
        self._keys = {purpose: [_derived(secret, purpose) for secret in secrets] for purpose in (ADDRESS, NETWORK)}

    def address(self, email: str) -> str:
        """What stands for an address from now on; letters of any size are one address."""
        return self.addresses(email)[0]

    def addresses(self, email: str) -> tuple[str, ...]:
        """All that may stand for it, under each secret."""
        return self._hashes(ADDRESS, email.strip().lower())

    def mailboxes(self, email: str) -> tuple[str, ...]:
        """All that may stand for the mailbox behind it: what follows a `+` is its reader's to choose (RFC 5233 1)."""
        local, at, domain = email.rpartition("@")
        return self.addresses(f"{local.partition('+')[0] or local}{at}{domain}")

    def network(self, client: str) -> str:
        """What stands for the network a client is in: the 256 addresses around one of IPv4, the /64 of one of IPv6."""
        return self._hashes(NETWORK, network_of(client))[0]

    def _hashes(self, purpose: str, text: str) -> tuple[str, ...]:
        octets = text.encode("utf-8", "surrogatepass")
        pairs = zip(self.names, self._keys[purpose], strict=True)
        return tuple(f"{name}.{hmac.digest(key, octets, 'sha256').hex()}" for name, key in pairs)


def network_of(client: str) -> str:
    """The network an address is in; what is no address stands for itself."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, _IPV6_PREFIX), strict=False))
        address = address.ipv4_mapped
    return str(ip_network((address, _IPV4_PREFIX), strict=False))


def _derived(secret: str, purpose: str) -> bytes:
    """The key of one purpose."""
    return hmac.digest(secret.encode(), f"aggregator.pseudonym.{purpose}".encode(), sha256)


def _named(secret: str) -> str:
    return b32encode(_derived(secret, "name")).decode("ascii")[:_NAME].lower()
