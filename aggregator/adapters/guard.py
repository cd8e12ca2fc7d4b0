"""The address guard: no connection of ours ever reaches a private network unless feeds.yaml allows it.

It reads each address before its request, stands behind the resolver, and makes the sockets, so that odd spellings,
names, literals, redirects and rebinding all meet it, and the address checked is the address connected to.
"""

import re
import socket
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from aggregator.adapters.dns import LookUp, in_thread, system_look_up
from aggregator.urls import MAX_LENGTH

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL_IPV6 = ip_network("2000::/3")
_NOT_THE_INTERNET = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments (RFC 6890), of which Python 3.11 knows a part
        "192.88.99.0/24",  # 6to4 relays, withdrawn (RFC 7526)
        "168.63.129.16/32",  # Azure's own services, as seen from its virtual machines
        "3fff::/20",  # documentation (RFC 9637), which Python 3.11 does not know
    )
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CURE = "`polling.allow_private` in feeds.yaml can allow it, for a feed's own address"
_PRIVATE_ZONES = re.compile(r"(.*\.)?(localhost|local|internal|home\.arpa|lan|svc|onion)|[^.]*")
"""Names without a dot, and ends of names that mean something inside one network only (RFC 6761, 6762, 7686, 8375)."""


class Blocked(OSError):
    """The address is not one we may connect to."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also when IPv4 hides inside IPv6.

    `is_global` alone lets NAT64, 6to4 and other forms of private IPv4 pass (RFC 6052, 3056, 4380).
    """
    if isinstance(address, IPv6Address):
        inner = _hidden_ipv4(address)
        if inner is None and address not in _GLOBAL_IPV6:
            return False
        address = inner or address
    known_better = any(address in network for network in _NOT_THE_INTERNET)
    return address.is_global and not address.is_multicast and not known_better


def _hidden_ipv4(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


class Guard:
    """The rule of one configuration: public addresses on the usual ports, and what `allow_private` names.

    There a feed's own address opens the port it names as well; all else keeps to the usual ones.
    """

    def __init__(self, *, allow_private: Iterable[str], ports: Collection[int]) -> None:
        self._ports = frozenset(ports)
        self._networks: list[Network] = []
        self._names: set[str] = set()
        self._named: set[tuple[str, int]] = set()
        self._admitted: set[tuple[str, int]] = set()
        self._outside: set[str] = set()
        for item in allow_private:
            try:
                self._networks.append(ip_network(item, strict=False))
            except ValueError:
                self._names.add(item.lower().rstrip("."))

    def read(self, text: str, *, first: bool = False) -> URL:
        """The address as the client will use it; raises Blocked when its form alone forbids it.

        The `first` of a way is a feed's own, written by a person who meant its port.
        There is one parser only, the client's, so that the host checked cannot differ from the host connected to.
        What is plain ASCII is sent as the publisher wrote it: quoting anew breaks signed addresses.
        """
        if not text.isprintable() or " " in text or "\\" in text or len(text) > MAX_LENGTH:
            raise Blocked("the address is too long or holds characters that no address has")
        try:
            url = URL(text, encoded=text.isascii())
            host, port = url.raw_host, url.port
        except ValueError as error:
            raise Blocked("the address cannot be read") from error
        if url.scheme not in ("http", "https") or not host or not port:
            raise Blocked("the address does not start with http:// or https:// and a host")
        if "@" in url.raw_authority:
            raise Blocked("the address holds a name or password; `headers` in feeds.yaml can give them")
        if first:
            self._named.add((_plain(host), port))
        self._check_host(host, port, text)
        return url

    def _check_host(self, host: str, port: int, text: str) -> None:
        address = _literal(host)
        if address is None:
            _check_spelling(host.lower())
        elif address.version == 4 and host not in text:
            raise Blocked(f"{host} is not written in plain digits")
        else:
            self.check(host, port)

    def check_answer(self, name: str, port: int, addresses: Sequence[str]) -> None:
        """Raise Blocked unless every address that `name` stands for may be connected to on `port`."""
        name = _plain(name)
        inside = [item for item in addresses if name in self._names or self._is_allowed(ip_address(item))]
        strays = [item for item in addresses if item not in inside]
        if strays:
            self._outside.add(name)
        for address in strays:
            self.check(address, port)
        if strays and _PRIVATE_ZONES.fullmatch(name):
            raise Blocked(f"{name} is a private name; {_CURE}")
        if inside:
            self._check_port(port, named=(name, port) in self._named)
        self._admitted.update((address, port) for address in inside)

    def check(self, host: str, port: int) -> None:
        """Raise Blocked unless the numeric address `host` may be connected to on `port`."""
        address = _literal(host)
        if address is None:
            raise Blocked(f"{host} is not an address")
        allowed = self._is_allowed(address)
        if not allowed and not is_public(address):
            raise Blocked(f"{host} is on a private network; {_CURE}")
        self._check_port(port, named=allowed and (_plain(host), port) in self._named)

    def _check_port(self, port: int, *, named: bool) -> None:
        if port not in self._ports and not named:
            raise Blocked(
                f"port {port} is not one of {sorted(self._ports)}; `polling.ports` in feeds.yaml can allow it"
            )

    def is_inside(self, host: str) -> bool:
        """Whether a host that was connected to is one that `allow_private` names.

        A name is when every look-up gave allowed addresses only: else its owner could have answered from elsewhere.
        """
        address = _literal(host)
        return self._is_allowed(address) if address else _plain(host) not in self._outside

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def make_socket(self, info: AddrInfoType) -> socket.socket:
        """A socket for aiohttp, for addresses that pass: those of an allowed name, and what `check` lets through."""
        family, kind, protocol, _, address = info
        host, port = str(address[0]), int(address[1])
        if (host, port) not in self._admitted:
            self.check(host, port)
        return socket.socket(family, kind, protocol)


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _check_spelling(host: str) -> None:
    """Refuse what is no host name: the system's resolver would read `0x7f.1` and `127.1` as numbers."""
    labels = host.removesuffix(".").split(".")
    if len(host) > 254 or not all(map(_LABEL.fullmatch, labels)) or _NUMBER.fullmatch(labels[-1]):
        raise Blocked(f"{host[:100]!r} is not a host name")


class GuardedResolver(AbstractResolver):
    """Looks each name up once per connection and refuses the whole answer when any address in it is private."""

    def __init__(self, guard: Guard, look_up: LookUp = system_look_up) -> None:
        self._guard, self._look_up = guard, look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`; raises Blocked, or OSError when there are none."""
        addresses = list(dict.fromkeys(await in_thread(self._look_up, host)))
        if not addresses:
            raise OSError(f"{host} has no address")
        self._guard.check_answer(host, port, addresses)
        return [_result(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held open."""


def _result(name: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=name,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )
