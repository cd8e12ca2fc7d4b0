"""Several conversations with mail servers at once, in one event loop: letters in, answers out as they come.

mailer.hand > **pool.take** > conversation > **answered**
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from aggregator.adapters.relays import Relays
from aggregator.adapters.smtp import Conversation
from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.model.sending import Answered, Outgoing
from aggregator.settings.relay import Relay

LETTERS = 100
"""Letters handed over on one connection; many servers close it by themselves after some hundred."""
LETTERS_FOR_ANOTHER = 10
"""So many letters that wait are worth one more connection."""
SIGNERS, SIGNED_TOGETHER = 2, 8
"""Threads that sign, and letters that one takes at once: each way to a thread and back costs as much as a third of a
signature."""
STOPPED = SendResult(state=DeliveryState.DEFERRED, reply="stopped while connecting", server_down=True)

log = structlog.get_logger()


class Pool:
    """Conversations that are open. All of it runs in one loop, but `open` and `is_ready` may be asked from any thread.

    `answered` is called with each answer, and with None when there is room for a letter that there was not before.
    """

    def __init__(
        self,
        relays: Relays,
        *,
        most: int,
        open_one: Callable[[Relay], Coroutine[Any, Any, Conversation | SendResult]],
        answered: Callable[[Answered | None], None],
    ) -> None:
        self._relays, self._most, self._open_one, self._answered = relays, most, open_one, answered
        self._free: deque[Conversation] = deque()
        self._busy: set[Conversation] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._opening: set[asyncio.Task[Any]] = set()
        self._signing: ThreadPoolExecutor | None = None
        self._cut = False
        self.open = 0
        """Conversations that are open, with a letter or without."""

    # --- being ready ------------------------------------------------------------------------------

    def is_ready(self, letters: int) -> bool:
        """Whether there are as many conversations as there are to be; may be asked from any thread."""
        return self.open > 0 and self.open + len(self._opening) >= self._sought(letters)

    def _sought(self, letters: int) -> int:
        return min(self._most, 1 + letters // LETTERS_FOR_ANOTHER)

    async def ready(self, letters: int) -> SendResult | None:
        """Have a conversation, and more of them soon where many letters wait; what is wrong when there is none."""
        self._drop_closed()
        if not self.open:
            opened = await self._opened()
            if isinstance(opened, SendResult):
                return opened
            self._keep(opened)
        for _ in range(self._sought(letters) - self.open - len(self._opening)):
            self._spawn(self._widen())
        return None

    def _drop_closed(self) -> None:
        """Forget conversations that the server has ended while nothing was said."""
        for conversation in [item for item in self._free if not item.is_open]:
            self._free.remove(conversation)
            self._retire(conversation)

    async def _widen(self) -> None:
        """One more, if the server takes one: who has others with it does not blame it for this one."""
        opened = await self._opened(besides=True)
        if isinstance(opened, Conversation):
            self._keep(opened)
            self._answered(None)
        else:
            self._most = max(1, self.open)
            log.info("mailer.no_more_connections", open=self.open, reason=opened.reply)

    async def _opened(self, *, besides: bool = False) -> Conversation | SendResult:
        """A new conversation with the first server that takes one."""
        while not self._cut:
            relay = self._relays.choose()
            if isinstance(relay, SendResult):
                return relay
            opened = await self._given_up_when_cut(self._open_one(relay))
            if isinstance(opened, Conversation):
                self.open += 1
                opened.when_lost(self._drop_closed)
                return opened
            if self._cut or (besides and self.open):
                return opened
            self._relays.down(relay, opened)
        return STOPPED

    async def _given_up_when_cut(
        self, work: Coroutine[Any, Any, Conversation | SendResult]
    ) -> Conversation | SendResult:
        """A task of its own, so that it can be cancelled and nothing else is lost."""
        task = asyncio.ensure_future(work)
        self._opening.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if not self._cut:
                raise
            return STOPPED
        finally:
            self._opening.discard(task)

    # --- letters ----------------------------------------------------------------------------------

    def take(self, letters: Sequence[Outgoing]) -> None:
        """Carry letters to a server; the answer to each comes by `answered`."""
        unsigned = [letter for letter in letters if letter.signature is not None]
        for letter in letters:
            if letter.signature is None:
                self._spawn(self._carry(letter, letter.message))
        for start in range(0, len(unsigned), SIGNED_TOGETHER):
            self._spawn(self._carry_signed(unsigned[start : start + SIGNED_TOGETHER]))

    async def _carry_signed(self, letters: Sequence[Outgoing]) -> None:
        """Sign them beside what else is to be done, as OpenSSL does without the interpreter's lock, then carry each."""
        if self._signing is None:
            self._signing = ThreadPoolExecutor(SIGNERS, thread_name_prefix="signer")
        signed = await asyncio.get_running_loop().run_in_executor(self._signing, _signed, letters)
        for letter, message in zip(letters, signed, strict=True):
            if isinstance(message, Exception):
                self._answered(_fault(letter, message, DeliveryState.DEFERRED))
            else:
                self._spawn(self._carry(letter, message))

    async def _carry(self, letter: Outgoing, message: bytes) -> None:
        try:
            answer = Answered(key=letter.key, result=await self._sent(letter, message))
        except Exception as error:
            answer = _fault(letter, error, DeliveryState.UNCERTAIN)  # a server may have it
        self._answered(answer)

    async def _sent(self, letter: Outgoing, message: bytes) -> SendResult:
        """What a server said, or each of those that are to be had in vain."""
        while not self._is_cut():
            conversation = self._take_free() or await self._opened()
            if isinstance(conversation, SendResult):
                return conversation
            fresh = conversation.letters == 0
            self._busy.add(conversation)
            try:
                result = await conversation.send(letter, message)
            except BaseException:
                conversation.hang_up()
                raise
            finally:
                self._busy.discard(conversation)
                self._keep(conversation)
            if self._is_cut():
                return result
            if not result.server_down:
                self._relays.up(conversation.relay)
                return result
            # A server may end a conversation that went well (RFC 5321 3.8): this letter begins the next one.
            conversation.hang_up()
            self._drop_closed()
            if fresh:
                self._relays.down(conversation.relay, result)
                if isinstance(self._relays.choose(), SendResult):
                    return result
        return STOPPED

    def _is_cut(self) -> bool:
        """Whether it was cut off by now: that may happen at any await."""
        return self._cut

    def _take_free(self) -> Conversation | None:
        while self._free:
            conversation = self._free.popleft()
            if conversation.is_open:
                return conversation
            self._retire(conversation)
        return None

    def _keep(self, conversation: Conversation) -> None:
        if conversation.is_open and conversation.letters < LETTERS:
            self._free.append(conversation)
        else:
            self._retire(conversation)

    def _retire(self, conversation: Conversation) -> None:
        self.open -= 1
        self._spawn(conversation.close())

    # --- the end ----------------------------------------------------------------------------------

    def cut_off(self) -> None:
        """Give up what is being opened, and hang up wherever a letter is at hand."""
        self._cut = True
        for task in self._opening:
            task.cancel()
        for conversation in self._busy:
            conversation.hang_up()

    async def end(self) -> None:
        """Say goodbye to everybody."""
        self._cut = True
        while self._free:
            self._retire(self._free.popleft())
        for task in self._opening:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._signing is not None:
            self._signing.shutdown()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _signed(letters: Sequence[Outgoing]) -> list[bytes | Exception]:
    """Each message with its signature, or why it has none."""
    messages: list[bytes | Exception] = []
    for letter in letters:
        try:
            messages.append(letter.whole())
        except Exception as error:
            messages.append(error)
    return messages


def _fault(letter: Outgoing, error: Exception, state: DeliveryState) -> Answered:
    words = f"a fault of ours while it was sent ({type(error).__name__}); the log says where"
    return Answered(key=letter.key, result=SendResult(state=state, reply=words), error=error)
