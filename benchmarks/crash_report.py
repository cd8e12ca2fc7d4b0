"""What many crashes came to: one JSON document, and tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.crash_plan import POINTS
from benchmarks.crash_run import Outcome


@dataclass(slots=True)
class Cell:
    """The runs of one name and kind. `missed`: they were over before it befell them; they are judged all the same."""

    name: str
    kind: str
    runs: int = 0
    missed: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    in_doubt: int = 0
    taken: int = 0
    faults: int = 0

    def add(self, outcome: Outcome) -> None:
        verdict = outcome.verdict
        self.runs += outcome.reached
        self.missed += not outcome.reached
        self.lost += verdict.lost
        self.doubled += verdict.doubled
        self.stuck += verdict.stuck
        self.in_doubt += verdict.in_doubt
        self.taken += verdict.taken
        self.faults += len(verdict.faults)


def cells(outcomes: Iterable[Outcome]) -> Sequence[Cell]:
    """One for each name and kind, in the order they came."""
    found: dict[tuple[str, str], Cell] = {}
    for outcome in outcomes:
        key = (outcome.crash.name, outcome.crash.kind)
        found.setdefault(key, Cell(*key)).add(outcome)
    return list(found.values())


def rebuilt_otherwise(outcomes: Sequence[Outcome]) -> int:
    """Issues whose words differ from those of another run of the same day."""
    texts = [outcome.text for outcome in outcomes]
    first = {text[0]: text for text in reversed(texts) if text}
    return sum(text != first[text[0]] for text in texts if text)


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """All of it, and each run that is not sound by name."""
    total = Cell("all", "")
    for outcome in outcomes:
        total.add(outcome)
    return {
        "total": asdict(total) | {"issues_rebuilt_otherwise": rebuilt_otherwise(outcomes)},
        "seconds": round(sum(outcome.seconds for outcome in outcomes)),
        "real": sum(outcome.crash.real for outcome in outcomes),
        "cells": [asdict(cell) for cell in cells(outcomes)],
        "unsound": [
            asdict(outcome.crash) | asdict(outcome.verdict) for outcome in outcomes if not outcome.verdict.sound
        ],
    }


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: a line for each name, its kinds beside each other."""
    found = cells(outcomes)
    kinds = list(dict.fromkeys(cell.kind for cell in found))
    head = ["point", *(f"{kind}: runs, in doubt (taken)" for kind in kinds), "lost", "doubled", "stuck"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name in dict.fromkeys(cell.name for cell in found):
        row = {cell.kind: cell for cell in found if cell.name == name}
        parts = [f"{row[kind].runs}, {row[kind].in_doubt} ({row[kind].taken})" if kind in row else "" for kind in kinds]
        totals = [sum(getattr(cell, what) for cell in row.values()) for what in ("lost", "doubled", "stuck")]
        said = f"`{name}` {POINTS[name]}" if name in POINTS else name
        lines.append("| " + " | ".join([said, *parts, *map(str, totals)]) + " |")
    return "\n".join(lines)
