"""Sees every internet socket this process makes, and lets none connect beyond the loopback.

An audit hook stays for the life of the process; it only acts while a `Fence` is up.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_INTERNET = (socket.AF_INET, socket.AF_INET6)


class Fence:
    """`made` counts sockets, `tried` holds the addresses somebody wanted to connect to."""

    def __init__(self) -> None:
        self.made = 0
        self.tried: list[tuple[str, int]] = []


_up: list[Fence] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if not _up:
        return
    if event == "socket.__new__" and arguments[1] in _INTERNET:
        _up[-1].made += 1
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host, port = arguments[1][:2]
        _up[-1].tried.append((host, port))
        if host != "::1" and not host.startswith("127."):
            raise OSError(f"the fence keeps {host} out")


sys.addaudithook(_watch)


@contextmanager
def fence() -> Iterator[Fence]:
    """A fence around this process for the time of a `with`."""
    _up.append(Fence())
    try:
        yield _up[-1]
    finally:
        _up.pop()
