"""Tags and where each came from."""

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.errors import QueryError
from aggregator.model.channel import TagRule
from aggregator.model.entry import Tag
from aggregator.model.feed import Feed, FeedOptions
from aggregator.model.parsed import Category, Link, ParsedEntry, SafeHtml
from aggregator.model.taxonomy import Country, Doubt, Leader, PublicationType, Region, Taxonomy, Topic
from aggregator.steps.tagging.passages import MAX_CHARACTERS
from aggregator.steps.tagging.tagger import MAX_CATEGORIES, Tagger, compile_tagger, tag_entry
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


# --- the taxonomy ---------------------------------------------------------------------------------

JAPAN = Country(id="jp", label={"en": "Japan", "fr": "Japon"}, places=("Tokyo",))
PERU = Country(id="pe", label={"en": "Peru"})
ASIA = Region(id="asia", label={"en": "Asia"}, names=("Asian",), members=("jp",))
ENERGY = Topic(id="energy", label={"en": "Energy"}, words={"en": ("energy!", "grid"), "fr": ("énergie!",)})
TRADE = Topic(id="trade", label={"en": "Trade"}, words={"en": ("tariff*!",)})
NOTE = PublicationType(id="note", label={"en": "Note"}, categories=("Notes",), titles=("Note",), paths=("notes",))
SMALL = Taxonomy(
    countries=(JAPAN, PERU),
    leaders=(Leader(country="jp", name="Hanako Sato"), Leader(country="zz", name="Nobody Known")),
    doubts=(Doubt(name="Peru", means="country:pe", far=("indiana",), alone=True), Doubt(name="X", means="country:zz")),
    regions=(ASIA,),
    topics=(ENERGY, TRADE),
    types=(NOTE,),
    synonyms={"topic:energy": ("Power",), "desk:own": ("Ours",)},
    version="v1",
)
SMALL_TAGGER = compile_tagger(SMALL)
PLAIN = Feed(id="n", url="https://n.example/feed", name="N")


def known(entry: ParsedEntry, feed: Feed = PLAIN, tagger: Tagger = SMALL_TAGGER) -> dict[str, Tag]:
    """The tags that the taxonomy gives, by name."""
    return {tag.name: tag for tag in tag_entry(entry, feed, tagger, NOW) if tag.origin not in ("feed", "category")}


def test_a_tag_says_where_by_which_words_and_under_which_version() -> None:
    given = known(ParsedEntry(title="Tokyo and the tariffs of Japan", language="en"))
    assert given["country:jp"] == Tag(
        name="country:jp",
        origin="gazetteer",
        label="Japan",
        field="title",
        matched="tokyo",
        rule="tokyo 2, japan 2",
        version="v1",
    )
    assert given["topic:trade"] == Tag(
        name="topic:trade",
        origin="taxonomy",
        label="Trade",
        field="title",
        matched="tariffs",
        rule="tariffs 4",
        version="v1",
    )
    assert given["region:asia"] == Tag(
        name="region:asia", origin="gazetteer", label="Asia", rule="country:jp lies in it", version="v1"
    )
    assert given["mentions:jp"] == Tag(
        name="mentions:jp", origin="gazetteer", label="Japan", field="title", matched="tokyo", version="v1"
    )


def test_the_publishers_categories_come_before_the_text() -> None:
    entry = ParsedEntry(
        title="Tariffs and the grid",
        summary=SafeHtml("Tariffs again."),
        categories=(Category(term="Power"), Category(term="Notes"), Category(term="Ours"), Category(term="Asia")),
        links=(Link(href="https://n.example/notes/1"),),
        language="en",
    )
    given = known(entry)
    assert list(given) == ["topic:energy", "topic:trade", "type:note", "region:asia", "desk:own"]
    assert (given["topic:energy"].origin, given["topic:energy"].field, given["topic:energy"].matched) == (
        "category-map",
        "category",
        "Power",
    )


def test_of_many_categories_those_that_the_text_speaks_of_come_first() -> None:
    topics = tuple(Topic(id=f"t{n}", label={"en": f"Subject {n}"}, words={"en": (f"word{n}!",)}) for n in range(6))
    tagger = compile_tagger(Taxonomy(topics=topics))
    categories = tuple(Category(term=f"Subject {n}") for n in range(6))
    given = known(ParsedEntry(title="Word5 and word2", categories=categories, language="en"), tagger=tagger)
    assert list(given) == ["topic:t2", "topic:t5", "topic:t0"]


FAR = " ".join(["word"] * 100)


@pytest.mark.parametrize(("country", "times", "shown"), [("JP", 1, False), ("JP", 2, True), ("PE", 2, False)])
def test_a_publishers_own_country_needs_less_and_is_never_given_for_nothing(
    country: str, times: int, shown: bool
) -> None:
    feed = Feed(id="n", url="https://n.example/feed", name="N", country=country)
    given = known(ParsedEntry(title="T", summary=SafeHtml(f"{FAR} {'Japan ' * times}")), feed)
    assert ("country:jp" in given) is shown
    assert "mentions:jp" in given
    assert "country:pe" not in given


def test_labels_are_in_the_language_of_the_site_where_there_are_any() -> None:
    tagger = compile_tagger(SMALL, language="fr-CA")
    given = known(ParsedEntry(title="Japan and Peru"), tagger=tagger)
    assert (given["country:jp"].label, given["country:pe"].label) == ("Japon", "Peru")
    assert {given["mentions:jp"].text, Tag(name="mentions:fr", origin="gazetteer").text} == {"Japon", "FR"}


def test_a_text_is_read_in_its_language_or_its_feeds() -> None:
    french = Feed(id="n", url="https://n.example/feed", name="N", language="fr-FR")
    title = "Énergie"
    assert "topic:energy" in known(ParsedEntry(title=title, language="fr"))
    assert "topic:energy" in known(ParsedEntry(title=title), french)
    assert "topic:energy" not in known(ParsedEntry(title=title, language="de"))
    assert "topic:energy" in known(ParsedEntry(title=title, language="pt"))


def test_names_of_what_is_left_out_mean_nothing() -> None:
    assert known(ParsedEntry(title="Nobody Known met X")) == {}
    assert "country:jp" in known(ParsedEntry(title="Hanako Sato met nobody"))


def test_a_feeds_own_tag_is_not_given_twice() -> None:
    feed = Feed(id="n", url=FEED.url, name="N", options=FeedOptions(tags=("country:jp",)))
    given = [
        tag.origin for tag in tag_entry(ParsedEntry(title="Japan"), feed, SMALL_TAGGER, NOW) if tag.label == "Japan"
    ]
    assert given == ["gazetteer"]


def test_rules_read_a_long_text_to_its_end() -> None:
    entry = ParsedEntry(title="T", content=SafeHtml("word " * MAX_CHARACTERS + "Zanzibar"))
    rule = TagRule(tag="topic:own", when="zanzibar")
    assert "topic:own" in {tag.name for tag in tag_entry(entry, PLAIN, compile_tagger(SMALL, [rule]), NOW)}


def test_rules_may_ask_for_what_the_taxonomy_gave_and_say_their_version() -> None:
    rule = TagRule(tag="topic:own", when="country:jp mentions:pe region:asia")
    entry = ParsedEntry(title="Japan", summary=SafeHtml(f"{FAR} Peru"))
    (given,) = [tag for tag in tag_entry(entry, PLAIN, compile_tagger(SMALL, [rule]), NOW) if tag.origin == "rule"]
    other = compile_tagger(SMALL, [TagRule(tag="topic:own", when="country:jp")]).rules[0].tag
    assert given.version
    assert given.version != other.version
