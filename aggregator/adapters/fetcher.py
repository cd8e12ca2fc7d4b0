"""Conditional GETs by aiohttp, many at once, each alone with its fate.

An event loop in a thread of its own works through the requests host by host; what is ready waits in a short
queue, and the loop pauses when nobody takes it, so that memory does not grow with the number of feeds.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from urllib.parse import urljoin, urlsplit

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)

from aggregator.adapters.decoding import ACCEPTED, BadEncoding, Decoder, TooBig
from aggregator.adapters.guard import Blocked, Guard, GuardedResolver
from aggregator.adapters.lanes import Lanes
from aggregator.adapters.wishes import read_wishes
from aggregator.model import (
    Cause,
    Fetched,
    FetchFailed,
    FetchOutcome,
    FetchRequest,
    NotModified,
    ServerWishes,
    Validators,
)
from aggregator.settings.values import Polling
from aggregator.urls import without_secrets

HOPS = 5
LONGEST_VALIDATOR = 1024
CONNECT_SECONDS = 10
READ_OCTETS = 64 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"
)


class _Failure(Exception):
    """Why one fetch ends here."""

    def __init__(self, cause: Cause, message: str, status: int | None = None, wishes: ServerWishes | None = None):
        super().__init__(message)
        self.cause, self.message, self.status = cause, message, status
        self.wishes = wishes or ServerWishes()


class AiohttpFetcher:
    """`ports.Fetcher` over HTTP; one `fetch` at a time, `close` ends one that is under way."""

    def __init__(self, polling: Polling, *, user_agent: str, now: Callable[[], datetime]) -> None:
        self._polling = polling
        self._now = now
        self._headers = {"User-Agent": user_agent, "Accept": ACCEPT, "Accept-Encoding": ACCEPTED}
        self._lanes: Lanes | None = None

    def fetch(self, requests: Sequence[FetchRequest]) -> Iterator[FetchOutcome]:
        """Yield one outcome per request, as they complete; never raises for a bad feed."""
        lanes = self._lanes = Lanes(
            requests,
            fetch=self._fetch_one,
            open_session=self._session,
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

    def _session(self) -> ClientSession:
        guard = Guard(allow_private=self._polling.allow_private, ports=self._polling.ports)
        connector = TCPConnector(
            resolver=GuardedResolver(guard),
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

    async def _fetch_one(self, session: ClientSession, request: FetchRequest) -> FetchOutcome:
        try:
            async with asyncio.timeout(self._polling.timeout.total_seconds()):
                return await self._follow(session, request)
        except _Failure as failure:
            return FetchFailed(
                feed_id=request.feed_id,
                cause=failure.cause,
                message=failure.message,
                status=failure.status,
                wishes=failure.wishes,
            )
        except TimeoutError:
            seconds = self._polling.timeout.total_seconds()
            return FetchFailed(
                feed_id=request.feed_id, cause=Cause.TIMEOUT, message=f"no whole answer within {seconds:g} s"
            )
        except (ClientError, OSError, ValueError, UnicodeError) as error:
            cause, message = _explain(error)
            return FetchFailed(feed_id=request.feed_id, cause=cause, message=message)

    async def _follow(self, session: ClientSession, request: FetchRequest) -> FetchOutcome:
        """Walk the redirects by hand: each hop is checked like the first, and secrets stay with their host."""
        url, downgrades = request.url, 0
        headers = _request_headers(request)
        for _ in range(HOPS + 1):
            if urlsplit(url).scheme.lower() not in ("http", "https"):
                raise _Failure(Cause.BLOCKED_ADDRESS, f"{without_secrets(url)[:200]} is not an http address")
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    return await self._answer(request, url, response)
                target = urljoin(url, response.headers.get("Location", ""))
            if target == url:
                raise _Failure(Cause.REDIRECT, f"{response.status} to itself or to nowhere", response.status)
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
                downgrades += 1
                if downgrades > 1:
                    raise _Failure(Cause.REDIRECT, "redirected from https to http more than once", response.status)
            if _origin(url) != _origin(target):
                headers = {}
            url = target
        raise _Failure(Cause.REDIRECT, f"more than {HOPS} redirects, last to {without_secrets(url)[:200]}")

    async def _answer(self, request: FetchRequest, url: str, response: ClientResponse) -> FetchOutcome:
        wishes = read_wishes(response.headers, self._now())
        if response.status == 304:
            return NotModified(
                feed_id=request.feed_id, validators=_refreshed(request.validators, response), wishes=wishes
            )
        if response.status == 410:
            raise _Failure(Cause.GONE, "410: the publisher says this feed is gone for good", 410, wishes)
        if response.status != 200:
            words = f"the server answered {response.status} {response.reason}"[:200]
            raise _Failure(Cause.STATUS, words, response.status, wishes)
        body = await self._body(response)
        if not body.strip():
            raise _Failure(Cause.EMPTY, "the server answered 200 with an empty body", 200, wishes)
        validators = Validators(
            etag=_bounded(response.headers.get("ETag")),
            last_modified=_bounded(response.headers.get("Last-Modified")),
            body_sha256=sha256(body).hexdigest(),
        )
        if validators.body_sha256 == request.validators.body_sha256:
            return NotModified(feed_id=request.feed_id, validators=validators, wishes=wishes, same_body=True)
        return Fetched(
            feed_id=request.feed_id,
            url=url,
            status=200,
            body=body,
            content_type=response.headers.get("Content-Type"),
            validators=validators,
            wishes=wishes,
        )

    async def _body(self, response: ClientResponse) -> bytes:
        limit = self._polling.max_body
        try:
            decoder = Decoder(response.headers.get("Content-Encoding", ""), limit=limit)
            async for piece in response.content.iter_chunked(READ_OCTETS):
                decoder.feed(piece)
            return decoder.body()
        except TooBig as error:
            response.close()
            raise _Failure(Cause.TOO_BIG, f"the body is larger than {limit:,} octets", response.status) from error
        except BadEncoding as error:
            response.close()
            raise _Failure(Cause.ENCODING, str(error), response.status) from error


def _request_headers(request: FetchRequest) -> dict[str, str]:
    """The feed's own headers and the validators as they were given to us (RFC 9110 13.1)."""
    headers = dict(request.headers)
    if request.validators.etag:
        headers["If-None-Match"] = request.validators.etag
    if request.validators.last_modified:
        headers["If-Modified-Since"] = request.validators.last_modified
    return headers


def _refreshed(old: Validators, response: ClientResponse) -> Validators:
    """A 304 may carry newer validators (RFC 9110 15.4.5)."""
    return Validators(
        etag=_bounded(response.headers.get("ETag")) or old.etag,
        last_modified=_bounded(response.headers.get("Last-Modified")) or old.last_modified,
        body_sha256=old.body_sha256,
    )


def _bounded(validator: str | None) -> str | None:
    return validator if validator and len(validator) <= LONGEST_VALIDATOR else None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def _explain(error: BaseException) -> tuple[Cause, str]:
    """The cause of a failed connection, in words without addresses that may hold secrets."""
    blocked = _find(error, Blocked)
    if blocked is not None:
        return Cause.BLOCKED_ADDRESS, str(blocked)
    match error:
        case ClientConnectorDNSError():
            return Cause.DNS, f"the name {error.host!r} cannot be looked up"
        case ClientConnectorCertificateError():
            return Cause.TLS, f"the certificate of {error.host!r} is not valid: {error.certificate_error}"[:200]
        case ClientSSLError():
            return Cause.TLS, f"no secure connection to {error.host!r}"
        case ConnectionTimeoutError():
            return Cause.TIMEOUT, f"no connection within {CONNECT_SECONDS} s"
        case ClientConnectorError():
            return Cause.CONNECT, f"no connection to {error.host!r}: {error.os_error.strerror or error.os_error}"[:200]
        case ClientPayloadError():
            return Cause.CONNECT, "the connection ended before the whole body had come"
        case InvalidURL() | UnicodeError():
            return Cause.BLOCKED_ADDRESS, "the address is not a valid http address"
        case ClientResponseError():
            return Cause.CONNECT, f"the answer is not valid HTTP: {error.message}"[:200]
        case _:
            return Cause.CONNECT, f"the connection failed: {type(error).__name__}"


def _find(error: BaseException | None, kind: type[Blocked]) -> Blocked | None:
    """The Blocked that lies under an error of aiohttp's."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, kind):
            return error
        os_error = getattr(error, "os_error", None)
        if isinstance(os_error, kind):
            return os_error
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None
