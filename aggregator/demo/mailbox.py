"""The demo's recipients: a real SMTP server on loopback that keeps each message as a file."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from aggregator.demo.background import BackgroundLoop


class Mailbox:
    """Accepts mail on a free port of 127.0.0.1 into `folder`; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.received: list[tuple[str, Path]] = []
        """(recipient, file) in order of arrival."""
        self._conversations: list[SMTP] = []
        self._loop = BackgroundLoop("mailbox")

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}?tls=none"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._loop.__enter__()
        self._server = self._loop.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._stop())
        self._loop.__exit__(kind, error, trace)

    async def _start(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(self._answer, "127.0.0.1", 0)

    def _answer(self) -> SMTP:
        self._conversations.append(SMTP(self, hostname="mailbox.example"))
        return self._conversations[-1]

    async def _stop(self) -> None:
        self._server.close()
        for conversation in self._conversations:
            if conversation.transport is not None:  # from Python 3.12 on, wait_closed waits for open connections
                conversation.transport.close()
        await self._server.wait_closed()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        """Called by aiosmtpd for each message; a message counts once its file is written."""
        assert isinstance(envelope.content, bytes)  # noqa: S101 (decode_data is off, so aiosmtpd hands over bytes)
        for recipient in envelope.rcpt_tos:
            path = self.folder / f"{len(self.received) + 1:02}-{recipient.replace('/', '_')}.eml"
            path.write_bytes(envelope.content)
            self.received.append((recipient, path))
        return "250 Kept"
