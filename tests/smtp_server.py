"""A mail server of sockets on loopback that does as it is told: any reply at any step, dropped lines, silence.

Its journal is the truth of a test: what it holds, a server has taken.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

TLS = Path(__file__).parent / "data" / "tls"
DROP = b"<drop>"
"""In the place of a reply: the connection is closed."""
SILENCE = b"<silence>"
"""In the place of a reply: none comes until the client has gone."""
STALL = b"<stall>"
"""In the place of a reply: nothing is said and nothing read until the test is over."""
PATIENCE = 20
"""Seconds after which a connection ends in any case."""
DEFAULTS = {
    "connect": b"220 test\r\n",
    "EHLO": b"250-test\r\n250 SIZE 10000000\r\n",
    "HELO": b"250 test\r\n",
    "STARTTLS": b"220 go on\r\n",
    "AUTH": b"235 welcome\r\n",
    "MAIL": b"250 2.1.0 OK\r\n",
    "RCPT": b"250 2.1.5 OK\r\n",
    "DATA": b"354 go on\r\n",
    "body": b"",
    "dot": b"250 2.0.0 taken\r\n",
    "RSET": b"250 OK\r\n",
    "QUIT": b"221 bye\r\n",
}
PIPELINING = b"250-test\r\n250-PIPELINING\r\n250 SIZE 10000000\r\n"


def server_context(certificate: str = "localhost.crt") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / certificate, TLS / "localhost.key")
    return context


def client_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(TLS / "localhost.crt"))


@dataclass
class ScriptedSmtp:
    """Answers each step with the replies set for it, in turn, else as a good server would."""

    replies: dict[str, list[bytes]] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    lingers: bool = False
    """Keeps its end of each connection open until the test is over, whatever the client does."""
    on_step: Callable[[str, int], None] = lambda step, number: None
    """Called before the reply, with the step and how often it has come."""
    journal: Path | None = None
    """A file that gets a line per letter, on disk before the reply."""
    pipelining: bool = False
    """Offers PIPELINING (RFC 2920), and reads no command before the last has its reply, as ever."""

    def __post_init__(self) -> None:
        self.commands: list[str] = []
        self.taken: list[tuple[str, bytes]] = []
        """(recipient, message as it was on the wire, the dot taken off)."""
        self.connections = 0
        self._counts: dict[str, int] = {}
        self._open: list[socket.socket] = []
        self.over = Event()
        self._threads: list[Thread] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def plain_url(self) -> str:
        return f"{self.url}?tls=none"

    @property
    def steps(self) -> list[str]:
        return [command.split()[0] for command in self.commands]

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=PATIENCE)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._open.append(connection)
        session = _Session(self, connection)
        # A client that goes away in mid-sentence is what many tests are about.
        with suppress(OSError, _Dropped):
            if self.implicit_tls:
                session.secure()
            session.serve()
        if self.lingers:
            self.over.wait(PATIENCE)
        session.close()

    def drop_all(self) -> None:
        """Close every connection, whatever is being said."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def reply(self, step: str) -> bytes:
        """What to say at this step, now."""
        number = self._counts[step] = self._counts.get(step, 0) + 1
        self.on_step(step, number)
        waiting = self.replies.get(step)
        if waiting:
            return waiting.pop(0)
        if self.pipelining and step == "EHLO":
            return PIPELINING
        return DEFAULTS.get(step, b"500 what?\r\n")

    def take(self, recipient: str, message: bytes) -> None:
        """Write the letter down, as a server does before it says 250."""
        self.taken.append((recipient, message))
        if self.journal is not None:
            with self.journal.open("ab") as file:
                file.write(f"{recipient}\n".encode())
                file.flush()
                os.fsync(file.fileno())


class _Dropped(Exception):
    """The script ends the connection here."""


class _Session:
    def __init__(self, server: ScriptedSmtp, connection: socket.socket) -> None:
        self._server, self._connection = server, connection
        self._buffer = b""
        self._recipient = ""

    def serve(self) -> None:
        self._answer("connect")
        while line := self._line():
            command = line.decode("utf-8", "replace").strip()
            self._server.commands.append(command)
            verb = command.split()[0].upper() if command else ""
            if verb == "RCPT":
                self._recipient = command.partition("<")[2].rpartition(">")[0]
            reply = self._answer(verb)
            if verb == "STARTTLS" and reply.startswith(b"220"):
                self.secure()
            if verb == "DATA" and reply.startswith(b"354"):
                self._message()
            if verb == "QUIT" or reply.startswith(b"421"):
                return

    def secure(self) -> None:
        assert self._server.tls is not None
        self._connection = self._server.tls.wrap_socket(
            self._connection, server_side=True, do_handshake_on_connect=False
        )
        self._connection.do_handshake()

    def close(self) -> None:
        self._connection.close()

    def _message(self) -> None:
        self._answer("body")
        lines = []
        while (line := self._line()) != b".\r\n":
            if not line:
                return
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        reply = self._server.reply("dot")
        if reply.startswith(b"2") or reply in (DROP, SILENCE):
            self._server.take(self._recipient, b"".join(lines))
        self._say(reply)

    def _line(self) -> bytes:
        """Up to a CRLF, and not to a bare LF: a client that sends one is found out."""
        while b"\r\n" not in self._buffer:
            octets = self._connection.recv(65536)
            if not octets:
                return b""
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line + b"\r\n"

    def _answer(self, step: str) -> bytes:
        reply = self._server.reply(step)
        self._say(reply)
        return reply

    def _say(self, reply: bytes) -> None:
        if reply == DROP:
            raise _Dropped
        if reply == STALL:
            self._server.over.wait(PATIENCE)
            raise _Dropped
        if reply == SILENCE:
            while self._connection.recv(65536):
                pass
            raise _Dropped
        self._connection.sendall(reply)
