"""`aggregator plan` on an edited file, `aggregator retag` after it, and a worker that follows by itself."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.wire import HEAD, Wire, kill
from tests.adapters.fetch_server import FetchServer, answer

TITLES = (
    "Tokyo and the Kuril Islands",
    "France weighs a new carbon border levy",
    "Energy security after the gas crisis in Germany",
    "A port for Riga",
    "What the ports of Japan can teach",
)
TAGS = """\
tags:
  - {tag: topic:ports, when: "port"}
  - {tag: topic:islands, when: "islands"}
"""
EDITED_TAGS = """\
taxonomy:
  topics:
    - {id: harbours, label: {en: Harbours}, en: "port!, ports!"}
  without: [country:de]
tags:
  - {tag: topic:ports, when: "port OR ports"}
  - {tag: topic:all-of-it, when: "NOT zebra"}
  - {tag: topic:zoo, when: "zebra"}
"""
REST = """\
channels:
  - {id: ports, title: Ports, query: "topic:ports"}
newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", query: "topic:ports", from: wire@wire.example}
"""


def rss() -> bytes:
    items = "".join(
        f"<item><guid>{n}</guid><title>{title}</title><link>https://tank.example/{n}</link>"
        f"<description>A paper of number {n}.</description><category>Papers</category></item>"
        for n, title in enumerate(TITLES)
    )
    return f'<rss version="2.0"><channel><title>Tank</title>{items}</channel></rss>'.encode()


def document(server: FetchServer, rest: str, **more: str) -> str:
    keys = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{HEAD}feeds:\n  - {{id: tank, name: Tank, url: '{server.url('/tank')}'{keys}}}\n{rest}"


@pytest.fixture
def server() -> Iterator[FetchServer]:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=rss())}
        yield server


@pytest.fixture
def wire(server: FetchServer, tmp_path: Path) -> Wire:
    """What was polled under the first file; the edited one lies beside it."""
    wire = Wire(tmp_path, document(server, TAGS + REST))
    wire.run("poll")
    edited = document(server, EDITED_TAGS + REST.replace("mon 07:30", "tue 08:00"), tags="[topic:tank]", every="6h")
    (tmp_path / "edited.yaml").write_text(edited, encoding="utf-8")
    return wire


def tags(wire: Wire) -> dict[int, set[str]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for entry_id, name in wire.rows("SELECT entry_id, name FROM entry_tags"):
        found[entry_id].add(name)
    return found


def dump(wire: Wire) -> list[str]:
    """Every row of every table, as text."""
    connection = sqlite3.connect(f"file:{wire.folder}/data/wire.db?mode=ro", uri=True)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_the_plan_is_what_the_edit_then_changes_tag_by_tag(wire: Wire) -> None:
    before, stored = tags(wire), dump(wire)
    told = wire.json("--config", "edited.yaml", "plan")
    assert dump(wire) == stored
    assert wire.json("plan")["entries"] == []
    wire.config.write_text((wire.folder / "edited.yaml").read_text("utf-8"), "utf-8")
    done = wire.json("retag")
    after = tags(wire)
    changed = {id_ for id_ in before if before[id_] != after[id_]}
    assert changed == before.keys() == {edit["entry"] for edit in told["entries"]}
    for edit in told["entries"]:
        assert set(edit["gained"]) == after[edit["entry"]] - before[edit["entry"]]
        assert set(edit["lost"]) == before[edit["entry"]] - after[edit["entry"]]
    by_tag = {row["tag"]: (row["gained"], row["lost"]) for row in done["tags"]}
    assert by_tag == {row["tag"]: (row["gain"], row["lose"]) for row in told["tags"]}
    assert by_tag["topic:all-of-it"] == (5, 0)
    assert {by_tag["country:de"], by_tag["topic:islands"]} == {(0, 1)}
    assert (done["entries"], done["changed"]) == (5, 5)
    assert wire.json("plan")["tags"] == wire.json("plan")["newsletters"] == []
    assert wire.json("retag")["changed"] == 0


def test_a_plan_reads_as_a_whole(wire: Wire) -> None:
    said = wire.run("--config", "edited.yaml", "plan").stdout
    for line in (
        "edited.yaml beside what is applied, over the 5 stories of the last 90d:",
        "  ~ tank  Tank",
        "      every: none -> 6h",
        "      tags: none -> topic:tank",
        "  topic:all-of-it  +5 -0",
        "  topic:islands  +0 -1",
        "      - Tokyo and the Kuril Islands",
        "  topic:zoo  zebra",
        "  topic:all-of-it  NOT zebra  (5 stories)",
        "  ~ ports  Ports",
        "      stories: 1 come in, 0 go",
        "      schedule: mon 07:30 -> tue 08:00",
        "      stories waiting: 1 -> 2",
    ):
        assert f"{line}\n" in said, said
    assert "Rules that fire on over a third of all stories\n" in said
    unchanged = wire.run("plan").stdout
    assert "It would change nothing." in unchanged
    assert "Nothing was written" not in unchanged


def test_a_short_age_leaves_nothing_to_look_at(wire: Wire) -> None:
    assert wire.json("--config", "edited.yaml", "plan", "--since", "0d")["stories"] == 0
    assert "write days or weeks" in wire.run("plan", "--since", "90", code=2).stderr


def test_a_broken_rule_is_shown_with_a_caret(wire: Wire) -> None:
    broken = wire.config.read_text("utf-8").replace('when: "islands"', 'when: "islands AND (kuril"')
    wire.config.write_text(broken, "utf-8")
    for command in ("plan", "check", "retag"):
        said = wire.run(command, code=2).stderr.splitlines()
        assert said[0].endswith('tags[1].when: this "(" is never closed')
        assert said[1:] == ["    islands AND (kuril", "                ^"]


def test_there_has_to_be_a_database_of_this_version(wire: Wire) -> None:
    wire.env["AGGREGATOR_DATABASE"] = f"sqlite:///{wire.folder}/other/wire.db"
    assert "there is none yet" in wire.run("plan", code=1).stderr
    assert not (wire.folder / "other").exists()
    (wire.folder / "other").mkdir()
    sqlite3.connect(wire.folder / "other" / "wire.db").close()
    assert "run `aggregator migrate` first" in wire.run("plan", code=1).stderr
    wire.run("migrate")
    told = wire.json("plan")
    assert [(edit["kind"], edit["id"]) for edit in told["feeds"] + told["channels"]] == [
        ("added", "tank"),
        ("added", "ports"),
    ]


def test_a_worker_follows_an_edit_by_itself(wire: Wire) -> None:
    told = wire.json("--config", "edited.yaml", "plan")
    before = tags(wire)
    updated = wire.rows("SELECT id, updated FROM stories")
    worker = wire.start("worker")
    try:
        _until(lambda: wire.rows("SELECT value FROM facts WHERE name = 'tagging' AND value LIKE '0 %'"), wire)
        assert tags(wire) == before
        wire.config.write_text((wire.folder / "edited.yaml").read_text("utf-8"), "utf-8")
        _until(lambda: tags(wire) != before, wire)
        _until(lambda: wire.rows("SELECT value FROM facts WHERE name = 'tagging' AND value LIKE '0 %'"), wire)
        assert "another worker" in wire.run("retag", code=1).stderr
    finally:
        kill(worker)
    after = tags(wire)
    assert {edit["entry"]: set(edit["gained"]) for edit in told["entries"]} == {
        id_: after[id_] - before[id_] for id_ in before
    }
    assert wire.rows("SELECT id, updated FROM stories") == updated


def _until(true: object, wire: Wire, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, wire.output()
        time.sleep(0.05)
