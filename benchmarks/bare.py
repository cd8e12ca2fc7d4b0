"""The same addresses by aiohttp and feedparser alone: what our polling is measured against.

A process of its own that imports nothing of ours, for `steps/parse` tunes feedparser when it is imported.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import aiohttp
import feedparser

from benchmarks.cost import measured

CONCURRENCY = 64


async def download(urls: Sequence[str], *, conditional: bool, parse: bool) -> dict[str, int]:
    """Ask for each address once, by CONCURRENCY at a time; `parse` reads what comes, with feedparser's sanitiser
    and its resolver of addresses off."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("download", "conditional", "parse"))
    parser.add_argument("urls", type=Path)
    options = parser.parse_args()
    urls = json.loads(options.urls.read_text())
    kind = options.kind
    cost = measured(lambda: asyncio.run(download(urls, conditional=kind == "conditional", parse=kind == "parse")))
    print(json.dumps(asdict(cost)))


if __name__ == "__main__":
    main()
