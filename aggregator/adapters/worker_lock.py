"""Who works on an SQLite file, by locks of files beside it: the system gives them free when their process ends.

`wire.db.worker` is held by the one that leads, which polls and makes Issues. Each that sends holds a file with a name
of its own, `wire.db.sender-…`, and claims letters in that name: so whether it is gone is known at once, not guessed
from clocks. One that is only stopped still holds it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from aggregator.errors import BusyError, StoreError

_NAME = re.compile(r"[0-9a-f]{16}")


@contextmanager
def worker_lock(database: Path) -> Iterator[None]:
    """Be the one that leads; raises BusyError when another process does, StoreError when none can."""
    file = database.resolve()
    path = file.with_name(f"{file.name}.worker")
    lock = _lock(path)
    if not _taken(lock, path):
        raise BusyError(
            f"another worker polls and sends for this database (it holds {path}); stop it first, or let it work"
        )
    try:
        yield
    finally:
        lock.release()


class FilePlaces:
    """`mail_ports.Places` beside an SQLite file."""

    def __init__(self, database: Path) -> None:
        self._file = database.resolve()
        self._name = ""
        self._held: FileLock | None = None

    def mine(self) -> str:
        """The name of this worker, taken when first asked for; raises StoreError where none can be."""
        while self._held is None:
            self._name = secrets.token_hex(8)
            lock = _lock(self._path(self._name))
            if _taken(lock, self._path(self._name)):
                self._held = lock
        return self._name

    def leave(self) -> None:
        """Give the name up: what was claimed in it and is not settled is whoever comes next to name."""
        if self._held is not None:
            _drop(self._held, self._path(self._name))
            self._held = None

    def is_gone(self, worker: str) -> bool:
        """Whether nobody holds this name any more; raises StoreError where that cannot be seen."""
        if not _NAME.fullmatch(worker):
            return True
        path = self._path(worker)
        if not path.exists():
            return True
        lock = _lock(path)
        if not _taken(lock, path):
            return False
        _drop(lock, path)
        return True

    def _path(self, worker: str) -> Path:
        return self._file.with_name(f"{self._file.name}.sender-{worker}")


def _lock(path: Path) -> FileLock:
    return FileLock(path, timeout=0, thread_local=False)  # taken and given back by whichever thread


def _taken(lock: FileLock, path: Path) -> bool:
    try:
        lock.acquire()
    except Timeout:
        return False
    except OSError as error:
        cure = "make it, and the folder of the database, writable for this user"
        raise StoreError(f"cannot lock {path}: {error.strerror}; {cure}") from error
    return True


def _drop(lock: FileLock, path: Path) -> None:
    """Take the file away while it is held, so that nobody finds it free of whom it never named."""
    with suppress(OSError):
        path.unlink()
    lock.release()
