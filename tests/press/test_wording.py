from __future__ import annotations

import re
from dataclasses import fields

import pytest

from aggregator.press.wording import ENGLISH, FRENCH, GERMAN, SPANISH, Words, words_for

ALL = pytest.mark.parametrize("words", [ENGLISH, FRENCH, GERMAN, SPANISH], ids=lambda words: words.language)


@pytest.mark.parametrize(
    ("language", "found"),
    [
        ("en", ENGLISH),
        ("fr", FRENCH),
        ("FR", FRENCH),
        ("fr-CA", FRENCH),
        ("fr_CA", FRENCH),
        ("de-at", GERMAN),
        ("es", SPANISH),
        ("it", ENGLISH),
        ("fro", ENGLISH),
        ("", ENGLISH),
    ],
)
def test_a_language_is_found_by_its_code_and_others_get_english(language: str, found: Words) -> None:
    assert words_for(language) is found


@pytest.mark.parametrize(
    ("language", "count", "text"),
    [
        ("en", 0, "0 stories"),
        ("en", 1, "1 story"),
        ("en", 2, "2 stories"),
        ("en", 12_345, "12,345 stories"),
        ("fr", 0, "0 publication"),
        ("fr", 1, "1 publication"),
        ("fr", 2, "2 publications"),
        ("fr", 12_345, "12\u202f345 publications"),
        ("de", 1, "1 Beitrag"),
        ("de", 12_345, "12.345 Beiträge"),
        ("es", 0, "0 publicaciones"),
        ("es", 1, "1 publicación"),
        ("es", 12_345, "12.345 publicaciones"),
    ],
)
def test_stories_are_counted_as_the_language_does(language: str, count: int, text: str) -> None:
    assert words_for(language).count(count) == text


@ALL
def test_a_language_is_named_in_a_phrase_of_ours_and_an_unknown_one_not(words: Words) -> None:
    assert words.in_tongue("pt-br") == words.in_language.format(language=words.tongue.language("pt"))
    assert words.in_tongue("qqq") == ""


@ALL
def test_every_language_says_everything_with_the_same_blanks(words: Words) -> None:
    for field in fields(Words):
        ours, english = getattr(words, field.name), getattr(ENGLISH, field.name)
        if isinstance(ours, str):
            assert ours.strip(), field.name
            assert set(re.findall(r"\{\w+\}", ours)) == set(re.findall(r"\{\w+\}", english)), field.name
