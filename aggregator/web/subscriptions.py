"""Leaving a newsletter: a GET shows a button and changes nothing, a POST acts, also the one of RFC 8058.

The token is all the proof there is: no cookie, session, Origin or Referer is asked for, as a mail program's
one-click request has none. A person whose link was cut is told so; a machine's POST is answered alike whatever its
token is, so that it learns of no subscription.
"""

from __future__ import annotations

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from aggregator.errors import TokenError
from aggregator.web.context import WebContext
from aggregator.web.view import View

PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
FIELD, VALUE = "List-Unsubscribe", "One-Click"
"""RFC 8058 3.1; the button of our page sends the same."""

log = structlog.get_logger()


class Subscriptions:
    """The endpoints of `/unsubscribe/TOKEN`."""

    def __init__(self, context: WebContext, view: View) -> None:
        self._context, self._view = context, view

    def ask(self, request: Request) -> Response:
        """The page with the button; mail scanners open it, so it changes nothing."""
        return self._asking(request.path_params["token"])

    async def unsubscribe(self, request: Request) -> Response:
        """Acts, then answers with 200, whatever the token was."""
        token = request.path_params["token"]
        async with request.form(max_files=1, max_fields=20) as form:
            agreed = str(form.get(FIELD, "")).strip().lower() == VALUE.lower()
        if not agreed:
            return await run_in_threadpool(self._asking, token)
        return await run_in_threadpool(self._act, token)

    def _asking(self, token: str) -> Response:
        subscription = self._read(token)
        if subscription is None:
            return HTMLResponse(self._view.render("broken_link.html"), status_code=400, headers=PRIVATE)
        letter = self._context.settings().newsletter(subscription[1])
        title = letter.title if letter else None
        return HTMLResponse(self._view.render("unsubscribe.html", title=title), headers=PRIVATE)

    def _act(self, token: str) -> Response:
        subscription = self._read(token)
        if subscription is None:
            log.warning("unsubscribe.unreadable", why="a link was cut, forged, or signed with another secret")
        else:
            changed = self._context.subscribers.unsubscribe(*subscription, self._context.now())
            log.info("unsubscribed", subscriber_id=subscription[0], newsletter_id=subscription[1], changed=changed)
        return HTMLResponse(self._view.render("unsubscribed.html"), headers=PRIVATE)

    def _read(self, token: str) -> tuple[int, str] | None:
        """The subscriber and newsletter a token was made for; None for a token that is not ours."""
        try:
            return self._context.signer.read_unsubscribe(token)
        except TokenError:
            return None


def subscription_routes(context: WebContext, view: View) -> list[Route]:
    """The routes that letters lead to."""
    at = Subscriptions(context, view)
    return [
        Route("/unsubscribe/{token}", at.ask, methods=["GET"]),
        Route("/unsubscribe/{token}", at.unsubscribe, methods=["POST"]),
    ]
