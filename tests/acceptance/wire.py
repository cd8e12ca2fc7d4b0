"""A site in a folder of its own, driven as a person would: through the command line, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.acceptance.spawning import run_forked

LONGEST = 120
"""Seconds any command of a test may take."""

HEAD = """\
site: {title: Test Wire, base_url: "http://wire.example", contact: desk@wire.example}
polling: {allow_private: ["127.0.0.1"], timeout: 5s}
"""


class Wire:
    """`feeds.yaml` and a database in `folder`; `AGGREGATOR_*` of the surroundings count for nothing."""

    def __init__(self, folder: Path, document: str) -> None:
        self.folder, self.config = folder, folder / "feeds.yaml"
        self.config.write_text(document, encoding="utf-8")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("AGGREGATOR_")} | {
            "AGGREGATOR_CONFIG": str(self.config),
            "AGGREGATOR_DATABASE": f"sqlite:///{folder}/data/wire.db",
            "AGGREGATOR_SECRET": "a secret that only tests know",
        }

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and demand its exit code."""
        done = run_forked(words, env=self.env, cwd=self.folder, timeout=LONGEST)
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints with `--json`."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that goes on; its output goes to `output.txt` in the folder."""
        with (self.folder / "output.txt").open("w") as output:
            return subprocess.Popen(
                self._command(words), env=self.env, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT, text=True
            )

    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def rows_exist(self) -> bool:
        """Whether the tables are there yet."""
        path = self.folder / "data" / "wire.db"
        return path.exists() and bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What stands in the database, read beside the product."""
        connection = sqlite3.connect(f"file:{self.folder}/data/wire.db?mode=ro", uri=True, timeout=20)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def write(self, statement: str) -> None:
        """Alter the database beside the product, as only time or another person would."""
        with closing(sqlite3.connect(self.folder / "data" / "wire.db", timeout=20)) as connection, connection:
            connection.execute(statement)

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "aggregator", *words]


def kill(process: subprocess.Popen[str]) -> None:
    """End it as a power cut would."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
