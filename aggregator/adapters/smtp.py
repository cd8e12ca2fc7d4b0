"""One conversation with a mail server (RFC 5321), and what each way it can go means for a letter.

aiosmtplib speaks the commands; the message itself is written here, because only so it is known whether the dot
that ends it has left us. Before the dot the server has nothing; after it, only its answer tells.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponse, SMTPResponseException

from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.settings.relay import Relay

LONGEST_REPLY = 500
"""Characters of a server's words that are kept."""
_AUTHENTICATION = frozenset({530, 534, 535, 538})
"""Codes that ask for another login or for TLS (RFC 4954 4, 6): no letter's fault."""
_GO_ON = 354
_CLOSING = 421
_NO_TRANSACTION = 554
_ADDRESS = re.compile(r"[^\s\x00-\x20\x7f<>@]+@[^\s\x00-\x20\x7f<>@]+")
_ENHANCED = re.compile(r"[245]\.(\d{1,3})\.\d{1,3}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait for a server (RFC 5321 4.5.3.2): who gives up early after the dot makes doubt."""

    greeting: float = 300
    command: float = 300
    block: float = 180
    answer: float = 600


class _Client(SMTP):
    """Hangs up at once: a polite end of TLS waits for the other side, longer than our loop runs."""

    def close(self) -> None:
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class Conversation:
    """An open connection that is greeted, secured and logged in; after a fault it is closed by itself."""

    def __init__(self, client: SMTP, timeouts: Timeouts) -> None:
        self._client, self._timeouts = client, timeouts
        assert isinstance(client.transport, asyncio.WriteTransport)  # noqa: S101 (it is connected)
        client.transport.set_write_buffer_limits(0)  # so that draining means: nothing of it is left with us
        self.letters = 0
        """How many were handed over, whatever came of them."""

    @property
    def is_open(self) -> bool:
        return self._client.is_connected

    async def send(self, message: bytes, *, sender: str, recipient: str) -> SendResult:
        """Hand over one letter; raises ValueError for an address that would be read as something else."""
        for address in (sender, recipient):
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"no command can hold the address {address!r}")
        body = _on_the_wire(message)
        self.letters += 1
        try:
            if refusal := await self._offer(sender, recipient, len(body)):
                return refusal
            await self._write(body)
        except (SMTPException, OSError) as error:
            self.hang_up()
            words = f"the connection was lost before the message was complete: {_words(error)}"
            return SendResult(state=DeliveryState.DEFERRED, reply=words, server_down=True)
        return await self._finish()

    async def _offer(self, sender: str, recipient: str, size: int) -> SendResult | None:
        """MAIL, RCPT and DATA; the answer that says no to one of them."""
        options = [f"SIZE={size}"] if self._client.supports_extension("size") else []
        if not (sender + recipient).isascii():
            if not self._client.supports_extension("smtputf8"):
                words = "the mail server takes no addresses with letters outside ASCII (SMTPUTF8, RFC 6531)"
                return SendResult(state=DeliveryState.REFUSED, reply=words)
            options.append("SMTPUTF8")
        reply = await self._say("MAIL", f"FROM:<{sender}>", *options)
        if not 200 <= reply.code < 300:
            return await self._refused(reply, policy=True)  # the sender is refused: no recipient was named yet
        reply = await self._say("RCPT", f"TO:<{recipient}>")
        if not 200 <= reply.code < 300:
            return await self._refused(reply)
        reply = await self._say("DATA")
        return None if reply.code == _GO_ON else await self._refused(reply)

    async def _write(self, body: bytes) -> None:
        """The message without its last dot, until the last octet has left us."""
        async with asyncio.timeout(self._timeouts.block):
            if protocol := self._client.protocol:
                protocol.write(body)
                await protocol._drain_helper()  # what asyncio's own StreamWriter.drain waits for
        if not self._client.is_connected:  # asked last: from here to the dot nothing else runs
            raise SMTPException("it was closed by the server")

    async def _finish(self) -> SendResult:
        """The dot, and the only answer that counts."""
        try:
            reply = await self._client.execute_command(b".", timeout=self._timeouts.answer)
        except (SMTPException, OSError) as error:
            self.hang_up()
            words = f"the server may have taken it: no answer after the message: {_words(error)}"
            return SendResult(state=DeliveryState.UNCERTAIN, reply=words)
        if 200 <= reply.code < 300:
            return SendResult(state=DeliveryState.ACCEPTED, reply=_line(reply), code=reply.code)
        if 400 <= reply.code < 600:
            return judged(reply)
        self.hang_up()
        words = f"the server may have taken it: it answered {_line(reply)}"
        return SendResult(state=DeliveryState.UNCERTAIN, reply=words, code=reply.code)

    async def _say(self, *words: str) -> SMTPResponse:
        command = (word.encode("utf-8") for word in words)
        return await self._client.execute_command(*command, timeout=self._timeouts.command)

    async def _refused(self, reply: SMTPResponse, *, policy: bool = False) -> SendResult:
        """What the answer means; the transaction is taken back, so that the next one begins afresh."""
        try:
            if self._client.is_connected and (await self._say("RSET")).code != 250:
                self.hang_up()
        except (SMTPException, OSError):
            self.hang_up()
        return judged(reply, policy=policy)

    async def close(self) -> None:
        """QUIT, if there is somebody to say it to."""
        if self._client.is_connected:
            with suppress(SMTPException, OSError):
                await self._client.quit(timeout=5)
        self.hang_up()

    def hang_up(self) -> None:
        """Close without another word; what we still had for the server is dropped."""
        self._client.close()


async def converse(
    relay: Relay, timeouts: Timeouts, *, local_hostname: str | None, tls_context: ssl.SSLContext | None
) -> Conversation | SendResult:
    """Connect, secure and log in; or what is wrong with the whole server."""
    client = _Client(
        hostname=relay.host,
        port=relay.port,
        username=relay.username,
        password=relay.password,
        local_hostname=local_hostname,
        timeout=timeouts.greeting,
        use_tls=relay.tls == "implicit",
        start_tls=relay.tls == "starttls",
        tls_context=tls_context,
    )
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await _hello(client)
    except asyncio.CancelledError:
        client.close()
        raise
    except (SMTPException, OSError, ValueError) as error:
        client.close()
        words = f"{relay.host}:{relay.port} takes no mail from us: {_words(error)}"
        if relay.password:
            words = words.replace(relay.password, "***")  # some servers say back what they heard
        return SendResult(state=DeliveryState.DEFERRED, reply=words, server_down=True)
    return Conversation(client, timeouts)


def _on_the_wire(message: bytes) -> bytes:
    """The message in whole lines that end with CRLF, a dot before each dot that begins one (RFC 5321 4.5.2)."""
    lines = b"\r\n".join((b"", *message.splitlines(), b""))
    return lines.replace(b"\r\n.", b"\r\n..").removeprefix(b"\r\n")


async def _hello(client: SMTP) -> None:
    """EHLO, or HELO where that is not known (RFC 5321 3.2)."""
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def judged(reply: SMTPResponse, *, policy: bool = False) -> SendResult:
    """What a "no" means: 5xx for ever, all else for now; `policy` when it blames us and not the address.

    RFC 3463 3.8 has the class of policies, x.7.x; a bare 554 means "transaction failed" and names no address.
    """
    words, refused = _line(reply), 500 <= reply.code < 600 and reply.code not in _AUTHENTICATION
    subject = found[1] if (found := _ENHANCED.match(reply.message)) else None
    return SendResult(
        state=DeliveryState.REFUSED if refused else DeliveryState.DEFERRED,
        reply=words,
        code=reply.code,
        policy=refused and (policy or subject == "7" or (subject is None and reply.code == _NO_TRANSACTION)),
        server_down=reply.code == _CLOSING or reply.code in _AUTHENTICATION,
    )


def _line(reply: SMTPResponse) -> str:
    return f"{reply.code} {_one_line(reply.message)}".strip()


def _words(error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {_one_line(error.message)}" if error.code > 0 else _one_line(error.message)
    if isinstance(error, TimeoutError) and not str(error):
        return "it took too long"
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    """A server's words without line breaks and controls, which a log or a terminal would obey."""
    whole = " ".join(text.split())[:LONGEST_REPLY]
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in whole)
