"""The docs against the code: every setting, variable, command and package is named, and every example is right."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from aggregator.cli.commands import app
from aggregator.query.grammar import parse_query
from aggregator.query.tree import FIELDS
from aggregator.schedule import parse_schedule
from aggregator.settings.document import SECTIONS

ROOT = Path(__file__).resolve().parents[1]
DOCS = {path.name: path.read_text("utf-8") for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]}


def section(document: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return re.split(rf"^## {heading}$", DOCS[document], flags=re.MULTILINE)[1].partition("\n## ")[0]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a table by the first `word` in them."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    return {row[0].split("`")[1]: row[1:] for row in cells}


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_feeds_yaml_is_described_with_its_default(name: str) -> None:
    described = rows(section("configuration.md", name))
    schema = SECTIONS[name].model_json_schema()
    assert described.keys() == schema["properties"].keys()
    for key, facts in schema["properties"].items():
        expected = ("required",) if key in schema.get("required", ()) else default(facts["default"])
        assert described[key][0].strip("`") in expected, key


def default(value: object) -> tuple[str, ...]:
    """How the docs may put a default."""
    if value is None:
        return ("none", "the site's")
    return (str(value).replace("'", "") or "everything",)


def test_every_variable_of_the_environment_is_described() -> None:
    described = rows(section("configuration.md", "The environment")).keys()
    used = {
        name
        for path in (ROOT / "aggregator").rglob("*.py")
        for name in re.findall(r"AGGREGATOR_[A-Z_]+", path.read_text("utf-8"))
    }
    assert described == used


# --- queries and schedules ------------------------------------------------------------------------


def test_every_query_shown_can_be_read() -> None:
    shown = section("queries.md", "How words match") + DOCS["queries.md"].partition("## How words match")[0]
    examples = [re.split(r"\s{2,}", line)[0] for line in shown.split("```")[1].strip().splitlines()]
    assert len(examples) > 12
    for example in examples:
        assert str(parse_query(example)) or example == "*"


def test_every_field_is_described() -> None:
    described = re.findall(r"`([a-z]+):`", section("queries.md", "Fields"))
    assert sorted(described) == sorted(FIELDS)


def test_every_schedule_shown_can_be_read() -> None:
    shown = re.findall(r"`([^`]+)`", rows(section("configuration.md", "newsletters"))["schedule"][1])
    assert len(shown) > 3
    for text in shown:
        assert str(parse_schedule(text))


# --- commands -------------------------------------------------------------------------------------


def commands(command: Any, path: str = "aggregator") -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield path
        return
    for name, inner in command.commands.items():
        yield from commands(inner, f"{path} {name}")


COMMANDS = sorted(commands(typer.main.get_command(app)))


def parameters(command: Any, path: str = "aggregator") -> Iterator[tuple[str, str | None]]:
    """Every argument and option of every command, with its help."""
    yield from ((f"{path} {item.name}", item.help) for item in command.params)
    for name, inner in getattr(command, "commands", {}).items():
        yield from parameters(inner, f"{path} {name}")


def test_every_argument_and_option_is_described() -> None:
    assert [name for name, help in parameters(typer.main.get_command(app)) if not help] == []


def test_every_command_is_named() -> None:
    text = "\n".join(DOCS.values())
    assert [command for command in COMMANDS if not re.search(rf"{command}\b", text)] == []


def test_every_command_named_is_there() -> None:
    """Only what stands in code, so that a sentence may go on after the program's name."""
    for document, text in DOCS.items():
        code = re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL)
        for words in re.findall(r"\baggregator(?: --config \S+)?((?: [a-z]+){1,2})", "\n".join(code)):
            named = f"aggregator{words}"
            assert any(f"{named} ".startswith(f"{command} ") for command in COMMANDS), (document, named)


def test_what_is_said_to_be_missing_is_missing() -> None:
    missing = re.findall(r"`([^`]+)`", section("running.md", "What is not in this version"))
    assert {"doctor", "feeds add", "/api/v1", "/metrics"} <= set(missing)
    there = {command.removeprefix("aggregator ") for command in COMMANDS}
    assert [name for name in missing if name in there] == []
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "aggregator" / "web").glob("*.py"))
    assert [path for path in missing if path.startswith("/") and f'"{path}"' in pages] == ["/opml", "/healthz"]


# --- packages and files ---------------------------------------------------------------------------


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def packages(*extras: str) -> set[str]:
    """Names of the packages that an installation asks for."""
    wanted = [*PROJECT["dependencies"], *(item for extra in extras for item in PROJECT["optional-dependencies"][extra])]
    return {re.split(r"[^\w.-]", item)[0] for item in wanted}


def test_every_package_has_its_reason() -> None:
    described = {
        name
        for row in re.findall(r"^\| ([a-z][^|]+) \|", DOCS["dependencies.md"], re.MULTILINE)
        for name in row.split(", ")
    }
    assert described - {"package"} == packages()


def test_every_package_is_used() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "aggregator").rglob("*.py"))
    imported = set(re.findall(r"^ *(?:from|import) ([\w.]+)", source, re.MULTILINE))
    by_others = {"python-multipart", "tzdata"}  # Starlette's forms, and the interpreter's zones
    for name in packages() - by_others:
        module = {"dnspython": "dns", "pyyaml": "yaml"}.get(name, name.replace("-", "_"))
        assert any(f"{found}.".startswith(f"{module}.") for found in imported), name


def test_every_package_is_locked() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    assert {name.replace(".", "-") for name in packages("test")} <= locked
    assert "://" not in (ROOT / "requirements.lock").read_text("utf-8")


def test_every_link_to_a_file_leads_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_file_named_is_there() -> None:
    for document, text in DOCS.items():
        for name in re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:\.py|\.yaml|\.lock|\.toml|/))`", text):
            if name not in ("outbox/", "data/outbox/"):
                assert (ROOT / name).exists() or (ROOT / "aggregator" / name).exists(), (document, name)
