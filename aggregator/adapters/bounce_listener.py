"""A listener for mail that comes back, spoken to in LMTP (RFC 2033) or SMTP (RFC 5321) by a mail server.

It takes mail for signed addresses alone, says 250 when what a mail says is on disk, and sends none: it knows no other
server. LMTP wants an answer for each recipient, SMTP one for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from aggregator.errors import BoxError
from aggregator.model.bounce import BounceReport, BoxedMail

MAX_OCTETS = 10 * 1024 * 1024
"""Of a mail that is taken; what is read of it is less, and a notice that brings back a large mail is no worse."""
LONGEST_LINE = 64 * 1024
"""Octets; RFC 5321 has 1000, and servers that write notices do not all keep to it."""
MOST_RECIPIENTS = 100
"""RFC 5321 4.5.3.1.8."""
MOST_CONVERSATIONS = 20
IDLE_SECONDS = 60
STOPPING_SECONDS = 10

Keep = Callable[[BoxedMail], BounceReport]

log = structlog.get_logger()


class _Conversation(SMTP):
    """Both protocols: who greets with LHLO speaks LMTP."""

    line_length_limit = LONGEST_LINE
    speaks_lmtp = False

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, hostname: str) -> None:  # noqa: N802 (aiosmtpd's name)
        self.speaks_lmtp = True
        await super().smtp_EHLO(hostname)


class _Desk:
    """What is said to each command that matters; the names of the methods are aiosmtpd's."""

    def __init__(self, keep: Keep, is_ours: Callable[[str], bool]) -> None:
        self._keep, self._is_ours = keep, is_ours
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bounces")  # the database has one writer
        self.open: set[_Conversation] = set()

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Only what we signed; nobody learns anything else of an address."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        if not self._is_ours(address):
            return "550 5.1.1 no such address here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: _Conversation, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Read it for each recipient; when it cannot be kept for one, the sender tries again later."""
        raw = envelope.content
        assert isinstance(raw, bytes)  # noqa: S101 (decode_data is off, so aiosmtpd hands over bytes)
        loop = asyncio.get_running_loop()
        answers = [
            await loop.run_in_executor(
                self.pool, self._kept, BoxedMail(key="lmtp", raw=raw, envelope_recipient=address)
            )
            for address in envelope.rcpt_tos
        ]
        return "\r\n".join(answers) if server.speaks_lmtp else max(answers)

    def _kept(self, mail: BoxedMail) -> str:
        try:
            report = self._keep(mail)
        except Exception as error:  # it is told by its name alone: a mail may hold anything
            log.error("bounces.not_kept", error=type(error).__name__)
            return "451 4.3.0 it cannot be kept now; try again later"
        return "451 4.3.0 it cannot be read; try again later" if report.left else "250 2.0.0 read"

    def answer(self) -> asyncio.BaseProtocol:
        """Who takes a new connection."""
        self.open = {
            conversation
            for conversation in self.open
            if conversation.transport is not None and not conversation.transport.is_closing()
        }
        if len(self.open) >= MOST_CONVERSATIONS:
            return _Busy()
        conversation = _Conversation(
            self,
            hostname="bounces.invalid",
            ident="bounces",
            data_size_limit=MAX_OCTETS,
            enable_SMTPUTF8=True,
            timeout=IDLE_SECONDS,
        )
        self.open.add(conversation)
        return conversation


class _Busy(asyncio.Protocol):
    """Turns a connection away (RFC 5321 3.8)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (a stream's)
        transport.write(b"421 4.3.2 too many connections; try again later\r\n")
        transport.close()


@contextmanager
def listening(host: str, port: int, *, keep: Keep, is_ours: Callable[[str], bool]) -> Iterator[int]:
    """Take mail in until the block ends; gives the port, a free one for 0. Raises BoxError.

    `keep` reads one mail and returns when it is stored; it is called by one thread. `is_ours`: the address is signed.
    """
    desk, loop = _Desk(keep, is_ours), asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="bounce listener", daemon=True)
    thread.start()
    try:
        opened = asyncio.run_coroutine_threadsafe(loop.create_server(desk.answer, host, port), loop)
        try:
            server = opened.result(timeout=STOPPING_SECONDS)
        except OSError as error:
            cure = "name another in AGGREGATOR_BOUNCES_LISTEN, or end what listens there"
            raise BoxError(f"cannot listen on {host}:{port}: {error.strerror or error}; {cure}") from error
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            asyncio.run_coroutine_threadsafe(_end(server, desk), loop).result(timeout=STOPPING_SECONDS)
    finally:
        desk.pool.shutdown()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=STOPPING_SECONDS)
        loop.close()


async def _end(server: asyncio.Server, desk: _Desk) -> None:
    """Let a mail that is being stored be answered; cut off who is only connected."""
    server.close()
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(desk.pool, lambda: None)
    await asyncio.sleep(0)
    for conversation in desk.open:
        if conversation.transport is not None:
            conversation.transport.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
