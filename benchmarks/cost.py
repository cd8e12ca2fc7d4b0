"""What a piece of work costs the process that does it."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """In seconds, and what the work said it did."""

    cpu_s: float
    wall_s: float
    said: dict[str, int]


def measured(work: Callable[[], dict[str, int]]) -> Cost:
    """The cost of `work`, that of child processes which ended in it included."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    said = work()
    return Cost(cpu_s=cpu_seconds() - cpu, wall_s=time.perf_counter() - wall, said=said)


def cpu_seconds() -> float:
    """Of this process and its ended children so far."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
