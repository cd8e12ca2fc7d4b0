"""A name server on loopback, over UDP and TCP: it holds the records a test gives it and says nothing else."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rrset

LARGEST_DATAGRAM = 512
"""Octets; longer answers are cut and asked for again over TCP (RFC 1035 4.2.1)."""
SILENCE = "<silence>"
"""In the place of records: no answer comes."""
SERVFAIL = "<servfail>"
"""In the place of records: the server says that it failed."""


class DnsServer:
    """Records by (type, name); a value of TXT is one text, which goes out as strings of 200 octets."""

    def __init__(self, records: Mapping[tuple[str, str], list[str]]) -> None:
        self.records = {(type, name.rstrip(".") + "."): values for (type, name), values in records.items()}
        self.asked: list[tuple[str, str, str]] = []
        """(transport, type, name)."""
        self._stop = Event()

    def __enter__(self) -> Self:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        for own in (self._tcp, self._udp):
            own.settimeout(0.1)
        self._threads = [Thread(target=self._over_udp), Thread(target=self._over_tcp)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)
        self._tcp.close()
        self._udp.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _over_udp(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                wire, client = self._udp.recvfrom(4096)
                if (answer := self._answer(wire, "udp")) is not None:
                    self._udp.sendto(answer, client)

    def _over_tcp(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                connection, _ = self._tcp.accept()
                with connection:
                    connection.settimeout(5)
                    (length,) = struct.unpack("!H", connection.recv(2))
                    if (answer := self._answer(connection.recv(length), "tcp")) is not None:
                        connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, wire: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        (question,) = query.question
        type, name = dns.rdatatype.to_text(question.rdtype), question.name.to_text().lower()
        self.asked.append((transport, type, name))
        values = self.records.get((type, name), [])
        if SILENCE in values:
            return None
        reply = dns.message.make_response(query)
        if SERVFAIL in values:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif values:
            texts = [_strings(value) if type == "TXT" else value for value in values]
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", type, *texts))
        elif not any(known == name for _, known in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        answer = reply.to_wire()
        if transport == "udp" and len(answer) > LARGEST_DATAGRAM:
            cut = dns.message.make_response(query)
            cut.flags |= dns.flags.TC
            return cut.to_wire()
        return answer


def _strings(value: str) -> str:
    parts = [value[start : start + 200] for start in range(0, len(value), 200)] or [""]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)
