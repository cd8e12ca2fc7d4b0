"""Runs of four words, as 32-bit integers: two texts share as many of them as they have words in common, in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aggregator.steps.folding.reading import hash32

RUN = 4
LEAD = 90
SAMPLE = 80


class WordHashes(dict[str, int]):
    """The hash of each word of a document, worked out once."""

    def __missing__(self, word: str) -> int:
        self[word] = value = hash32(word)
        return value


def shingles(words: Sequence[str], hashes: WordHashes) -> list[int]:
    """The runs of a text, in order; of a text shorter than one run, all of it."""
    if len(words) < RUN:
        return [hash32(" ".join(words))] if words else []
    values = list(map(hashes.__getitem__, words))
    return [
        (a * 0x9E3779B1 + b * 0x85EBCA77 + c * 0xC2B2AE3D + d * 0x27D4EB2F) & 0xFFFFFFFF
        for a, b, c, d in zip(values, values[1:], values[2:], values[3:], strict=False)
    ]


def boilerplate(texts: Iterable[Sequence[int]]) -> set[int]:
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
        kept = frozenset(value for value in kept if not value & ((1 << scale) - 1))
    return scale, kept
