"""The sample publishers: a real HTTP server on loopback with conditional GET, one slow and one broken."""

import asyncio
import gzip
from collections import Counter
from datetime import date
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from aggregator.demo.background import BackgroundLoop
from aggregator.demo.calendar import as_of

FEEDS = Path(__file__).parent / "feeds"
TYPES = {
    ".rss": "application/rss+xml",
    ".atom": "application/atom+xml",
    ".rdf": "application/rdf+xml",
    ".json": "application/feed+json",
}
SLOW = "slow-strategy.atom"
SLOW_SECONDS = 1.5
FAILING = "gulf-review.rss"


class SampleServer:
    """Serves `feeds/`, dated as of `today`, on a free port of 127.0.0.1; use it as a context manager."""

    def __init__(self, *, today: date) -> None:
        self.answers: Counter[int] = Counter()
        """Answers given so far, by status."""
        self._today = today
        self._edition = 1
        self._loop = BackgroundLoop("sample-publishers")

    def __enter__(self) -> Self:
        self._loop.__enter__()
        self._loop.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._runner.cleanup())
        self._loop.__exit__(kind, error, trace)

    def publish_second_edition(self) -> None:
        """From now on one publisher serves the same items re-dated and in another order."""
        self._edition = 2

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/{name}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.Response:
        response = await self._response(request)
        self.answers[response.status] += 1
        return response

    async def _response(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == FAILING:
            return web.Response(status=503, headers={"Retry-After": "7200"}, text="Down for maintenance")
        if name == SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        path = self._file(name)
        if path is None:
            return web.Response(status=404, text="No such feed")
        body = as_of(self._today, await asyncio.to_thread(path.read_bytes))
        etag = f'"{sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": etag, "Cache-Control": "max-age=600", "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, mtime=0)
        headers["Content-Type"] = TYPES[path.suffix]
        return web.Response(body=body, headers=headers)

    def _file(self, name: str) -> Path | None:
        """The file for a path of the server; only names that stand in the folder exist."""
        files = {path.name: path for path in FEEDS.iterdir() if path.suffix in TYPES}
        if self._edition == 2:
            files |= {path.name.replace(".second", ""): path for path in files.values() if ".second" in path.name}
        return files.get(name)
