"""Workers killed, stopped and starved at every point of an issue and a letter, and what became of each reader's letter.

    python -m benchmarks.crash                                   everything: some hours
    python -m benchmarks.crash --quick                           one in twenty of it
    python -m benchmarks.crash --points send.dot --kinds kill --runs 100 --workers "" --servers ""

Each run is a copy of a site (`crash_site.py`), a worker that dies at one point (`aggregator/faults.py`), others beside
and after it that do not (`crash_run.py`), and the ledger beside the journal of the mail server (`crash_oracle.py`). One
JSON document on stdout, a table on stderr. It fails if one reader's letter was lost, doubled or left behind, and keeps
the folders of such runs. The seed and the options bring the same runs about again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, cast

from aggregator.settings.loading import load_settings
from benchmarks import crash_plan
from benchmarks.crash_plan import KINDS, POINTS, SERVERS, SiteName, Task
from benchmarks.crash_report import rebuilt_otherwise, summary, table
from benchmarks.crash_run import Kind, Outcome, run
from benchmarks.crash_site import RARE, Site, certify, found, readers, with_issue, with_readers
from benchmarks.smtp_journal import JournalServer, Mode

RAM = Path("/dev/shm")
"""What a killed process wrote is with the kernel, so that a slow disk would prove nothing more."""
OF_EACH_FATE = 4
"""Readers of every rare fate among those of a mixed site."""


@dataclass(slots=True)
class Ground:
    """The sites to copy, their readers, and the servers they send to.

    `in_doubt`: letters that one worker may have at hand.
    """

    folder: Path
    sites: dict[SiteName, tuple[Site, Sequence[str]]]
    servers: dict[SiteName, JournalServer]
    in_doubt: int
    count: int = 0

    def perform(self, task: Task) -> Outcome:
        """One run on a copy, which stays only if it is not sound."""
        original, addresses = self.sites[task.site]
        crash, self.count = task.crash, self.count + 1
        site = original.copy(self.folder / f"{self.count:05}-{crash.name.replace(' ', '-')}-{crash.kind}")
        most = self.in_doubt if crash.kind in ("kill", "drop", "enospc") and task.site != "due" else 0
        resends = task.site == "again"
        outcome = run(site, self.servers[task.site], crash, addresses, most_in_doubt=most, resends=resends)
        print(f"{crash.name} {crash.asked or crash.kind} {outcome.seconds} s", file=sys.stderr, flush=True)
        if outcome.verdict.sound:
            shutil.rmtree(site.folder)
        else:
            print(f"{site.folder}: {crash} {outcome.verdict}", file=sys.stderr, flush=True)
        return outcome


@contextmanager
def ground(folder: Path, recipients: int, connections: int) -> Iterator[Ground]:
    """Everything that is made once."""
    plain, mixed = readers(recipients), readers(recipients, dict.fromkeys(RARE, OF_EACH_FATE))
    site = found(folder / "site", connections)
    load_settings(site.config, site.environment("smtp://127.0.0.1:9?tls=none"))  # what is read once, forks have too
    due, due_rare = with_readers(site, folder / "due", plain), with_readers(site, folder / "due-rare", mixed)
    queued, rare = with_issue(due, folder / "queued"), with_issue(due_rare, folder / "rare")
    again = queued.copy(folder / "again")
    again.config.write_text(again.config.read_text("utf-8").replace("max_stories", "uncertain: resend, max_stories"))
    secure = rare.copy(folder / "secure")
    with JournalServer(folder) as server, JournalServer(folder, certificate=certify(secure)) as by_tls:
        yield Ground(
            folder=folder,
            sites={
                "due": (due, plain),
                "queued": (queued, plain),
                "again": (again, plain),
                "mixed": (rare, mixed),
                "secure": (secure, mixed),
            },
            servers={"due": server, "queued": server, "again": server, "mixed": server, "secure": by_tls},
            in_doubt=connections,
        )


def campaign(given: argparse.Namespace, ground: Ground) -> Iterator[Outcome]:
    """Every run that the options ask for."""
    runs, real = given.runs, given.real
    names, kinds = _chosen(given.points, POINTS), cast("list[Kind]", _chosen(given.kinds, KINDS))
    chance: dict[str, Any] = {"seed": given.seed, "recipients": given.recipients, "perform": ground.perform}
    yield from crash_plan.points(names, kinds, runs, real, thin=given.quick, **chance)
    numbers = [int(number) for number in given.workers.split(",") if int(number or 1) > 1]
    yield from crash_plan.workers(numbers, runs, real, **chance)
    yield from crash_plan.endings(given.ends, **chance)
    yield from crash_plan.full_disks(given.full, **chance)
    yield from crash_plan.resends(given.resends, **chance)
    modes = cast("list[Mode]", _chosen(given.servers, SERVERS))
    yield from crash_plan.servers(modes, runs, **chance)


def _chosen(text: str, known: Iterable[str]) -> list[str]:
    """Those named, or all."""
    names = list(known) if text == "all" else [name for name in text.split(",") if name]
    if unknown := set(names) - set(known):
        raise SystemExit(f"benchmarks.crash: {min(unknown)!r} is not one of {', '.join(known)}")
    return names


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", default="all", help="names, by commas")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--workers", default="2,4", help="how many at once, by commas")
    parser.add_argument("--servers", default="all", help="modes of the mail server, by commas")
    parser.add_argument("--runs", type=int, default=20, help="of each point and kind, by the flows of a worker")
    parser.add_argument("--real", type=int, default=1, help="beside these, by `aggregator worker`")
    parser.add_argument("--ends", type=int, default=20, help="of `aggregator worker` told to end while it sends")
    parser.add_argument("--full", type=int, default=20, help="whose disk is full for a while")
    parser.add_argument("--resends", type=int, default=20, help="of a newsletter that has letters in doubt sent again")
    parser.add_argument("--recipients", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=4, help="of one worker to the mail server")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="about one run in twenty, to 60 readers, in a minute")
    parser.add_argument("--minutes", type=float, help="after which no other run begins")
    parser.add_argument(
        "--folder", type=Path, help="where runs are made, and stay if not sound; else memory, if it can"
    )
    given = parser.parse_args(words)
    if given.quick:
        given.runs, given.real, given.ends, given.full, given.resends = 1, 0, 1, 1, 1
        given.recipients, given.workers = 60, "2"
    return given


def main() -> None:
    given = parsed()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="crash-", dir=RAM if RAM.is_dir() else None))
    outcomes, began, stopping = list[Outcome](), time.monotonic(), Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    with ground(folder, given.recipients, given.connections) as everything:
        for outcome in campaign(given, everything):
            outcomes.append(outcome)
            if stopping.is_set() or (given.minutes and time.monotonic() > began + 60 * given.minutes):
                break
    print(table(outcomes), file=sys.stderr)
    options = {name: str(value) for name, value in vars(given).items()}
    print(json.dumps({"options": options} | summary(outcomes), indent=2))
    if all(outcome.verdict.sound for outcome in outcomes) and not rebuilt_otherwise(outcomes):
        shutil.rmtree(folder)
    else:
        raise SystemExit(f"benchmarks.crash: not as promised; see {folder}")


if __name__ == "__main__":
    main()
