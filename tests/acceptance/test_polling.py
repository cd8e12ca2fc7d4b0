"""`aggregator poll` against real servers: what it says, what it keeps, and what a kill leaves behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.acceptance.wire import HEAD, Wire, kill
from tests.adapters.fetch_server import FetchServer, Talk, answer

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "feeds"


def rss(name: str, count: int = 3) -> bytes:
    items = "".join(
        f"<item><guid>{name}-{n}</guid><title>{name} {n}</title><link>https://{name}.example/{n}</link>"
        f"<description>Words about {name} {n}.</description></item>"
        for n in range(count)
    )
    return f'<rss version="2.0"><channel><title>{name}</title>{items}</channel></rss>'.encode()


def document(server: FetchServer, *names: str) -> str:
    return HEAD + "feeds:\n" + "".join(f"  - {{id: {n}, name: {n}, url: '{server.url('/' + n)}'}}\n" for n in names)


def test_a_poll_counts_what_came_and_names_each_fault(tmp_path: Path) -> None:
    with FetchServer() as server:
        server.answers = {
            "/good": answer(body=rss("good"), etag='"1"'),
            "/html": answer(body=b"<!doctype html><html><body>Sign in</body></html>", content_type="text/html"),
            "/gone": answer(410),
            "/down": answer(503, retry_after="7200"),
            "/loop": answer(302, location="/loop"),
            "/empty": answer(body=b""),
        }
        wire = Wire(tmp_path, document(server, "good", "html", "gone", "down", "loop", "empty", "missing"))
        report = wire.json("poll", code=1)
        assert {name: report[name] for name in ("feeds", "fetched", "failed", "entries_new", "stories_new")} == {
            "feeds": 7,
            "fetched": 1,
            "failed": 6,
            "entries_new": 3,
            "stories_new": 3,
        }
        causes = {failure["feed_id"]: failure["cause"] for failure in report["failures"]}
        assert causes == {
            "html": "not-a-feed",
            "gone": "gone",
            "down": "status",
            "loop": "redirect",
            "empty": "empty",
            "missing": "status",
        }
        assert all("\n" not in failure["message"] for failure in report["failures"])
        assert "No feed is due" in wire.run("poll").stdout
        server.answers["/good"] = answer(304)
        again = wire.json("poll", "good")
        assert (again["not_modified"], again["entries_new"]) == (1, 0)
        assert server.seen[-1].headers["if-none-match"] == '"1"'
        listed = {feed["feed"]["id"]: feed for feed in wire.json("feeds", "list")}
        assert listed["good"]["entries"] == 3
        assert "Sign in" in listed["html"]["error"]


def test_a_round_that_reaches_nothing_is_remembered_until_one_does(tmp_path: Path) -> None:
    with FetchServer() as server:
        server.answers = {"/good": answer(body=rss("good"))}
        good = f"feeds:\n  - {{id: good, name: Good, url: '{server.url('/good')}'}}\n"
        dead = "".join(f"  - {{id: d{n}, name: D{n}, url: 'http://127.0.0.{n + 2}:1/rss'}}\n" for n in range(5))
        wire = Wire(tmp_path, HEAD.replace("127.0.0.1", "127.0.0.0/8") + good + dead)
        report = wire.json("poll", *(f"d{n}" for n in range(5)), code=1)
        assert (report["offline"], {failure["cause"] for failure in report["failures"]}) == (True, {"connect"})
        assert len(wire.rows("SELECT value FROM facts WHERE name = 'offline_since'")) == 1
        wire.json("poll", "good")
        assert wire.rows("SELECT value FROM facts WHERE name = 'offline_since'") == []


def test_an_unknown_feed_is_named_with_its_neighbour(tmp_path: Path) -> None:
    with FetchServer() as server:
        done = Wire(tmp_path, document(server, "ifri")).run("poll", "irfi", code=2)
        assert "'irfi'" in done.stderr
        assert "ifri" in done.stderr


def test_a_private_address_is_refused_before_any_connection(tmp_path: Path) -> None:
    with FetchServer() as server:
        guarded = document(server, "inner").replace('allow_private: ["127.0.0.1"], ', "")
        report = Wire(tmp_path, guarded).json("poll", code=1)
        assert report["failures"][0]["cause"] == "blocked-address"
        assert server.talks == []


def test_a_kill_in_mid_poll_loses_and_doubles_nothing(tmp_path: Path) -> None:
    names = [f"tank-{n}" for n in range(40)]

    async def never(talk: Talk) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<rss")
        await talk.writer.wait_closed()

    with FetchServer() as server:
        wire = Wire(tmp_path, document(server, *names))
        bodies = {f"/{name}": answer(body=rss(name), etag=f'"{name}"') for name in names}
        server.answers = bodies | {"/tank-39": never}
        process = wire.start("poll", "--all")
        try:
            _until(lambda: _stored(wire) >= 30, wire)
        finally:
            kill(process)
        kept = _stored(wire)
        assert kept < 120
        # What was stored holds its validators, the rest has none: a 304 can hide nothing.
        assert wire.rows(
            "SELECT count(*) FROM feeds WHERE (etag IS NULL) != (id NOT IN (SELECT feed_id FROM entries))"
        ) == [(0,)]
        server.answers = bodies
        wire.run("poll", "--all")
        assert wire.rows("SELECT count(*), count(DISTINCT feed_id || guid) FROM entries") == [(120, 120)]
        assert wire.rows("SELECT count(*) FROM stories") == [(120,)]
        assert wire.rows("PRAGMA integrity_check") == [("ok",)]


def _stored(wire: Wire) -> int:
    if not wire.rows_exist():
        return 0
    return wire.rows("SELECT count(*) FROM entries")[0][0]


def _until(true: object, wire: Wire, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, wire.output()
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the feed corpus is not beside this checkout")
def test_every_file_of_the_corpus_is_accounted_for(tmp_path: Path) -> None:
    files = [path for path in sorted(CORPUS.rglob("*")) if path.is_file() and path.name != "index.csv"]
    with FetchServer() as server:
        server.answers = {f"/file-{n}": answer(body=path.read_bytes()) for n, path in enumerate(files)}
        wire = Wire(tmp_path, document(server, *(f"file-{n}" for n in range(len(files)))))
        report = wire.json("poll", code=1)
        assert report["feeds"] == len(files) == report["fetched"] + report["failed"]
        with_entries = {feed_id for (feed_id,) in wire.rows("SELECT DISTINCT feed_id FROM entries")}
        failed = {failure["feed_id"] for failure in report["failures"]}
        assert not with_entries & failed
        assert all(failure["message"] for failure in report["failures"])
        assert wire.rows("PRAGMA foreign_key_check") == []
