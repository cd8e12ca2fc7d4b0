"""The line to a mail server: octets out, replies in, in the order of the commands (RFC 5321 4.2).

Several replies may come at once where commands are sent together (RFC 2920), so each is taken off by itself. A reply
that nobody asked for is the server's way to say that it is about to close (RFC 5321 3.8).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from aiosmtplib import SMTPResponse

LONGEST = 65536
"""Octets of one reply that are read; a server that says more is mad."""
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\n]*))?\r?\n")


class Wire(asyncio.Protocol):
    """Takes over a transport that is connected, secured and logged in; all it raises is OSError."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._unread = b""
        self._lost: Exception | None = None
        self._full = False
        self._listening: asyncio.Future[None] | None = None
        self._draining: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self.when_lost: Callable[[], object] = lambda: None
        transport.set_protocol(self)
        # So that draining means: nothing of it is left with us. With a limit of 0, TLS pauses who writes when it has
        # written all, and lets them go on only when the server speaks (CPython's sslproto._control_app_writing).
        transport.set_write_buffer_limits(high=1, low=0)

    @property
    def is_open(self) -> bool:
        """Whether more can be said: the server has neither closed nor said anything by itself."""
        return self._lost is None and not self._transport.is_closing() and not self._unread

    def write(self, octets: bytes | memoryview) -> None:
        """Send, or keep for sending; raises ConnectionError on a line that is closed."""
        if self._lost is not None or self._transport.is_closing():
            raise self._gone()
        self._transport.write(octets)

    async def drained(self) -> None:
        """Wait until the last octet has left us; raises ConnectionError when the line was closed before."""
        if self._full:
            self._draining = asyncio.get_running_loop().create_future()
            await self._draining
        if self._lost is not None or self._transport.is_closing():
            raise self._gone()

    async def reply(self, seconds: float) -> SMTPResponse:
        """The next reply; raises TimeoutError, and ConnectionError for a line that is closed or speaks no SMTP."""
        loop = asyncio.get_running_loop()
        self._until = loop.time() + seconds
        while (found := self._taken()) is None:
            if self._lost is not None:
                raise self._gone()
            self._listening = loop.create_future()
            if self._timer is None or self._timer.when() > self._until:
                self._set_timer(loop)
            await self._listening
        return found

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """One for many replies: it rings when the first that was waited for would be late, and is then set anew."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._until, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._listening is None or self._listening.done():
            return
        if loop.time() < self._until:
            self._set_timer(loop)
        else:
            self._wake(self._listening, TimeoutError("it took too long"))

    def hang_up(self) -> None:
        """Close without another word; what we still had for the server is dropped."""
        self._transport.abort()

    def _taken(self) -> SMTPResponse | None:
        """A whole reply off what has come; several lines of one are joined (RFC 5321 4.2.1)."""
        words, start = [], 0
        while found := _LINE.match(self._unread, start):
            start = found.end()
            words.append((found[3] or b"").strip().decode("utf-8", "surrogateescape"))
            if found[2] != b"-":
                self._unread = self._unread[start:]
                return SMTPResponse(int(found[1]), "\n".join(words))
        rest = self._unread[start:]
        if b"\n" in rest or len(self._unread) > LONGEST:
            raise ConnectionError(f"what it says is no reply of SMTP: {rest[:200].decode('utf-8', 'replace')}")
        return None

    def _gone(self) -> Exception:
        return ConnectionResetError(str(self._lost) if self._lost else "the line is closed")

    # --- what the transport tells -----------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._unread += data
        self._wake(self._listening)

    def eof_received(self) -> bool:
        self._lose(ConnectionResetError("it was closed by the server"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(exc or ConnectionResetError("the line is closed"))

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake(self._draining)

    def _lose(self, why: Exception) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lost = self._lost or why
        self._wake(self._listening)
        self._wake(self._draining)
        self.when_lost()

    @staticmethod
    def _wake(waiting: asyncio.Future[None] | None, error: Exception | None = None) -> None:
        if waiting is None or waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)
