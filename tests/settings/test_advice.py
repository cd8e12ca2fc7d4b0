"""What `check` advises to change before anything goes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.settings.advice import advice
from aggregator.settings.loading import load_settings

GOOD = """site: {title: W, base_url: "https://wire.institute.eu"}
feeds: [{id: ifri, name: Ifri, url: "https://a.example/rss"}]
tags: [{tag: "topic:x", when: "Japan -feed:ifri"}]
channels: [{id: asia, title: Asia, query: "feed:ifri OR (feed:if* country:jp)"}]
newsletters: [{id: weekly, title: N, schedule: daily 7:30, from: wire@institute.eu}]
"""
RELAY = {"AGGREGATOR_SMTP_URL": "smtp://relay.institute.eu"}


def advised(tmp_path: Path, text: str, environ: dict[str, str]) -> tuple[str, ...]:
    (tmp_path / "feeds.yaml").write_text(text, encoding="utf-8")
    return advice(load_settings(tmp_path / "feeds.yaml", environ))


def test_what_is_ready_gets_none(tmp_path: Path) -> None:
    assert advised(tmp_path, GOOD, RELAY) == ()


@pytest.mark.parametrize(
    ("was", "is_now", "words"),
    [
        (
            "https://wire.institute.eu",
            "http://localhost:8000",
            "site.base_url: http://localhost:8000 leads no reader here",
        ),
        ("https://wire.institute.eu", "http://127.0.0.1", "leads no reader here"),
        ("https://wire.institute.eu", "https://[fd00::1]", "leads no reader here"),
        ("https://wire.institute.eu", "https://wire.example.org", "leads no reader here"),
        ("https://wire.institute.eu", "http://wire.institute.eu", "needs an address with https:// (RFC 8058 3.1)"),
        ("from: wire@institute.eu", "from: wire@mail.example.com", "newsletter weekly: from: wire@mail.example.com"),
        ("feed:ifri OR", "feed:irfi OR", "channel asia: its query asks for feed:irfi, which is no feed here; did you"),
        ("-feed:ifri", "-feed:zzz", "tag topic:x: its query asks for feed:zzz, which is no feed here; `aggregator"),
    ],
)
def test_each_thing_to_change_has_its_line(tmp_path: Path, was: str, is_now: str, words: str) -> None:
    (line,) = advised(tmp_path, GOOD.replace(was, is_now), RELAY)
    assert words in line


def test_letters_that_nobody_gets_are_told_of(tmp_path: Path) -> None:
    (line,) = advised(tmp_path, GOOD, {})
    assert "no mail server is named; letters are kept as files" in line
    without = GOOD.replace("https://wire", "http://wire").partition("newsletters:")[0]
    assert advised(tmp_path, without, {}) == ()
