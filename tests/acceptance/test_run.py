"""`aggregator run`: worker and pages together, edits of feeds.yaml while it runs, and a clean end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from aggregator.web.patience import MOST_CONNECTIONS, take_descriptors
from tests.acceptance.wire import HEAD, Wire
from tests.adapters.fetch_server import FetchServer, Talk, answer

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Tank</title><id>urn:tank</id>
<entry><id>urn:tank:{n}</id><title>Paper {n} on Japan</title><link href="https://tank.example/{n}"/>
<updated>2026-11-20T10:00:00Z</updated><summary>Words.</summary></entry></feed>"""


class Running:
    """A started `run` or `web`, asked over HTTP."""

    def __init__(self, wire: Wire, process: subprocess.Popen[str]) -> None:
        self.wire, self.process = wire, process
        self.until(lambda: "serving" in wire.output())
        found = re.search(r"url='(http://127\.0\.0\.1:\d+)/'", wire.output())
        assert found, wire.output()
        self.url = found[1]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answered:
            return str(answered.read().decode())

    def health(self) -> dict[str, object]:
        return dict(json.loads(self.get("/healthz")))

    def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, self.wire.output()
            assert time.monotonic() < end, self.wire.output()
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to end, as systemd does; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


@contextmanager
def running(wire: Wire, *words: str) -> Iterator[Running]:
    process = wire.start(*words)
    try:
        yield Running(wire, process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=10)


def document(server: FetchServer, *names: str) -> str:
    return (
        HEAD
        + "feeds:\n"
        + "".join(f"  - {{id: {name}, name: {name.title()}, url: '{server.url('/' + name)}'}}\n" for name in names)
        + "tags:\n  - {tag: 'country:jp', when: Japan}\n"
        + "channels:\n  - {id: japan, title: Japan, query: 'country:jp'}\n"
    )


def test_it_polls_serves_follows_edits_and_ends_cleanly(tmp_path: Path) -> None:
    with FetchServer() as server:
        server.answers = {
            "/tank": answer(body=ATOM.format(n=1).encode()),
            "/other": answer(body=ATOM.format(n=2).encode()),
        }
        wire = Wire(tmp_path, document(server, "tank"))
        with running(wire, "run", "--port", "0") as site:
            site.until(lambda: "Paper 1 on Japan" in site.get("/"))
            site.until(lambda: b"Paper 1 on Japan" in _feed(site))
            assert site.health()["status"] == "ok"
            assert site.health()["notes"] == ["no mail server is named: letters are kept as files and none is sent"]
            assert f"folder='{tmp_path}/data/outbox'" in wire.output()

            good = document(server, "tank", "other")
            wire.config.write_text(good.replace("feeds:", "feads:"))
            site.until(lambda: site.health()["status"] == "degraded")
            (problem,) = site.health()["config_problems"]  # type: ignore[misc]
            assert (problem["line"], problem["key"]) == (3, "feads")
            assert 'did you mean "feeds"' in problem["message"]
            assert "Paper 1" in site.get("/")
            assert "config.refused" in wire.output()

            wire.config.write_text(good)
            site.until(lambda: site.health()["status"] == "ok")
            site.until(lambda: "Paper 2 on Japan" in site.get("/"), seconds=40)
            assert site.stop() == 0
        assert wire.rows("PRAGMA integrity_check") == [("ok",)]
        assert "Traceback" not in wire.output()


def _feed(site: Running) -> bytes:
    return site.get("/channels/japan.atom").encode() if "japan" in site.get("/channels") else b""


def test_it_ends_within_ten_seconds_in_mid_poll(tmp_path: Path) -> None:
    async def drip(talk: Talk) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<rss")
        await talk.writer.wait_closed()

    with FetchServer() as server:
        server.answers = {"/slow": drip, "/tank": answer(body=ATOM.format(n=1).encode())}
        wire = Wire(tmp_path, document(server, "slow", "tank").replace("timeout: 5s", "timeout: 60s"))
        with running(wire, "run", "--port", "0") as site:
            site.until(lambda: "/slow" in server.paths())
            assert site.stop() == 0
        assert "Traceback" not in wire.output()
        # The one cut short is as it was, and due; what was read whole is stored whole.
        assert wire.rows("SELECT status, checked_at FROM feeds WHERE id = 'slow'") == [("new", None)]


TOLD_EARLY = """
import signal, sys
from aggregator.__main__ import main
from aggregator.web import serve
build = serve.create_app
def told(context):
    signal.raise_signal(signal.SIGTERM)
    return build(context)
serve.create_app = told
sys.argv = ["aggregator", sys.argv[1], "--port", "0"]
main()
"""


@pytest.mark.parametrize("command", ["run", "web"])
def test_a_signal_before_the_pages_are_served_ends_it_too(tmp_path: Path, command: str) -> None:
    wire = Wire(tmp_path, HEAD)
    words = [sys.executable, "-c", TOLD_EARLY, command]
    done = subprocess.run(words, env=wire.env, cwd=tmp_path, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "serving" in done.stderr


def test_a_thousand_idle_connections_stop_neither_pages_nor_worker(tmp_path: Path) -> None:
    with FetchServer() as server, ExitStack() as idle:
        server.answers = {"/tank": answer(body=ATOM.format(n=1).encode())}
        wire = Wire(tmp_path, document(server, "tank"))
        with running(wire, "run", "--port", "0") as site:
            _, _, port = site.url.rpartition(":")
            take_descriptors()
            for _ in range(MOST_CONNECTIONS - 20):
                idle.enter_context(socket.create_connection(("127.0.0.1", int(port)), timeout=10))
            server.answers["/other"] = answer(body=ATOM.format(n=2).encode())
            wire.config.write_text(document(server, "tank", "other"))
            site.until(lambda: "Paper 2 on Japan" in site.get("/"), seconds=40)
            assert site.stop() == 0


def test_two_workers_on_one_database_are_told_apart(tmp_path: Path) -> None:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=ATOM.format(n=1).encode())}
        wire = Wire(tmp_path, document(server, "tank"))
        with running(wire, "run", "--port", "0") as site:
            done = wire.run("poll", code=1)
            assert "another worker" in done.stderr
            with running(wire, "web", "--port", "0") as pages:
                assert "Test Wire" in pages.get("/")
                assert pages.stop() == 0
            assert "Test Wire" in site.get("/")
            assert site.stop() == 0


def test_a_story_says_who_gave_it_its_tags(tmp_path: Path) -> None:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=ATOM.format(n=1).encode())}
        wire = Wire(tmp_path, document(server, "tank"))
        wire.run("poll")
        ((story_id,),) = wire.rows("SELECT id FROM stories")
        told = wire.json("explain", story_id)["tags"]
        given = {(tag["tag"], tag["origin"], tag["field"], tag["matched"], tag["rule"]) for tag in told}
        assert given >= {
            ("publisher:tank", "feed", "feed", None, None),
            ("country:jp", "gazetteer", "title", "japan", "japan 2"),
            ("country:jp", "rule", None, None, "Japan"),
            ("region:east-asia", "gazetteer", None, None, "country:jp lies in it"),
        }
        versions = {tag["origin"]: tag["version"] for tag in told}
        assert versions["feed"] is None
        assert len({*versions.values()}) == 3
        assert "japan 2" in wire.run("explain", story_id).stdout
        assert "no story 'x'" in wire.run("explain", "x", code=2).stderr


COPY = ATOM.replace("urn:tank", "urn:copy").replace("https://tank.example", "https://copy.example")


def test_what_joins_a_story_is_said_and_a_person_may_part_it(tmp_path: Path) -> None:
    with FetchServer() as server:
        long = " ".join(f"word{number} of the report" for number in range(40))
        server.answers = {
            "/tank": answer(body=ATOM.format(n=1).replace("Words.", long).encode()),
            "/copy": answer(body=COPY.format(n=2).replace("Paper 2", "Another look").replace("Words.", long).encode()),
        }
        wire = Wire(tmp_path, document(server, "tank", "copy"))
        wire.run("poll")
        (story,) = {story for (story,) in wire.rows("SELECT id FROM stories")}
        (fold,) = wire.json("explain", story)["folds"]
        assert (fold["one"] != fold["other"], fold["rule"]) == (True, "same-text")
        assert "text 1.00" in wire.run("explain", str(fold["one"])).stdout
        parted = wire.json("stories", "split", story, str(fold["one"]))["stories"]
        assert sorted(len(item["entries"]) for item in parted) == [1, 1]
        assert wire.json("refold", "--since", "1w")["moved"] == []
        assert "entries 2, links found 0" in wire.run("refold").stdout
        joined = wire.run("stories", "merge", *(item["story"] for item in parted)).stdout
        assert "This holds against every rule." in joined
        assert wire.rows("SELECT rule FROM story_links") == [("person",)]
        assert "--since 'soon' is no age" in wire.run("refold", "--since", "soon", code=2).stderr


def test_works_that_name_each_other_are_related_and_said_to_be(tmp_path: Path) -> None:
    with FetchServer() as server:
        named = "<summary type='html'>Read &lt;a href='https://tank.example/1'>the paper&lt;/a>."
        note = COPY.format(n=2).replace("Paper 2 on Japan", "Press note: our paper about Japan")
        server.answers = {
            "/tank": answer(body=ATOM.format(n=1).encode()),
            "/copy": answer(body=note.replace("<summary>Words.", named).encode()),
        }
        wire = Wire(tmp_path, document(server, "tank", "copy"))
        wire.run("poll")
        ids = dict(wire.rows("SELECT feed_id, stories.id FROM entries JOIN stories ON seq = story_seq"))
        told = wire.json("explain", ids["tank"])
        assert told["folds"] == []
        (work,) = told["related"]
        assert (work["story"], work["feed"]) == (ids["copy"], "copy")
        assert work["title"] == "Press note: our paper about Japan"
        assert work["evidence"].startswith("one names the other")
        assert ids["tank"] in wire.run("explain", ids["copy"]).stdout
        wire.run("publish", str(tmp_path / "site"))
        page = (tmp_path / "site" / "stories" / ids["tank"] / "index.html").read_text("utf-8")
        assert f'href="/stories/{ids["copy"]}"' in page


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with FetchServer() as server:
        done = Wire(tmp_path, document(server, "tank")).run("run", "--port", str(server.port), code=2)
        assert (
            f"cannot listen on 127.0.0.1:{server.port}: Address already in use; --port takes another, 0 any that"
            in done.stderr
        )
        wire = Wire(tmp_path, document(server, "tank"))
        assert "; --host takes another" in wire.run("web", "--host", "192.0.2.1", code=2).stderr
