"""Which of the entries found by a key are worth comparing with an entry at hand.

refresh: ... tag > folds.holders > **choose** > folds.candidates > compare > cluster > feeds.apply.
Each key has few holders: one that many hold tells nothing, and is neither looked at nor noted any further.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aggregator.model.entry import Entry
from aggregator.model.story import FOLD_KINDS, FoldKey, FoldKeys, Holder

MAX_CANDIDATES = 30
_HOLDERS: Mapping[int, int] = {
    FoldKey.ADDRESS: 24,
    FoldKey.DOI: 24,
    FoldKey.TITLE: 24,
    FoldKey.TEXT: 12,
    FoldKey.ANCHOR: 24,
}
_WEIGHTS: Mapping[int, int] = {
    FoldKey.ADDRESS: 100,
    FoldKey.DOI: 100,
    FoldKey.TITLE: 100,
    FoldKey.TEXT: 10,
    FoldKey.ANCHOR: 5,
}
_MAX_HOLDERS, _WEIGHT = (tuple(table.get(kind, 0) for kind in range(FOLD_KINDS)) for table in (_HOLDERS, _WEIGHTS))
_ENOUGH = 10
"""An address, a DOI, a title or a run of words makes a candidate; of anchors, it takes two."""
_KIND = FOLD_KINDS - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Of each entry at hand: keys to note, by mark; ids of stored entries and places of others to compare it with."""

    keys: Mapping[str, FoldKeys]
    stored: tuple[tuple[int, ...], ...]
    beside: tuple[tuple[int, ...], ...]

    @property
    def wanted(self) -> set[int]:
        return {id_ for ids in self.stored for id_ in ids}


def choose(entries: Sequence[Entry], keys: Sequence[FoldKeys], holders: Mapping[int, Collection[Holder]]) -> Choice:
    """Whom to compare the entries at hand with; `holders` are stored entries by key.

    The outcome is that of entries coming one by one: each finds the stored ones and those at hand before it. Entries
    at hand stand for themselves, also where an earlier form of them is stored.
    """
    here = {entry.id: ~place for place, entry in enumerate(entries) if entry.id}
    held: defaultdict[int, list[Holder]] = defaultdict(list)
    for key, found in holders.items():
        held[key] = [(here.get(id_, id_), note) for id_, note in found] if here else list(found)
    met = _met(keys) | held.keys()
    noted: dict[str, FoldKeys] = {}
    stored, beside = [], []
    for place, (entry, own) in enumerate(zip(entries, keys, strict=True)):
        shared = met.intersection(own)  # of most entries none
        crowded = {key for key in shared if len(held[key]) >= _MAX_HOLDERS[key & _KIND]}
        telling = {key: own[key] for key in shared - crowded}
        best = _best(telling, held, without=~place)
        noted[entry.mark] = {key: note for key, note in own.items() if key not in crowded} if crowded else own
        stored.append(tuple(id_ for id_ in best if id_ >= 0))
        beside.append(tuple(~id_ for id_ in best if id_ < 0))
        for key, note in telling.items():
            if not entry.id or all(id_ != ~place for id_, _ in held[key]):
                held[key].append((~place, note))
    return Choice(keys=noted, stored=tuple(stored), beside=tuple(beside))


def _met(keys: Iterable[FoldKeys]) -> set[int]:
    """The keys that two entries at hand have in common."""
    seen: set[int] = set()
    met: set[int] = set()
    for own in keys:
        met |= seen.intersection(own)
        seen.update(own)
    return met


def _best(keys: FoldKeys, held: Mapping[int, Iterable[Holder]], *, without: int) -> list[int]:
    """Those that share most with an entry; entries at hand have the complement of their place for an id."""
    weights: dict[int, int] = {}
    for key, own_note in keys.items():
        for holder, note in held[key]:
            if note != own_note or not note:
                weights[holder] = weights.get(holder, 0) + _WEIGHT[key & _KIND]
    weights.pop(without, None)
    enough = sorted((-weight, holder) for holder, weight in weights.items() if weight >= _ENOUGH)
    return [holder for _, holder in enough[:MAX_CANDIDATES]]
