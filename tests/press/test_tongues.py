from __future__ import annotations

from datetime import date

import pytest

from aggregator.press.tongues import ENGLISH_TONGUE, tongue_of


@pytest.mark.parametrize(
    ("language", "day", "text"),
    [
        ("en", date(2026, 11, 24), "24 November 2026"),
        ("EN", date(2026, 5, 1), "1 May 2026"),
        ("en-US", date(2026, 5, 1), "May 1, 2026"),
        ("fr", date(2026, 8, 1), "1er août 2026"),
        ("fr_CA", date(2026, 2, 21), "21 février 2026"),
        ("de", date(2026, 3, 1), "1. März 2026"),
        ("es", date(2026, 9, 30), "30 de septiembre de 2026"),
        ("ja", date(2026, 9, 30), "2026年9月30日"),
        ("he", date(2026, 9, 30), "30 בספטמבר 2026"),
    ],
)
def test_a_date_is_written_as_its_language_does(language: str, day: date, text: str) -> None:
    tongue = tongue_of(language)
    assert tongue is not None
    assert tongue.on(day) == text


@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("fa", "rtl"), ("he", "rtl"), ("fr", "ltr")])
def test_a_language_runs_its_way(language: str, direction: str) -> None:
    tongue = tongue_of(language)
    assert tongue is not None
    assert tongue.direction == direction


@pytest.mark.parametrize("language", ["", "-", "x", "qqq", "und", "e n", "\0", "12", "fr\n", "a" * 300])
def test_what_is_no_language_is_none(language: str) -> None:
    assert tongue_of(language) is None


@pytest.mark.parametrize(
    ("language", "code", "family"), [("fr_CA", "fr-CA", "fr"), ("de-XX-1996", "de", "de"), ("zh-Hant", "zh-Hant", "zh")]
)
def test_a_language_of_a_country_falls_back_to_the_language(language: str, code: str, family: str) -> None:
    tongue = tongue_of(language)
    assert tongue is not None
    assert (tongue.code, tongue.family) == (code, family)


def test_names_are_given_where_there_are_any() -> None:
    assert (ENGLISH_TONGUE.language("pt-BR"), ENGLISH_TONGUE.language("fr-zz")) == ("Portuguese", "French")
    assert (ENGLISH_TONGUE.country("jp"), ENGLISH_TONGUE.country("zz9")) == ("Japan", "")
    assert ENGLISH_TONGUE.language("qqq") == ""
