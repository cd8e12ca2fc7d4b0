"""People who come in by a list, and what became of each line."""

from __future__ import annotations

from dataclasses import dataclass, field

from aggregator.model.edition import Choices

KEPT_PROBLEMS = 1000
"""Bad lines of one file that are named; further ones are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who agreed to a newsletter, as they want it; `keys` are all keyed hashes their address may be
    suppressed by."""

    email: str
    name: str | None = None
    choices: Choices = field(default_factory=Choices)
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlisted:
    """What became of newcomers: how many are new, stood already, have unsubscribed and stay so; the addresses that
    are suppressed."""

    added: int = 0
    known: int = 0
    unsubscribed: int = 0
    suppressed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProblem:
    """A line of an imported file that was skipped; lines count from 1."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of a file: Subscriptions that are new, that stood already, of people who have unsubscribed and stay
    so, of addresses that get no mail; and lines that name nobody.

    `problems` names the first of the `skipped` and `suppressed` lines. `windows_1252`: lines that were not UTF-8 and
    were read as that.
    """

    added: int = 0
    known: int = 0
    unsubscribed: int = 0
    suppressed: int = 0
    skipped: int = 0
    windows_1252: int = 0
    problems: tuple[LineProblem, ...] = ()

    @property
    def people(self) -> int:
        """Lines that name somebody."""
        return self.added + self.known + self.unsubscribed + self.suppressed
