"""Tags and where each came from."""

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.errors import QueryError
from aggregator.model.channel import TagRule
from aggregator.model.entry import Tag
from aggregator.model.feed import Feed, FeedOptions
from aggregator.model.parsed import Category, ParsedEntry, SafeHtml
from aggregator.model.taxonomy import Taxonomy
from aggregator.steps.tagging.tagger import MAX_CATEGORIES, compile_tagger, tag_entry
from tests.fakes import NO_TAGS

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FEED = Feed(id="ifri", url="https://ifri.example/rss", name="Ifri", language="fr")
ENTRY = ParsedEntry(
    title="Les îles Kouriles",
    summary=SafeHtml("<p>On the <em>Kuril</em> Islands dispute</p>"),
    published=NOW - timedelta(days=3),
)


def names(entry: ParsedEntry = ENTRY, feed: Feed = FEED, rules: tuple[TagRule, ...] = ()) -> list[str]:
    return [tag.name for tag in tag_entry(entry, feed, compile_tagger(Taxonomy(), rules), NOW)]


def with_categories(*categories: Category) -> ParsedEntry:
    return ParsedEntry(title="T", categories=categories)


def test_a_feed_names_its_publisher() -> None:
    assert tag_entry(ENTRY, FEED, NO_TAGS, NOW) == (
        Tag(name="publisher:ifri", origin="feed", field="feed", label="Ifri"),
    )


def test_the_feeds_own_tags_come_first_and_may_name_another_publisher() -> None:
    feed = Feed(id="ifri-en", url=FEED.url, name="Ifri EN", options=FeedOptions(tags=("topic:x", "publisher:ifri")))
    assert names(feed=feed) == ["topic:x", "publisher:ifri"]


@pytest.mark.parametrize(
    ("category", "name", "label"),
    [
        (Category(term="External Publications"), "category:external-publications", "External Publications"),
        (Category(term="12", label=" Énergie \n & climat "), "category:energie-climat", "Énergie & climat"),
        (Category(term="Внешняя политика"), "category:внешняя-политика", "Внешняя политика"),
        (Category(term="外交 政策"), "category:外交-政策", "外交 政策"),
        (Category(term="x" * 500), f"category:{'x' * 64}", "x" * 200),
    ],
)
def test_categories_keep_the_publishers_words(category: Category, name: str, label: str) -> None:
    assert tag_entry(with_categories(category), FEED, NO_TAGS, NOW)[0] == Tag(
        name=name, origin="category", field="category", label=label
    )


def test_categories_are_unique_bounded_and_never_nameless() -> None:
    twice = with_categories(Category(term="Asia", scheme="urn:a"), Category(term="ASIA"), Category(term="!!"))
    assert [(tag.name, tag.rule) for tag in tag_entry(twice, FEED, NO_TAGS, NOW)][:-1] == [("category:asia", "urn:a")]
    many = with_categories(*(Category(term=f"c{number}") for number in range(500)))
    assert len(names(many)) == MAX_CATEGORIES + 1


def test_rules_run_in_order_and_see_earlier_tags() -> None:
    rules = (
        TagRule(tag="topic:late", when="topic:kuril-islands"),
        TagRule(tag="topic:kuril-islands", when='text:"Kuril Islands"', label="Kuril Islands"),
        TagRule(tag="region:asia", when="topic:kuril-islands publisher:ifri lang:fr since:7d"),
        TagRule(tag="region:asia", when="kouriles"),
        TagRule(tag="topic:never", when="since:1d"),
    )
    tags = tag_entry(ENTRY, FEED, compile_tagger(Taxonomy(), rules), NOW)
    assert [(tag.name, tag.origin, tag.rule) for tag in tags] == [
        ("publisher:ifri", "feed", None),
        ("topic:kuril-islands", "rule", 'text:"Kuril Islands"'),
        ("region:asia", "rule", "topic:kuril-islands publisher:ifri lang:fr since:7d"),
    ]
    assert tags[1].label == "Kuril Islands"


def test_a_rule_may_confirm_what_the_feed_says() -> None:
    tags = tag_entry(ENTRY, FEED, compile_tagger(Taxonomy(), (TagRule(tag="publisher:ifri", when="kuril"),)), NOW)
    assert [(tag.name, tag.origin) for tag in tags] == [("publisher:ifri", "feed"), ("publisher:ifri", "rule")]


def test_a_rule_may_ask_for_the_publishers_category() -> None:
    entry = with_categories(Category(term="External Publications"))
    assert names(entry, rules=(TagRule(tag="type:external", when='category:"external publications"'),))[-1] == (
        "type:external"
    )


def test_a_date_in_the_future_counts_as_now() -> None:
    entry = ParsedEntry(title="T", published=NOW + timedelta(days=900))
    assert "topic:x" in names(entry, rules=(TagRule(tag="topic:x", when="until:1m OR since:1m"),))


def test_a_rule_that_is_no_query_is_refused() -> None:
    with pytest.raises(QueryError, match="never closed"):
        compile_tagger(Taxonomy(), (TagRule(tag="topic:x", when="(a"),))
