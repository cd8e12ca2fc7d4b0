"""YAML text as data: the quick way and the exact way agree, and places are where an editor shows them."""

import random
from typing import Any

import pytest

from aggregator.errors import ConfigError
from aggregator.settings import fastyaml
from aggregator.settings.yamltext import YamlText, decode

SCALARS = (
    "0 -0 +1 07 1_000 1.5 -.5 5. . 1e3 1.e3 1e 0x1F 0o17 12345678901234567890 .NaN 1:30 2026-01-31 ~ null Null NULL "
    ".inf nULL true True TRUE tRUE yes no on off y n = << é 'q' \"q\" '' '5' \"true\" '~' a#b a:b http://a.example/?x=1"
).split()
TEXTS = (
    "a: {b: [c, 'd', {e: 5}], f: }\ng:\n  - h\n  -\n  - - i\n    - j\n",
    "a: |\n  two\n  lines\nb: >-\n  folded\n  text\n",
    "# words\n\n---\na: 'it''s'  # more\nb: \"x\\u00e9\\n\"\n...\n",
    "[a, b: c, {d}]",
    "plain words\nover lines",
    "é: ü\n日本: [東京]\n",
    "",
    "a: &x [1]\nb: *x\n",
    "a: !!str 5\nb: !!int '7'\n",
    "%YAML 1.1\n---\na: yes\n",
    "{a: 1, ? b : 2, c}\n",
)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads a text the exact way only, as on a machine without libyaml."""

    def read(text: str) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(fastyaml, "CParser", None)
            return YamlText(text, "feeds.yaml").data

    return read


@pytest.mark.parametrize("text", [*TEXTS, *(f"a: {scalar}\nb: [{scalar}]\n" for scalar in SCALARS)])
def test_both_ways_give_the_same(exact: Any, text: str) -> None:
    expected = exact(text)
    assert YamlText(text, "feeds.yaml").data == expected
    assert repr(YamlText(text, "feeds.yaml").data) == repr(expected)  # True is not 1


def test_both_ways_give_the_same_for_text_gone_wrong(exact: Any) -> None:
    """Texts cut up and put together again: what the quick way takes, the exact way takes for the same or refuses."""
    dice = random.Random(9)
    whole = "".join(TEXTS)
    taken = 0
    for _ in range(2000):
        pieces = [whole[(start := dice.randrange(len(whole))) : start + dice.randrange(1, 12)] for _ in range(4)]
        text = "".join(pieces)
        try:
            quick = fastyaml.read(text)
        except fastyaml.Unsure:
            continue
        try:
            assert repr(exact(text)) == repr(quick), repr(text)
        except ConfigError:
            continue
        taken += 1
    assert taken > 200


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2\n", "a: *x\n", "[a]: b\n", "a: [b\n", "a: \tb: c", "a\0b", "[" * 60 + "]" * 60, "[" * 5000]
)
def test_what_the_quick_way_is_unsure_of_is_told_by_the_exact_one(text: str) -> None:
    with pytest.raises(fastyaml.Unsure):
        fastyaml.read(text)
    with pytest.raises(ConfigError):
        YamlText(text, "feeds.yaml")


def test_places_are_counted_as_editors_count_them() -> None:
    """U+0085 and U+2028 end a line for YAML (5.4 of version 1.1), but not on any screen."""
    source = YamlText("# one\x85# still one\u2028# and on\r\na:\r\n  b: [c, d]\r\n", "feeds.yaml")
    assert source.place(("a", "b", 1)) == (3, 10)
    assert source.place(("a", "b"), of_key=True) == (3, 3)
    assert source.place(("a", "b", 7)) == (3, 3)
    assert source.place(("a", "x")) == (2, 1)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_bad_byte_is_placed_with_and_without_a_mark_at_the_start(mark: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(mark + "é: 1\nü: ".encode() + b"\xe9\n", "feeds.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (2, 4)
    assert "0xe9" in problem.message
