"""How values are shown to people, and that a row is one line for a program that reads a pipe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from aggregator.cli.output import print_facts, print_table, shown
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
