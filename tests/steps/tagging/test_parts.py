"""The parts of tagging: regions, types, categories, scores."""

import pytest

from aggregator.model.taxonomy import Country, Doubt, PublicationType, Region, Taxonomy, Topic
from aggregator.settings.taxonomy_files import shipped_taxonomy
from aggregator.steps.tagging.category_map import compile_categories, meant_by
from aggregator.steps.tagging.publication_types import compile_types, kind_of
from aggregator.steps.tagging.regions import around, compile_regions
from aggregator.steps.tagging.scoring import Find, Scale, foremost, score
from aggregator.subject import words_of

SHIPPED = shipped_taxonomy()
TYPES = compile_types(SHIPPED)
CATEGORIES = compile_categories(SHIPPED)


@pytest.mark.parametrize(
    ("title", "url", "expected"),
    [
        ("Podcast: The Grid That Held", None, ("type:podcast", "title", "podcast")),
        ("[Interview] What ministers forget", None, ("type:interview", "title", "interview")),
        ("(Webinar) Rivers", None, ("type:event", "title", "webinar")),
        ("The long frontier | Book review", None, ("type:book", "title", "book review")),
        ("Entretien – Les mots du désert", None, ("type:interview", "title", "entretien")),
        ("Stellungnahme zum Wald (Policy Paper)", None, ("type:policy-brief", "title", "policy paper")),
        ("A conversation with the minister", None, ("type:interview", "title", "a conversation with")),
        ("Annual report 2026 of the centre", None, ("type:annual-report", "title", "annual report 2026")),
        ("Water", "https://a.example/en/working-papers/water", ("type:working-paper", "url", "working-papers")),
        ("Water", "https://a.example/Events/2026/water/", ("type:event", "url", "events")),
        ("Podcast: Water", "https://a.example/events/water", ("type:podcast", "title", "podcast")),
        ("Water", "https://a.example/events", None),
        ("Water", "https://a.example/events/", None),
        ("Water", "https://[a/events/water", None),
        ("The report that nobody wrote", None, None),
        ("Iran: what next?", None, None),
        ("", None, None),
        (" : |", "", None),
    ],
)
def test_a_type_is_known_by_title_or_address(
    title: str, url: str | None, expected: tuple[str, str, str] | None
) -> None:
    found = kind_of(title, words_of(title), url, TYPES)
    assert (tuple(found) if found else None) == expected


def test_of_two_types_with_one_sign_the_first_counts() -> None:
    one, other = (PublicationType(id=name, label={}, titles=("Note",), paths=("notes",)) for name in ("one", "other"))
    types = compile_types(Taxonomy(types=(one, other)))
    assert kind_of("Note: x", ["note", "x"], None, types) == ("type:one", "title", "note")
    assert kind_of("x", ["x"], "https://a.example/notes/1", types) == ("type:one", "url", "notes")


@pytest.mark.parametrize(
    ("category", "tags"),
    [
        ("Außenpolitik", ["topic:diplomacy"]),
        ("climate change", ["topic:climate"]),
        ("Energy & Climate", ["topic:energy", "topic:climate"]),
        ("Defence and Security", ["topic:defence"]),
        ("Energía y clima", ["topic:energy", "topic:climate"]),
        ("Middle East and North Africa", ["region:middle-east", "region:north-africa"]),
        ("Russia/Ukraine", ["country:ru", "country:ua"]),
        ("Policy Briefs", ["type:policy-brief"]),
        ("Japon", ["country:jp"]),
        ("Northeast Asia", ["region:east-asia"]),
        ("Uncategorized", []),
        ("and", []),
        ("", []),
    ],
)
def test_categories_mean_tags_of_ours(category: str, tags: list[str]) -> None:
    assert [tag for tag, _ in meant_by([category], CATEGORIES)] == tags


def test_a_category_of_many_parts_is_read_in_part() -> None:
    assert len(list(meant_by([", ".join(["energy"] * 500)], CATEGORIES))) == 6


def test_synonyms_of_a_topic_that_is_left_out_mean_nothing_and_doubtful_names_are_no_synonyms() -> None:
    niger = Country(id="ne", label={"en": "Niger"}, names=("Gana",))
    doubt = Doubt(name="gana", means="country:ne")
    table = compile_categories(
        Taxonomy(countries=(niger,), doubts=(doubt,), synonyms={"topic:gone": ("x",), "desk:own": ("y",)})
    )
    assert table == {"niger": ("country:ne",), "y": ("desk:own",)}


def test_regions_hold_the_countries_of_their_parts_and_never_turn_in_circles() -> None:
    west = Region(id="west", label={}, members=("fr", "be"))
    all_ = Region(id="all", label={}, members=("ua",), regions=("west", "nowhere", "all"))
    west_of_all = Region(id="loop", label={}, regions=("all", "loop"))
    holders = compile_regions(Taxonomy(regions=(west, all_, west_of_all)))
    assert holders["country:fr"] == ("region:west", "region:all", "region:loop")
    assert dict(around(["country:fr", "country:ua", "country:xx"], holders)) == {
        "region:west": "country:fr",
        "region:all": "country:fr",
        "region:loop": "country:fr",
    }


SCALE = Scale(
    points={"title": 2.0, "lead": 1.0, "text": 0.5}, most={"title": 1, "lead": 1, "text": 2}, least=2.0, share=0.5
)


def test_mentions_count_up_to_a_limit_and_the_heaviest_stands_for_them() -> None:
    finds = [Find("a", "text", "oil"), *[Find("a", "title", "gas")] * 3, *[Find("b", "text", "tea")] * 9]
    scores = score(finds, SCALE, each_word=True)
    assert {tag: (own.total, own.best and own.best.matched) for tag, own in scores.items()} == {
        "a": (2.5, "gas"),
        "b": (1.0, "tea"),
    }
    assert scores["a"].reason == "gas 2, oil 0.5"
    assert [tag for tag, _ in foremost(scores, SCALE, 5)] == ["a"]


def test_a_tag_needs_a_share_of_the_best() -> None:
    finds = [Find("a", "title", "x", 4.0), Find("b", "title", "y", 2.0), Find("c", "title", "z", 1.9)]
    assert [tag for tag, _ in foremost(score(finds, SCALE, each_word=False), SCALE, 5)] == ["a", "b"]
    assert [tag for tag, _ in foremost(score(finds, SCALE, each_word=False), SCALE, 1)] == ["a"]
    assert list(foremost({}, SCALE, 5)) == []


def test_everything_in_the_shipped_taxonomy_fits_together() -> None:
    labels = SHIPPED.labels()
    countries = {country.id for country in SHIPPED.countries}
    assert len(countries) > 230
    assert len(SHIPPED.topics) == 42
    for region in SHIPPED.regions:
        assert {*region.members} <= countries, region.id
        assert {f"region:{part}" for part in region.regions} <= labels.keys(), region.id
    assert {leader.country for leader in SHIPPED.leaders} <= countries
    assert {doubt.means for doubt in SHIPPED.doubts} <= labels.keys()
    assert SHIPPED.synonyms.keys() <= labels.keys()
    for tag, label in labels.items():
        assert label.keys() >= {"en", "fr", "de", "es"}, tag
    for topic in SHIPPED.topics:
        assert topic.words.keys() == {"en", "fr", "de", "es"}, topic.id
    assert isinstance(SHIPPED.topics[0], Topic)
