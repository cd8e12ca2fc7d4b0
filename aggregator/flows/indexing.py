"""The search index catches up with the Stories: search.stale > tokens > search.put, batch after batch.

A batch counts when it is written; whoever is stopped, or runs beside another, leaves nothing to mend.
"""

from collections.abc import Callable

from aggregator.ports import SearchStore
from aggregator.steps.finding.tokens import indexed

BATCH = 100
"""Stories read, folded and written at a time: some tens of milliseconds, for which no writer notices the lock."""


def catch_up(search: SearchStore, *, at_most: int, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Index stale Stories, newest first, up to about so many; returns how many."""
    done = 0
    while done < at_most and not should_stop():
        stale = search.stale(BATCH)
        if not stale:
            break
        done += len(stale)
        search.put([indexed(item) for item in stale])
    return done
