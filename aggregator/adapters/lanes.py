"""Working through requests host by host, within bounds, from plain code.

Each host has at most `per_host` lanes and all hosts together at most `concurrency`; a lane serves its host's
requests one after another. Finished outcomes wait in a bounded queue for the consumer.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from aggregator.model.poll import FetchOutcome, FetchRequest

Session = TypeVar("Session")
"""Whatever lives as long as the round and all its fetches share."""


class Lanes(Generic[Session]):
    """One round of requests; iterate over `outcomes`, call `stop` in any case."""

    def __init__(
        self,
        requests: Sequence[FetchRequest],
        *,
        fetch: Callable[[Session, FetchRequest], Awaitable[FetchOutcome]],
        open_session: Callable[[], AbstractAsyncContextManager[Session]],
        concurrency: int,
        per_host: int,
    ) -> None:
        self._fetch, self._open_session = fetch, open_session
        self._concurrency, self._per_host = concurrency, per_host
        self._hosts: dict[str, deque[FetchRequest]] = {}
        for request in requests:
            self._hosts.setdefault(_host(request.url), deque()).append(request)
        self._ready: SimpleQueue[FetchOutcome | BaseException | None] = SimpleQueue()
        self._room = asyncio.Semaphore(2 * concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._stopping = False
        self._thread = Thread(target=self._run, name="fetcher", daemon=True)

    def outcomes(self) -> Iterator[FetchOutcome]:
        """One outcome per request as they complete; ends early after `stop`."""
        self._thread.start()
        taken = 0
        while (outcome := self._ready.get()) is not None:
            if isinstance(outcome, BaseException):
                raise outcome
            taken += 1
            if taken >= self._concurrency:  # giving room back costs a wake-up of the loop: not for each one
                self._tell_loop(self._give_room, taken)
                taken = 0
            yield outcome

    def stop(self) -> None:
        """Drop what is under way; safe from any thread, any number of times, at any moment."""
        self._stopping = True
        if self._thread.is_alive():
            self._tell_loop(self._cancel)
            self._thread.join()

    def _tell_loop(self, function: Callable[..., None], *arguments: int) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended meanwhile, and needs no telling
                self._loop.call_soon_threadsafe(function, *arguments)

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._main())
        except asyncio.CancelledError:
            self._ready.put(None)
        except BaseException as error:
            self._ready.put(error)
        else:
            self._ready.put(None)

    async def _main(self) -> None:
        self._work = asyncio.current_task()
        if self._stopping:  # said before there was anything to cancel
            return
        slots = asyncio.Semaphore(self._concurrency)
        async with self._open_session() as session, asyncio.TaskGroup() as lanes:
            for host, waiting in self._hosts.items():
                for _ in range(min(self._per_host, len(waiting))):
                    await slots.acquire()
                    lanes.create_task(self._lane(session, waiting, slots), name=host)

    async def _lane(self, session: Session, waiting: deque[FetchRequest], slots: asyncio.Semaphore) -> None:
        try:
            while waiting:
                request = waiting.popleft()
                await self._room.acquire()
                self._ready.put(await self._fetch(session, request))
        finally:
            slots.release()

    def _give_room(self, count: int) -> None:
        for _ in range(count):
            self._room.release()

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()


def _host(url: str) -> str:
    """Whose server it is; addresses that cannot be read share a lane, and fail in it."""
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return ""
