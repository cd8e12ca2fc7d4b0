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
from aggregator.press.consent_words import WORDS
from aggregator.web.context import WebContext
from aggregator.web.view import View
from aggregator.web.visitor import Misses, client, evidence

PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
FIELD, VALUE = "List-Unsubscribe", "One-Click"
"""RFC 8058 3.1; the button of our page sends the same, and `BY_PAGE` with it."""
BY_PAGE = "page"

log = structlog.get_logger()


class Subscriptions:
    """The endpoints of `/unsubscribe/TOKEN`."""

    def __init__(self, context: WebContext, view: View, misses: Misses) -> None:
        self._context, self._view, self._misses = context, view, misses

    def ask(self, request: Request) -> Response:
        """The page with the button; mail scanners open it, so it changes nothing."""
        return self._asking(request)

    async def unsubscribe(self, request: Request) -> Response:
        """Acts, then answers with 200, whatever the token was."""
        async with request.form(max_files=1, max_fields=20) as form:
            agreed = str(form.get(FIELD, "")).strip().lower() == VALUE.lower()
            by_page = form.get(BY_PAGE) == "1"
        if not agreed:
            return await run_in_threadpool(self._asking, request)
        return await run_in_threadpool(self._act, request, by_page=by_page)

    def _asking(self, request: Request) -> Response:
        subscription = self._read(request)
        if subscription is None:
            return HTMLResponse(self._view.render("broken_link.html"), status_code=400, headers=PRIVATE)
        letter = self._context.settings().newsletter(subscription[1])
        title = letter.title if letter else None
        return HTMLResponse(self._view.render("unsubscribe.html", title=title), headers=PRIVATE)

    def _act(self, request: Request, *, by_page: bool) -> Response:
        """A link to leave is no link to anything else, so the answer leads to no page of the reader's own."""
        subscription = self._read(request)
        if subscription is None:
            log.warning("unsubscribe.unreadable", why="a link was cut, forged, or signed with another secret")
        else:
            settings = self._context.settings()
            page = "/unsubscribe" if by_page else "one click (RFC 8058)"
            letter = settings.newsletter(subscription[1])
            words = WORDS.leave.format(newsletter=letter.title if letter else subscription[1]) if by_page else ""
            self._context.readers.leave(*subscription, evidence(request, settings, page, words))
        return HTMLResponse(self._view.render("unsubscribed.html"), headers=PRIVATE)

    def _read(self, request: Request) -> tuple[int, str] | None:
        """The subscriber and newsletter a token was made for; None for a token that is not ours. A good one works
        however many bad ones its client has tried: mail programs of many readers ask from one network."""
        try:
            return self._context.signer.read_unsubscribe(request.path_params["token"])
        except TokenError:
            self._misses.note(client(request, self._context.settings()))
            return None


def subscription_routes(context: WebContext, view: View, misses: Misses) -> list[Route]:
    """The routes of leaving."""
    at = Subscriptions(context, view, misses)
    return [
        Route("/unsubscribe/{token}", at.ask, methods=["GET"]),
        Route("/unsubscribe/{token}", at.unsubscribe, methods=["POST"]),
    ]
