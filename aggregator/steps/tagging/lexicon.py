"""Many phrases found in a text in one pass: whole words, `*` for any ending, the longest phrase wins.

A phrase is looked up by its first word, which nearly every word of a text is not, then by its second; so a text costs
what its words cost, however many phrases there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from ahocorasick_rs import AhoCorasick, MatchKind

from aggregator.subject import words_of

Sense = TypeVar("Sense")

STEM = 4
"""A first word with `*` has at least so many letters, by which it is looked up."""


@dataclass(frozen=True)
class Beginnings:
    """The words that phrases begin with, and those that a word may begin with by their first letters."""

    whole: frozenset[str]
    stems: Mapping[str, tuple[str, ...]]

    def __or__(self, other: Beginnings) -> Beginnings:
        """Of the phrases of both."""
        stems = {
            letters: (*self.stems.get(letters, ()), *other.stems.get(letters, ()))
            for letters in self.stems.keys() | other.stems.keys()
        }
        return Beginnings(self.whole | other.whole, stems)

    def __reduce__(self) -> tuple[type[Beginnings], tuple[object, ...]]:
        return Beginnings, (self.whole, self.stems)  # the automaton is made again where it is needed

    def spots(self, words: Sequence[str]) -> list[int]:
        """The places in a text where one of the phrases may begin: few, and found once for any number of lexicons."""
        line = "  ".join(("", *words, ""))
        spots: list[int] = []
        place = seen = 0
        for _, start, _ in self._automaton.find_matches_as_indexes(line):
            place += line.count("  ", seen, start)
            seen = start - 1
            spots.append(place)
        return spots

    @cached_property
    def _automaton(self) -> AhoCorasick:
        """Finds the beginnings in words that stand two spaces apart, so that each has its own on either side."""
        patterns = [f" {word} " for word in self.whole]
        patterns += [f" {stem}" for stems in self.stems.values() for stem in stems]
        return AhoCorasick(patterns, matchkind=MatchKind.LeftmostLongest)


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
    """Phrases by their first word, or where it ends in `*` by its first letters, and what they all begin with."""

    whole: Mapping[str, Branch[Sense]]
    stems: Mapping[str, Branch[Sense]]
    beginnings: Beginnings

    def find(self, words: Sequence[str], spots: Iterable[int] | None = None) -> list[Hit[Sense]]:
        """What stands in a text, in order; of phrases that overlap, the first, and of those, the longest.

        `spots` are the places where phrases of this and of other lexicons may begin, if they were looked for already.
        """
        hits: list[Hit[Sense]] = []
        end = 0
        for at in self.beginnings.spots(words) if spots is None else spots:
            if at >= end and (branches := self._branches(words[at])) and (phrase := _longest(words, at, branches)):
                end = at + len(phrase.parts)
                hits.append(Hit(at, len(phrase.parts), phrase.senses))
        return hits

    def _branches(self, word: str) -> tuple[Branch[Sense], ...]:
        """The phrases that may begin with this word."""
        whole, start = self.whole.get(word), word[:STEM]
        if start in self.stems and word.startswith(self.beginnings.stems[start]):
            return (whole, self.stems[start]) if whole else (self.stems[start],)
        return (whole,) if whole else ()


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
    words = {letters: tuple({phrase.parts[0][:-1] for phrase in phrases}) for letters, phrases in stems.items()}
    return Lexicon(
        whole={first: _branch(phrases) for first, phrases in whole.items()},
        stems={letters: _branch(phrases) for letters, phrases in stems.items()},
        beginnings=Beginnings(frozenset(whole), words),
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
