"""Merged feeds over HTTP: stored publications, and any search as a feed.

publish wrote the bytes; here they meet a reader's headers (RFC 9110, 9111). A cached answer, and every 304, is
given from memory: the database is asked at most once in `STALE_AFTER` seconds which publications changed.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import cast, get_args

import brotli
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aggregator.errors import QueryError, StoreError
from aggregator.model.channel import Format, Publication
from aggregator.ports import PublicationStore
from aggregator.steps.feedwriter.contents import INTERVAL

log = structlog.get_logger()

STALE_AFTER = 5.0
"""Seconds for which a process may serve what another has replaced."""
BUILDS_AT_ONCE = 2
"""Searches made into feeds at one time; more wait, so that anonymous queries cannot take all threads."""

_EVERY = round(INTERVAL.total_seconds())
_COMMON = {
    "cache-control": f"public, max-age={_EVERY}, stale-while-revalidate={4 * _EVERY}",
    "vary": "Accept-Encoding",
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
}
_CODERS: dict[str, Callable[[bytes], bytes]] = {
    "br": lambda body: bytes(brotli.compress(body, quality=5)),
    "gzip": lambda body: gzip.compress(body, compresslevel=6, mtime=0),
}
_IDENTITY = "identity"
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')

RawHeaders = tuple[tuple[bytes, bytes], ...]


class Representation:
    """A publication in one coding, with the headers of both answers it can give."""

    def __init__(self, publication: Publication, coding: str) -> None:
        coded = coding != _IDENTITY
        self.body = _CODERS[coding](publication.body) if coded else publication.body
        self.etag = f'{publication.etag[:-1]}-{coding}"' if coded else publication.etag
        self.last_modified = publication.last_modified
        unchanged = _COMMON | {"etag": self.etag, "last-modified": format_datetime(self.last_modified, usegmt=True)}
        whole = unchanged | {"content-type": publication.content_type, "content-length": str(len(self.body))}
        self.unchanged = _raw(unchanged)
        self.whole = _raw(whole | {"content-encoding": coding} if coded else whole)


class Served:
    """A publication as it is served; each coding is made once, when first asked for."""

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self._codings: dict[str, Representation] = {}

    def held(self, coding: str) -> Representation | None:
        return self._codings.get(coding)

    def code(self, coding: str) -> Representation:
        self._codings[coding] = made = Representation(self.publication, coding)
        return made


class PublicationCache:
    """Publications in memory, checked against the store by their ETags; safe to share between threads."""

    def __init__(self, store: PublicationStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._checked = float("-inf")
        self._etags: Mapping[str, str] | None = None
        self._held: dict[str, Served] = {}

    @property
    def stale(self) -> bool:
        return self._etags is None or self._clock() - self._checked >= STALE_AFTER

    def refresh(self) -> None:
        """Forget what the store has replaced or deleted; blocks. When the store fails, what is held stays good."""
        self._checked = self._clock()  # first, so that others go on with what is held
        try:
            etags = self._store.etags()
        except StoreError as error:
            if self._etags is None:
                raise
            log.warning("publications_not_checked", error=str(error))
            return
        held = list(self._held.items())
        self._held = {path: served for path, served in held if served.publication.etag == etags.get(path)}
        self._etags = etags

    def held(self, path: str) -> Served | None:
        return self._held.get(path)

    def knows(self, path: str) -> bool:
        """Whether the store has a publication for this path, as of the last check."""
        return self._etags is not None and path in self._etags

    def load(self, path: str) -> Served | None:
        """Read one publication from the store and hold it; blocks."""
        publication = self._store.get(path)
        if publication is None:
            return None
        self._held[path] = served = Served(publication)
        return served


class ChannelEndpoint:
    """The ASGI endpoint of all feeds; `build` makes a query into a publication and may raise QueryError."""

    def __init__(self, publications: PublicationCache, build: Callable[[str, Format], Publication]) -> None:
        self._publications, self._build = publications, build
        self._builds = asyncio.Semaphore(BUILDS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        coding = _best_coding(headers.get("accept-encoding", ""))
        query = QueryParams(scope["query_string"]).get("q") if scope["query_string"] else None
        try:
            representation = await self._representation(scope["path_params"], query, coding)
        except QueryError as error:
            refusal = PlainTextResponse(f"{error}\n", status_code=400, headers=_COMMON | {"cache-control": "no-store"})
            await refusal(scope, receive, send)
            return
        unchanged = _is_unchanged(representation, headers)
        body = b"" if unchanged or scope["method"] == "HEAD" else representation.body
        raw = list(representation.unchanged if unchanged else representation.whole)
        await send({"type": "http.response.start", "status": 304 if unchanged else 200, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    async def _representation(self, params: Mapping[str, str], query: str | None, coding: str) -> Representation:
        """The bytes for this request; raises HTTPException when there are none."""
        if "name" in params:
            return await self._stored(f"channels/{params['name']}", coding)
        format = params["format"]
        if format not in get_args(Format):
            raise HTTPException(404)
        if query and query.strip():
            async with self._builds:
                return await run_in_threadpool(self._built, query, cast(Format, format), coding)
        return await self._stored(f"feed.{format}", coding)

    def _built(self, query: str, format: Format, coding: str) -> Representation:
        return Representation(self._build(query, format), coding)

    async def _stored(self, path: str, coding: str) -> Representation:
        if self._publications.stale:
            await run_in_threadpool(self._publications.refresh)
        served = self._publications.held(path)
        if served is None and self._publications.knows(path):
            served = await run_in_threadpool(self._publications.load, path)
        if served is None:
            raise HTTPException(404)
        held = served.held(coding)
        return await run_in_threadpool(served.code, coding) if held is None else held


def channel_routes(publications: PublicationCache, build: Callable[[str, Format], Publication]) -> list[Route]:
    """The addresses of merged feeds."""
    endpoint = ChannelEndpoint(publications, build)
    return [
        Route("/feed.{format}", endpoint, methods=["GET"], name="feed"),
        Route("/channels/{name}", endpoint, methods=["GET"], name="channel"),
    ]


@lru_cache(maxsize=256)
def _best_coding(accepted: str) -> str:
    """The smallest coding among those the client likes best (RFC 9110 12.5.3); as it is, when it names none of ours."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = _weight(parameter)
    best, best_weight = _IDENTITY, weights.get(_IDENTITY, 0.0)
    for coding in reversed(_CODERS):
        weight = weights.get(coding, weights.get("*", 0.0))
        if weight > 0 and weight >= best_weight:
            best, best_weight = coding, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def _is_unchanged(representation: Representation, headers: Headers) -> bool:
    """Whether the client already has these bytes; entity tags win over the date (RFC 9110 13.2.2)."""
    tags = ",".join(headers.getlist("if-none-match"))
    if tags:
        return tags.strip() == "*" or representation.etag in _ENTITY_TAG.findall(tags)
    since = _http_date(headers.get("if-modified-since", ""))
    return since is not None and representation.last_modified <= since


def _http_date(value: str) -> datetime | None:
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _raw(headers: Mapping[str, str]) -> RawHeaders:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())
