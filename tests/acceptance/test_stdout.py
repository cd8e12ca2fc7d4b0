"""Results that cannot be written: one line and exit code 1, whatever the command."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.wire import HEAD, LONGEST, Wire

FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    letter = '  - {id: letter-NUMBER, title: A letter, schedule: "mon 07:30", from: "Wire <wire@wire.example>"}\n'
    letters = "".join(letter.replace("NUMBER", str(number)) for number in range(200))
    return Wire(tmp_path_factory.mktemp("wire"), f"{HEAD}newsletters:\n{letters}")


@pytest.mark.skipif(not FULL.exists(), reason=f"{FULL} is not there")
@pytest.mark.parametrize(
    "words",
    [("--version",), ("--help",), ("check", "--json"), ("newsletters", "list"), ("newsletters", "list", "--json")],
)
def test_a_full_disk_is_said_in_one_line(wire: Wire, words: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        command = subprocess.run(
            wire._command(words), env=wire.env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=LONGEST
        )
    assert (command.stderr, command.returncode) == ("cannot write the result: No space left on device\n", 1)


def test_who_reads_no_further_is_told_nothing(wire: Wire) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        command = subprocess.run(
            wire._command(("newsletters", "list", "--json")),
            env=wire.env,
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LONGEST,
        )
    assert (command.stderr, command.returncode) == ("", 1)
