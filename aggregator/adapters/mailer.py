"""Letters handed over to mail servers, several at once.

deliver: ... letter > **mailer.hand** > **mailer.answers** > deliveries.exchange

The conversations live in an event loop in a thread of its own, from the first `connect` until `close`; nothing above
knows of it.
"""

from __future__ import annotations

import asyncio
import queue
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock, Thread, get_ident

from aggregator.adapters.relays import Relays
from aggregator.adapters.smtp import Conversation, Timeouts, converse, demand_speakable
from aggregator.adapters.smtp_pool import Pool
from aggregator.model.delivery import SendResult
from aggregator.model.sending import Answered, Outgoing
from aggregator.settings.relay import Relay, parse_relays

ALONE = -1
"""The key of a letter that is sent by itself; Deliveries count from 1."""
LINGER_SECONDS = 0.002
"""Answers come one by one, and are noted together: who has one waits so long for those that are at hand too."""
TOGETHER = 16
"""Letters that the conversations get at once: for each by itself, two threads would wait for each other."""


class SmtpMailer:
    """`mail_ports.Mailer` over SMTP; one caller at a time, and `close` from any thread."""

    def __init__(
        self,
        urls: str,
        *,
        connections: int = 1,
        timeouts: Timeouts | None = None,
        local_hostname: str | None = None,
        tls_context: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`urls` as in AGGREGATOR_SMTP_URL; raises ConfigError."""
        self._relays = Relays(parse_relays(urls), monotonic=monotonic)
        self._connections, self._timeouts = connections, timeouts or Timeouts()
        self._local_hostname, self._tls_context = local_hostname, tls_context
        self._room: _Room | None = None
        self._changing = Lock()
        self._alone = Lock()

    def connect(self, letters: int = 1) -> SendResult | None:
        """Have a conversation with the first server that takes letters, and more of them soon where many wait."""
        return self._begun().connect(letters)

    def room(self) -> int:
        """Conversations that are open and have no letter."""
        return self._room.free if self._room is not None else 0

    def hand(self, letter: Outgoing) -> None:
        """Take a letter to a server, with those that follow or when `answers` is asked for; raises ValueError for an
        address that cannot be spoken of."""
        demand_speakable(letter.sender, letter.recipient)
        self._begun().hand(letter)

    def answers(self, seconds: float) -> Sequence[Answered]:
        """What has been answered since the last call; waits so long for a first one, or for more room."""
        return self._room.answers(seconds) if self._room is not None else ()

    def send(self, message: bytes, *, sender: str, recipient: str) -> SendResult:
        """Hand over one message by itself; raises ValueError for an address that cannot be spoken of."""
        with self._alone:
            self.hand(Outgoing(key=ALONE, message=message, sender=sender, recipient=recipient))
            while not (answers := self.answers(60)):
                pass
        (answer,) = answers
        if answer.error is not None:
            raise answer.error
        return answer.result

    def close(self) -> None:
        """End the conversations politely. In the midst of another thread's letters these are cut off: each is deferred,
        or in doubt if a server had it whole."""
        room = self._room
        if room is None:
            return
        if room.is_busy and room.caller != get_ident():
            room.cut_off()
            return
        with self._changing:
            room, self._room = self._room, None
        if room is not None:
            room.end()

    def _begun(self) -> _Room:
        with self._changing:
            if self._room is None:
                self._room = _Room(self._relays, self._connections, self._open)
            self._room.caller = get_ident()
            return self._room

    async def _open(self, relay: Relay) -> Conversation | SendResult:
        return await converse(relay, self._timeouts, local_hostname=self._local_hostname, tls_context=self._tls_context)


class _Room:
    """The thread of the conversations, as the other threads see it."""

    def __init__(self, relays: Relays, connections: int, open_one: Callable[..., object]) -> None:
        self.caller = 0
        self._at_hand = 0
        self._handed: list[Outgoing] = []
        self._connecting: Future[SendResult | None] | None = None
        self._answers: queue.SimpleQueue[Answered | None] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._pool = Pool(relays, most=connections, open_one=open_one, answered=self._answers.put)  # type: ignore[arg-type]
        self._thread = Thread(target=self._run, name="mailer", daemon=True)
        self._thread.start()

    @property
    def free(self) -> int:
        return max(0, self._pool.open - self._at_hand)

    @property
    def is_busy(self) -> bool:
        return self._at_hand > 0 or self._connecting is not None

    def connect(self, letters: int) -> SendResult | None:
        if self._pool.is_ready(letters) or self._at_hand:
            return None
        self._connecting = asyncio.run_coroutine_threadsafe(self._pool.ready(letters), self._loop)
        try:
            return self._connecting.result()
        finally:
            self._connecting = None

    def hand(self, letter: Outgoing) -> None:
        self._at_hand += 1
        self._handed.append(letter)
        if len(self._handed) >= TOGETHER:
            self._take()

    def _take(self) -> None:
        """Let the conversations have what was handed over."""
        if self._handed:
            self._loop.call_soon_threadsafe(self._pool.take, self._handed)
            self._handed = []

    def answers(self, seconds: float) -> Sequence[Answered]:
        self._take()
        found = list(self._waiting(seconds))
        if found and len(found) < self._at_hand:
            time.sleep(LINGER_SECONDS)
            found += self._waiting(0)
        answers = [item for item in found if item is not None]
        self._at_hand -= len(answers)
        return answers

    def _waiting(self, seconds: float) -> Iterator[Answered | None]:
        """What is in the queue, the first of it waited for."""
        with suppress(queue.Empty):
            yield self._answers.get(block=seconds > 0, timeout=seconds or None)
            while True:
                yield self._answers.get_nowait()

    def cut_off(self) -> None:
        self._loop.call_soon_threadsafe(self._pool.cut_off)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            if self._at_hand:
                self._pool.cut_off()
            self._loop.run_until_complete(self._pool.end())
            for _ in range(3):  # lines that were hung up are closed in the next turns
                self._loop.run_until_complete(asyncio.sleep(0))
        finally:
            self._loop.close()
