"""Phrases found in words."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.steps.tagging.lexicon import compile_lexicon, parts_of
from aggregator.subject import words_of

GUINEAS = [
    ("Guinea", "gn"),
    ("Guinea-Bissau", "gw"),
    ("Papua New Guinea", "pg"),
    ("Gulf of Guinea", "-"),
    ("guinea pig*", "-"),
    ("Congo", "cd"),
    ("congo", "cg"),
    ("français*", "fr"),
    ("françai* d'Afrique", "af"),
    ("interest rate*", "money"),
    ("interest*", "hobby"),
    ("N'Djamena", "td"),
]


def found(text: str) -> list[tuple[str, tuple[str, ...]]]:
    words = words_of(text)
    return [(" ".join(words[hit.at : hit.at + hit.length]), hit.senses) for hit in compile_lexicon(GUINEAS).find(words)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Guinea and its neighbours", [("guinea", ("gn",))]),
        ("in Guinea-Bissau, not Guinea", [("guinea bissau", ("gw",)), ("guinea", ("gn",))]),
        ("Papua New Guinea", [("papua new guinea", ("pg",))]),
        ("the Gulf of Guinea", [("gulf of guinea", ("-",))]),
        ("two guinea pigs", [("guinea pigs", ("-",))]),
        ("Congo", [("congo", ("cd", "cg"))]),
        ("la Française", [("francaise", ("fr",))]),
        ("les Français d’Afrique", [("francais d afrique", ("af",))]),
        ("interest rates and interests", [("interest rates", ("money",)), ("interests", ("hobby",))]),
        ("N’Djamena", [("n djamena", ("td",))]),
        ("Papua New", []),
        ("", []),
    ],
)
def test_the_longest_phrase_wins_and_is_used_up(text: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Côte d'Ivoire", ("cote", "d", "ivoire")),
        ("arme* nucléaire*", ("arme*", "nucleaire*")),
        ("EE. UU.", ("ee", "uu")),
        ("!?", ()),
        ("* *", ()),
    ],
)
def test_phrases_are_folded_as_texts_are(text: str, parts: tuple[str, ...]) -> None:
    assert parts_of(text) == parts


def test_a_short_stem_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 4 letters"):
        parts_of("cat*")


def test_phrases_without_a_word_are_left_out() -> None:
    assert compile_lexicon([("!", "x")]).find(["x"]) == []


def test_it_travels_between_processes() -> None:
    one = compile_lexicon(GUINEAS)
    words = words_of("Guinea and interests")
    assert pickle.loads(pickle.dumps(one)).find(words) == one.find(words)


def test_the_places_where_phrases_may_begin_serve_several_lexicons() -> None:
    one, other = compile_lexicon(GUINEAS), compile_lexicon([("interior*", "home"), ("New York", "us")])
    words = words_of("the Interior of New York and interests of Guinea")
    spots = (one.beginnings | other.beginnings).spots(words)
    assert [words[at] for at in spots] == ["interior", "new", "interests", "guinea"]
    assert one.find(words, spots) == one.find(words)
    assert other.find(words, spots) == other.find(words)


@given(st.lists(st.sampled_from("guinea new interest interested interests of us usa u s york yorks caférie".split())))
def test_phrases_begin_at_the_words_that_begin_so(words: list[str]) -> None:
    one = compile_lexicon([*GUINEAS, ("us", "country"), ("U.S.", "country"), ("New York", "city")])
    begin = [at for at, word in enumerate(words) if word in ("guinea", "new", "us", "u") or word.startswith("interest")]
    assert one.beginnings.spots(words) == begin
