"""The address guard: no connection of ours ever reaches a private network unless feeds.yaml allows it.

It sits where sockets are made (resolver and socket factory), so that names, literals, redirects and
rebinding all meet it, and the address checked is the address connected to.
"""

import socket
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import AddrInfoType, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

Network = IPv4Network | IPv6Network

_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL_IPV6 = ip_network("2000::/3")


class Blocked(OSError):
    """The address is not one we may connect to."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public internet, also when IPv4 hides inside IPv6.

    `is_global` alone lets NAT64, 6to4 and other forms of private IPv4 pass (RFC 6052, 3056, 4380).
    """
    if isinstance(address, IPv6Address):
        inner = _hidden_ipv4(address)
        if inner is None:
            return address in _GLOBAL_IPV6 and address.is_global and not address.is_multicast
        address = inner
    return address.is_global and not address.is_multicast


def _hidden_ipv4(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


class Guard:
    """The rule of one configuration: public addresses on the usual ports, and what `allow_private` names."""

    def __init__(self, *, allow_private: Iterable[str], ports: Collection[int]) -> None:
        self._ports = frozenset(ports)
        self._networks: list[Network] = []
        self._names: set[str] = set()
        self._addresses_of_names: set[str] = set()
        for item in allow_private:
            try:
                self._networks.append(ip_network(item, strict=False))
            except ValueError:
                self._names.add(item.lower().rstrip("."))

    def admit(self, name: str, addresses: Iterable[str]) -> None:
        """Remember what an allowed host name resolves to, since sockets see addresses only."""
        if name.lower().rstrip(".") in self._names:
            self._addresses_of_names.update(addresses)

    def check(self, host: str, port: int) -> None:
        """Raise Blocked unless the numeric address `host` may be connected to on `port`."""
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError as error:
            raise Blocked(f"{host} is not an address") from error
        if host in self._addresses_of_names or any(address in network for network in self._networks):
            return
        if not is_public(address):
            raise Blocked(f"{host} is on a private network; `polling.allow_private` in feeds.yaml can allow it")
        if port not in self._ports:
            raise Blocked(
                f"port {port} is not one of {sorted(self._ports)}; `polling.ports` in feeds.yaml can allow it"
            )

    def make_socket(self, info: AddrInfoType) -> socket.socket:
        """A socket for aiohttp, for addresses that pass; literals meet the guard only here."""
        family, kind, protocol, _, address = info
        self.check(str(address[0]), int(address[1]))
        return socket.socket(family, kind, protocol)


class GuardedResolver(AbstractResolver):
    """Looks names up by the system's resolver and refuses the whole answer when any address in it is private."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`; raises Blocked, or OSError when there are none."""
        results = await self._inner.resolve(host, port, family)
        self._guard.admit(host, (result["host"] for result in results))
        for result in results:
            self._guard.check(result["host"], port)
        return results

    async def close(self) -> None:
        await self._inner.close()
