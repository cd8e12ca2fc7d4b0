"""The feeds.yaml that ships: what it holds, that editors can check it, and that no damage to it goes untold."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from aggregator.errors import ConfigError
from aggregator.query.grammar import parse_query
from aggregator.query.tree import And, Node, Not, Or, Term
from aggregator.settings.document import SCHEMA_FILE, json_schema
from aggregator.settings.fastyaml import read
from aggregator.settings.loading import find_shipped, load_settings
from aggregator.settings.values import Settings
from aggregator.subject import slug

SHIPPED = find_shipped("feeds.yaml")
TAG_FIELDS = ("country", "region", "topic", "type", "publisher", "tag")


@pytest.fixture(scope="module")
def shipped() -> Settings:
    return load_settings(SHIPPED, {})


# --- what it holds --------------------------------------------------------------------------------


def test_it_holds_think_tanks_of_every_region_and_many_languages(shipped: Settings) -> None:
    assert len(shipped.feeds) >= 60
    countries = {feed.country for feed in shipped.feeds}
    assert {"US", "CA"} <= countries
    for region in ("AR BR CL CO MX", "FR DE GB ES IT PL SE", "AE IL TR", "ZA KE SN", "KZ KG", "IN JP SG KR", "AU NZ"):
        assert len(countries & set(region.split())) >= 2 or region == "AU NZ", region
    assert "AU" in countries
    assert {"en", "fr", "de", "es", "pt", "it", "tr", "ko"} <= {feed.language for feed in shipped.feeds}


def test_every_feed_says_where_it_is_from(shipped: Settings) -> None:
    for feed in shipped.feeds:
        assert None not in (feed.country, feed.language, feed.site_url), feed.id
        assert feed.url.startswith("https://"), feed.id


def test_it_has_channels_and_newsletters(shipped: Settings) -> None:
    assert len(shipped.channels) >= 6
    assert len(shipped.newsletters) >= 2
    assert {letter.group_by for letter in shipped.newsletters} >= {"topic", "region"}


def test_every_tag_asked_for_can_be_given(shipped: Settings) -> None:
    """A rule may ask only for tags given before it; channels and newsletters for any."""
    given = {tag for feed in shipped.feeds for tag in (*feed.options.tags, f"publisher:{feed.id}")}
    given |= shipped.taxonomy.labels().keys()
    for rule in shipped.rules:
        assert asked(rule.when) <= given, rule.tag
        given.add(rule.tag)
    for source in (*shipped.channels, *shipped.newsletters):
        assert asked(source.query) <= given, source.id


def asked(query: str) -> set[str]:
    """The tags a query asks for."""
    terms = terms_of(parse_query(query).root)
    return {f"{term.field}:{slug(term.value)}" for term in terms if term.field in TAG_FIELDS}


def terms_of(node: Node) -> Iterator[Term]:
    match node:
        case Term():
            yield node
        case Not():
            yield from terms_of(node.part)
        case And() | Or():
            for part in node.parts:
                yield from terms_of(part)


# --- the schema for editors -----------------------------------------------------------------------


def test_the_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text("utf-8") == json_schema(), "run python -m aggregator.settings.document"


def test_the_first_line_names_the_schema() -> None:
    """Seen from a checkout; an installed package keeps the file beside its own copy of the schema."""
    first = SHIPPED.read_text("utf-8").partition("\n")[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (find_shipped("settings").parent.parent / named).samefile(SCHEMA_FILE)


def test_the_schema_takes_the_shipped_file() -> None:
    checker = Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))
    checker.check_schema(checker.schema)
    assert [error.message for error in checker.iter_errors(read(SHIPPED.read_text("utf-8")))] == []


FEED = "site: {title: W, base_url: 'https://w.example'}\nfeeds: [{id: a, name: A, url: 'https://a.example/'%s}]\n"


@pytest.mark.parametrize(
    "text",
    [
        "feeds: []",
        "site: {title: W}",
        "site: {title: W, base_url: w.example}",
        "site: {title: W, base_url: 'https://w.example'}\nfeds: []",
        "site: {title: W, base_url: 'https://w.example'}\nfeeds: [{id: a, name: A}]",
        "site: {title: W, base_url: 'https://w.example'}\npolling: {every: often}",
        "site: {title: W, base_url: 'https://w.example'}\npolling: {max_body: 10}",
        "site: {title: W, base_url: 'https://w.example'}\nchannels: [{id: a, title: A, formats: [pdf]}]",
        "site: {title: W, base_url: 'https://w.example'}\nnewsletters: [{id: a, title: A, schedule: 'mon 07:30'}]",
        FEED % ", evry: 6h",
        FEED % ", country: France",
        FEED % ", language: french",
        FEED % ", tags: [Asia]",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(tmp_path: Path, text: str) -> None:
    checker = Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))
    assert checker.is_valid(read(FEED % ""))
    assert not checker.is_valid(read(text))
    (tmp_path / "feeds.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigError):
        load_settings(tmp_path / "feeds.yaml", {})


# --- damage ---------------------------------------------------------------------------------------


def damaged(text: str, dice: random.Random) -> str:
    """The text after one thing that hands, editors and merges do to files."""
    lines = text.splitlines(keepends=True)
    at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    spot = dice.randrange(len(text))
    match dice.randrange(9):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = dice.choice([" ", "  ", "\t", "- ", "# ", "<<<<<<< HEAD\n", "\ufeff"]) + lines[at]
        case 4:
            lines[at] = lines[at].removeprefix(" ")
        case 5:
            return text[:spot]
        case 6:
            return text[:spot] + text[spot + dice.randrange(1, 4) :]
        case 7:
            return text[:spot] + dice.choice("'\"{}[],:&*!|>%@`#\\\0\x85\u2028é\n") + text[spot:]
        case _:
            return (
                text[:spot] + dice.choice(["null", "[]", "{}", "5", ": ", "- ", "\r", "\ud7ff", " "]) + text[spot + 4 :]
            )
    return "".join(lines)


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_file_loads_or_is_told_where_it_is_wrong(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    text, path = SHIPPED.read_text("utf-8"), tmp_path / "feeds.yaml"
    refused = 0
    for _ in range(50):
        broken = damaged(text, dice)
        path.write_text(broken, "utf-8", newline="")
        try:
            assert load_settings(path, {}).site.title
        except ConfigError as error:
            refused += 1
            for problem in error.problems:
                assert problem.file == str(path)
                if "the file is empty" in problem.message:
                    continue  # the one fault that has no place
                assert 1 <= problem.line <= broken.count("\n") + 1, str(problem)
                assert problem.column >= 1, str(problem)
                assert problem.key or "YAML" in problem.message or "missing" in problem.message, str(problem)
    assert 5 < refused < 45  # damage of both kinds was tried
