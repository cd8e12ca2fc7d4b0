"""Named points at which a test can break us: kill, stop, a full disk, a lost connection; nothing where nobody asks.

    AGGREGATOR_FAULT=send.dot=kill        the first time the point is reached
    AGGREGATOR_FAULT=send.dot:3=stop      the third time

The environment is read once, when the process starts, and never in one that serves people: it is for processes that a
test starts in order to lose them. One that it forks may be asked by `ask` instead.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress

VARIABLE = "AGGREGATOR_FAULT"
_FORM = re.compile(r"([a-z]+(?:\.[a-z]+)*)(?::([1-9][0-9]{0,8}))?=(kill|stop|drop|enospc)")


class Faults:
    """The fault that was asked for, if any; raises ValueError for a text of another form."""

    def __init__(self, asked: str) -> None:
        self.ask(asked)

    def ask(self, asked: str) -> None:
        """Ask for another fault, or for none; raises ValueError for a text of another form."""
        found = _FORM.fullmatch(asked) if asked else None
        if asked and found is None:
            raise ValueError(f"{VARIABLE}={asked!r} is no fault: write NAME=kill, or NAME:2=stop, drop or enospc")
        self._name = found[1] if found else ""
        self._left = int(found[2] or 1) if found else 0
        self._act = _ACTS[found[3]] if found else _nothing

    def arms(self, name: str) -> bool:
        """Whether this point is the one; for work that is only done to reach it."""
        return name == self._name

    def reach(self, name: str) -> None:
        """Come to a point; raises OSError when the disk is to be full there, or the connection to be lost."""
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            with suppress(OSError):
                os.write(
                    2, f"{VARIABLE}: {name} is reached\n".encode()
                )  # what was raised may be hidden by its handling
            self._act()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _drop() -> None:
    raise ConnectionResetError(errno.ECONNRESET, "a connection lost on purpose")


def _full() -> None:
    raise OSError(errno.ENOSPC, "a full disk on purpose")


def _nothing() -> None:
    """What happens where nobody asks."""


_ACTS: dict[str, Callable[[], None]] = {"kill": _kill, "stop": _stop, "drop": _drop, "enospc": _full}
_faults = Faults(os.environ.get(VARIABLE, ""))
fault, armed, ask = _faults.reach, _faults.arms, _faults.ask
