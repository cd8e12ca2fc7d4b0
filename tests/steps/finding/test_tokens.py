"""Tokens: side by side in a text exactly when the words are, in every script."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.indexed import Stale, seq_of
from aggregator.model.parsed import Category, Person, SafeHtml
from aggregator.model.story import Story
from aggregator.steps.finding.tokens import EVERY, MAX_TOKEN, indexed, name_token, tokens_of, words_of_story
from aggregator.subject import words_of
from tests.fakes import START


def tokens(text: str) -> str:
    return " ".join(tokens_of(words_of(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Élysée and the U.S.", "elysee and the u s"),
        ("日本と協力", "日 本 と 協 力"),
        ("日本、東京", "日 本 __ 東 京"),
        ("NATO日本 EU", "nato 日 本 eu"),
        ("러시아의 전략", "러 시 아 의 __ 전 략"),
        ("Россия, العربية", "россия العربية"),
        ("a \x02 b", "a _02 b"),
        ("w" * 300, "w" * MAX_TOKEN),
        ("!?", ""),
    ],
)
def test_words_become_tokens(text: str, expected: str) -> None:
    assert tokens(text) == expected


LETTERS = st.text(st.sampled_from("ab日本ไт "), max_size=12)


@given(LETTERS, LETTERS.filter(lambda text: bool(words_of(text))))
def test_tokens_stand_side_by_side_where_the_matcher_finds_the_words(text: str, wanted: str) -> None:
    words = words_of(wanted)
    runs = [ord(word[0]) > 0xE00 for word in words]
    needle = f"{'' if runs[0] else ' '}{' '.join(words)}{'' if runs[-1] else ' '}"
    assert (needle in f" {' '.join(words_of(text))} ") == (f" {tokens(wanted)} " in f" {tokens(text)} ")


@pytest.mark.parametrize("name", ["topic:energy", "tag with:SPACE", "category:日本", "a:b'\"*_-"])
def test_a_name_is_one_token_that_begins_as_the_name_does(name: str) -> None:
    token = name_token("tags", name)
    assert re.fullmatch(r"[a-z0-9_\x80-\U0010ffff]+", token)
    for length in range(len(name)):
        assert token.startswith(name_token("tags", name[:length]))
    assert name_token("feeds", name) != token


def test_different_names_are_different_tokens() -> None:
    names = ["a-b", "a_b", "a b", "A b", "a:b", "ab", "a2db", "a_2db"]
    assert len({name_token("tags", name) for name in names}) == len(names)


def story(*entries: Entry) -> Story:
    return Story(id="s", seq=7, first_seen=START, updated=START, entries=entries)


def test_a_story_is_held_by_field_with_the_words_of_all_its_entries() -> None:
    def entry(title: str, feed_id: str, **fields: object) -> Entry:
        return Entry(
            title=title,
            feed_id=feed_id,
            keys=EntryKeys(identity=(), digest=b""),
            first_seen=START,
            changed_at=START,
            date=START,
            **fields,  # type: ignore[arg-type]
        )

    one = entry("One", "Ifri", content=SafeHtml("<p>First</p>"), authors=(Person(name="Jo March"),), language="pt-BR")
    two = entry(
        "Two", "apps", categories=(Category(term="x", label="Notes"),), tags=(Tag(name="topic:gas", origin="rule"),)
    )
    held = words_of_story(story(one, two))
    assert (held.title, held.text, held.author, held.category) == ("one _02 two", "first", "jo march", "notes")
    assert seq_of(held.place) == 7
    assert set(held.names.split()) == {
        EVERY,
        *(name_token("feeds", name) for name in ("ifri", "apps")),
        *(name_token("languages", name) for name in ("pt", "pt-br")),
        *(name_token("tags", name) for name in ("topic:gas", "topic:")),
        *(name_token(scope, "") for scope in ("feeds", "languages")),
    }


def test_of_a_story_that_is_gone_the_index_shall_hold_nothing() -> None:
    answer = indexed(Stale(seq=7, turn=3, story=None))
    assert (answer.seq, answer.turn, answer.words) == (7, 3, None)
