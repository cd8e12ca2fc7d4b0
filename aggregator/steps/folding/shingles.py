"""Runs of four words, as 30-bit integers: two texts share as many of them as they have words in common, in order."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet

from aggregator.steps.folding.reading import MAX_WORDS, hashes32

RUN = 4
LEAD = 90
SAMPLE = 80
_BITS, _LANE = 30, 64
"""Of a hash, and of its place: the sum of four products of 30 by 32 bits stays within its own."""
_FACTORS = int.from_bytes(struct.pack("<4Q", 0x27D4EB2F, 0xC2B2AE3D, 0x85EBCA77, 0x9E3779B1), "little")
"""Of the last to the first word of a run; odd, without a pattern in their bits."""
_EACH = int.from_bytes(struct.pack(f"<{MAX_WORDS}Q", *[(1 << _BITS) - 1] * MAX_WORDS), "little")


def shingles(words: Sequence[str]) -> list[int]:
    """The runs of a text of at most `MAX_WORDS` words, in order; of a text shorter than one run, all of it.

    A run is the sum of its words' hashes, each times the factor of its place. The hashes lie side by side in one
    integer, so that one product holds the sums of all runs.
    """
    if not words:
        return []
    hashes = int.from_bytes(struct.pack(f"<{len(words)}Q", *hashes32(words)), "little") & _EACH
    runs = hashes * _FACTORS >> (RUN - 1) * _LANE & _EACH
    count = max(1, len(words) - RUN + 1)
    return [*struct.unpack(f"<{count}Q", (runs & (1 << count * _LANE) - 1).to_bytes(count * _LANE // 8, "little"))]


def boilerplate(texts: Iterable[AbstractSet[int]]) -> set[int]:
    """The runs that three entries of one document have in common: they are the publisher's, not the works'."""
    once: set[int] = set()
    twice: set[int] = set()
    common: set[int] = set()
    for text in texts:
        if again := text & once:
            common |= again & twice
            twice |= again
        once |= text
    return common


def sampled(runs: frozenset[int]) -> tuple[int, frozenset[int]]:
    """At most `SAMPLE` runs of a whole text, chosen by their value alone, and the scale of the choice."""
    kept: Collection[int] = runs
    scale = 0
    while len(kept) > SAMPLE:
        scale += 1
        rest = (1 << scale) - 1
        kept = [value for value in kept if not value & rest]
    return scale, frozenset(kept)
