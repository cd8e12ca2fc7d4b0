"""Looking host names up by the system's resolver, beside the event loop.

Each look-up has a daemon thread of its own: a name server that hangs delays neither the look-ups of other feeds, as
it would in a pool, nor the end of the process, which joins the threads of pools.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

LookUp = Callable[[str], Sequence[str]]
"""The addresses of a host name, best first, by a call that may block; raises OSError when it cannot say."""

T = TypeVar("T")


def system_look_up(host: str) -> list[str]:
    """What this machine's resolver says, of the address families this machine has."""
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(address[0]) for *_, address in answers]


async def in_thread(function: Callable[[str], T], argument: str) -> T:
    """The result of a blocking call; when the waiting is cancelled, the call ends by itself, unheard."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from here on the thread alone decides how it ends

    def work() -> None:
        try:
            future.set_result(function(argument))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, name="look-up", daemon=True).start()
    return await asyncio.wrap_future(future)
