"""A mail server whose journal is the truth: each line is on disk before the reply that it tells of leaves.

    with JournalServer(folder) as server:
        ...send to server.url...
        server.mode = "closing"
    read_journal(server.journal)

It stands in a process of its own, so that senders can be killed without it. An address says what becomes of its
letters, by its last label: `r7.greylist@reader.example` (see `Fate`); the mode says how the whole server is (see
`Mode`). On the way out, when its standard input ends, it first reads what senders left in the line: a letter whose dot
had left them is a letter taken.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Fate = Literal[
    "accept", "lines", "late", "greylist", "busy", "defer", "refuse", "reject", "cut", "vanish", "stall", "break"
]
"""accept: 250. lines: 250 in three lines. late: 250 after a while. greylist, busy: 450 after RCPT, 451 after the dot,
the first time. defer: 451 each time. refuse, reject: 550 after RCPT, 554 after the dot. cut: the line is cut in the
body, the first time. vanish: the letter is taken, and the line cut before the 250. stall: nothing is said for a while
after the dot, then the line is cut and the letter lost. break: 421 after RCPT, the first time, and the line is cut."""
Mode = Literal["good", "odd", "closing", "resetting", "full", "no_tls", "no_login"]
"""good. odd: replies of several lines and without words. closing: 421 to the eighth letter of a connection. resetting:
the line is cut there. full: 452 at the greeting. no_tls: no STARTTLS is offered. no_login: AUTH is refused."""
LEAVING_SECONDS = 10
"""How long it waits for its last senders to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A line of the journal: a letter that the server took or refused, and what it was about to say.

    `code`: 0 when it said nothing. `own`: the letter names its recipient, and nobody else, in To.
    """

    to: str
    code: int
    taken: bool
    message_id: str = ""
    octets: int = 0
    digest: str = ""
    own: bool = True


def read_journal(path: Path) -> list[Taken]:
    """Every line of it, in order."""
    return [Taken(**json.loads(line)) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


class JournalServer:
    """The owner's end: the address, the mode, and the journal in `folder`."""

    def __init__(self, folder: Path, *, certificate: Path | None = None) -> None:
        self.journal, self._certificate = folder / "journal", certificate
        self._mode: Mode = "good"

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.smtp_talk", str(self.journal), str(self._certificate or "")],
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._ask("port"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.communicate(timeout=3 * LEAVING_SECONDS)

    @property
    def url(self) -> str:
        """For AGGREGATOR_SMTP_URL; without TLS unless there is a certificate."""
        if self._certificate is None:
            return f"smtp://127.0.0.1:{self.port}?tls=none"
        return f"smtp://wire:a%20password@localhost:{self.port}"

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self._ask(mode)

    def begin(self, journal: Path) -> None:
        """Write what comes from now on into another file, and treat every address as one never seen before."""
        self._ask("settle")
        self._ask(f"journal {journal}")
        self.journal = journal

    def settle(self) -> None:
        """Return once every sender's line has ended, and all that was left in it is in the journal."""
        self._ask("settle")

    def _ask(self, words: str) -> str:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{words}\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError(f"the mail server ended before it answered {words!r}")
        return answer.strip()
