"""An Issue as the readers of one Edition got it, `/letters/TOKEN`: without what is personal in it, and for no index."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from aggregator.errors import TokenError
from aggregator.web.archive import LETTER_HEADERS, public_html
from aggregator.web.context import WebContext
from aggregator.web.subscriptions import PRIVATE
from aggregator.web.view import View
from aggregator.web.visitor import Misses, client


def letter_routes(context: WebContext, view: View, misses: Misses) -> list[Route]:
    """The route of "view in browser"."""

    def letter(request: Request) -> Response:
        settings = context.settings()
        who = client(request, settings)
        misses.demand_room(who)
        try:
            issue = context.newsletters.edition_issue(*context.signer.read_letter(request.path_params["token"]))
        except TokenError:
            misses.note(who)
            issue = None
        if issue is None:
            return HTMLResponse(view.render("broken_link.html"), status_code=400, headers=PRIVATE)
        return HTMLResponse(public_html(issue, settings.site), headers=PRIVATE | LETTER_HEADERS)

    return [Route("/letters/{token}", letter)]
