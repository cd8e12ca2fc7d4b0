"""Which machines may say for whom they ask: AGGREGATOR_PROXIES."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aggregator.errors import ConfigError, Problem

PROXIES = "AGGREGATOR_PROXIES"


def parse_proxies(text: str) -> tuple[str, ...]:
    """Networks, from addresses and networks with commas or spaces between them; raises ConfigError."""
    return tuple(_network(part) for part in text.replace(",", " ").split())


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        words = f"{text!r} is no address or network: {error}; write such as 127.0.0.1, 10.0.0.0/8"
        raise ConfigError((Problem(file="environment", line=0, column=0, key=PROXIES, message=words),)) from error


def client_of(peer: str, forwarded: Sequence[str], proxies: Sequence[str]) -> str:
    """Who asks: the last of the addresses that `forwarded` gives (X-Forwarded-For) which is no proxy of ours.

    It is believed only where `peer`, who is connected to us, is a proxy that was named: anybody may send such a header.
    """
    known, client = [ip_network(proxy) for proxy in proxies], peer
    for text in reversed([part.strip() for line in forwarded for part in line.split(",")]):
        address, next_one = _address(client), _address(text)
        if address is None or next_one is None or not any(address in network for network in known):
            return client
        client = text
    return client


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address that is written as one of IPv6 is the same machine (RFC 4291 2.5.5.2)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
