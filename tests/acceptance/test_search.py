"""`aggregator search`, and the same on the page and as a feed: polled a moment ago, found now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.test_run import running
from tests.acceptance.wire import HEAD, Wire
from tests.adapters.fetch_server import FetchServer, answer

ITEM = """<entry><id>urn:{n}</id><title>{title}</title><link href="https://tank.example/{n}"/>
<updated>2026-11-{n:02}T10:00:00Z</updated><summary>{text}</summary></entry>"""
ITEMS = (
    (1, "Kuril Islands: a view from Tokyo", "Fisheries and treaties."),
    (2, "Ferries", "The islands of the Kuril chain, and an old ferry."),
    (3, "日本の外交", "協力について。"),
)
FEED = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><title>Tank</title><id>urn:tank</id>'
    + "".join(ITEM.format(n=n, title=title, text=text) for n, title, text in ITEMS)
    + "</feed>"
)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=FEED.encode())}
        site = Wire(
            tmp_path_factory.mktemp("wire"), HEAD + f"feeds: [{{id: tank, name: Tank, url: '{server.url('/tank')}'}}]\n"
        )
        site.run("poll")
        yield site


def test_a_worker_takes_in_what_it_polls(tmp_path: Path) -> None:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=FEED.encode())}
        wire = Wire(tmp_path, HEAD + f"feeds: [{{id: tank, name: Tank, url: '{server.url('/tank')}'}}]\n")
        with running(wire, "run", "--port", "0") as run:
            run.until(lambda: wire.rows("SELECT count(*) FROM story_places") == [(3,)])
            run.until(lambda: wire.rows("SELECT count(*) FROM stale_stories") == [(0,)])
            assert run.stop() == 0


def titles(wire: Wire, *words: str) -> list[str]:
    return [story["title"] for story in wire.json("search", *words)["stories"]]


def test_what_was_polled_a_moment_ago_is_found_the_newest_first(wire: Wire) -> None:
    assert titles(wire, "kuril") == ["Ferries", "Kuril Islands: a view from Tokyo"]
    assert titles(wire, "kuril", "treat*") == ["Kuril Islands: a view from Tokyo"]
    assert titles(wire, '"kuril islands"') == ["Kuril Islands: a view from Tokyo"]
    assert titles(wire, "外交 feed:tank since:2026-11-03 until:2026-11-03") == ["日本の外交"]


def test_the_best_first_when_asked(wire: Wire) -> None:
    assert titles(wire, "kuril", "--relevance")[0] == "Kuril Islands: a view from Tokyo"


def test_a_limit_says_that_there_are_more(wire: Wire) -> None:
    found = wire.json("search", "kuril", "--limit", "1")
    assert (found["query"], len(found["stories"]), found["more"]) == ("kuril", 1, True)
    assert "The first 1" in wire.run("search", "kuril", "--limit", "1").stdout


def test_for_people_it_names_date_source_and_address(wire: Wire) -> None:
    told = wire.run("search", "ferries").stdout
    assert "2026-11-02  Ferries" in told
    assert "tank: https://tank.example/2" in told
    assert "No story matches" in wire.run("search", "nowhere").stdout


def test_a_query_with_a_fault_ends_with_a_caret_under_the_place(wire: Wire) -> None:
    done = wire.run("search", "kuril", "contry:jp", code=2)
    text, caret, message = done.stderr.splitlines()[-3:]
    assert (text, caret) == ("kuril contry:jp", "      ^")
    assert 'did you mean "country:"?' in message
    assert done.stdout == ""


def test_the_page_and_the_feed_of_a_query_find_the_same(wire: Wire) -> None:
    with running(wire, "web", "--port", "0") as web:
        assert "Ferries" in web.get("/search?q=" + quote('"old ferry"'))
        items = json.loads(web.get("/feed.json?q=kuril"))["items"]
        assert {item["title"] for item in items} == {"Ferries", "Kuril Islands: a view from Tokyo"}
        assert web.stop() == 0
