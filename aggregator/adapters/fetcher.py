"""Conditional GETs by aiohttp, many at once, each alone with its fate.

An event loop in a thread of its own works through the requests host by host; what is ready waits in a short
queue, and the loop pauses when nobody takes it, so that memory does not grow with the number of feeds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

import structlog
from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from aggregator.adapters.causes import explain, one_line
from aggregator.adapters.decoding import ACCEPTED, BadEncoding, Decoder, TooBig
from aggregator.adapters.dns import LookUp, system_look_up
from aggregator.adapters.guard import Guard, GuardedResolver
from aggregator.adapters.lanes import Lanes
from aggregator.adapters.redirects import REDIRECTS, BadRedirect, Hop
from aggregator.adapters.wishes import read_wishes
from aggregator.model.feed import Validators
from aggregator.model.poll import Cause, Fetched, FetchFailed, FetchOutcome, FetchRequest, NotModified, ServerWishes
from aggregator.settings.values import Polling
from aggregator.urls import without_secrets

LONGEST_VALIDATOR = 1024
CONNECT_SECONDS = 10
READ_OCTETS = 64 * 1024
CONDITIONS = ("If-None-Match", "If-Modified-Since")
ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"
)

Sessions = Mapping[Guard, ClientSession]

log = structlog.get_logger()


class _Failure(Exception):
    """Why one fetch ends here."""

    def __init__(self, cause: Cause, message: str, status: int | None = None, wishes: ServerWishes | None = None):
        super().__init__(message)
        self.cause, self.message, self.status = cause, message, status
        self.wishes = wishes or ServerWishes()


class AiohttpFetcher:
    """`ports.Fetcher` over HTTP; one `fetch` at a time, `close` ends one that is under way."""

    def __init__(
        self, polling: Polling, *, user_agent: str, now: Callable[[], datetime], look_up: LookUp = system_look_up
    ) -> None:
        self._polling, self._now, self._look_up = polling, now, look_up
        self._headers = {"User-Agent": user_agent, "Accept": ACCEPT, "Accept-Encoding": ACCEPTED}
        self._outer = Guard(allow_private=(), ports=polling.ports)
        private = polling.allow_private
        self._inner = Guard(allow_private=private, ports=polling.ports) if private else self._outer
        self._lanes: Lanes[Sessions] | None = None
        self._told: set[tuple[str, str]] = set()

    def fetch(self, requests: Sequence[FetchRequest]) -> Iterator[FetchOutcome]:
        """Yield one outcome per request, as they complete; never raises for a bad feed."""
        lanes = self._lanes = Lanes(
            requests,
            fetch=self._fetch_one,
            open_session=self._sessions,
            concurrency=self._polling.concurrency,
            per_host=self._polling.per_host,
        )
        try:
            yield from lanes.outcomes()
        finally:
            lanes.stop()

    def close(self) -> None:
        """Drop what is under way: those feeds stay due."""
        if self._lanes is not None:
            self._lanes.stop()

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[Sessions]:
        """A session each, as one would reuse the connections that the other guard let through."""
        async with AsyncExitStack() as stack:
            guards = {self._inner, self._outer}
            yield {guard: await stack.enter_async_context(self._session(guard)) for guard in guards}

    def _session(self, guard: Guard) -> ClientSession:
        connector = TCPConnector(
            resolver=GuardedResolver(guard, self._look_up),
            socket_factory=guard.make_socket,
            use_dns_cache=False,  # one look-up per connection: the address checked is the address used
            limit=0,  # the run counts connections itself, so that waiting for a turn costs no time-out
        )
        return ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )

    async def _fetch_one(self, sessions: Sessions, request: FetchRequest) -> FetchOutcome:
        try:
            async with asyncio.timeout(self._polling.timeout.total_seconds()):
                return await self._follow(sessions, request)
        except Exception as error:  # whatever it is, it is the fate of this feed alone
            return _failed(request, error)

    async def _follow(self, sessions: Sessions, request: FetchRequest) -> FetchOutcome:
        guard, not_before = self._inner, None
        hop = Hop(url=guard.read(request.url, first=True).with_fragment(None), headers=dict(request.headers))
        while True:
            conditions = _conditions(request.validators, hop)
            headers = {**hop.headers, **conditions}
            async with sessions[guard].get(hop.url, headers=headers, allow_redirects=False) as response:
                wishes = _not_sooner(read_wishes(response.headers, self._now()), not_before)
                if response.status == 304 and conditions:
                    self._tell_if_moved(request, hop)
                    validators = _refreshed(request.validators, response)
                    return NotModified(feed_id=request.feed_id, validators=validators, wishes=wishes)
                if response.status not in REDIRECTS:
                    return await self._answer(request, hop, response, wishes)
                status, location = response.status, response.headers.get("Location", "")
            if not guard.is_inside(hop.url.raw_host or ""):  # from out there no redirect leads inside, ever again
                guard = self._outer
            try:
                hop, not_before = hop.next(status, location, guard.read), wishes.retry_after
            except BadRedirect as error:
                raise _Failure(Cause.REDIRECT, str(error), status, wishes) from error

    async def _answer(
        self, request: FetchRequest, hop: Hop, response: ClientResponse, wishes: ServerWishes
    ) -> FetchOutcome:
        if response.status == 410:
            raise _Failure(Cause.GONE, "410: the publisher says this feed is gone for good", 410, wishes)
        if response.status != 200:
            raise _Failure(Cause.STATUS, _status_words(response), response.status, wishes)
        body = await self._body(response)
        if not body.strip():
            raise _Failure(Cause.EMPTY, "the server answered 200 with an empty body", 200, wishes)
        self._tell_if_moved(request, hop)
        validators = _validators(hop, response, body)
        if validators.body_sha256 == request.validators.body_sha256:
            return NotModified(feed_id=request.feed_id, validators=validators, wishes=wishes)
        return Fetched(
            feed_id=request.feed_id,
            url=str(hop.url),
            status=200,
            body=body,
            content_type=response.headers.get("Content-Type"),
            validators=validators,
            wishes=wishes,
        )

    async def _body(self, response: ClientResponse) -> bytes:
        limit = self._polling.max_body
        try:
            decoder = Decoder(", ".join(response.headers.getall("Content-Encoding", ())), limit=limit)
            if (response.content_length or 0) > limit:
                raise TooBig
            async for piece in response.content.iter_chunked(READ_OCTETS):
                decoder.feed(piece)
            return decoder.body()
        except TooBig as error:
            response.close()
            raise _Failure(Cause.TOO_BIG, f"the body is larger than {limit:,} octets", response.status) from error
        except BadEncoding as error:
            response.close()
            raise _Failure(Cause.ENCODING, str(error), response.status) from error

    def _tell_if_moved(self, request: FetchRequest, hop: Hop) -> None:
        """Log a permanent redirect, once: the address in feeds.yaml is a person's to change."""
        move = (request.feed_id, without_secrets(str(hop.url)))
        if hop.count and hop.moved_for_good and move not in self._told:
            self._told.add(move)
            log.warning("feed moved for good; change its url in feeds.yaml", feed_id=move[0], to=move[1])


def _not_sooner(wishes: ServerWishes, moment: datetime | None) -> ServerWishes:
    """A redirect's Retry-After counts too (RFC 9110 10.2.3)."""
    return replace(wishes, retry_after=max(moment, wishes.retry_after or moment)) if moment else wishes


def _conditions(validators: Validators, hop: Hop) -> dict[str, str]:
    """The validators as they were given to us, for whoever gave them (RFC 9110 13.1)."""
    given_here = str(hop.url) == validators.given_by if validators.given_by else hop.at_home
    pairs = zip(CONDITIONS, (validators.etag, validators.last_modified), strict=True)
    return {name: value for name, value in pairs if value and given_here}


def _validators(hop: Hop, response: ClientResponse, body: bytes) -> Validators:
    """What a 200 gave us."""
    return Validators(
        etag=_bounded(response.headers.get("ETag")),
        last_modified=_bounded(response.headers.get("Last-Modified")),
        body_sha256=sha256(body).hexdigest(),
        given_by=None if hop.at_home else str(hop.url),
    )


def _refreshed(old: Validators, response: ClientResponse) -> Validators:
    """A 304 may carry newer validators (RFC 9110 15.4.5)."""
    return replace(
        old,
        etag=_bounded(response.headers.get("ETag")) or old.etag,
        last_modified=_bounded(response.headers.get("Last-Modified")) or old.last_modified,
    )


def _bounded(validator: str | None) -> str | None:
    """Opaque text, unless it is too long to keep or holds octets that could not be sent back as they came."""
    return validator if validator and len(validator) <= LONGEST_VALIDATOR and validator.isprintable() else None


def _status_words(response: ClientResponse) -> str:
    unasked = ", though we asked for no comparison" if response.status == 304 else ""
    return f"the server answered {response.status} {response.reason}{unasked}"


def _failed(request: FetchRequest, error: Exception) -> FetchFailed:
    if isinstance(error, _Failure):
        return FetchFailed(
            feed_id=request.feed_id,
            cause=error.cause,
            message=one_line(error.message),
            status=error.status,
            wishes=error.wishes,
        )
    cause, message = explain(error) or _fault_of_ours(request, error)
    return FetchFailed(feed_id=request.feed_id, cause=cause, message=one_line(message))


def _fault_of_ours(request: FetchRequest, error: Exception) -> tuple[Cause, str]:
    """Log where it happened; the error's text stays out of the log, as it may quote a header that is a secret."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    log.error("fetch broke down", feed_id=request.feed_id, kind=type(error).__name__, where=where)
    return Cause.INTERNAL, f"an error of our own: {type(error).__name__}; the log says where"
