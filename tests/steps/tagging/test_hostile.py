"""Whatever publishers send is tagged or left alone, and costs no more than an essay does."""

import pickle
from datetime import UTC, datetime

import pytest

from aggregator.model.channel import TagRule
from aggregator.model.entry import Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import Category, Link, ParsedEntry, SafeHtml
from aggregator.settings.taxonomy_files import shipped_taxonomy
from aggregator.steps.tagging.passages import MAX_CHARACTERS, passages_of
from aggregator.steps.tagging.tagger import MAX_CATEGORIES, MAX_LABEL, MAX_MENTIONS, compile_tagger, tag_entry

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FEED = Feed(id="north", url="https://north.example/feed", name="North")
TAGGER = compile_tagger(shipped_taxonomy())


def tags(entry: ParsedEntry) -> tuple[Tag, ...]:
    return tag_entry(entry, FEED, TAGGER, NOW)


HOSTILE = {
    "two megabytes": "The price of grain in Egypt and oil in Iran. " * 45_000,
    "one word": "Congo " * 100_000,
    "one doubtful word": "Turkey " * 100_000,
    "one head": "the " * 100_000,
    "one prefix": "diplom" * 100_000,
    "beginnings of phrases": "Papua New Papua New Gulf of " * 20_000,
    "no letters": "!? — … 😀 " * 50_000,
    "digits": "1 " * 500_000,
    "surrogates": "\ud800\udfff Iran " * 50_000,
    "directions": "\u202e\u2066 Iran \u2069" * 50_000,
    "accents": "e\u0301\u0302\u0303" * 100_000,
    "no space": "東京" * 500_000,
    "tags that never close": "<p" * 500_000,
    "references": "&amp;" * 400_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_read_no_further_than_an_essay(text: str) -> None:
    entry = ParsedEntry(title="A title", summary=SafeHtml(text[:100]), content=SafeHtml(text))
    passages = passages_of(entry, TAGGER.beginnings)
    assert len(passages.text) <= MAX_CHARACTERS
    assert len(passages.text_words) <= MAX_CHARACTERS
    assert len(tags(entry)) < 60


@pytest.mark.parametrize(
    ("summary", "content", "words"),
    [
        ("<p>Grain</p>", "", "grain"),
        ("", "<p>Oil</p>", "oil"),
        ("Grain", "Grain and <b>oil</b>", "grain and oil"),
        ("Grain and oil", "oil", "grain and oil"),
        ("Grain", "Oil", "grain \x02 oil"),
    ],
)
def test_what_is_said_twice_is_read_once(summary: str, content: str, words: str) -> None:
    entry = ParsedEntry(summary=SafeHtml(summary), content=SafeHtml(content))
    assert " ".join(passages_of(entry, TAGGER.beginnings).text_words) == words


def test_a_hostile_title_category_and_address_are_bounded_too() -> None:
    long = "Iran: [Podcast] | - " * 25_000
    entry = ParsedEntry(
        title=long[:500],
        links=(Link(href="https://a.example/" + "events/" * 100_000 + "x"),),
        categories=tuple(Category(term=f"{number}, energy & climate; {long}") for number in range(1_000)),
    )
    given = tags(entry)
    assert len([tag for tag in given if tag.origin == "category"]) <= MAX_CATEGORIES
    assert max(len(tag.label or "") for tag in given) <= MAX_LABEL
    assert len([tag for tag in given if tag.namespace == "topic"]) <= 3


def test_a_list_of_all_countries_mentions_some() -> None:
    names = ", ".join(country.label["en"] for country in shipped_taxonomy().countries)
    given = tags(ParsedEntry(title="Members", content=SafeHtml(f"<p>{names}</p>")))
    assert len([tag for tag in given if tag.namespace == "mentions"]) == MAX_MENTIONS
    assert len([tag for tag in given if tag.namespace == "country"]) <= 8


def test_a_tagger_travels_between_processes_and_tags_alike() -> None:
    rules = [TagRule(tag="topic:own", when="topic:energy country:ir")]
    tagger = compile_tagger(shipped_taxonomy(), rules)
    entry = ParsedEntry(title="Energy in Iran", content=SafeHtml("Oil and gas."), language="en")
    given = tag_entry(entry, FEED, tagger, NOW)
    assert "topic:own" in {tag.name for tag in given}
    assert tag_entry(entry, FEED, pickle.loads(pickle.dumps(tagger)), NOW) == given
