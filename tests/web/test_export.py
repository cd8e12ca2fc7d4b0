"""The site as files: the same words as the pages, every link answered, nothing touched without need."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from aggregator.errors import UsageError
from aggregator.model.channel import Channel, Publication
from aggregator.model.story import Placement
from aggregator.web.export import MANIFEST, export
from aggregator.web.pages import PAGE_SIZE
from aggregator.web.routes import ROBOTS
from tests.web.sample_site import BASE, ENERGY, SITE, SampleSite, entry, relate, settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "public"


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def test_everything_that_needs_no_server_is_written(own_site: SampleSite, folder: Path) -> None:
    count = export(own_site.context, folder)
    written = files(folder)
    assert count == len(written)
    fixed = {path for path in written if not path.startswith("static/")}
    assert fixed == {
        "404.html",
        "channels/index.html",
        "channels/japan.atom",
        "channels/japan.json",
        "channels/japan.rss",
        "feed.atom",
        "feed.json",
        "feed.rss",
        "feeds/apps/index.html",
        "feeds/ifri/index.html",
        "feeds/index.html",
        "feeds/quiet/index.html",
        "index.html",
        "newsletters/index.html",
        "newsletters/weekly/1/index.html",
        "newsletters/weekly/index.html",
        "opml",
        "robots.txt",
        "stories/gas/index.html",
        "stories/grain/index.html",
    }
    assert written["feed.atom"] == own_site.publications.get("feed.atom").body  # type: ignore[union-attr]


def test_a_page_leads_to_the_related_stories_that_have_a_page_too(own_site: SampleSite, folder: Path) -> None:
    relate(own_site, entry("quiet", "Old note"))
    others = [entry("ifri", f"Paper {number}") for number in range(PAGE_SIZE - 1)]
    own_site.add(others, [Placement(story_id=f"p{number}") for number in range(PAGE_SIZE - 1)])
    relate(own_site, entry("quiet", "New note"))
    export(own_site.context, folder)
    page = files(folder)["stories/gas/index.html"].decode()
    assert 'href="/stories/new-note"' in page
    assert "stories/old-note/index.html" not in files(folder)
    assert "old-note" not in page


def test_every_link_of_the_written_pages_leads_to_a_written_file(own_site: SampleSite, folder: Path) -> None:
    export(own_site.context, folder)
    for path, content in files(folder).items():
        if not path.endswith(".html"):
            continue
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', content.decode()):
            if address.startswith(("mailto:", "http", "#")) and not address.startswith(BASE):
                continue
            target = folder / address.removeprefix(BASE).strip("/")
            assert target.is_file() or (target / "index.html").is_file(), (path, address)


def test_an_ordinary_web_host_serves_it(own_site: SampleSite, folder: Path) -> None:
    own_site.settings = settings(site=replace(SITE, base_url="http://127.0.0.1"))
    export(own_site.context, folder)
    for base in serving(folder):
        for path in ("/", "/stories/gas", "/feeds", "/channels", "/newsletters/weekly/1"):
            with urlopen(base + path, timeout=10) as answer:
                assert answer.status == 200
                assert b"</html>" in answer.read()


def serving(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Tests say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(timeout=10)


def test_pages_carry_their_policy_inside_and_nothing_that_needs_a_server(own_site: SampleSite, folder: Path) -> None:
    export(own_site.context, folder)
    for path, content in files(folder).items():
        if path.endswith(".html"):
            html = content.decode()
            assert '<meta http-equiv="Content-Security-Policy" content="default-src' in html, path
            assert "<form" not in html, path
            assert "?q=" not in html, path
            assert "/tags/" not in html, path
            assert "unsubscribe" not in html.lower(), path


def test_writing_again_touches_nothing(own_site: SampleSite, folder: Path) -> None:
    first = export(own_site.context, folder)
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert export(own_site.context, folder) == first
    assert {path.stat().st_mtime for path in folder.rglob("*")} == {1_000_000_000}


def test_a_change_touches_what_it_changes(own_site: SampleSite, folder: Path) -> None:
    export(own_site.context, folder)
    before = files(folder)
    own_site.add([entry("apps", "A new paper", ENERGY)], [Placement(story_id="fresh")])
    own_site.publish()
    export(own_site.context, folder)
    after = files(folder)
    assert after.keys() - before.keys() == {"stories/fresh/index.html"}
    changed = {path for path in before if before[path] != after[path]}
    assert {"index.html", "feed.atom", "feeds/apps/index.html"} <= changed
    assert "channels/japan.atom" not in changed
    assert "stories/gas/index.html" not in changed


def test_what_no_longer_belongs_is_removed_but_never_what_is_not_ours(own_site: SampleSite, folder: Path) -> None:
    export(own_site.context, folder)
    (folder / "CNAME").write_text("wire.example.org")
    (folder / "newsletters/weekly/notes.txt").write_text("mine")
    (folder / "feeds/quiet/index.html").write_text("edited by hand")
    own_site.settings = replace(settings(feeds=own_site.settings.feeds[:2]), channels=(), newsletters=())
    own_site.feeds.sync(own_site.settings.feeds, own_site.clock.now())
    own_site.publish()
    export(own_site.context, folder)
    left = files(folder)
    assert not [path for path in left if path.startswith("channels/japan")]
    assert "newsletters/weekly/1/index.html" not in left
    assert not (folder / "newsletters/weekly/1").exists()
    assert left["CNAME"] == b"wire.example.org"
    assert left["newsletters/weekly/notes.txt"] == b"mine"
    assert left["feeds/quiet/index.html"] == b"edited by hand"


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{", b"\xff"])
def test_after_a_damaged_manifest_no_file_counts_as_ours(own_site: SampleSite, folder: Path, manifest: bytes) -> None:
    export(own_site.context, folder)
    before = files(folder)
    (folder / MANIFEST).write_bytes(manifest)
    own_site.settings = replace(own_site.settings, newsletters=())
    with pytest.raises(UsageError, match="is not of ours"):
        export(own_site.context, folder)
    assert files(folder) == before
    export(own_site.context, folder, force=True)
    assert "newsletters/weekly/1/index.html" in files(folder)


def test_a_file_of_others_in_the_place_of_ours_stops_it_before_it_writes(own_site: SampleSite, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "robots.txt").write_text("User-agent: *\nDisallow: /\n")
    with pytest.raises(UsageError, match=r"public/robots\.txt is not of ours: .* --force"):
        export(own_site.context, folder)
    assert files(folder).keys() == {"robots.txt"}
    export(own_site.context, folder, force=True)
    assert (folder / "robots.txt").read_text() == ROBOTS
    (folder / "robots.txt").write_text("edited, though it is ours")
    export(own_site.context, folder)
    assert (folder / "robots.txt").read_text() == ROBOTS


def test_a_file_that_is_as_we_would_write_it_becomes_ours(own_site: SampleSite, folder: Path) -> None:
    export(own_site.context, folder)
    (folder / MANIFEST).unlink()
    count = export(own_site.context, folder)
    assert len(json.loads((folder / MANIFEST).read_bytes())) == count == len(files(folder))


def test_one_that_was_cut_short_is_taken_up_again(own_site: SampleSite, folder: Path) -> None:
    """What it had written is known as ours, though the pages differ by then."""
    (folder / "opml").mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot write to"):
        export(own_site.context, folder)
    assert "index.html" in files(folder)
    (folder / "opml").rmdir()
    own_site.add([entry("apps", "A new paper", ENERGY)], [Placement(story_id="fresh")])
    own_site.publish()
    export(own_site.context, folder)
    assert "A new paper" in (folder / "index.html").read_text()


def test_a_channel_that_is_taken_out_meanwhile_is_left_for_the_next_time(own_site: SampleSite, folder: Path) -> None:
    count = export(own_site.context, folder)
    kept = own_site.publications

    class Vanishing:
        def etags(self) -> Mapping[str, str]:
            return kept.etags()

        def get(self, path: str) -> Publication | None:
            return None if path == "feed.atom" else kept.get(path)

    assert export(replace(own_site.context, publications=Vanishing()), folder) == count  # type: ignore[arg-type]
    assert "feed.atom" in files(folder)


def test_a_forged_manifest_reaches_nothing_outside(own_site: SampleSite, folder: Path) -> None:
    export(own_site.context, folder)
    outside = folder.parent / "precious.txt"
    outside.write_bytes(b"")
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of no octets
    known = json.loads((folder / MANIFEST).read_bytes())
    known |= {"../precious.txt": nothing, str(outside): nothing, "stories/../../precious.txt": nothing}
    (folder / MANIFEST).write_text(json.dumps(known))
    export(own_site.context, folder)
    assert outside.exists()


def test_stories_of_channels_are_written_though_the_front_page_has_moved_on(own_site: SampleSite, folder: Path) -> None:
    names = [f"Paper {number}" for number in range(PAGE_SIZE)]
    own_site.add([entry("ifri", name) for name in names], [Placement(story_id=name[6:]) for name in names])
    own_site.settings = replace(own_site.settings, channels=(Channel(id="one", title="One", query="grain", size=5),))
    export(own_site.context, folder)
    assert "stories/grain/index.html" in files(folder)
    assert "stories/gas/index.html" not in files(folder)
    assert "Grain routes" in (folder / "feeds/apps/index.html").read_text()


def test_a_folder_that_cannot_be_written_is_said_in_one_line(own_site: SampleSite, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot write to .*file"):
        export(own_site.context, tmp_path / "file" / "public")
