"""How values are shown to people, and that a row is one line for a program that reads a pipe."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from aggregator.cli.output import called, print_facts, print_table, shown
from aggregator.model.feed import FeedStatus


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        (FeedStatus.OK, "ok"),
        (datetime(2026, 11, 25, 15, 4, 53, 299164, UTC), "2026-11-25 15:04"),
        (datetime(2026, 11, 25, 1, 4, tzinfo=timezone(timedelta(hours=2))), "2026-11-24 23:04"),
        (timedelta(days=2), "2d"),
        (timedelta(hours=36), "36h"),
        (timedelta(seconds=90), "90s"),
        (timedelta(0), "0d"),
        (("fr", None, "de"), "fr, , de"),
        ([], ""),
        ("[red]as it is[/red]", "[red]as it is[/red]"),
    ],
)
def test_values_as_people_read_them(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_row_of_a_table_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("id", "when"), [("x" * 300, datetime(2026, 1, 2, 3, 4, tzinfo=UTC)), ("y", None)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["id", "when"], ["x" * 300, "2026-01-02", "03:04"], ["y"]]


def test_facts_are_labelled_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"feed": "ifri", "tags": (), "next poll": None, "failures": 0})
    assert capsys.readouterr().out.splitlines() == ["feed: ifri", "tags: none", "next poll: none", "failures: 0"]


@pytest.mark.parametrize(
    ("argument", "typed"),
    [
        (".venv/bin/aggregator", ".venv/bin/aggregator"),
        ("/with space/aggregator", "'/with space/aggregator'"),
        ("{folder}/aggregator", "aggregator"),
        ("/lib/aggregator/__main__.py", f"{sys.executable} -m aggregator"),
    ],
)
def test_the_program_is_named_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, typed: str
) -> None:
    on_path = tmp_path / "aggregator"
    on_path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [argument.format(folder=tmp_path)])
    assert called() == typed
