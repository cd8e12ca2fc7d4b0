"""A scripted HTTP server on the loopback, which remembers what each request carried, and a fetcher to ask it.

It is written on bare streams, because most of what it must answer is not proper HTTP.
"""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from aggregator.adapters.dns import LookUp, system_look_up
from aggregator.adapters.fetcher import AiohttpFetcher
from aggregator.model.poll import FetchFailed, FetchOutcome, FetchRequest
from aggregator.settings.values import Polling

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
POLLING = Polling(allow_private=("127.0.0.0/8",), max_body=200_000, timeout=timedelta(seconds=15))
BODY = b"<rss><channel><title>Wire</title></channel></rss>"
LONGEST_TALK = 20
"""Seconds after which a connection is cut: the bound of every script."""


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    connection: int
    address: str

    def carried(self, *names: str) -> dict[str, str]:
        return {name: self.headers[name.lower()] for name in names if name.lower() in self.headers}


@dataclass
class Talk:
    """One connection, for scripts that write as they like; `sent` counts what the network has taken."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    sent: int = 0
    closed_by_client: threading.Event = field(default_factory=threading.Event)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def pause(self) -> None:
        """A moment, in which the other side may leave."""
        await asyncio.sleep(0.02)
        if self.reader.at_eof() or self.reader.exception():
            raise ConnectionResetError


Script = Callable[[Talk], Awaitable[None]]
Answer = bytes | Script


def answer(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer; `content_type="x"` gives `Content-Type: x`."""
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def head(*lines: str) -> bytes:
    """A status line and headers, as written."""
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


async def silence(talk: Talk) -> None:
    while not talk.writer.is_closing():
        await talk.pause()


class FetchServer:
    """Serves `answers[path]`: bytes are sent as they are, a script may do what it likes and ends the connection."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, greeting: bytes = b"", address: str = "127.0.0.1") -> None:
        self._tls, self._greeting, self._address = tls, greeting, address
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.seen: list[Seen] = []
        self.talks: list[Talk] = []
        self.busiest = 0
        self._busy = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def url(self, path: str = "/feed", name: str | None = None) -> str:
        return f"{'https' if self._tls else 'http'}://{name or self._address}:{self.port}{path}"

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._converse, self._address, 0, limit=2**20, ssl=self._tls)
        self.port: int = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(reader=reader, writer=writer, number=len(self.talks))
        self.talks.append(talk)
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            async with asyncio.timeout(LONGEST_TALK):
                await talk.send(self._greeting)
                while await self._serve_one(talk, reader):
                    pass
        if reader.at_eof() or isinstance(reader.exception(), OSError):
            talk.closed_by_client.set()
        writer.close()

    async def _serve_one(self, talk: Talk, reader: asyncio.StreamReader) -> bool:
        request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = request[0].split(" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in request[1:-2])}
        address = talk.writer.get_extra_info("sockname")[0]
        self.seen.append(Seen(path=path, headers=headers, connection=talk.number, address=address))
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            return await self._perform(talk, self._next(path))
        finally:
            self._busy -= 1

    async def _perform(self, talk: Talk, script: Answer) -> bool:
        if isinstance(script, bytes):
            await talk.send(script)
            return b"connection: close" not in script.lower()
        await script(talk)
        return False

    def _next(self, path: str) -> Answer:
        script = self.answers.get(path, answer(404))
        if isinstance(script, list):
            return script.pop(0) if len(script) > 1 else script[0]
        return script


def fetch(
    *requests: FetchRequest, polling: Polling = POLLING, look_up: LookUp = system_look_up
) -> dict[str, FetchOutcome]:
    """One round: the outcome of each feed, of which there is exactly one."""
    fetcher = AiohttpFetcher(polling, user_agent="wire/1 (+https://wire.example)", now=lambda: NOW, look_up=look_up)
    outcomes = list(fetcher.fetch(requests))
    assert sorted(outcome.feed_id for outcome in outcomes) == sorted(request.feed_id for request in requests)
    return {outcome.feed_id: outcome for outcome in outcomes}


def failure(outcome: FetchOutcome) -> FetchFailed:
    assert isinstance(outcome, FetchFailed), outcome
    assert outcome.message.isprintable()
    return outcome
