"""Many phrases found in a text in one pass: whole words, `*` for any ending, the longest phrase wins.

A phrase is looked up by its first word, which nearly every word of a text is not, then by its second; so a text costs
what its words cost, however many phrases there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from aggregator.subject import words_of

Sense = TypeVar("Sense")

STEM = 4
"""A first word with `*` has at least so many letters, by which it is looked up."""


Starts = Mapping[str, str]
"""The words of a text, each once, and the letters by which those with `*` are looked up."""


def starts_of(words: Iterable[str]) -> Starts:
    """What lexicons ask of a text, worked out once for all of them."""
    return {word: word[:STEM] for word in words}


class Phrase(NamedTuple, Generic[Sense]):
    """A phrase of folded words, which end in `*` where any ending will do, and what it may mean."""

    parts: tuple[str, ...]
    senses: tuple[Sense, ...]

    def stands(self, words: Sequence[str], at: int) -> bool:
        """Whether it begins at this word."""
        if len(self.parts) == 1:
            return _agree(self.parts[0], words[at])
        there = words[at : at + len(self.parts)]
        return len(there) == len(self.parts) and all(map(_agree, self.parts, there))


class Hit(NamedTuple, Generic[Sense]):
    """A phrase that was found: its first word, how many words it has, and what it may mean."""

    at: int
    length: int
    senses: tuple[Sense, ...]


class Branch(NamedTuple, Generic[Sense]):
    """Phrases that begin alike: by their second word, and those that it does not tell."""

    by_second: Mapping[str, tuple[Phrase[Sense], ...]]
    others: tuple[Phrase[Sense], ...]

    def candidates(self, second: str) -> tuple[Phrase[Sense], ...]:
        """Those that may stand where this word comes second."""
        found = self.by_second.get(second)
        return found + self.others if found else self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon(Generic[Sense]):
    """Phrases by their first word, or where it ends in `*` by its first letters, with all beginnings of such words."""

    whole: Mapping[str, Branch[Sense]]
    stems: Mapping[str, Branch[Sense]]
    beginnings: Mapping[str, tuple[str, ...]]

    def find(self, words: Sequence[str], starts: Starts | None = None) -> list[Hit[Sense]]:
        """What stands in a text, in order; of phrases that overlap, the first, and of those, the longest."""
        heads = self._heads(starts_of(words) if starts is None else starts)
        hits: list[Hit[Sense]] = []
        end = 0
        for at in [at for at, word in enumerate(words) if word in heads]:
            if at >= end and (phrase := _longest(words, at, heads[words[at]])):
                end = at + len(phrase.parts)
                hits.append(Hit(at, len(phrase.parts), phrase.senses))
        return hits

    def _heads(self, starts: Starts) -> dict[str, list[Branch[Sense]]]:
        """The words that a phrase may begin with, and those phrases."""
        whole, stems, beginnings = self.whole, self.stems, self.beginnings
        heads: dict[str, list[Branch[Sense]]] = {}
        for word, start in [(word, start) for word, start in starts.items() if word in whole or start in stems]:
            found = [whole[word]] if word in whole else []
            if start in stems and word.startswith(beginnings[start]):
                found.append(stems[start])
            if found:
                heads[word] = found
        return heads


def _longest(words: Sequence[str], at: int, branches: Iterable[Branch[Sense]]) -> Phrase[Sense] | None:
    second = words[at + 1] if at + 1 < len(words) else ""
    best: Phrase[Sense] | None = None
    for branch in branches:
        for phrase in branch.candidates(second):
            if (best is None or len(phrase.parts) > len(best.parts)) and phrase.stands(words, at):
                best = phrase
    return best


def compile_lexicon(meanings: Iterable[tuple[str, Sense]]) -> Lexicon[Sense]:
    """Phrases with what they mean; those that read alike share their meanings. One without a word is left out."""
    senses: defaultdict[tuple[str, ...], dict[Sense, None]] = defaultdict(dict)
    for text, sense in meanings:
        if parts := parts_of(text):
            senses[parts][sense] = None
    whole: defaultdict[str, list[Phrase[Sense]]] = defaultdict(list)
    stems: defaultdict[str, list[Phrase[Sense]]] = defaultdict(list)
    for parts, found in sorted(
        senses.items(), key=lambda item: -len(item[0][0])
    ):  # of equals, what says more of a word
        first = parts[0]
        phrase = Phrase(parts, tuple(found))
        if first.endswith("*"):
            stems[first[:STEM]].append(phrase)
        else:
            whole[first].append(phrase)
    return Lexicon(
        whole={first: _branch(phrases) for first, phrases in whole.items()},
        stems={letters: _branch(phrases) for letters, phrases in stems.items()},
        beginnings={letters: tuple({phrase.parts[0][:-1] for phrase in found}) for letters, found in stems.items()},
    )


def _branch(phrases: Sequence[Phrase[Sense]]) -> Branch[Sense]:
    by_second: defaultdict[str, list[Phrase[Sense]]] = defaultdict(list)
    others: list[Phrase[Sense]] = []
    for phrase in phrases:
        fixed = len(phrase.parts) > 1 and not phrase.parts[1].endswith("*")
        (by_second[phrase.parts[1]] if fixed else others).append(phrase)
    return Branch({second: tuple(found) for second, found in by_second.items()}, tuple(others))


def parts_of(text: str) -> tuple[str, ...]:
    """The folded words of a phrase as people write it; a part ends in `*` where its word did."""
    parts: list[str] = []
    for word in text.split():
        folded = words_of(word)
        if folded and word.endswith("*"):
            folded[-1] += "*"
        parts += folded
    if parts and parts[0].endswith("*") and len(parts[0]) <= STEM:
        raise ValueError(f"{text!r}: a first word with * needs {STEM} letters before it")
    return tuple(parts)


def _agree(part: str, word: str) -> bool:
    return word.startswith(part[:-1]) if part[-1] == "*" else part == word
