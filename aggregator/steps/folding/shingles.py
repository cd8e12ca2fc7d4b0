"""Runs of four words, as 32-bit integers: two texts share as many of them as they have words in common, in order."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from zlib import crc32

from aggregator.steps.folding.reading import MAX_WORDS, hash32

RUN = 4
LEAD = 90
SAMPLE = 80
_FACTORS = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F)
"""Of the first to the last word of a run; odd, without a pattern in their bits."""
_LANE = struct.Struct("<Q").size * 8
_LOWER_HALVES = int.from_bytes(struct.pack(f"<{MAX_WORDS}Q", *[0xFFFFFFFF] * MAX_WORDS), "little")


def shingles(words: Sequence[str]) -> list[int]:
    """The runs of a text of at most `MAX_WORDS` words, in order; of a text shorter than one run, all of it.

    A run is the sum of its words' hashes, each times the factor of its place. The hashes of all words lie side by
    side in one integer, each in the lower half of 64 bits: so one product is that of every word of the text.
    """
    if len(words) < RUN:
        return [hash32(" ".join(words))] if words else []
    hashes = [*map(crc32, " ".join(words).encode("utf-8", "surrogatepass").split(b" "))]
    lanes = int.from_bytes(struct.pack(f"<{len(hashes)}Q", *hashes), "little")
    sums = sum((lanes >> _LANE * place) * factor & _LOWER_HALVES for place, factor in enumerate(_FACTORS))
    octets = (sums & _LOWER_HALVES).to_bytes(len(hashes) * _LANE // 8, "little")
    return [*struct.unpack_from(f"<{len(hashes) - RUN + 1}Q", octets)]


def boilerplate(texts: Iterable[Collection[int]]) -> set[int]:
    """The runs that three entries of one document have in common: they are the publisher's, not the works'."""
    once: set[int] = set()
    twice: set[int] = set()
    common: set[int] = set()
    for text in map(set, texts):
        common |= text & twice
        twice |= text & once
        once |= text
    return common


def sampled(text: Iterable[int]) -> tuple[int, frozenset[int]]:
    """At most `SAMPLE` runs of the whole text, chosen by their value alone, and the scale of the choice."""
    kept, scale = frozenset(text), 0
    while len(kept) > SAMPLE:
        scale += 1
        rest = (1 << scale) - 1
        kept = frozenset([value for value in kept if not value & rest])
    return scale, kept
