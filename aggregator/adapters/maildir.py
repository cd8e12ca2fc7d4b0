"""A Maildir: each mail a file, in `new` until somebody looked, then in `cur` with its flags behind `:2,`.

What is read gets the flag `S` (seen) by one rename, which either happens or does not. Nothing is deleted.
The format is Bernstein's (https://cr.yp.to/proto/maildir.html).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from aggregator.adapters.mail_pipe import MOST_OCTETS
from aggregator.errors import BoxError
from aggregator.model.bounce import BoxedMail

FLAGS, SEEN = ":2,", "S"
FOLDERS = ("new", "cur", "tmp")


def is_maildir(path: Path) -> bool:
    """Whether mail is kept there in this way."""
    return all((path / name).is_dir() for name in FOLDERS)


class Maildir:
    """`mail_ports.BounceBox` of the mails that have not been seen."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mails(self) -> Iterator[BoxedMail]:
        """The oldest first; one that cannot be read is told with its trouble. Raises BoxError."""
        if not is_maildir(self._path):
            raise BoxError(f"{self._path} is no Maildir: it has no folders new, cur and tmp; name one that has")
        for name, path in sorted(self._unseen(), key=lambda item: item[0].rpartition("/")[2]):
            try:
                yield BoxedMail(key=name, raw=_start_of(path))
            except FileNotFoundError:
                continue  # another program took it
            except OSError as error:
                yield BoxedMail(key=name, raw=b"", trouble=f"the file cannot be read: {error.strerror or error}")

    def _unseen(self) -> list[tuple[str, Path]]:
        try:
            return [
                (f"{folder}/{entry.name}", Path(entry.path))
                for folder in ("new", "cur")
                for entry in os.scandir(self._path / folder)
                if not entry.name.startswith(".") and SEEN not in _flags(entry.name)
            ]
        except OSError as error:
            raise BoxError(f"{error.filename}: {error.strerror}; let this user read and write it") from error

    def done(self, key: str) -> None:
        """Give it the flag of what was seen, in `cur`; raises BoxError."""
        name = key.rpartition("/")[2]
        unique = name.partition(FLAGS)[0]
        flags = "".join(sorted({*_flags(name), SEEN}))
        try:
            os.rename(self._path / key, self._path / "cur" / f"{unique}{FLAGS}{flags}")
        except FileNotFoundError:
            return  # another program moved it, and it has been read
        except OSError as error:
            raise BoxError(f"{error.filename}: {error.strerror}; let this user write in {self._path}/cur") from error

    def leave(self, key: str) -> None:
        """It stays where it is, unseen."""


def _flags(name: str) -> str:
    return name.partition(FLAGS)[2]


def _start_of(path: Path) -> bytes:
    """As much of a file as is read of a mail; a pipe, a device or a link that somebody put there is not opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no file")
        return file.read(MOST_OCTETS)
