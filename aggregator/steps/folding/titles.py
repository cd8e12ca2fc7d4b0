"""What a title says, and how near two of them are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from aggregator.subject import words_of

_LABEL = re.compile(r"^\s*[\[(]?[^\W\d_][\w '’/&-]{2,28}[\])]?\s*:\s+")
_TAIL = re.compile(r"\s+(?:(?:[-–—|·•«»]|::)\s+[^-–—|·•«»:]{2,40}|\([^()]{2,40}\))$")
_MARK = re.compile(r"[-–—|·•«»:(]")
"""Without one of these a title has neither label nor tail."""
_WITH_DIGIT = re.compile(r"\d")
_ROMAN = re.compile(r"[ivx]+")
_COUNTED = frozenset(
    "part partie teil parte volume vol band tome tomo chapter chapitre kapitel capitulo issue no nr number numero "
    "episode folge episodio week semaine woche semana edition ausgabe edicion round session".split()
)
_NUMERALS = {
    word: str(number)
    for number, spellings in enumerate(
        (
            "one first i un une premier premiere eins erste erster erstes uno una primera primero",
            "two second ii deux deuxieme seconde zwei zweite zweiter zweites dos segunda segundo",
            "three third iii trois troisieme drei dritte dritter drittes tres tercera tercero",
            "four fourth iv quatre quatrieme vier vierte vierter viertes cuatro cuarta cuarto",
            "five fifth v cinq cinquieme funf funfte funfter funftes cinco quinta quinto",
            "six sixth vi sixieme sechs sechste sechster seis sexta sexto",
        ),
        start=1,
    )
    for word in spellings.split()
}
_MONTHS = {
    word: f"month-{number}"
    for number, spellings in enumerate(
        (
            "january jan janvier januar enero",
            "february feb fevrier februar febrero",
            "march mars marz marzo",
            "april avril abril",
            "may mai mayo",
            "june juin juni junio",
            "july juillet juli julio",
            "august aout agosto",
            "september sept septembre septiembre",
            "october octobre oktober octubre",
            "november novembre noviembre",
            "december decembre dezember diciembre",
        ),
        start=1,
    )
    for word in spellings.split()
}


@dataclass(frozen=True, slots=True)
class Title:
    """The words of a title, of its heart (without label and site name), and what it counts."""

    words: tuple[str, ...]
    heart: tuple[str, ...]
    figures: frozenset[str]


@lru_cache(maxsize=512)
def read_title(title: str) -> Title:
    """A title as folding compares it."""
    words, heart = map(tuple, _words_and_heart(title))
    return Title(words, heart, frozenset(_figures(words)))


def title_keys(title: str) -> set[str]:
    """What a title is looked up by: its words and those of its heart, but no single word."""
    return {" ".join(words) for words in _words_and_heart(title) if len(words) >= 2}


def _words_and_heart(title: str) -> tuple[list[str], list[str]]:
    words = words_of(title)
    bare = _TAIL.sub("", _LABEL.sub("", title)) if _MARK.search(title) else title
    heart = words if bare == title else words_of(bare)
    return words, heart if len(heart) >= 2 else words


def _figures(words: tuple[str, ...]) -> Iterable[str]:
    """Numbers, months beside a number, and words that count ("part two")."""
    before = ""
    for place, word in enumerate(words):
        if _WITH_DIGIT.search(word):
            yield word.lstrip("0") or "0"
        elif before in _COUNTED and (word in _NUMERALS or _ROMAN.fullmatch(word)):
            yield _NUMERALS.get(word, word)
        elif word in _MONTHS and any(_WITH_DIGIT.search(near) for near in words[max(0, place - 1) : place + 2]):
            yield _MONTHS[word]
        before = word


def likeness(one: Title, other: Title) -> float:
    """From 0 to 1: shared words over all, of the titles or of their hearts."""
    return max(_dice(a, b) for a in {one.words, one.heart} for b in {other.words, other.heart})


def differ_in_figures(one: Title, other: Title) -> bool:
    """Whether each counts what the other does not: part 1 and part 2, 2014 and 2015."""
    return bool(one.figures - other.figures and other.figures - one.figures)


def contains(one: Title, other: Title) -> bool:
    """Whether one title is a part of the other, of three words at least."""
    short, long = sorted((one.heart, other.heart), key=len)
    return len(short) >= 3 and f" {' '.join(short)} " in f" {' '.join(long)} "


def _dice(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    if not one or not other:
        return 0.0
    a, b = set(one), set(other)
    return 2 * len(a & b) / (len(a) + len(b))
