"""Sketch, title -> the keys by which an entry is found, some thirty: the parser's child processes pack them.

refresh: ... sketch > **keys** > entries.known > decide > tag > lookup > folds.holders ...
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from aggregator.model.entry import Entry, EntryKeys
from aggregator.model.story import FOLD_KINDS, FoldKey, FoldKeys
from aggregator.steps.folding.reading import hash64
from aggregator.steps.folding.sketch import Sketch, pack
from aggregator.steps.folding.titles import title_keys
from aggregator.steps.folding.verify import ANCHORS_SHARED, TRANSLATED_WORDS

NAMES, FIGURES, STEMS = 12, 4, 8
RUNS_OF_LEAD, RUNS = 8, 4
"""Of 1,923 labelled entries, 6 and 2 lose one pair that 8 and 4 find; 12 and 6 find no more."""
_UNSAID, _NAMED = 0, 1
"""Notes: none, and an address or DOI that is another's; a language's two letters make a larger number."""
_OCTETS = struct.calcsize("<qH")
_SIGN = 1 << 63


def with_sketch(keys: EntryKeys, sketch: Sketch, title: str) -> EntryKeys:
    """The keys of an entry, with those of folding that this sketch and title give."""
    folds = _packed(fold_keys(sketch, title))
    return EntryKeys(identity=keys.identity, digest=keys.digest, sketch=pack(sketch), folds=folds)


def keys_of(entry: Entry) -> FoldKeys:
    """The keys that were packed with an entry."""
    folds = entry.keys.folds
    count = len(folds) // _OCTETS
    values = struct.unpack(f"<{count}q{count}H", folds)
    return dict(zip(values[:count], values[count:], strict=True))


def fold_keys(sketch: Sketch, title: str) -> FoldKeys:
    """The keys of an entry, with their notes; what is its own counts before what it names."""
    language = int.from_bytes(sketch.language.encode("ascii"), "big")
    named = _wide(sketch.cited, FoldKey.DOI) + _wide(sketch.outs, FoldKey.ADDRESS)
    own = _wide(sketch.dois, FoldKey.DOI) + _wide(sketch.urls, FoldKey.ADDRESS)
    own += _wide(map(hash64, title_keys(title)), FoldKey.TITLE) + _narrow(_runs(sketch), FoldKey.TEXT)
    return dict.fromkeys(_anchor_keys(sketch), language) | dict.fromkeys(named, _NAMED) | dict.fromkeys(own, _UNSAID)


def _runs(sketch: Sketch) -> list[int]:
    """Those a text is looked up by: the smallest of its beginning, and of the whole, that both texts choose alike."""
    return sorted(sketch.lead)[:RUNS_OF_LEAD] + sorted(sketch.sample)[:RUNS]


def _anchor_keys(sketch: Sketch) -> list[int]:
    """None for a text of which no translation would be known: its language is not, or it says too little."""
    weight = 2 * len(sketch.names) + 2 * len(sketch.figures) + len(sketch.stems)
    if not sketch.language or sketch.length < TRANSLATED_WORDS or weight < ANCHORS_SHARED:
        return []
    lists = ((sketch.names, NAMES), (sketch.figures, FIGURES), (sketch.stems, STEMS))
    return _narrow((anchor for anchors, count in lists for anchor in sorted(anchors)[:count]), FoldKey.ANCHOR)


def _narrow(values: Iterable[int], kind: FoldKey) -> list[int]:
    """Hashes of 32 bits, each with its kind."""
    return [value * FOLD_KINDS + kind for value in values]


def _wide(values: Iterable[int], kind: FoldKey) -> list[int]:
    """Hashes of 64 bits, each with its kind in the place of its lowest bits, signed as databases keep integers."""
    return [((value ^ _SIGN) - _SIGN) & -FOLD_KINDS | kind for value in values]


def _packed(keys: FoldKeys) -> bytes:
    return struct.pack(f"<{len(keys)}q{len(keys)}H", *keys, *keys.values())
