"""Folding a text to words: the quick way of western texts, and the way of all others, are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.subject import words_of

WESTERN = [chr(code) for code in range(256)] + [*"ŒœŠšŽžŸƒˆ˜–—‘’‚“”„†‡•…‰‹›€™"]


@given(st.text(st.sampled_from(WESTERN) | st.characters(max_codepoint=0x24F)))
def test_a_western_text_is_folded_as_any_other(text: str) -> None:
    assert words_of(text) == words_of(f"{text} ā")[:-1]


@pytest.mark.parametrize("letter", WESTERN)
def test_every_western_letter_is_folded_as_in_any_other_text(letter: str) -> None:
    assert words_of(f"É{letter}x") == words_of(f"É{letter}x ā")[:-1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("L’Été “à Zürich” – 5 m²…", ["l", "ete", "a", "zurich", "5", "m2"]),
        ("Straße, Œuvre, naïve\u00adté, ¼ µm", ["strasse", "oeuvre", "naivete", "1", "4", "μm"]),
        ("Łódź i Žižkov", ["lodz", "i", "zizkov"]),
        ("Þór, Москва", ["þor", "москва"]),
        ("\u00ad\u0301", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words
