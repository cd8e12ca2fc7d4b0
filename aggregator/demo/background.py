"""An event loop in a thread of its own, for servers that live beside a plain program."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


class BackgroundLoop:
    """Runs coroutines from plain code; use it as a context manager."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(_settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`, done on the loop; raises TimeoutError after 10 seconds."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


async def _settle() -> None:
    """End what still runs; sockets that were told to close do so on the loop's next turn."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)
