"""A loopback server of synthetic feeds that costs as little as can be, in a process of its own.

    with FeedServer(feeds=2000, size=60_000) as server:
        server.mode = "304"
        ...poll server.urls...
        server.cpu_seconds()

What a poll costs is then what the polling processes used, and the server's own time stands apart. The child ends
when its standard input does, so that it never outlives its owner.
"""

import asyncio
import gzip
import json
import resource
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from benchmarks.feedtext import FeedText

Mode = Literal["first", "304", "same", "changed"]
"""first: 200 with validators. 304: 304 to any condition. same: 200 with the same octets and without validators.
changed: every tenth feed has one entry more, the others answer as in 304. Without a condition there is no 304."""

FRESH_EVERY = 10


class FeedServer:
    """The owner's end: the addresses, the mode of all answers, and what the server did and used."""

    def __init__(self, *, feeds: int = 2000, size: int = 60_000, seed: int = 1) -> None:
        self._arguments = [str(feeds), str(size), str(seed)]
        self._feeds = feeds
        self._mode: Mode = "first"
        self.urls: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.feedserver", *self._arguments],
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.urls = tuple(f"http://127.0.0.1:{self._ask('port')}/{number}" for number in range(self._feeds))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.communicate(timeout=30)

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._ask(mode)
        self._mode = mode

    def cpu_seconds(self) -> float:
        """User and system time of the server's process since it was ready."""
        return float(self._ask("cpu"))

    def answers(self) -> dict[str, int]:
        """How many answers had which status since the mode was set."""
        return dict(json.loads(self._ask("answers")))

    def _ask(self, word: str) -> str:
        if self._child.stdin is None or self._child.stdout is None:
            raise RuntimeError("the feed server has no pipes")
        self._child.stdin.write(f"{word}\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError(f"the feed server ended before it answered {word!r}")
        return answer.strip()


# --- the child ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The answers of one feed, whole, so that serving is a look-up and a write."""

    first: bytes
    same: bytes
    fresh: bytes | None


NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def prepare(text: FeedText, number: int, modified: str) -> Prepared:
    body = gzip.compress(text.feed(number), compresslevel=6, mtime=0)
    fresh = text.feed(number, fresh=1) if number % FRESH_EVERY == 0 else None
    return Prepared(
        first=_answer(body, f'ETag: "{number}-1"', f"Last-Modified: {modified}"),
        same=_answer(body),
        fresh=_answer(gzip.compress(fresh, mtime=0), f'ETag: "{number}-2"') if fresh else None,
    )


def _answer(body: bytes, *headers: str) -> bytes:
    lines = (
        "HTTP/1.1 200 OK",
        "Content-Type: application/xml; charset=utf-8",
        "Content-Encoding: gzip",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Site:
    """All feeds and the mode they are served in."""

    def __init__(self, feeds: int, size: int, seed: int) -> None:
        now = datetime.now(UTC)
        text, modified = FeedText(size=size, seed=seed, now=now), format_datetime(now, usegmt=True)
        self._prepared = {b"/%d" % number: prepare(text, number, modified) for number in range(feeds)}
        self.mode: Mode = "first"
        self.answers = Counter[str]()

    def answer(self, request: bytes) -> bytes:
        """The whole answer to one whole request."""
        prepared = self._prepared.get(request[4 : request.find(b" ", 4)])
        if prepared is None:
            return NOT_FOUND
        whole = prepared.first
        if self.mode == "same":
            whole = prepared.same
        elif self.mode == "changed" and prepared.fresh is not None:
            whole = prepared.fresh
        elif self.mode != "first" and (b"\r\nIf-None-Match:" in request or b"\r\nIf-Modified-Since:" in request):
            whole = NOT_MODIFIED
        self.answers[whole[9:12].decode()] += 1
        return whole


class Talk(asyncio.Protocol):
    """One connection; requests have no bodies, and may come in pieces or several at once."""

    def __init__(self, site: Site) -> None:
        self._site, self._pending = site, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._write = transport.write

    def data_received(self, data: bytes) -> None:
        *requests, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for request in requests:
            self._write(self._site.answer(request))


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Control(asyncio.Protocol):
    """Words from the owner, one line each, and a line in answer to each; its silence ends the server."""

    def __init__(self, site: Site, port: int, ended: asyncio.Event) -> None:
        self._site, self._port, self._ended = site, port, ended
        self._began = cpu()

    def data_received(self, data: bytes) -> None:
        for word in data.decode().split():
            print(self._reply(word), flush=True)

    def _reply(self, word: str) -> object:
        match word:
            case "port":
                return self._port
            case "cpu":
                return cpu() - self._began
            case "answers":
                return json.dumps(self._site.answers)
            case "first" | "304" | "same" | "changed":
                self._site.mode = word
                self._site.answers.clear()
        return word

    def connection_lost(self, error: Exception | None) -> None:
        self._ended.set()


async def serve(site: Site) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: Talk(site), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    await loop.connect_read_pipe(lambda: Control(site, port, ended), sys.stdin)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Site(*map(int, sys.argv[1:4]))))
