"""All that folding remembers of an entry, in some 700 octets: made once while reading, compared for weeks.

refresh: ... normalise > identity > **sketch** > entries.known ... A sketch holds hashes alone: of addresses, of DOIs,
of runs of four words, and of what stays in a translation (names, figures, the beginnings of long words).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

_HEAD = struct.Struct("<I2sBB9B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """`urls` and `dois` are the entry's own, `outs` and `cited` those its text names; `length` counts its words.

    `lead` are the shingles of the beginning, `sample` those of the whole text that 2 ** `scale` divides.
    `roundup`: the text lists several works, and is the same as none of them.
    """

    language: str = ""
    length: int = 0
    scale: int = 0
    roundup: bool = False
    urls: frozenset[int] = frozenset()
    outs: frozenset[int] = frozenset()
    dois: frozenset[int] = frozenset()
    cited: frozenset[int] = frozenset()
    lead: frozenset[int] = frozenset()
    sample: frozenset[int] = frozenset()
    names: frozenset[int] = frozenset()
    figures: frozenset[int] = frozenset()
    stems: frozenset[int] = frozenset()


MAX_OWN = 12


def remembering(sketch: Sketch, before: Sketch) -> Sketch:
    """The sketch of an edited entry, that is still known by what were its own addresses and DOIs before."""
    urls, dois = (
        sorted(now) + sorted(then - now) for now, then in ((sketch.urls, before.urls), (sketch.dois, before.dois))
    )
    return replace(sketch, urls=frozenset(urls[:MAX_OWN]), dois=frozenset(dois[:MAX_OWN]))


def pack(sketch: Sketch) -> bytes:
    """The sketch as octets, for any machine."""
    wide = sketch.urls, sketch.outs, sketch.dois, sketch.cited
    narrow = sketch.lead, sketch.sample, sketch.names, sketch.figures, sketch.stems
    counts = [*map(len, wide), *map(len, narrow)]
    head = _HEAD.pack(sketch.length, sketch.language.encode("ascii"), sketch.scale, sketch.roundup, *counts)
    return head + struct.pack(f"<{sum(counts[:4])}Q{sum(counts[4:])}I", *chain(*wide, *narrow))


def language_in(octets: bytes) -> str:
    """The language of a packed sketch."""
    return _HEAD.unpack_from(octets)[1].decode("ascii").rstrip("\0") if octets else ""


@lru_cache(maxsize=256)  # of 25 KB: entries that are compared with many come one soon after another
def unpack(octets: bytes) -> Sketch:
    """What `pack` made; no octets at all are the sketch of nothing."""
    if not octets:
        return Sketch()
    length, language, scale, roundup, *counts = _HEAD.unpack_from(octets)
    body = struct.unpack_from(f"<{sum(counts[:4])}Q{sum(counts[4:])}I", octets, _HEAD.size)
    ends = [sum(counts[: place + 1]) for place in range(len(counts))]
    sets = (frozenset(body[end - count : end]) for end, count in zip(ends, counts, strict=True))
    urls, outs, dois, cited, lead, sample, names, figures, stems = sets
    return Sketch(
        language=language.decode("ascii").rstrip("\0"),
        length=length,
        scale=scale,
        roundup=bool(roundup),
        urls=urls,
        outs=outs,
        dois=dois,
        cited=cited,
        lead=lead,
        sample=sample,
        names=names,
        figures=figures,
        stems=stems,
    )
