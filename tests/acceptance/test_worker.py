"""`aggregator worker` as systemd knows it: killed, told to end in the midst of anything, started again."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import connect

import pytest

from tests.acceptance.wire import HEAD, Wire, kill
from tests.adapters.fetch_server import FetchServer, Talk, answer
from tests.smtp_server import SILENCE, ScriptedSmtp

LETTER = """newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Wire <wire@wire.example>", when_empty: send}
"""
READERS = ("ana", "bob", "carl", "dora")
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Tank</title><id>urn:tank</id>
<entry><id>urn:tank:1</id><title>Paper 1 on Japan</title><link href="https://tank.example/1"/>
<updated>2026-11-20T10:00:00Z</updated><summary>Words.</summary></entry></feed>"""


@contextmanager
def working(wire: Wire) -> Iterator[subprocess.Popen[str]]:
    process = wire.start("worker")
    try:
        yield process
    finally:
        if process.poll() is None:
            kill(process)


def until(wire: Wire, true: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, wire.output()
        time.sleep(0.05)


def ended(process: subprocess.Popen[str]) -> int:
    """Its exit code, when it is asked to end: within ten seconds."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=10)


def states(wire: Wire) -> Counter[str]:
    return Counter(state for (state,) in wire.rows("SELECT state FROM deliveries"))


def queued(folder: Path, server: ScriptedSmtp) -> Wire:
    """An issue that waits for four readers."""
    wire = Wire(folder, HEAD + LETTER)
    wire.env["AGGREGATOR_SMTP_URL"] = server.plain_url
    lines = "\n".join(["email", *(f"{name}@reader.example" for name in READERS)])
    (folder / "people.csv").write_text(lines)
    wire.run("subscribers", "import", "people.csv", "--newsletter", "weekly", "--consent-source", "form")
    wire.run("newsletters", "compose", "weekly")
    return wire


@pytest.mark.parametrize("step", ["RCPT", "dot"])
def test_killed_in_a_letter_the_next_worker_names_it_and_sends_the_others(tmp_path: Path, step: str) -> None:
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        wire = queued(tmp_path, server)
        victim: list[subprocess.Popen[str]] = []
        server.on_step = lambda at, number: kill(victim[0]) if (at, number) == (step, 2) else None
        with working(wire) as process:
            victim.append(process)
            until(wire, lambda: process.poll() is not None)
        assert states(wire)["sending"] == 1
        server.on_step = lambda at, number: None
        with working(wire) as process:
            until(wire, lambda: states(wire) == {"accepted": 3, "uncertain": 1})
            assert ended(process) == 0
        assert "deliveries.uncertain" in wire.output()
    taken = Counter(journal.read_text().split())
    assert max(taken.values()) == 1, "somebody got two letters"


def test_it_ends_within_ten_seconds_while_the_mail_server_is_silent(tmp_path: Path) -> None:
    with ScriptedSmtp({"dot": [SILENCE]}) as server:
        wire, seen = queued(tmp_path, server), list[str]()
        server.on_step = lambda at, number: seen.append(at)
        with working(wire) as process:
            until(wire, lambda: "dot" in seen)
            assert ended(process) == 0
    assert states(wire) == {"uncertain": 1, "queued": 3}
    assert "Traceback" not in wire.output()


def test_it_ends_within_ten_seconds_while_another_process_holds_the_database(tmp_path: Path) -> None:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=ATOM.encode())}
        wire = Wire(tmp_path, f"{HEAD}feeds: [{{id: tank, name: T, url: '{server.url('/tank')}'}}]\n")
        wire.run("migrate")
        with working(wire) as process:
            until(wire, lambda: bool(wire.rows("SELECT 1 FROM facts WHERE name = 'worker_tick'")))
            until(wire, lambda: bool(wire.rows("SELECT 1 FROM publications")))
            with closing(connect(tmp_path / "data" / "wire.db", isolation_level=None, timeout=30)) as other:
                other.execute("BEGIN IMMEDIATE")
                wire.config.write_text(wire.config.read_text().replace("name: T", "name: Another"))
                time.sleep(2)  # the edit, and the worker's next ticks, wait for the lock
                assert ended(process) == 0
                other.execute("ROLLBACK")
    assert wire.rows("PRAGMA integrity_check") == [("ok",)]


def test_what_a_round_brings_is_published_while_it_lasts(tmp_path: Path) -> None:
    async def drip(talk: Talk) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<rss")
        await talk.writer.wait_closed()

    with FetchServer() as server:
        server.answers = {"/slow": drip, "/tank": answer(body=ATOM.encode())}
        feeds = "".join(f"  - {{id: {id_}, name: T, url: '{server.url('/' + id_)}'}}\n" for id_ in ("slow", "tank"))
        wire = Wire(tmp_path, HEAD.replace("timeout: 5s", "timeout: 60s") + "feeds:\n" + feeds)
        wire.run("migrate")
        with working(wire) as process:
            shown = (
                "SELECT 1 FROM publications WHERE path = 'feed.json' AND CAST(body AS TEXT) LIKE '%Paper 1 on Japan%'"
            )
            until(wire, lambda: bool(wire.rows(shown)))
            assert wire.rows("SELECT checked_at FROM feeds WHERE id = 'slow'") == [(None,)]
            assert ended(process) == 0
