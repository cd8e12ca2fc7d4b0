"""What polling costs, beside the bare downloads and the parser it rests on, in one run.

    python -m benchmarks.poll --feeds 2000 --mode first,304,same,changed

Every figure comes from a process of its own, against a loopback server in yet another; CPU counts the process
and its children while they poll, not their start. `ratio` is ours over the bare thing: in the mode `first` a
download and feedparser alone, without its sanitiser and its resolver, else a bare aiohttp download of the same
addresses. Entries are tagged by the shipped taxonomy and rules. `benchmarks.shares` says which step takes how much.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from aggregator.adapters.garbage import look_seldom
from aggregator.model.channel import Site
from aggregator.model.feed import Feed
from aggregator.settings.loading import find_shipped, load_settings
from aggregator.settings.values import Polling, Settings
from aggregator.wiring import Runtime
from benchmarks.bare import CONCURRENCY
from benchmarks.cost import Cost, measured
from benchmarks.feedserver import FeedServer, Mode
from benchmarks.memory import PeakMemory

MODES: tuple[Mode, ...] = ("first", "304", "same", "changed")


def ours(urls: Sequence[str], folder: Path) -> Cost:
    """One `aggregator poll --all` with everything it does: fetch, parse, fold, tag, store."""
    shipped = load_settings(find_shipped("feeds.yaml"), {})
    settings = Settings(
        config_path="",
        database_url=f"sqlite:///{folder}/wire.db",
        data_dir=str(folder),
        site=Site(title="Benchmark", base_url="http://wire.example"),
        feeds=tuple(Feed(id=f"feed-{number}", url=url, name=f"Feed {number}") for number, url in enumerate(urls)),
        polling=Polling(
            every=timedelta(hours=1), concurrency=CONCURRENCY, per_host=CONCURRENCY, allow_private=("127.0.0.1",)
        ),
        secrets=("only for this benchmark",),
        taxonomy=shipped.taxonomy,
        rules=shipped.rules,
    )
    look_seldom()  # as `aggregator` does
    with Runtime(settings) as runtime:
        runtime.prepare()

        def poll() -> dict[str, int]:
            report = runtime.poll(runtime.feeds_to_poll((), everything=True))
            runtime.interrupt()  # ends the parsing processes, whose CPU counts once they are gone
            return {name: value for name, value in asdict(report).items() if isinstance(value, int)}

        return measured(poll)


# --- the run --------------------------------------------------------------------------------------


def round_of(role: str, urls_file: Path, folder: Path) -> dict[str, object]:
    """One measured process: its cost and the peak memory of all its processes."""
    ours = ["benchmarks.poll", "--ours", str(urls_file), str(folder)]
    command = [sys.executable, "-m", *(ours if role == "ours" else ["benchmarks.bare", role, str(urls_file)])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with PeakMemory(process.pid) as peak:
        output, _ = process.communicate(timeout=1800)
    if process.returncode:
        raise SystemExit(f"benchmarks.poll: the process {role!r} ended with {process.returncode}")
    said: dict[str, object] = json.loads(output)
    return said | {"peak_mb": round(peak.megabytes, 1)}


def run(feeds: int, size: int, modes: Sequence[str]) -> dict[str, object]:
    results: dict[str, object] = {"feeds": feeds, "mean_octets": size}
    with FeedServer(feeds=feeds, size=size) as server, tempfile.TemporaryDirectory() as temporary:
        folder, urls = Path(temporary), Path(temporary) / "urls.json"
        urls.write_text(json.dumps(server.urls))
        for mode in MODES[: 1 + max(map(MODES.index, modes))]:  # each mode needs what the first one stored
            server.mode = mode
            mine = round_of("ours", urls, folder)
            if mode in modes:
                role = {"first": "parse", "304": "conditional"}.get(mode, "download")
                results[mode] = _compared(mine, round_of(role, urls, folder), feeds)
    return results


def _compared(mine: dict[str, object], other: dict[str, object], feeds: int) -> dict[str, object]:
    def per_feed(cost: dict[str, object]) -> float:
        return round(1000 * float(str(cost["cpu_s"])) / feeds, 3)

    return {
        "cpu_ms_per_feed": per_feed(mine),
        "bare_cpu_ms_per_feed": per_feed(other),
        "ratio": round(per_feed(mine) / per_feed(other), 2),
        "feeds_per_s": round(feeds / float(str(mine["wall_s"])), 1),
        "peak_mb": mine["peak_mb"],
        "bare_peak_mb": other["peak_mb"],
        "ours": mine["said"],
        "bare": other["said"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=2000)
    parser.add_argument("--size", type=int, default=86_000, help="mean octets of a feed: as think tanks' own")
    parser.add_argument("--mode", default=",".join(MODES))
    parser.add_argument("--ours", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        urls_file, folder = options.ours
        print(json.dumps(asdict(ours(json.loads(urls_file.read_text()), folder))))
        return
    print(json.dumps(run(options.feeds, options.size, options.mode.split(",")), indent=2))


if __name__ == "__main__":
    main()
