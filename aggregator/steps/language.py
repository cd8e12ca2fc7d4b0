"""The language of an entry: what its publisher says, unless the text plainly says otherwise.

The step of a refresh before `tag`. Function words were counted where the text was read (`steps/folding/anchors.py`);
here the letters are looked at, and what was heard is held against what was declared.
"""

from __future__ import annotations

import re

from aggregator.model.parsed import ParsedEntry, SafeHtml
from aggregator.subject import plain_text

BEGINNING = 600
"""Characters that are looked at."""
ENOUGH = 300
"""Characters of a text whose function words may belie what is said: of shorter ones one in fifty was heard wrong."""
_SCRIPTS = {
    "cyrillic": "\u0400-\u04ff",
    "greek": "\u0370-\u03ff",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u06ff",
    "devanagari": "\u0900-\u097f",
    "thai": "\u0e00-\u0e7f",
    "georgian": "\u10a0-\u10ff",
    "armenian": "\u0530-\u058f",
    "kana": "\u3040-\u30ff",
    "han": "\u4e00-\u9fff",
    "hangul": "\uac00-\ud7af",
}
_LETTERS = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_LATIN, _OTHER = re.compile("[A-Za-z\u00c0-\u024f]"), re.compile(f"[{''.join(_SCRIPTS.values())}]")
_LANGUAGES = {
    "cyrillic": ("ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "tg", "mn"),
    "greek": ("el",),
    "hebrew": ("he", "yi"),
    "arabic": ("ar", "fa", "ur", "ps", "ckb", "ug"),
    "devanagari": ("hi", "ne", "mr", "sa"),
    "thai": ("th",),
    "georgian": ("ka",),
    "armenian": ("hy",),
    "kana": ("ja",),
    "han": ("zh", "ja", "yue"),
    "hangul": ("ko",),
}
"""Languages written so, the one meant unless another is said or shown first."""
_SHOWN = {
    "cyrillic": (("uk", "їєґ"), ("be", "ў"), ("kk", "әғұқһ"), ("mk", "ѓќѕ"), ("sr", "ђћџ"), ("ru", "ыэё")),
    "arabic": (("ur", "ٹڈڑے"), ("fa", "پچژگ")),
}
"""Letters that only some languages of a script have; Bulgarian is known by having none of the others'."""
_DENSE, _PARTS = frozenset(("han", "kana", "hangul")), (2, 3)
"""A text is of a script when half its letters are, of those that write a word with few, a third: the rest are names."""
_KANA = 10
"""Japanese writes its small words in kana: one letter in ten shows it."""


def language_of(entry: ParsedEntry, *, heard: str, prior: str | None) -> str | None:
    """The language of an entry: by its letters, by the function words `heard`, as declared, or else its feed's own.

    `heard` is two letters, or "" where none were plain; what was declared is kept whole (`pt-BR`) unless they differ.
    """
    said = entry.language or prior
    if found := _by_letters(_beginning(entry), said):
        return found
    plain = said is None or max(len(entry.content), len(entry.summary)) >= ENOUGH
    return heard if plain and heard and heard != _primary(said) else said


def _beginning(entry: ParsedEntry) -> str:
    markup = f"{entry.title}\n{(entry.content or entry.summary)[: 2 * BEGINNING]}"
    is_latin = markup.isascii() or ("&" not in markup and not _OTHER.search(markup))
    return markup if is_latin else plain_text(SafeHtml(markup))[:BEGINNING]


def _by_letters(text: str, said: str | None) -> str | None:
    """The language that the letters show; None when they are Latin, or too few."""
    if not _OTHER.search(text):
        return None
    counts = {name: len(letters.findall(text)) for name, letters in _LETTERS.items()}
    latin = len(_LATIN.findall(text))
    total = latin + sum(counts.values())
    if counts["kana"] * _KANA > total and latin * 2 < total:
        return _among("kana", said, text)
    script = max(_LANGUAGES, key=lambda name: counts[name])
    return _among(script, said, text) if counts[script] * _PARTS[script in _DENSE] > total else None


def _among(script: str, said: str | None, text: str) -> str | None:
    """Of the languages of a script the one shown by its own letters, else the one said, else the first."""
    small = text.lower()
    for language, letters in _SHOWN.get(script, ()):
        if any(letter in small for letter in letters):
            return said if _primary(said) == language else language
    languages = _LANGUAGES[script]
    if _primary(said) in languages:
        return said
    return "bg" if script == "cyrillic" and "ъ" in small else languages[0]


def _primary(language: str | None) -> str:
    return (language or "").partition("-")[0].lower()
