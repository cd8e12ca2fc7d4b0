"""The benchmark of search: every kind of query is one, and is answered over stories that were really indexed."""

import json
import sys

import pytest

from benchmarks import search


def test_every_kind_of_query_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["search", "--entries", "60"])
    monkeypatch.setattr(search, "ROUNDS", 2)
    search.main()
    report = json.loads(capsys.readouterr().out)
    assert report["entries"] == 60
    assert report["index_ms_per_story"] > 0
    assert report["queries"].keys() == search.QUERIES.keys()
    found = {name: kind["stories"] for name, kind in report["queries"].items()}
    assert (found["everything"], found["no such word"], found["two common words rarely together"]) == (50, 0, 1)
    assert all(kind["p50_ms"] <= kind["p95_ms"] for kind in report["queries"].values())
