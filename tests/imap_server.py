"""An IMAP server of sockets on loopback, as much of RFC 3501 as it takes to read a folder and to set flags."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from types import TracebackType
from typing import Self

PATIENCE = 20
"""Seconds after which a connection ends in any case."""


@dataclass
class Message:
    raw: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class ImapServer:
    """Serves one user's folders; `replies` says NO or drops the line in the place of what a command would do."""

    folders: dict[str, dict[int, Message]]
    user: str = "wire"
    password: str = 'a b%c"d'
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    offers_starttls: bool = True
    replies: dict[str, str] = field(default_factory=dict)
    """By command: `NO words`, `BAD words` or `DROP`."""

    def __post_init__(self) -> None:
        self.commands: list[str] = []
        self.secured = False
        self._over = Event()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=PATIENCE)

    def _start(self, work: object, *arguments: object) -> None:
        thread = Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        session = _Session(self, connection)
        with suppress(OSError):  # a client that goes away in mid-sentence is what some tests are about
            if self.implicit_tls:
                session.secure()
            session.talk()
        session.close()


class _Session:
    def __init__(self, server: ImapServer, connection: socket.socket) -> None:
        self._server, self._connection = server, connection
        self._file = connection.makefile("rb")
        self._folder: dict[int, Message] = {}

    def secure(self) -> None:
        assert self._server.tls is not None
        self._connection = self._server.tls.wrap_socket(self._connection, server_side=True)
        self._file = self._connection.makefile("rb")
        self._server.secured = True

    def close(self) -> None:
        self._file.close()
        self._connection.close()

    def talk(self) -> None:
        self._say("* OK IMAP4rev1 ready")
        while line := self._file.readline():
            tag, _, words = line.decode("utf-8").strip().partition(" ")
            self._server.commands.append(words)
            verb = words.split()[0].upper()
            if verb == "UID":
                verb = words.split()[1].upper()
            scripted = self._server.replies.get(verb)
            if scripted == "DROP":
                return
            if scripted:
                self._say(f"{tag} {scripted}")
                continue
            self._say(f"{tag} {getattr(self, f'_{verb.lower()}')(words)}")
            if verb == "STARTTLS":
                self.secure()
            if verb == "LOGOUT":
                return

    def _say(self, line: str) -> None:
        self._connection.sendall(f"{line}\r\n".encode())

    def _capability(self, words: str) -> str:
        starttls = " STARTTLS" if self._server.offers_starttls and self._server.tls else ""
        self._say(f"* CAPABILITY IMAP4rev1{starttls}")
        return "OK done"

    def _starttls(self, words: str) -> str:
        return "OK begin"

    def _login(self, words: str) -> str:
        found = re.fullmatch(r'LOGIN (\S+) "(.*)"', words)
        password = re.sub(r"\\(.)", r"\1", found[2]) if found else ""
        good = found is not None and (found[1].strip('"'), password) == (self._server.user, self._server.password)
        return "OK welcome" if good else f"NO [AUTHENTICATIONFAILED] not with {password}"

    def _select(self, words: str) -> str:
        name = re.sub(r"\\(.)", r"\1", words.partition(" ")[2][1:-1])
        if name not in self._server.folders:
            return "NO no such folder"
        self._folder = self._server.folders[name]
        self._say(f"* {len(self._folder)} EXISTS")
        return "OK [READ-WRITE] selected"

    def _search(self, words: str) -> str:
        unseen = [str(uid) for uid, message in sorted(self._folder.items()) if r"\Seen" not in message.flags]
        self._say(" ".join(["* SEARCH", *unseen]))
        return "OK done"

    def _fetch(self, words: str) -> str:
        found = re.fullmatch(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", words)
        assert found is not None
        message = self._folder.get(int(found[1]))
        if message is not None:
            octets = message.raw[: int(found[2])]
            head = f"* 1 FETCH (UID {found[1]} BODY[]<0> {{{len(octets)}}}\r\n".encode()
            self._connection.sendall(head + octets + b")\r\n")
        return "OK done"

    def _store(self, words: str) -> str:
        found = re.fullmatch(r"UID STORE (\d+) \+FLAGS\.SILENT \((\S+)\)", words)
        assert found is not None
        self._folder[int(found[1])].flags.add(found[2])
        return "OK done"

    def _logout(self, words: str) -> str:
        self._say("* BYE")
        return "OK bye"
