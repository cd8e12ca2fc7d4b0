"""What polling costs, beside the bare downloads and the parser it rests on, in one run.

    python -m benchmarks.poll --feeds 2000 --mode first,304,same,changed

Every figure comes from a process of its own, against a loopback server in yet another; CPU counts the process
and its children while they poll, not their start. `ratio` is ours over the bare thing: in the mode `first` a
download and feedparser (as `steps/parse` sets it) alone, else a bare aiohttp download of the same addresses.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import feedparser

from aggregator.model import Feed, Site
from aggregator.settings.values import Polling, Settings
from aggregator.wiring import Runtime
from benchmarks.feedserver import FeedServer
from benchmarks.memory import PeakMemory

CONCURRENCY = 64
MODES = ("first", "304", "same", "changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one round over all feeds: seconds, and what the process said it did."""

    cpu_s: float
    wall_s: float
    said: dict[str, int]


# --- the measured processes -----------------------------------------------------------------------


def measured(work: Callable[[], dict[str, int]]) -> Cost:
    """The cost of `work`, its finished child processes included."""
    cpu, wall = _cpu(), time.perf_counter()
    said = work()
    return Cost(cpu_s=_cpu() - cpu, wall_s=time.perf_counter() - wall, said=said)


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def ours(urls: Sequence[str], folder: Path) -> Cost:
    """One `aggregator poll --all` with everything it does: fetch, parse, fold, tag, store."""
    settings = Settings(
        config_path="",
        database_url=f"sqlite:///{folder}/wire.db",
        data_dir=str(folder),
        site=Site(title="Benchmark", base_url="http://wire.example"),
        feeds=tuple(Feed(id=f"feed-{number}", url=url, name=f"Feed {number}") for number, url in enumerate(urls)),
        polling=Polling(
            every=timedelta(hours=1), concurrency=CONCURRENCY, per_host=CONCURRENCY, allow_private=("127.0.0.1",)
        ),
        secret="only for this benchmark",
    )
    with Runtime(settings) as runtime:
        runtime.prepare()

        def poll() -> dict[str, int]:
            report = runtime.poll(runtime.feeds_to_poll((), everything=True))
            runtime.interrupt()  # ends the parsing processes, whose CPU counts once they are gone
            return {name: value for name, value in asdict(report).items() if isinstance(value, int)}

        return measured(poll)


def bare(urls: Sequence[str], *, conditional: bool, parse: bool) -> Cost:
    """The same addresses through aiohttp, and feedparser where asked, with nothing around them."""
    return measured(lambda: asyncio.run(_download(urls, conditional=conditional, parse=parse)))


async def _download(urls: Sequence[str], *, conditional: bool, parse: bool) -> dict[str, int]:
    waiting, statuses, entries = list(urls), dict[str, int](), 0

    async def lane(session: aiohttp.ClientSession) -> None:
        nonlocal entries
        while waiting:
            headers = {"If-None-Match": '"any"'} if conditional else {}
            async with session.get(waiting.pop(), headers=headers) as response:
                body = await response.read()
            statuses[str(response.status)] = statuses.get(str(response.status), 0) + 1
            if parse:
                found = feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
                entries += len(found["entries"])

    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(lane(session) for _ in range(CONCURRENCY)))
    return statuses | {"entries": entries}


# --- the run --------------------------------------------------------------------------------------


def round_of(role: str, urls_file: Path, folder: Path) -> dict[str, object]:
    """One measured process: its cost and the peak memory of all its processes."""
    command = [sys.executable, "-m", "benchmarks.poll", "--role", role, str(urls_file), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with PeakMemory(process.pid) as peak:
        output, _ = process.communicate(timeout=1800)
    if process.returncode:
        raise SystemExit(f"benchmarks.poll: the process {role!r} ended with {process.returncode}")
    return json.loads(output) | {"peak_mb": round(peak.megabytes, 1)}


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
    parser.add_argument("--size", type=int, default=60_000, help="mean octets of a feed")
    parser.add_argument("--mode", default=",".join(MODES))
    parser.add_argument("--role", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        role, urls_file, folder = options.role
        urls = json.loads(Path(urls_file).read_text())
        cost = (
            ours(urls, Path(folder))
            if role == "ours"
            else bare(urls, conditional=role == "conditional", parse=role == "parse")
        )
        print(json.dumps(asdict(cost)))
        return
    print(json.dumps(run(options.feeds, options.size, options.mode.split(",")), indent=2))


if __name__ == "__main__":
    main()
