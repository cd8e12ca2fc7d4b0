"""Issues of a newsletter through what a person does meanwhile: merging, splitting."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.wire import HEAD, Wire
from tests.adapters.fetch_server import FetchServer, answer

ENTRY = """<entry><id>urn:tank:{n}</id><title>{title}</title><link href="https://tank.example/{n}"/>
<updated>2026-11-20T10:00:00Z</updated><summary>Words.</summary></entry>"""
TITLES = ("Wheat prices in Odessa", "A treaty on sea cables", "Rivers and dams of Asia", "Elections in Bavaria")


def atom(count: int) -> bytes:
    entries = "".join(ENTRY.format(n=number, title=TITLES[number]) for number in range(count))
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><id>urn:t</id>{entries}</feed>'.encode()


def test_stories_that_were_sent_merged_and_split_again_do_not_stop_the_newsletter(tmp_path: Path) -> None:
    with FetchServer() as server:
        document = HEAD + (
            f"feeds:\n  - {{id: tank, name: Tank, url: '{server.url('/tank')}'}}\n"
            "newsletters:\n"
            '  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Wire <wire@wire.example>"}\n'
        )
        wire = Wire(tmp_path, document)
        server.answers = {"/tank": answer(body=atom(2))}
        wire.run("poll")
        assert wire.json("newsletters", "compose", "weekly")["number"] == 1
        one, other = (story for (story,) in wire.rows("SELECT story_id FROM issue_stories"))
        merged = wire.json("stories", "merge", one, other)["stories"][0]
        assert len(merged["entries"]) == 2
        wire.run("stories", "split", merged["story"], str(merged["entries"][1]))
        assert wire.json("newsletters", "compose", "weekly")["number"] is None
        server.answers = {"/tank": answer(body=atom(3))}
        wire.run("poll", "tank")
        assert wire.json("newsletters", "compose", "weekly")["number"] == 2
        assert wire.rows("SELECT count(*) FROM issue_stories") == [(3,)]
