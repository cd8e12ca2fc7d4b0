"""The benchmark's scores are those of the stories found, and its folding is the product's."""

import json
from pathlib import Path

import pytest

from benchmarks import dedupe


def row(id_: str, cluster: str, **fields: str) -> dict[str, str]:
    given = {
        "feed": f"https://{id_}.example/feed",
        "url": f"https://{id_}.example/{id_}",
        "title": f"A title of {id_}",
        "summary": f"<p>Nothing but {id_} is told in these few words about {id_}.</p>",
        "published": "2026-03-01T08:00:00Z",
        "lang": "en",
    }
    return given | {"id": id_, "cluster": cluster} | fields


def test_scores_of_a_small_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [row("a", "1"), row("b", "1", url="https://www.a.example/a?utm_source=b"), row("c", "2"), row("d", "2")]
    pairs = [
        {"a": "a", "b": "b", "label": 1, "kind": "url"},
        {"a": "a", "b": "c", "label": 0, "kind": "url"},
        {"a": "c", "b": "d", "label": 1, "kind": "hopeless"},
    ]
    for name, rows in (("x_entries.jsonl", entries), ("x_pairs.jsonl", pairs)):
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr("sys.argv", ["dedupe", str(tmp_path / "x_entries.jsonl"), "--folds"])
    dedupe.main()
    (found,) = json.loads(capsys.readouterr().out)["sets"]
    assert found["all"] == {"precision": 1.0, "recall": 0.5, "f1": 0.6667, "pairs": 2}
    assert found["kinds"] == {"other url": "1/1", "same hopeless": "0/1", "same url": "1/1"}
    assert found["folds"] == [["a A title of a", "b A title of b"]]
    assert found["stories"] == 3
