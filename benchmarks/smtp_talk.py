"""The journal's server itself, in a process of its own (see `smtp_journal.py`): what it says, and when.

    python -m benchmarks.smtp_talk JOURNAL [CERTIFICATE]

Words of its owner come by standard input, a line each; a line answers each.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import ssl
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from email import message_from_bytes
from email.utils import getaddresses
from pathlib import Path
from typing import cast, get_args

from benchmarks.smtp_journal import LEAVING_SECONDS, Fate, Mode, Taken

LETTERS = 7
"""On one connection, while the mode ends it early."""
A_WHILE = 0.3
"""Seconds of silence."""
LONGEST_LETTER = 4_000_000


class Site:
    """What all connections share: the journal, the mode, and who has been here before."""

    def __init__(self, journal: Path, certificate: Path | None) -> None:
        self.mode: Mode = "good"
        self.talks: set[asyncio.Task[None]] = set()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self.tls and certificate:
            self.tls.load_cert_chain(certificate)
        self.begin(journal)

    def begin(self, journal: Path) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()
        self._file = journal.open("ab")

    def first(self, step: str, to: str) -> bool:
        """Whether this is the first time that a step is come to with this address."""
        self.seen[step, to] += 1
        return self.seen[step, to] == 1

    def note(self, line: Taken) -> None:
        """Have it on disk."""
        self._file.write(json.dumps(asdict(line)).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    async def settle(self) -> None:
        await asyncio.sleep(0.05)  # lines that have ended already may not have been taken up yet
        if self.talks:
            await asyncio.wait(self.talks, timeout=LEAVING_SECONDS)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.talks.add(task)
        # A sender that goes away in mid-sentence is what this server is for.
        try:
            with suppress(OSError, asyncio.IncompleteReadError, _Over):
                await Talk(self, reader, writer).serve()
        finally:
            self.talks.discard(task)
            writer.transport.abort()


class _Over(Exception):
    """The line is cut here."""


class _LastWords(asyncio.StreamReader):
    """What a sender said before it was killed stays to be read: a reset line is an end, not a failure."""

    def set_exception(self, exc: Exception) -> None:
        self.feed_eof()


class Talk:
    """One connection."""

    def __init__(self, site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._site, self._reader, self._writer = site, reader, writer
        self._secure, self._letters, self._to = False, 0, ""

    async def serve(self) -> None:
        await self._say("452 4.3.1 full" if self._site.mode == "full" else "220 journal")
        while line := await self._reader.readline():
            words = line.decode("utf-8", "replace").strip()
            await self._answer(words.split()[0].upper() if words else "", words)

    async def _answer(self, verb: str, words: str) -> None:
        match verb:
            case "EHLO":
                await self._greet()
            case "STARTTLS":
                await self._go_secure()
            case "AUTH":
                await self._say("535 5.7.8 no" if self._site.mode == "no_login" else "235 2.7.0 welcome")
            case "MAIL":
                await self._mail()
            case "RCPT":
                await self._rcpt(words.partition("<")[2].partition(">")[0])
            case "DATA":
                await self._data()
            case "QUIT":
                await self._say("221 bye")
                raise _Over
            case "RSET" | "HELO" | "NOOP":
                self._to = ""
                await self._say("250 OK")
            case _:
                await self._say("500 5.5.1 what?")

    async def _greet(self) -> None:
        offers = ["journal", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", f"SIZE {LONGEST_LETTER}"]
        if self._site.tls and not self._secure and self._site.mode != "no_tls":
            offers.append("STARTTLS")
        if self._secure:
            offers.append("AUTH PLAIN LOGIN")
        await self._say(*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}")

    async def _go_secure(self) -> None:
        if self._site.tls is None or self._site.mode == "no_tls":
            await self._say("502 5.5.1 no TLS")
            return
        await self._say("220 go on")
        await self._writer.start_tls(self._site.tls)
        self._secure = True

    async def _mail(self) -> None:
        self._to = ""
        if self._letters >= LETTERS and self._site.mode == "closing":
            await self._say("421 4.3.2 closing")
            raise _Over
        if self._letters >= LETTERS and self._site.mode == "resetting":
            raise _Over
        await self._say("250 2.1.0 OK")

    async def _rcpt(self, to: str) -> None:
        fate = fate_of(to)
        if fate == "refuse":
            self._site.note(Taken(to=to, code=550, taken=False))
            await self._say("550 5.1.1 nobody of that name")
        elif fate == "greylist" and self._site.first("RCPT", to):
            await self._say("450 4.2.0 greylisted, come again")
        elif fate == "break" and self._site.first("RCPT", to):
            await self._say("421 4.3.2 I have to go")
            raise _Over
        else:
            self._to = to
            await self._say("250 2.1.5 OK")

    async def _data(self) -> None:
        if not self._to:
            await self._say("503 5.5.1 no recipient")  # as after a refused RCPT of a pipelined letter
            return
        await self._say("354 go on")
        if fate_of(self._to) == "cut" and self._site.first("body", self._to):
            await self._reader.readline()
            raise _Over
        octets = await self._reader.readuntil(b"\r\n.\r\n")
        self._letters += 1
        await self._finish(self._to, octets.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."))
        self._to = ""

    async def _finish(self, to: str, message: bytes) -> None:
        """The letter is whole here; from now on its fate is ours to tell."""
        match fate_of(to):
            case "busy" if self._site.first("dot", to):
                await self._say("451 4.3.0 try again")
            case "defer":
                await self._say("451 4.3.0 not now")
            case "reject":
                self._site.note(_line(to, 554, message, taken=False))
                await self._say("554 5.6.0 not that")
            case "vanish":
                self._site.note(_line(to, 0, message, taken=True))
                raise _Over
            case "stall":
                self._site.note(_line(to, 0, message, taken=False))
                await asyncio.sleep(A_WHILE)
                raise _Over
            case fate:
                self._site.note(_line(to, 250, message, taken=True))
                if fate == "late":
                    await asyncio.sleep(A_WHILE)
                lines = ("250-2.0.0 it", "250-2.0.0 is", "250 2.0.0 taken") if fate == "lines" else ("250 2.0.0 taken",)
                await self._say(*lines)

    async def _say(self, *lines: str) -> None:
        if self._site.mode == "odd":
            code = lines[-1][:3]
            lines = (*(f"{code}-{line[4:]}" for line in lines), f"{code} ") if code != "354" else ("354",)
        with suppress(OSError):  # nobody listens any more, but what they said still counts
            self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
            await self._writer.drain()


def fate_of(to: str) -> Fate:
    """What becomes of letters to this address."""
    label = to.partition("@")[0].rpartition(".")[2]
    return cast(Fate, label) if label in get_args(Fate) else "accept"


def _line(to: str, code: int, message: bytes, *, taken: bool) -> Taken:
    head = message_from_bytes(message.partition(b"\r\n\r\n")[0])
    return Taken(
        to=to,
        code=code,
        taken=taken,
        message_id=str(head["Message-ID"]),
        octets=len(message),
        digest=hashlib.blake2b(message, digest_size=8).hexdigest(),
        own=[address for _, address in getaddresses(head.get_all("To", []))] == [to],
    )


async def _obey(site: Site, port: int, words: str) -> object:
    """A word of the owner's; the answer to it."""
    verb, _, rest = words.partition(" ")
    match verb:
        case "port":
            return port
        case "journal":
            site.begin(Path(rest))
        case "settle":
            await site.settle()
        case _:
            site.mode = cast(Mode, verb)
    return verb


async def serve(journal: Path, certificate: Path | None) -> None:
    """Serve until standard input ends."""
    site = Site(journal, certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: asyncio.StreamReaderProtocol(_LastWords(LONGEST_LETTER), site.talk), "127.0.0.1", 0, backlog=256
    )
    port = server.sockets[0].getsockname()[1]
    control = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(control), sys.stdin)
    while line := await control.readline():
        print(await _obey(site, port, line.decode().strip()), flush=True)
    server.close()
    await site.settle()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None))
