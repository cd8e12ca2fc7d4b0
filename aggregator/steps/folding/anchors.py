"""What a text keeps when it is translated: names, figures, and long words that many languages share.

Spellings are brought near each other first (k, w and z to c, v and s), as languages write one name in many ways.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice

from aggregator.steps.folding.reading import hashes32
from aggregator.subject import words_of

NAMES = 40
FIGURES = 16
STEMS = 24
"""The first of a text, for a translation begins as its original does: forty tell labelled translations worse apart."""
BEGINNING = 5
_READ = 9
"""Letters of a word that are looked at for its beginning: some fall away in spelling."""
_LONG, _SHORTEST = 7, 3
# Both begin with a set of few letters, that are found fast; whether one is a capital or a digit is asked after that.
_NAME = re.compile(r"[A-ZÀ-ÖØ-Þ\u0100-\U0010ffff](?<=[\w,;)]\s[^\W\d_])[^\W\d_]{2,}")
_FIGURE = re.compile(r"[0-9\u0660-\U0010ffff](?<=\d)\d*(?:[.,\u00a0\u202f ']\d+)*")
_THOUSANDS = re.compile(r"[.,\u00a0\u202f '](?=\d{3}(?!\d))")
_SPELLINGS = str.maketrans({"k": "c", "q": "c", "w": "v", "z": "s", "y": "i", "j": "i"})
_DOUBLE = re.compile(r"(.)(?=\1)")
_FUNCTION_WORDS = {
    "en": "the of and to in that is for with was are has have by from this which not been will would their its",
    "fr": "le la les des du et est une dans que qui pour par sur pas plus avec sont ont cette aux ces leur mais",
    "de": "der die das und den von zu mit ist des im fur auf nicht ein eine dem sich auch wird sind nach bei wie",
    "es": "el los las del y en que una por con para se su al como mas pero sus este fue han ser esta",
    "it": "il di che della un una per con del sono nel alla dei gli piu come anche delle non questo ha si",
    "pt": "o os da do das dos em um uma para com nao que por mais ao foi pela pelo sua sao como",
    "nl": "de het een van en dat niet zijn voor met op aan ook door naar bij uit wordt maar over",
    "da": "og i det at er til pa som af med den for der ikke har de en et fra han",
    "sv": "och att det som en ett pa ar av for med den till inte har de om fran i sa",
    "pl": "i w na z sie do nie ze jest to od za przez dla po jak oraz przy ktory ma",
    "cs": "a se na v je ze s z do o to pro za by byl ktery jako po ale jsou",
}
_SPOKEN = {
    word: tuple(language for language, listed in _FUNCTION_WORDS.items() if word in listed.split())
    for listed in _FUNCTION_WORDS.values()
    for word in listed.split()
}
_HEARD = 3
_BEGINNING = 300
_SHARE = 8
"""Function words tell a language when they are three, one word in eight, and a third more than those of any other."""


def language_of(words: Sequence[str], declared: str | None) -> str:
    """Two letters: of the language the text is seen to be in, else of the one it is said to be in, else none."""
    beginning = words[:_BEGINNING]
    heard = Counter(chain.from_iterable(_SPOKEN[word] for word in beginning if word in _SPOKEN))
    counts = [(0, ""), (0, ""), *((count, language) for language, count in heard.items())]
    (second, _), (first, language) = sorted(counts)[-2:]
    if first >= max(_HEARD, len(beginning) // _SHARE) and first * 3 >= second * 4:
        return language
    said = (declared or "").partition("-")[0]
    return said if len(said) == 2 else ""


def names(text: str) -> frozenset[int]:
    """The beginnings of words written large within a sentence."""
    large = " ".join(word for word in _NAME.findall(text) if word[0].isupper())
    return _fewest(_beginnings(words_of(large)), NAMES)


def stems(words: Iterable[str]) -> frozenset[int]:
    """The beginnings of the first long words."""
    return frozenset(_beginnings(islice((word for word in words if len(word) >= _LONG), STEMS)))


def figures(text: str) -> frozenset[int]:
    """Numbers of two digits and more, however their thousands and decimals are set apart."""
    numbers = (_THOUSANDS.sub("", found).replace(",", ".") for found in _FIGURE.findall(text))
    return _fewest(hashes32([number for number in numbers if len(number) >= 2]), FIGURES)


def _beginnings(words: Iterable[str]) -> Sequence[int]:
    spelled = _DOUBLE.sub("", " ".join([word[:_READ] for word in words]).translate(_SPELLINGS)).replace("ph", "f")
    return hashes32([word[:BEGINNING] for word in spelled.split() if len(word) >= _SHORTEST])


def _fewest(hashes: Iterable[int], count: int) -> frozenset[int]:
    """Of many, the smallest: two texts choose alike."""
    return frozenset(sorted({*hashes})[:count])
