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
# They begin with a set of few letters, that are found fast; whether one is a capital or a digit is asked after that.
_AFTER_THEM = r"(?:(?<=[\w,;)]\s[^\W\d_])[^\W\d_]{2,}|(?<=\d)\d*(?:[.,\u00a0\u202f ']\d+)*)"
_LATIN = re.compile(r"[A-ZÀ-ÖØ-Þ0-9]" + _AFTER_THEM)
_ANY = re.compile(r"[A-ZÀ-ÖØ-Þ0-9\u0100-\U0010ffff]" + _AFTER_THEM)
"""Names and figures: words written large within a sentence, and numbers. The first is for texts of ISO 8859-1."""
_THOUSANDS = re.compile(r"[.,\u00a0\u202f '](?=\d{3}(?!\d))")
_SPELLINGS = str.maketrans({"k": "c", "q": "c", "w": "v", "z": "s", "y": "i", "j": "i"})
_DOUBLE = re.compile(r"(.)(?=\1)")
_LETTERS = [(2 * letter, letter) for letter in "abcdefghilmnoprstuvx0123456789"]
"""Those that a word of ASCII may have double, once its spelling is changed."""
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
    heard = Counter(chain.from_iterable(map(_SPOKEN.__getitem__, filter(_SPOKEN.__contains__, beginning))))
    counts = [(0, ""), (0, ""), *((count, language) for language, count in heard.items())]
    (second, _), (first, language) = sorted(counts)[-2:]
    if first >= max(_HEARD, len(beginning) // _SHARE) and first * 3 >= second * 4:
        return language
    said = (declared or "").partition("-")[0]
    return said if len(said) == 2 else ""


def names_and_figures(text: str) -> tuple[frozenset[int], frozenset[int]]:
    """The beginnings of words written large within a sentence; numbers of two digits and more, however their thousands
    and decimals are set apart."""
    try:
        text.encode("latin-1")
        found = _LATIN.findall(text)
    except UnicodeEncodeError:
        found = _ANY.findall(text)
    large = " ".join([word for word in found if word[0].isupper()])
    numbers = (_THOUSANDS.sub("", number).replace(",", ".") for number in found if number[0].isdecimal())
    figures = hashes32([number for number in numbers if len(number) >= 2])
    return _fewest(_beginnings(words_of(large)), NAMES), _fewest(figures, FIGURES)


def stems(words: Iterable[str]) -> frozenset[int]:
    """The beginnings of the first long words."""
    return frozenset(_beginnings(islice((word for word in words if len(word) >= _LONG), STEMS)))


def _beginnings(words: Iterable[str]) -> Sequence[int]:
    spelled = _single(" ".join([word[:_READ] for word in words]).translate(_SPELLINGS)).replace("ph", "f")
    return hashes32([word[:BEGINNING] for word in spelled.split() if len(word) >= _SHORTEST])


def _single(text: str) -> str:
    """The text without letters that stand double."""
    if not text.isascii():
        return _DOUBLE.sub("", text)
    for double, letter in _LETTERS:
        while double in text:
            text = text.replace(double, letter)
    return text


def _fewest(hashes: Iterable[int], count: int) -> frozenset[int]:
    """Of many, the smallest: two texts choose alike."""
    return frozenset(sorted({*hashes})[:count])
