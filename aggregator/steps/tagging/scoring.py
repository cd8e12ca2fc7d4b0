"""How much a text speaks of a thing: points for every place where it is named, and who has enough of them.

The title and the first words say what a text is about; what is named once further on is an aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from aggregator.steps.tagging.passages import Passage


class Scale(NamedTuple):
    """Points by field and the most mentions that count there; a tag needs `least` points, and `share` of the best."""

    points: Mapping[Passage, float]
    most: Mapping[Passage, int]
    least: float
    share: float


class Find(NamedTuple):
    """A tag's word in a field, and how much it weighs."""

    tag: str
    field: Passage
    matched: str
    weight: float = 1.0


@dataclass(slots=True)
class Score:
    """What a tag has: its points in all, and by word; the first find that weighs most stands for them."""

    total: float = 0.0
    words: dict[str, float] = field(default_factory=dict)
    best: Find | None = None
    most: float = 0.0

    def add(self, find: Find, points: float) -> None:
        self.total += points
        self.words[find.matched] = self.words.get(find.matched, 0.0) + points
        if points > self.most:
            self.best, self.most = find, points

    @property
    def reason(self) -> str:
        """The words that gave points, those with most of them first."""
        ranked = sorted(self.words.items(), key=lambda item: -item[1])
        return ", ".join(f"{word} {points:g}" for word, points in ranked[:WORDS_NAMED])


WORDS_NAMED = 6


def score(finds: Iterable[Find], scale: Scale, *, each_word: bool) -> dict[str, Score]:
    """The scores of all tags found; mentions count up to the most of each word, or of the tag with all its words."""
    scores: dict[str, Score] = {}
    counts: dict[tuple[str, ...], int] = {}
    for find in finds:
        key = (find.tag, find.field, find.matched) if each_word else (find.tag, find.field)
        counts[key] = counted = counts.get(key, 0) + 1
        if counted <= scale.most[find.field]:
            scores.setdefault(find.tag, Score()).add(find, find.weight * scale.points[find.field])
    return scores


def foremost(scores: Mapping[str, Score], scale: Scale, limit: int) -> Iterator[tuple[str, Score]]:
    """The tags with enough points, the most first."""
    ranked = sorted(scores.items(), key=lambda item: -item[1].total)
    needed = max(scale.least, scale.share * ranked[0][1].total) if ranked else 0.0
    yield from ((tag, found) for tag, found in ranked[:limit] if found.total >= needed)
