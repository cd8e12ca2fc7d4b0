"""Errors translated at the edge: each kind to its status and a page that says what to do."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from aggregator.errors import NotFoundError, QueryError, StoreError, TokenError, UsageError
from aggregator.web.pages import NOT_FOUND
from aggregator.web.view import View

RETRY_SECONDS = 30
ADVICE = {
    HTTPStatus.FORBIDDEN: "This form was sent from another site. Please use the page itself.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too much was asked from your network just now. Please come back later.",
    HTTPStatus.NOT_FOUND: NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: "This address can be read, but not written to.",
    HTTPStatus.REQUEST_TIMEOUT: "What was sent took too long to arrive. Please try again.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "More was sent than any form of this site needs.",
    HTTPStatus.MISDIRECTED_REQUEST: "This server does not answer for that host name.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The fault is ours and has been noted.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database does not answer just now. Please try again in a moment.",
}

log = structlog.get_logger()


class Failures:
    """Makes the answer for an error; unknown ones are logged here and show nothing of their cause."""

    def __init__(self, view: View) -> None:
        self._view = view

    def response(self, request: Request, error: Exception) -> Response:
        """The page for an error, with the status it stands for."""
        status, headers = self._status(request, error)
        told = isinstance(error, UsageError) and not isinstance(error, QueryError)
        html = self._view.render(
            "error.html",
            status=status.value,
            title=status.phrase,
            message=f"{error}." if told else ADVICE.get(status, "This request cannot be read."),
            error=error if isinstance(error, QueryError) else None,
        )
        return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"} | headers)

    def _status(self, request: Request, error: Exception) -> tuple[HTTPStatus, dict[str, str]]:
        match error:
            case HTTPException():
                return HTTPStatus(error.status_code), dict(error.headers or {})
            case NotFoundError():
                return HTTPStatus.NOT_FOUND, {}
            case UsageError() | TokenError():
                return HTTPStatus.BAD_REQUEST, {}
            case StoreError():
                log.error("web.unavailable", page=_page_of(request), error=str(error))
                return HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_SECONDS)}
            case _:
                log.error("web.failed", page=_page_of(request), error=repr(error), exc_info=error)
                return HTTPStatus.INTERNAL_SERVER_ERROR, {}


def _page_of(request: Request) -> str:
    """The page by the name of its route, as an address may hold a token."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "none"))
