"""Workers are killed, stopped and starved at every point, and each reader gets one letter, or none that is listed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST = 600


@pytest.mark.slow
def test_nobody_twice_and_nobody_missed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.crash", "--quick", "--folder", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    report = json.loads(done.stdout)
    total = report["total"]
    assert report["unsound"] == []
    assert [total[what] for what in ("lost", "doubled", "stuck", "faults", "issues_rebuilt_otherwise")] == [0] * 5
    assert total["runs"] >= 60
    assert {cell["name"] for cell in report["cells"] if cell["runs"]} >= {"send.dot", "digest.half", "told to end"}
