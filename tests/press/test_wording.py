from __future__ import annotations

import re
from dataclasses import fields
from datetime import date

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
    ("language", "day", "text"),
    [
        ("en", date(2026, 11, 24), "24 November 2026"),
        ("en", date(2026, 5, 1), "1 May 2026"),
        ("fr", date(2026, 8, 1), "1er août 2026"),
        ("fr", date(2026, 2, 21), "21 février 2026"),
        ("de", date(2026, 3, 1), "1. März 2026"),
        ("es", date(2026, 9, 30), "30 de septiembre de 2026"),
    ],
)
def test_a_date_is_written_as_its_language_does(language: str, day: date, text: str) -> None:
    assert words_for(language).on(day) == text


@ALL
def test_a_year_has_twelve_different_months(words: Words) -> None:
    assert len(set(words.months)) == 12


@ALL
def test_one_story_is_not_counted_as_many(words: Words) -> None:
    assert words.count(1) != words.count(2).replace("2", "1")
    assert words.count(0).startswith("0 ")


@ALL
def test_every_language_says_everything_with_the_same_blanks(words: Words) -> None:
    for field in fields(Words):
        ours, english = getattr(words, field.name), getattr(ENGLISH, field.name)
        if isinstance(ours, str):
            assert ours.strip(), field.name
            assert set(re.findall(r"\{\w+\}", ours)) == set(re.findall(r"\{\w+\}", english)), field.name
