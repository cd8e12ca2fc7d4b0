"""What stands between the network and every page: host check, size of bodies, headers, the last word on errors.

It stands outside of all else, so that error pages get the same headers as good ones.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator.model.channel import Site
from aggregator.settings.values import Settings
from aggregator.web.failures import Failures
from aggregator.web.view import PAGE_POLICY, root_of

MAX_BODY = 64 * 1024
BODY_SECONDS = 30.0
"""From the headers of a request until its body is whole."""
HEADERS = {
    "Content-Security-Policy": f"{PAGE_POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer that does not set its own; pages load their style and nothing else, and run no script."""
SECURE = {"Strict-Transport-Security": "max-age=31536000"}
"""On top of them, where the site is reached by https."""
RawHeaders = tuple[tuple[bytes, bytes], ...]
_PLAIN, _SECURED = (
    tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    for headers in (HEADERS, HEADERS | SECURE)
)
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


class Edge:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, settings: Callable[[], Settings], failures: Failures) -> None:
        self._app, self._settings, self._failures = app, settings, failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        site = self._settings().site
        scope = {**scope, "path": _path(scope["path"], site)}
        answer = _Answer(send, _headers(site))
        try:
            if not is_our_host(Headers(scope=scope).get("host", ""), site.base_url):
                raise HTTPException(421)
            await self._app(scope, _bounded(receive), answer)
        except Exception as error:
            if answer.started:
                raise
            response = self._failures.response(Request(scope), error)
            await response(scope, receive, answer)


class _Answer:
    """`send` that adds our headers where an answer has none of its own; `started` once a status has gone out."""

    def __init__(self, send: Send, headers: RawHeaders) -> None:
        self.started = False
        self._send, self._headers = send, headers

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            own = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in self._headers if pair[0] not in own)]
        await self._send(message)


@lru_cache(maxsize=256)
def is_our_host(header: str, base_url: str) -> bool:
    """Whether a Host header names this site, this machine or an address.

    Any address will do: only a name can be made to lead here by someone else (DNS rebinding).
    """
    found = _HOST.fullmatch(header)
    if not found:
        return False
    name = found[1].lower().rstrip(".")
    if name in ("localhost", (urlsplit(base_url).hostname or "").rstrip(".")):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _headers(site: Site) -> RawHeaders:
    return _SECURED if site.base_url.startswith("https:") else _PLAIN


def _path(path: str, site: Site) -> str:
    """The path below the site's own root, which a proxy may have taken off or not; a closing slash says nothing."""
    root = root_of(site)
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    return path.rstrip("/") or "/"


def _bounded(receive: Receive) -> Receive:
    """`receive` that refuses a body above the limit as soon as it passes it, and one that takes too long to come."""
    taken, whole = 0, False
    until = asyncio.get_running_loop().time() + BODY_SECONDS

    async def bounded() -> Message:
        nonlocal taken, whole
        try:
            async with asyncio.timeout_at(None if whole else until):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, headers={"Connection": "close"}) from error
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > MAX_BODY:
            raise HTTPException(413)
        return message

    return bounded
