"""`aggregator feeds`: what is known of a feed, and what any address or file would give."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.wire import HEAD, Wire
from tests.adapters.fetch_server import FetchServer, answer

RSS = """<rss version="2.0"><channel><title>Kestrel's House</title>
<item><guid>1</guid><title>Grain &amp; ports</title><link>https://tank.example/1</link>
<author>a@b.example (Ann)</author>
<category domain="https://tank.example/topics">Trade</category><pubDate>Mon, 23 Nov 2026 10:00:00 GMT</pubDate>
<description>{words}</description></item>
<item><guid>1</guid><title>Grain &amp; ports, again</title><link>https://tank.example/1</link></item>
<item><guid>empty</guid></item></channel></rss>""".replace("{words}", "Words. \n" * 100).encode()


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=RSS, etag='"1"')}
        feed = f"{{id: tank, name: Tank, url: '{server.url('/tank')}', every: 6h, tags: ['type:report']}}"
        wire = Wire(tmp_path_factory.mktemp("wire"), f"{HEAD}feeds:\n  - {feed}\n")
        wire.run("poll")
        (wire.folder / "kestrel.xml").write_bytes(RSS)
        yield wire


def test_a_feed_is_shown_as_labelled_facts(wire: Wire) -> None:
    facts = dict(line.split(": ", 1) for line in wire.run("feeds", "show", "tank").stdout.splitlines())
    assert facts["title it gives itself"] == "Kestrel's House"
    assert (facts["polled every"], facts["tags"], facts["country"]) == ("6h", "type:report", "none")
    assert (facts["state"], facts["entries"], facts["ETag"]) == ("ok", "1", '"1"')
    assert len(facts["next poll (UTC)"]) == len("2026-11-23 10:00")
    assert wire.json("feeds", "show", "tank")["feed"]["id"] == "tank"


def test_a_feed_that_is_not_there_is_named_with_its_neighbour(wire: Wire) -> None:
    assert "no feed 'tnak'" in wire.run("feeds", "show", "tnak", code=2).stderr
    assert "did you mean 'tank'?" in wire.run("feeds", "show", "tnak", code=2).stderr


def test_a_preview_shows_every_field_and_why_an_item_is_left_out(wire: Wire) -> None:
    told = wire.run("feeds", "preview", "kestrel.xml").stdout
    head, first, again, empty = told.rstrip().split("\n\n")
    assert head.splitlines() == ["kestrel.xml: rss20, 3 items, 2 of them left out", "  title: Kestrel's House"]
    assert first.splitlines()[0] == "item 1"
    for fact in (
        "guid: 1",
        "title: Grain & ports",
        "links: href https://tank.example/1, rel alternate, type text/html",
        "authors: name Ann, email a@b.example",
        "published: 2026-11-23 10:00 UTC",
        "categories: term Trade, scheme https://tank.example/topics",
    ):
        assert f"  {fact}" in first.splitlines()
    assert "Words.… (699 characters)\n" in first
    assert again.startswith("item 2, left out: it is item 1 once more\n")
    assert empty.startswith("item 3, left out: it has no title, no link and no text")


def test_a_preview_for_programs_is_a_document_per_source_and_line(wire: Wire) -> None:
    (wire.folder / "none.xml").write_text("<html><body>Sign in</body></html>")
    lines = wire.run("feeds", "preview", "kestrel.xml", "none.xml", "--json", code=1).stdout.splitlines()
    good, bad = map(json.loads, lines)
    assert [entry["left_out"] for entry in good["entries"]] == [
        None,
        "it is item 1 once more",
        "it has no title, no link and no text",
    ]
    assert good["entries"][0]["summary"].count("Words.") == 100
    assert bad["error"]["cause"] == "not-a-feed"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("ftp://tank.example/rss", "ftp://tank.example/rss: only http:// and https:// can be fetched"),
        ("nowhere.xml", "nowhere.xml: No such file or directory; name an http(s) address or a file"),
    ],
)
def test_a_source_that_cannot_be_is_refused(wire: Wire, source: str, words: str) -> None:
    assert words in wire.run("feeds", "preview", source, code=2).stderr


def test_a_story_is_explained_by_the_address_of_its_page(wire: Wire) -> None:
    ((story,),) = wire.rows("SELECT id FROM stories")
    assert wire.json("explain", f"https://wire.example/stories/{story}/")["story"] == story


def test_the_version_is_told(wire: Wire) -> None:
    assert wire.run("--version").stdout.startswith("aggregator ")
