"""The place of the one worker of a database; the system gives it free when the process that holds it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from aggregator.errors import BusyError, StoreError


@contextmanager
def worker_lock(database: Path) -> Iterator[None]:
    """Be the one worker of this SQLite file; raises BusyError when another process is, StoreError when none can be."""
    file = database.resolve()
    path = file.with_name(f"{file.name}.worker")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise BusyError(
            f"another worker polls and sends for this database (it holds {path}); stop it first, or let it work"
        ) from error
    except OSError as error:
        cure = "make it, and the folder of the database, writable for this user"
        raise StoreError(f"cannot lock {path}: {error.strerror}; {cure}") from error
    try:
        yield
    finally:
        lock.release()
