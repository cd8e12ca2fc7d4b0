"""Letters handed over: to a mail server, or into a folder where none is configured.

deliver: ... letter > **mailer.send** > deliveries.settle
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from email import message_from_bytes
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import structlog

from aggregator.adapters.smtp import Conversation, Timeouts, converse
from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.settings.relay import parse_relay

LETTERS = 100
"""Letters handed over on one connection; many servers close it by themselves after some hundred."""
FIRST_REST = 30.0
LONGEST_REST = 900.0
"""Seconds in which a server that was down is left alone; they double with each new fault."""

Result = TypeVar("Result")
log = structlog.get_logger()


class SmtpMailer:
    """`ports.Mailer` over SMTP; one caller at a time, and `close` from any thread.

    The event loop runs only while a caller waits for it. A server that is down is told to the log once, and once
    more when it is back.
    """

    def __init__(
        self,
        url: str,
        *,
        timeouts: Timeouts | None = None,
        local_hostname: str | None = None,
        tls_context: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` as in AGGREGATOR_SMTP_URL; raises ConfigError."""
        self._relay = parse_relay(url)
        self._timeouts = timeouts or Timeouts()
        self._local_hostname, self._tls_context, self._monotonic = local_hostname, tls_context, monotonic
        self._runner: asyncio.Runner | None = None
        self._conversation: Conversation | None = None
        self._opening: asyncio.Task[Conversation | SendResult] | None = None
        self._busy = Lock()
        self._cut = False
        self._fault: SendResult | None = None
        self._rest, self._rested_at = 0.0, 0.0

    def connect(self) -> SendResult | None:
        """Be ready to send; what is wrong with the whole server when that cannot be."""
        if self._fault is not None and self._monotonic() < self._rested_at:
            return self._fault
        return None if self._is_ready() else self._run(self._open())

    def send(self, message: bytes, *, sender: str, recipient: str) -> SendResult:
        """Hand one message to the server and say what it answered; raises ValueError for an impossible address."""
        result = self._run(self._send(message, sender, recipient))
        self._note(result)
        return result

    def close(self) -> None:
        """End the conversation politely; `connect` begins another.

        In the middle of another thread's call it is cut off: the letter at hand is deferred, or in doubt if the
        server had it whole.
        """
        if not self._busy.acquire(blocking=False):
            if (runner := self._runner) is not None:
                with suppress(RuntimeError):  # that call has ended in the meantime, and its loop with it
                    runner.get_loop().call_soon_threadsafe(self._cut_off)
            return
        try:
            if self._runner is not None:
                if self._conversation is not None:
                    self._runner.run(self._conversation.close())
                self._runner.close()
            self._runner, self._conversation, self._cut = None, None, False
        finally:
            self._busy.release()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        with self._busy:
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner.run(work)

    def _cut_off(self) -> None:
        self._cut = True
        if self._opening is not None:
            self._opening.cancel()
        if self._conversation is not None:
            self._conversation.hang_up()

    def _is_ready(self) -> bool:
        return self._conversation is not None and self._conversation.is_open and self._conversation.letters < LETTERS

    async def _open(self) -> SendResult | None:
        if self._is_ready():
            return None
        if self._conversation is not None:
            await self._conversation.close()
        opened = await self._converse()
        if isinstance(opened, SendResult):
            self._conversation = None
            self._note(opened)
            return opened
        self._conversation = opened
        return None

    async def _converse(self) -> Conversation | SendResult:
        """A task of its own, so that it can be given up (nothing else is then lost)."""
        self._opening = asyncio.ensure_future(
            converse(self._relay, self._timeouts, local_hostname=self._local_hostname, tls_context=self._tls_context)
        )
        try:
            return await self._opening
        except asyncio.CancelledError:
            if not self._cut:
                raise
            return SendResult(state=DeliveryState.DEFERRED, reply="stopped while connecting", server_down=True)
        finally:
            self._opening = None

    async def _send(self, message: bytes, sender: str, recipient: str) -> SendResult:
        if fault := await self._open():
            return fault
        assert self._conversation is not None  # noqa: S101 (just opened)
        fresh = self._conversation.letters == 0
        result = await self._conversation.send(message, sender=sender, recipient=recipient)
        if fresh or self._cut or not result.server_down:
            return result
        # A server may end a conversation that went well (RFC 5321 3.8): this letter begins the next one.
        await self._conversation.close()
        return await self._send(message, sender, recipient)

    def _note(self, result: SendResult) -> None:
        """Leave a server that is down alone for a while, longer each time."""
        if self._cut:
            return
        if result.server_down:
            if self._fault is None:
                log.error("mailer.down", reason=result.reply)
            self._rest = min(self._rest * 2 or FIRST_REST, LONGEST_REST)
            self._fault, self._rested_at = result, self._monotonic() + self._rest
        elif self._fault is not None:
            log.info("mailer.up")
            self._fault, self._rest = None, 0.0


class OutboxMailer:
    """`ports.Mailer` that writes .eml files; a letter sent again replaces itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def connect(self) -> SendResult | None:
        """Make the folder."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return _unwritable(self._folder, error)
        return None

    def send(self, message: bytes, *, sender: str, recipient: str) -> SendResult:
        """Write the message as a file that is there whole or not at all, and on disk when this returns."""
        path = self._folder / f"{_file_name(message)}.eml"
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync_names(self._folder)
        except OSError as error:
            return _unwritable(path, error)
        return SendResult(state=DeliveryState.ACCEPTED, reply=f"kept as {path}: no mail server is named")

    def close(self) -> None:
        """Nothing stays open."""


def _sync_names(folder: Path) -> None:
    """Have the names in a folder on disk too: those of a file's octets say nothing of them (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_name(message: bytes) -> str:
    return re.sub(r"[^\w.@-]", "", message_from_bytes(message)["Message-ID"])


def _unwritable(path: Path, error: OSError) -> SendResult:
    words = f"cannot write {path}: {error.strerror or error}"
    return SendResult(state=DeliveryState.DEFERRED, reply=words, server_down=True)
