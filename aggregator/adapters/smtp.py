"""One conversation with a mail server (RFC 5321), and what each way it can go means for a letter.

aiosmtplib connects, secures and logs in. From then on the commands are written here: only so several can go in one
flight (PIPELINING, RFC 2920), and only so it is known whether the dot that ends a message has left us. Before the dot
the server has nothing; after it, only its answer tells.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponse, SMTPResponseException

from aggregator.adapters.smtp_wire import Wire
from aggregator.faults import armed, fault
from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.model.sending import Outgoing
from aggregator.settings.relay import Relay

LONGEST_REPLY = 500
"""Characters of a server's words that are kept."""
LONGEST_ENVELOPE_ID = 100
"""Characters of ENVID (RFC 3461 4.4)."""
_AUTHENTICATION = frozenset({530, 534, 535, 538})
"""Codes that ask for another login or for TLS (RFC 4954 4, 6): no letter's fault."""
_GO_ON = 354
_CLOSING = 421
_NO_TRANSACTION = 554
_NO_XCHAR = re.compile(r"[^!-*,-<>-~]")
_ADDRESS = re.compile(r"[^\s\x00-\x20\x7f<>@]+@[^\s\x00-\x20\x7f<>@]+")
_ENHANCED = re.compile(r"[245]\.(\d{1,3})\.\d{1,3}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait for a server (RFC 5321 4.5.3.2): who gives up early after the dot makes doubt."""

    greeting: float = 300
    command: float = 300
    block: float = 180
    answer: float = 600


def demand_speakable(*addresses: str) -> None:
    """Raises ValueError for an address that a server would read as something else."""
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise ValueError(f"no command can hold the address {address!r}")


class _Client(SMTP):
    """Hangs up at once: a polite end of TLS waits for the other side, longer than our loop runs."""

    def close(self) -> None:
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class Conversation:
    """An open connection that is greeted, secured and logged in; after a fault it is closed by itself."""

    def __init__(self, client: SMTP, relay: Relay, timeouts: Timeouts) -> None:
        assert isinstance(client.transport, asyncio.Transport)  # noqa: S101 (it is connected)
        self.relay, self._timeouts = relay, timeouts
        self._wire = Wire(client.transport)
        self._offers = frozenset(name.lower() for name in client.esmtp_extensions)
        self._reset = False
        """A transaction was refused, and has to be taken back before the next one."""
        self.letters = 0
        """How many were handed over, whatever came of them."""

    @property
    def is_open(self) -> bool:
        return self._wire.is_open

    def when_lost(self, tell: Callable[[], object]) -> None:
        """Have it told when the server, or we, close the line."""
        self._wire.when_lost = tell

    async def send(self, letter: Outgoing, message: bytes) -> SendResult:
        """Hand over one letter, whole in `message`, the addresses of which are speakable."""
        body = message if letter.dotless else _stuffed(message if letter.in_lines else _in_lines(message))
        self.letters += 1
        try:
            if not self._wire.is_open:
                raise ConnectionResetError("the server has ended the conversation")
            if refusal := await self._offer(letter, len(body)):
                return refusal
            await self._write(body)
        except OSError as error:
            self.hang_up()
            words = f"the connection was lost before the message was complete: {_words(error)}"
            return SendResult(state=DeliveryState.DEFERRED, reply=words, server_down=True)
        return await self._finish()

    # --- MAIL, RCPT, DATA -------------------------------------------------------------------------

    async def _offer(self, letter: Outgoing, size: int) -> SendResult | None:
        """Begin a transaction; the answer that says no to it."""
        if not (letter.sender + letter.recipient).isascii() and "smtputf8" not in self._offers:
            words = "the mail server takes no addresses with letters outside ASCII (SMTPUTF8, RFC 6531)"
            return SendResult(state=DeliveryState.REFUSED, reply=words)
        commands = (*(["RSET"] if self._reset else []), self._mail(letter, size), self._rcpt(letter), "DATA")
        together = "pipelining" in self._offers
        if together:
            self._say(*commands)
        refusal: SendResult | None = None
        for command in commands:
            if not together:
                self._say(command)
            try:
                reply = await self._wire.reply(self._timeouts.command)
            except OSError:
                if refusal is None:
                    raise
                self.hang_up()
                return refusal
            verb = command[:4].strip()
            fault(f"send.{verb.lower()}")
            if refusal is not None:
                self._after_refusal(reply, verb)
            elif refusal := self._refusal(verb, reply):
                if not together:
                    return refusal
                if reply.code == _CLOSING:
                    self.hang_up()
                    return refusal
        return refusal

    def _refusal(self, verb: str, reply: SMTPResponse) -> SendResult | None:
        """What it means when this command was not taken. RSET must be: else nobody knows what it belongs to."""
        if verb == "RSET":
            if reply.code != 250:
                raise ConnectionResetError(f"it did not take a transaction back: {_line(reply)}")
            self._reset = False
            return None
        if reply.code == _GO_ON if verb == "DATA" else 200 <= reply.code < 300:
            return None
        self._reset = True
        if reply.code == _CLOSING:
            self.hang_up()
        return judged(reply, policy=verb == "MAIL", named=verb != "MAIL")

    def _after_refusal(self, reply: SMTPResponse, verb: str) -> None:
        """The replies to what was sent together with a command that was refused. A server that waits for a message all
        the same is left: one without a recipient would be nobody's, but one with the wrong sender somebody's."""
        if verb == "DATA" and reply.code == _GO_ON:
            self.hang_up()

    def _mail(self, letter: Outgoing, size: int) -> str:
        words = [f"MAIL FROM:<{letter.sender}>"]
        if "size" in self._offers:
            words.append(f"SIZE={size}")
        if "8bitmime" in self._offers and not letter.message.isascii():
            words.append("BODY=8BITMIME")
        if not (letter.sender + letter.recipient).isascii():
            words.append("SMTPUTF8")
        if "dsn" in self._offers and letter.envelope_id:
            words += ["RET=HDRS", f"ENVID={_xtext(letter.envelope_id[:LONGEST_ENVELOPE_ID])}"]
        return " ".join(words)

    def _rcpt(self, letter: Outgoing) -> str:
        words = [f"RCPT TO:<{letter.recipient}>"]
        if "dsn" in self._offers and letter.envelope_id:
            words.append("NOTIFY=FAILURE")
            if letter.recipient.isascii():  # another form is for others (RFC 6533 3)
                words.append(f"ORCPT=rfc822;{_xtext(letter.recipient)}")
        return " ".join(words)

    def _say(self, *commands: str) -> None:
        self._wire.write("".join(f"{command}\r\n" for command in commands).encode("utf-8"))

    # --- the message ------------------------------------------------------------------------------

    async def _write(self, body: bytes) -> None:
        """The message without its last dot, until the last octet has left us."""
        async with asyncio.timeout(self._timeouts.block):
            if armed("send.body"):
                half = len(body) // 2
                self._wire.write(body[:half])
                await self._wire.drained()
                fault("send.body")
                body = body[half:]
            self._wire.write(body)
            await self._wire.drained()  # asked last: from here to the dot nothing else runs

    async def _finish(self) -> SendResult:
        """The dot, and the only answer that counts."""
        try:
            self._wire.write(b".\r\n")
            fault("send.dot")
            reply = await self._wire.reply(self._timeouts.answer)
            fault("send.answered")
        except OSError as error:
            self.hang_up()
            words = f"the server may have taken it: no answer after the message: {_words(error)}"
            return SendResult(state=DeliveryState.UNCERTAIN, reply=words)
        if 200 <= reply.code < 300:
            return SendResult(state=DeliveryState.ACCEPTED, reply=_line(reply), code=reply.code)
        if reply.code == _CLOSING:
            self.hang_up()
        if 400 <= reply.code < 600:
            return judged(reply, named=True)
        self.hang_up()
        words = f"the server may have taken it: it answered {_line(reply)}"
        return SendResult(state=DeliveryState.UNCERTAIN, reply=words, code=reply.code)

    async def close(self) -> None:
        """QUIT, if there is somebody to say it to."""
        if self._wire.is_open:
            with suppress(OSError):
                fault("send.quit")
                self._say("QUIT")
                await self._wire.reply(5)
        self.hang_up()

    def hang_up(self) -> None:
        """Close without another word; what we still had for the server is dropped."""
        self._wire.hang_up()


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
        fault("send.connected")
        if client.is_ehlo_or_helo_needed:
            await _hello(client)
        fault("send.ehlo")
        return Conversation(client, relay, timeouts)
    except asyncio.CancelledError:
        client.close()
        raise
    except (SMTPException, OSError, ValueError) as error:
        client.close()
        words = f"{relay.host}:{relay.port} takes no mail from us: {_words(error)}"
        if relay.password:
            words = words.replace(relay.password, "***")  # some servers say back what they heard
        return SendResult(state=DeliveryState.DEFERRED, reply=words, server_down=True)


async def _hello(client: SMTP) -> None:
    """EHLO, or HELO where that is not known (RFC 5321 3.2)."""
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def _in_lines(message: bytes) -> bytes:
    """The message in whole lines that end with CRLF (RFC 5321 2.3.8)."""
    return b"\r\n".join((*message.splitlines(), b""))


def _stuffed(lines: bytes) -> bytes:
    """With a dot before each dot that begins a line (RFC 5321 4.5.2)."""
    stuffed = lines.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _xtext(text: str) -> str:
    """The text as an option's value: what is not plain as hexadecimal (RFC 3461 4)."""
    return _NO_XCHAR.sub(lambda found: f"+{ord(found[0]):02X}", text.encode("utf-8").decode("latin-1"))


def judged(reply: SMTPResponse, *, policy: bool = False, named: bool = False) -> SendResult:
    """What a "no" means: 5xx for ever, all else for now; `policy` when it blames us and not the address.

    RFC 3463 3.8 has the class of policies, x.7.x; a bare 554 means "transaction failed" and names no address. `named`:
    the server knew for whom the letter is, so that what it has against us for now may be that domain's view only.
    """
    words, refused = _line(reply), 500 <= reply.code < 600 and reply.code not in _AUTHENTICATION
    subject = found[1] if (found := _ENHANCED.match(reply.message)) else None
    slows = named and 400 <= reply.code < 500 and subject == "7"
    return SendResult(
        state=DeliveryState.REFUSED if refused else DeliveryState.DEFERRED,
        reply=words,
        code=reply.code,
        policy=slows or (refused and (policy or subject == "7" or (subject is None and reply.code == _NO_TRANSACTION))),
        server_down=(reply.code == _CLOSING and not slows) or reply.code in _AUTHENTICATION,
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
    if whole.isprintable():
        return whole
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in whole)
