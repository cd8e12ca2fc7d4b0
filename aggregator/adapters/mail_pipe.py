"""One mail in a file or on standard input, as a mail server's pipe hands it over."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from aggregator.errors import UsageError
from aggregator.model.bounce import BoxedMail

MOST_OCTETS = 1024 * 1024
"""Of one mail, that are read: what a notice has to say stands at its top."""
STDIN = "-"
_SWALLOWED = 64 * 1024


class MailPipe:
    """`mail_ports.BounceBox` of one mail; `path` is a file, or `-` for standard input, which is read to its end, so
    that the program before us does not fail to write."""

    def __init__(self, path: str, *, recipient: str | None = None, stdin: BinaryIO | None = None) -> None:
        self._path, self._recipient = path, recipient
        self._stdin = stdin or sys.stdin.buffer

    def mails(self) -> Iterator[BoxedMail]:
        """The mail; raises UsageError for a file that cannot be read."""
        if self._path == STDIN:
            raw = self._stdin.read(MOST_OCTETS)
            while self._stdin.read(_SWALLOWED):
                continue
        else:
            raw = _start_of(Path(self._path))
        yield BoxedMail(key=self._path, raw=raw, envelope_recipient=self._recipient)

    def done(self, key: str) -> None:
        """A file stays as it is: read again, it changes nothing."""

    def leave(self, key: str) -> None:
        """The same."""


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_OCTETS)
    except OSError as error:
        cure = "name a file with one mail, a Maildir, or - for standard input"
        raise UsageError(f"{path}: {error.strerror}; {cure}") from error
