"""Stored entries get the tags of the taxonomy, rules and feeds of today: the latest first, batch after batch.

    tags.tagged > tag > tags.retag

Each batch is one short transaction, and polls write between two of them; what they bring has these tags already. How
far it came is written with it, so that who is stopped goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.ports import TagStore
from aggregator.steps.tagging.renewing import renewed
from aggregator.steps.tagging.tagger import Tagger

BATCH = 200
"""Entries that are read, tagged and written at a time: a tenth of a second, of which a hundredth holds the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetagPlan:
    """What feeds.yaml says of tags: the feeds by id and the tagger; `version` differs when the tags may."""

    feeds: Mapping[str, Feed]
    tagger: Tagger
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retagging:
    """Entries looked at and written, and how many of them gained and lost each tag; `done`: none is left."""

    entries: int = 0
    changed: int = 0
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    done: bool = False


def retag(
    tags: TagStore,
    plan: RetagPlan,
    *,
    anew: bool = False,
    progress: Callable[[int], None] = lambda count: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Retagging:
    """Carry on where tags were left, from the latest entry on if that was under another version, or all is done and
    `anew` asks for it once more. Entries whose tags differ in nothing but the version are left alone."""
    tagging, report = tags.tagging(), Retagging()
    if tagging.version != plan.version or (anew and not tagging.below):
        tagging = tags.begin(plan.version)
    while tagging.below and not should_stop():
        batch = tags.tagged(below=tagging.below, limit=BATCH)
        changed = _changed(batch, plan)
        below = batch[-1].id if len(batch) == BATCH else 0
        written = tags.retag(tagging, below, [after for _, after in changed])
        if written is None:
            return report
        tagging = replace(tagging, below=below)
        report = _added(report, len(batch), [pair for pair in changed if pair[1].id in written])
        progress(report.entries)
    return replace(report, done=not tagging.below)


Pair = tuple[Entry, Entry]
"""An entry as it was, and with the tags it shall have."""


def _changed(batch: Sequence[Entry], plan: RetagPlan) -> list[Pair]:
    renewals = ((entry, renewed(entry, plan.feeds, plan.tagger)) for entry in batch)
    return [(entry, replace(entry, tags=tags)) for entry, tags in renewals if tags is not entry.tags]


def _added(report: Retagging, looked_at: int, written: Sequence[Pair]) -> Retagging:
    names = [[{tag.name for tag in entry.tags} for entry in pair] for pair in written]
    return replace(
        report,
        entries=report.entries + looked_at,
        changed=report.changed + len(written),
        gained=report.gained + Counter(name for before, after in names for name in after - before),
        lost=report.lost + Counter(name for before, after in names for name in before - after),
    )
