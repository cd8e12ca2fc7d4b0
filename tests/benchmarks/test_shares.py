"""Where the time of a poll goes, told step by step."""

import json
import subprocess
import sys
from pathlib import Path


def test_every_step_of_a_first_poll_has_its_share() -> None:
    command = [sys.executable, "-m", "benchmarks.shares", "--feeds", "2", "--size", "30000"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=True)
    shares = json.loads(done.stdout)
    steps = ("parse", "normalise", "identify", "sketches", "with_sketch", "transport", "decide", "tag_entry", "apply")
    assert {"all", *steps} <= shares.keys()
    assert sum(shares[step] for step in steps) <= shares["all"]
