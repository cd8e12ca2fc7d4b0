"""The taxonomy: the shipped files, what feeds.yaml changes about them, and what is wrong with either."""

from pathlib import Path
from shutil import copytree

import pytest

from aggregator.errors import ConfigError
from aggregator.model.taxonomy import Taxonomy
from aggregator.settings.loading import load_settings
from aggregator.settings.taxonomy_files import FOLDER, shipped_taxonomy

HEAD = "site: {title: W, base_url: 'https://w.example'}\nfeeds: []\ntaxonomy:\n"


def changed(tmp_path: Path, *lines: str) -> Taxonomy:
    path = tmp_path / "feeds.yaml"
    path.write_text(HEAD + "".join(f"  {line}\n" for line in lines), "utf-8")
    return load_settings(path, {}).taxonomy


def told(tmp_path: Path, *lines: str) -> str:
    with pytest.raises(ConfigError) as caught:
        changed(tmp_path, *lines)
    return str(caught.value).replace(f"{tmp_path}/", "")


def words(taxonomy: Taxonomy, topic_id: str, language: str = "en") -> tuple[str, ...]:
    return next(topic.words[language] for topic in taxonomy.topics if topic.id == topic_id)


def test_without_a_word_in_feeds_yaml_it_is_what_ships(tmp_path: Path) -> None:
    path = tmp_path / "feeds.yaml"
    path.write_text(HEAD.partition("taxonomy")[0], "utf-8")
    assert load_settings(path, {}).taxonomy is shipped_taxonomy()


def test_a_topic_is_added_and_another_gets_words_and_a_label(tmp_path: Path) -> None:
    taxonomy = changed(
        tmp_path,
        "topics:",
        "  - {id: kuril-islands, label: {en: Kuril Islands}, en: 'Kuril Islands!, Shikotan'}",
        "  - {id: energy, label: {en: Power}, en: [heat pump*!, grid]}",
    )
    assert words(taxonomy, "kuril-islands") == ("Kuril Islands!", "Shikotan")
    assert words(taxonomy, "energy") == (*words(shipped_taxonomy(), "energy"), "heat pump*!", "grid")
    assert words(taxonomy, "energy", "fr") == words(shipped_taxonomy(), "energy", "fr")
    assert taxonomy.labels()["topic:energy"] == {**shipped_taxonomy().labels()["topic:energy"], "en": "Power"}
    assert taxonomy.version != shipped_taxonomy().version


def test_everything_else_can_be_added_too(tmp_path: Path) -> None:
    taxonomy = changed(
        tmp_path,
        "countries: [{id: fr, institutions: Conseil d'État}]",
        "leaders: [{country: jp, name: Hanako Sato, alone: Sato, since: 2026-10-01}]",
        "doubts: [{name: Sato, means: country:jp, near: tokyo, written: true}]",
        "bystanders: Sato Prize, Tokyo Rose",
        "regions: [{id: kurils, label: {en: Kurils}, members: [jp, ru]}]",
        "types: [{id: report, paths: dossiers}]",
        "categories: {'topic:energy': Power markets, 'desk:own': [Ours]}",
        "without: [topic:urban, region:arctic, type:vacancy, country:va]",
    )
    assert next(country for country in taxonomy.countries if country.id == "fr").institutions[-1] == "Conseil d'État"
    assert taxonomy.leaders[-1].name == "Hanako Sato"
    assert taxonomy.doubts[0].near == ("tokyo",)
    assert taxonomy.bystanders[-2:] == ("Sato Prize", "Tokyo Rose")
    assert taxonomy.regions[-1].members == ("jp", "ru")
    assert next(kind for kind in taxonomy.types if kind.id == "report").paths[-1] == "dossiers"
    assert taxonomy.synonyms["topic:energy"][-1] == "Power markets"
    assert taxonomy.synonyms["desk:own"] == ("Ours",)
    left_out = {"topic:urban", "region:arctic", "type:vacancy", "country:va"}
    assert not left_out & (taxonomy.labels().keys() | taxonomy.synonyms.keys())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("topics: [{id: x, lable: {en: X}}]",), '4:20: taxonomy.topics[0].lable: unknown key; did you mean "label"?'),
        (("topik: []",), '4:3: taxonomy.topik: unknown key; did you mean "topics"?'),
        (("topics:", "  - id: Sea Ice"), "5:11: taxonomy.topics[0].id: must be lower-case letters"),
        (("topics:", "  - {id: x, en: 'cat*'}"), "5:19: taxonomy.topics[0].en: 'cat*': a first word with *"),
        (("topics:", "  - {id: x, en: ['!']}"), "5:19: taxonomy.topics[0].en: '!' needs a letter or a digit"),
        (("topics: [{id: x, en: 7}]",), "taxonomy.topics[0].en: must be a list"),
        (("leaders: [{country: JPN, name: S}]",), "taxonomy.leaders[0].country: 'JPN' is not a country as"),
        (("leaders: [{country: jp}]",), 'taxonomy.leaders[0]: "name" is missing'),
        (("leaders: [{country: jp, name: S, since: soon}]",), "since: 'soon' is not a day such as 2026-01-31"),
        (("regions: [{id: x, m49: '1'}]",), "taxonomy.regions[0].m49: must"),
        (("without: [urban]",), "taxonomy.without[0]: 'urban' is not a tag"),
        (("categories: {energy: power}",), "taxonomy.categories"),
        (
            ("without: [topic:enrgy]",),
            "4:13: taxonomy.without[0]: the taxonomy knows no topic:enrgy; did you mean topic:energy?",
        ),
        (("without: [desk:own]",), "taxonomy.without[0]: the taxonomy knows no desk:own"),
        (("doubts: [{name: Sato, means: country:zz}]",), "taxonomy.doubts[0].means: the taxonomy knows no country:zz"),
        (("leaders: [{country: zz, name: S}]",), "taxonomy.leaders[0].country: the taxonomy knows no country:zz"),
        (("regions: [{id: x, members: [fr, zz]}]",), "taxonomy.regions[0].members: the taxonomy knows no country:zz"),
        (("regions: [{id: x, regions: [y]}]",), "taxonomy.regions[0].regions: the taxonomy knows no region:y"),
        (("topics: [{id: x, label: {english: X}}]",), "taxonomy.topics[0].label"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    assert message in told(tmp_path, *lines)
    assert told(tmp_path, *lines).startswith("feeds.yaml:")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("topics.yaml", "- id: diplomacy", "- ident: diplomacy", "topics.yaml:4:3: [0].ident: unknown key"),
        ("doubts.yaml", "means: country:us", "means: usa", "doubts.yaml:7:"),
        ("doubts.yaml", "bystanders:", "bystandars:", 'did you mean "bystanders"?'),
        ("countries.yaml", "label: {en: Andorra", "lable: {en: Andorra", 'did you mean "label"?'),
        ("synonyms.yaml", "topic:energy: ", "energy: ", "synonyms.yaml:"),
        ("leaders.yaml", "- {country: us,", "- {country: us,,", "leaders.yaml:"),
    ],
)
def test_a_fault_in_a_shipped_file_names_the_file(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    folder = copytree(FOLDER, tmp_path / "taxonomy")
    text = (folder / file).read_text("utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError) as caught:
        shipped_taxonomy(folder)
    assert message in str(caught.value)


def test_the_version_is_that_of_the_words() -> None:
    assert shipped_taxonomy(FOLDER).version == shipped_taxonomy.__wrapped__(FOLDER).version
