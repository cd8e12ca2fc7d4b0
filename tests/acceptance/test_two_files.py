"""A second feeds.yaml beside a database that another runs on: who only looks changes nothing for the other."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from tests.acceptance.wire import HEAD, Wire

LETTER = '  - {{id: {id}, title: T, schedule: "{schedule}", from: "Wire <wire@wire.example>"}}\n'
FEED = "feeds:\n  - {{id: {id}, name: T, url: 'http://127.0.0.1:9/{id}'}}\n"
DOCUMENT = HEAD + FEED.format(id="tank") + "newsletters:\n" + LETTER.format(id="weekly", schedule="mon 07:30")
DOCUMENT += "channels:\n  - {id: all, title: All, query: ''}\n"
DRAFT = HEAD + FEED.format(id="other") + "newsletters:\n" + LETTER.format(id="monthly", schedule="daily 07:30")
FOLLOWED = (
    "SELECT 'feed', id, active, next_check_at FROM feeds "
    "UNION SELECT 'newsletter', newsletters.id, active, next_due_at "
    "FROM newsletters JOIN editions ON editions.newsletter_id = newsletters.id "
    "UNION SELECT 'channel', path, true, etag FROM publications"
)
CONSENT = ("--newsletter", "monthly", "--consent-source", "asked by mail")


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    wire = Wire(tmp_path_factory.mktemp("wire"), DOCUMENT)
    wire.run("poll", code=1)
    (wire.folder / "draft.yaml").write_text(DRAFT)
    (wire.folder / "people.csv").write_text("email\nana@example.org\n")
    return wire


@pytest.mark.parametrize(
    "words",
    [
        ("feeds", "list"),
        ("feeds", "show", "other"),
        ("newsletters", "list"),
        ("newsletters", "preview", "monthly"),
        ("newsletters", "issues", "monthly"),
        ("subscribers", "list", "--newsletter", "monthly"),
        ("subscribers", "import", "people.csv", *CONSENT, "--dry-run"),
        ("search", "energy"),
        ("plan",),
        ("publish", "site"),
    ],
)
def test_looking_with_another_file_changes_nothing(wire: Wire, words: tuple[str, ...]) -> None:
    before = wire.rows(FOLLOWED)
    assert {row[:3] for row in before if row[0] != "channel"} == {("feed", "tank", 1), ("newsletter", "weekly", 1)}
    assert {row[1] for row in before if row[0] == "channel"} >= {"feed.atom", "channels/all.json"}
    wire.run("--config", "draft.yaml", *words)
    assert wire.rows(FOLLOWED) == before


def test_feeds_that_were_never_followed_are_listed_as_new(wire: Wire) -> None:
    (listed,) = wire.json("--config", "draft.yaml", "feeds", "list")
    assert (listed["feed"]["id"], listed["status"], listed["entries"]) == ("other", "new", 0)


def test_looking_waits_for_nobody_who_writes(wire: Wire) -> None:
    with closing(connect(wire.folder / "data" / "wire.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        wire.run("feeds", "list")
        wire.run("newsletters", "preview", "weekly")
        writer.execute("ROLLBACK")


def test_a_reader_and_an_issue_of_a_newsletter_to_come_leave_the_others_alone(wire: Wire) -> None:
    before = wire.rows(FOLLOWED)
    wire.run("--config", "draft.yaml", "subscribers", "add", "bob@example.org", *CONSENT)
    wire.run("--config", "draft.yaml", "subscribers", "import", "people.csv", *CONSENT)
    wire.run("--config", "draft.yaml", "newsletters", "compose", "monthly")
    after = wire.rows(FOLLOWED)
    assert {row[1] for row in set(after) - set(before)} == {"monthly"}
    assert set(before) <= set(after)
    assert wire.rows("SELECT count(*) FROM subscriptions WHERE newsletter_id = 'monthly'") == [(2,)]


def test_who_acts_beside_a_worker_changes_nothing_that_it_follows(tmp_path: Path) -> None:
    wire = Wire(tmp_path, DOCUMENT)
    (tmp_path / "draft.yaml").write_text(DRAFT)
    process = wire.start("worker")
    try:
        end = time.monotonic() + 30
        while not (wire.rows_exist() and wire.rows("SELECT 1 FROM feeds WHERE id = 'tank' AND checked_at IS NOT NULL")):
            assert time.monotonic() < end, wire.output()
            time.sleep(0.05)
        assert "another worker" in wire.run("--config", "draft.yaml", "poll", code=1).stderr
        beside = wire.start("--config", "draft.yaml", "worker")
        try:
            while "worker.sends_only" not in wire.output():
                assert time.monotonic() < end + 30, wire.output()
                time.sleep(0.05)
        finally:
            beside.terminate()
            assert beside.wait(timeout=20) == 0
        followed = {row[:3] for row in wire.rows(FOLLOWED) if row[0] != "channel"}
        assert followed == {("feed", "tank", 1), ("newsletter", "weekly", 1)}
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0
