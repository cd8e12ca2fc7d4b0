from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.newsletter import UNSUBSCRIBE_PLACEHOLDER
from aggregator.press.note import note_view
from tests.rendered import render, tree
from tests.sample_digest import plain_digest


def linked(note: str) -> list[str]:
    """The addresses that became links, as they are shown."""
    return [piece.text for paragraph in note_view(note) for piece in paragraph if piece.url]


@pytest.mark.parametrize(
    ("note", "paragraphs"),
    [
        ("", []),
        (" \n\n ", []),
        ("One line.", ["One line."]),
        ("One\nparagraph.", ["One paragraph."]),
        ("One.\n\nTwo.\r\n\r\nThree.\n \n\n\nFour.", ["One.", "Two.", "Three.", "Four."]),
        ("No\u202e tricks\x00", ["No tricks"]),
    ],
)
def test_empty_lines_part_paragraphs(note: str, paragraphs: list[str]) -> None:
    assert ["".join(piece.text for piece in pieces) for pieces in note_view(note)] == paragraphs


@pytest.mark.parametrize(
    ("note", "addresses"),
    [
        ("See https://a.example/b.", ["https://a.example/b"]),
        ("See http://a.example/b_(c) and (https://a.example/d).", ["http://a.example/b_(c)", "https://a.example/d"]),
        ("“https://a.example/”, https://b.example/?q=1&r=2!", ["https://a.example/", "https://b.example/?q=1&r=2"]),
        ("https://bücher.example/ü", ["https://bücher.example/ü"]),
        ("javascript:alert(1) www.a.example ftp://a.example/ xhttps://a.example", []),
        ("https:// https://. https://user@a.example/", []),
        (f"Leave: {UNSUBSCRIBE_PLACEHOLDER}", []),
    ],
)
def test_bare_addresses_are_links_without_the_punctuation_around_them(note: str, addresses: list[str]) -> None:
    assert linked(note) == addresses


def test_markup_in_a_note_stays_text() -> None:
    made = render(plain_digest(1), note='<b>Bold</b> {{ title }} https://a.example/"><img src=x> <script>x</script>')
    assert tree(made).xpath("//b | //img | //script") == []
    assert tree(made).xpath("//p[@class='n']//a/@href") == ["https://a.example/"]
    assert "<b>Bold</b> {{ title }} https://a.example/" in made.text


def test_a_note_holds_no_place_of_a_readers_own_address() -> None:
    made = render(plain_digest(1), note=f"Click {UNSUBSCRIBE_PLACEHOLDER} now")
    assert (made.html.count(UNSUBSCRIBE_PLACEHOLDER), made.text.count(UNSUBSCRIBE_PLACEHOLDER)) == (1, 1)


@given(st.text(alphabet="ahtps:/.é()[]<>\"' \n@", max_size=60))
def test_no_note_breaks_it_and_no_word_is_lost(note: str) -> None:
    shown = [piece.text for pieces in note_view(note) for piece in pieces]
    assert "".join("".join(shown).split()) == "".join(note.split())
