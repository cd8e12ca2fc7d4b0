"""`aggregator demo` as a new user runs it: a process of its own, in an empty folder, with nothing prepared."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import monotonic, sleep
from typing import Any
from urllib.request import urlopen

import pytest

LONGEST = 120
"""Seconds after which a demo that hangs is killed, on a machine busy with other tests."""
EXTERNAL = "Tokyo and Moscow: The Patient Path to a Peace Treaty"


@dataclass
class Place:
    """An empty working folder and an empty folder for temporary files."""

    folder: Path
    temporary: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The demo in a session of its own, so that what it leaves behind can be seen."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AGGREGATOR_")}
        return subprocess.Popen(
            [sys.executable, "-m", "aggregator", "demo", *arguments],
            cwd=self.folder,
            env=environ | {"TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if "--port" in arguments else subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ends_cleanly(self, process: subprocess.Popen[str], code: int) -> None:
        """It ends within ten seconds of SIGTERM, and no process, temporary or other file is left."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == code, process.stderr and process.stderr.read()
        self.is_clean_after(process)

    def run(self, *arguments: str) -> str:
        with self.start(*arguments) as process:
            try:
                output, errors = process.communicate(timeout=LONGEST)
            finally:
                process.kill()
        assert process.returncode == 0, errors
        self.is_clean_after(process)
        return output

    def is_clean_after(self, process: subprocess.Popen[str]) -> None:
        """No process, no temporary file and nothing in the working folder is left."""
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
        assert list(self.temporary.iterdir()) == []
        assert list(self.folder.iterdir()) == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("temporary"))


@pytest.fixture(scope="module")
def summary(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.run("--once", "--json"))
    return found


def test_nine_feeds_bring_their_entries_and_the_tenth_its_reason(summary: dict[str, Any]) -> None:
    first = summary["first_poll"]
    assert first["answers"] == {"200": 9, "503": 1}
    assert (first["report"]["feeds"], first["report"]["fetched"], first["report"]["failed"]) == (10, 9, 1)
    assert first["report"]["entries_new"] == summary["entries"] == 67
    (failure,) = first["report"]["failures"]
    assert (failure["feed_id"], failure["cause"]) == ("gulf-review", "status")
    assert "503" in failure["message"]
    assert [feed["id"] for feed in summary["feeds"] if feed["error"]] == ["gulf-review"]
    assert min(feed["entries"] for feed in summary["feeds"] if not feed["error"]) >= 7


def test_the_second_poll_finds_nothing_new(summary: dict[str, Any]) -> None:
    second = summary["second_poll"]
    assert second["answers"] == {"200": 1, "304": 8, "503": 1}
    assert (second["report"]["fetched"], second["report"]["not_modified"]) == (1, 8)
    assert (second["report"]["entries_new"], second["report"]["entries_changed"]) == (0, 0)
    assert summary["republished"] == 0


def test_cross_posts_are_one_story(summary: dict[str, Any]) -> None:
    publishers = {frozenset(entry["publisher"] for entry in story["entries"]) for story in summary["folded"]}
    assert publishers == {
        frozenset(("Kestrel House", "Centro Alcoraya", "The Caspian Ledger")),
        frozenset(("Kestrel House", "Quillmere Lab")),
        frozenset(("Shirasagi Institute", "Institut Vauclair")),
        frozenset(("Havelbrück-Institut", "Institut Vauclair")),
        frozenset(("Fennmark Economic Research", "Sandover Centre")),
        frozenset(("The Caspian Ledger", "Institut Vauclair")),
    }
    assert summary["stories"] == summary["first_poll"]["report"]["stories_new"] == 60


def test_a_translation_is_folded_by_its_own_rule(summary: dict[str, Any]) -> None:
    (story,) = [story for story in summary["folded"] if any(fold["translation"] for fold in story["folds"])]
    (fold,) = story["folds"]
    assert fold["rule"] == "translation"
    assert fold["evidence"].startswith("en and fr, names and figures ")
    assert {entry["title"] for entry in story["entries"]} == {
        "Middle Corridor Bookkeeping: Where the Containers Really Wait",
        "Corridor médian : là où les conteneurs attendent vraiment",
    }
    rules = {fold["rule"] for other in summary["folded"] if other is not story for fold in other["folds"]}
    assert rules == {"same-address", "same-doi"}


def test_the_external_publication_is_folded_with_the_partners_page_and_tagged(summary: dict[str, Any]) -> None:
    (story,) = [story for story in summary["folded"] if story["entries"][0]["title"] == EXTERNAL]
    assert sorted(entry["publisher"] for entry in story["entries"]) == ["Institut Vauclair", "Shirasagi Institute"]
    tags = {tag["name"]: tag for tag in story["tags"]}
    assert {"country:jp", "country:ru", "topic:diplomacy", "type:external-publication"} <= tags.keys()
    assert [tags["country:jp"][key] for key in ("origin", "field", "matched")] == ["gazetteer", "title", "tokyo"]
    assert tags["country:jp"]["version"] == tags["topic:diplomacy"]["version"] != tags["topic:peace-treaty"]["version"]
    assert any(tag["origin"] == "category" and tag["label"] == "External Publications" for tag in story["tags"])


def test_channels_are_published_in_all_their_formats(summary: dict[str, Any]) -> None:
    entries = {feed["path"]: feed["entries"] for feed in summary["published"]}
    assert set(entries) == {
        *(f"feed.{suffix}" for suffix in ("atom", "rss", "json")),
        *(f"channels/japan-russia.{suffix}" for suffix in ("atom", "rss", "json")),
        *(f"channels/energy-climate.{suffix}" for suffix in ("atom", "rss", "json")),
        *(f"channels/beyond-english.{suffix}" for suffix in ("atom", "json")),
    }
    assert entries["channels/japan-russia.atom"] == entries["channels/japan-russia.json"] == 2
    assert min(entries.values()) >= 2
    assert all(feed["octets"] > 1000 for feed in summary["published"])


def test_two_letters_are_accepted_by_a_mail_server(summary: dict[str, Any]) -> None:
    assert summary["deliveries"] == {"accepted": 2}
    assert [letter["recipient"] for letter in summary["letters"]] == [
        "noor@newsroom.example",
        "ines.falk@ministry.example",
    ]
    assert all(letter["octets"] > 10_000 for letter in summary["letters"])
    assert summary["issue"]["number"] == 1
    assert summary["issue"]["stories"] >= 50


def test_people_read_it_in_the_order_of_the_datas_way(place: Place) -> None:
    lines = place.run("--once").splitlines()
    headings = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert headings == ["Think", "Poll", "Fold", "Tag", "Again", "Publish", "Compose", "Deliver", "Three"]
    failed = next(number for number, line in enumerate(lines) if "Lantern Gulf Review" in line)
    assert "503" in lines[failed]
    assert "next try" in lines[failed + 1]
    assert max(len(line) for line in lines if "my-feeds.yaml" not in line) <= 100
    steps = [line for line in lines[lines.index("Three things to do next") + 1 :] if not line.startswith(" " * 5)]
    assert [line.split()[0] for line in steps] == ["Read", "Get", "Run"]
    assert str(place.temporary) not in "\n".join(lines)


@pytest.fixture
def serving(place: Place) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that serves its pages, and their address."""
    with place.start("--port", "0") as process:
        watchdog = Timer(LONGEST, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            told = ""
            while not (address := re.search(r"event='serving' url='(.+?)/'", told)):
                line = process.stdout.readline()
                assert line, told
                told += line
            yield process, address[1]
        finally:
            watchdog.cancel()
            process.kill()


def test_it_serves_its_pages_until_it_is_told_to_stop(place: Place, serving: tuple[subprocess.Popen[str], str]) -> None:
    process, address = serving
    with urlopen(address, timeout=10) as page:
        assert EXTERNAL in page.read().decode()
    with urlopen(f"{address}/channels/japan-russia.atom", timeout=10) as feed:
        assert EXTERNAL in feed.read().decode()
    place.ends_cleanly(process, 0)


def test_a_signal_in_the_middle_of_the_job_leaves_nothing_behind(place: Place) -> None:
    with place.start("--once") as process:
        try:
            give_up = monotonic() + LONGEST
            while not list(place.temporary.glob("*/data/*")) and monotonic() < give_up:
                sleep(0.02)
            place.ends_cleanly(process, 128 + signal.SIGTERM)
        finally:
            process.kill()
