"""The addresses of the pages for readers: what a request asks for, handed to `pages.py`.

Endpoints are plain functions; Starlette runs those on threads, so the database never holds up the loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from aggregator.errors import NotFoundError, QueryError, UsageError
from aggregator.steps.issuefeed import ISSUES, issue_feed
from aggregator.web.archive import LETTER_HEADERS, public_html
from aggregator.web.context import WebContext
from aggregator.web.opml import opml
from aggregator.web.pages import Pages, archive, listing
from aggregator.web.view import Asset, View, root_of

FRESH = {"Cache-Control": "public, max-age=60"}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
ATOM_TYPE = "application/atom+xml; charset=utf-8"
OPML_TYPE = "text/x-opml; charset=utf-8"
UNLISTED = ("/search", "/unsubscribe/", "/confirm/", "/preferences/", "/letters/")
ROBOTS = "".join(("User-agent: *\n", *(f"Disallow: {path}\n" for path in UNLISTED)))
_NUMBER = re.compile(r"[0-9]{1,18}")


class PageRoutes:
    """One endpoint a method, each named after its page."""

    def __init__(self, context: WebContext, pages: Pages) -> None:
        self._context, self._pages = context, pages

    def front(self, request: Request) -> Response:
        return _page(self._pages.front(listing(self._context.stories, _before(request))))

    def story(self, request: Request) -> Response:
        wanted = request.path_params["story_id"]
        story = self._context.stories.get(wanted)
        if story is None:
            raise NotFoundError(f"there is no story {wanted!r}")
        if story.id != wanted:
            site = self._context.settings().site
            return RedirectResponse(f"{root_of(site)}/stories/{quote(story.id)}", status_code=301)
        related = self._context.folds.related([story])
        return _page(self._pages.story(story, related.get(story.id, ())))

    def tag(self, request: Request) -> Response:
        name = request.path_params["tag"]
        return _page(self._pages.tag(name, listing(self._context.stories, _before(request), tag=name)))

    def feeds(self, request: Request) -> Response:
        return _page(self._pages.feeds())

    def feed(self, request: Request) -> Response:
        feed_id = request.path_params["feed_id"]
        page = listing(self._context.stories, _before(request), feed_id=feed_id)
        return _page(self._pages.feed(feed_id, page))

    def channels(self, request: Request) -> Response:
        return _page(self._pages.channels())

    def search(self, request: Request) -> Response:
        text = request.query_params.get("q", "")
        try:
            return _page(self._pages.search(text, _before(request)))
        except QueryError as error:
            return HTMLResponse(self._pages.search_fault(text, error), status_code=400)

    def newsletters(self, request: Request) -> Response:
        return _page(self._pages.newsletters())

    def newsletter(self, request: Request) -> Response:
        newsletter_id = request.path_params["newsletter_id"]
        page = archive(self._context.newsletters, newsletter_id, _before(request))
        return _page(self._pages.newsletter(newsletter_id, page))

    def issue_feed(self, request: Request) -> Response:
        """Its Issues as a feed; who asks again for what has not changed gets no body (RFC 9110 13.1.2)."""
        newsletter_id, settings = request.path_params["newsletter_id"], self._context.settings()
        letter, found = settings.newsletter(newsletter_id), self._context.newsletters.latest(newsletter_id, ISSUES)
        if letter is None and not found:
            raise NotFoundError(f"there is no newsletter {newsletter_id!r}")
        title, language = (letter.title, letter.language) if letter else (newsletter_id, settings.site.language)
        pairs = [(issue, public_html(issue, settings.site)) for issue in found]
        body = issue_feed(newsletter_id, title, language, pairs, settings.site)
        headers = FRESH | {"ETag": f'"{sha256(body).hexdigest()[:32]}"'}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=ATOM_TYPE, headers=headers)

    def issue(self, request: Request) -> Response:
        newsletter_id, number = request.path_params["newsletter_id"], request.path_params["number"]
        issue = None
        if _NUMBER.fullmatch(number):
            issue = self._context.newsletters.issue(newsletter_id, int(number))
        if issue is None:
            raise NotFoundError(f"there is no issue {number!r} of {newsletter_id!r}")
        return HTMLResponse(public_html(issue, self._context.settings().site), headers=FRESH | LETTER_HEADERS)

    def opml(self, request: Request) -> Response:
        return Response(opml(self._context.settings()), media_type=OPML_TYPE, headers=FRESH)

    def robots(self, request: Request) -> Response:
        return PlainTextResponse(ROBOTS, headers=FRESH)


def page_routes(context: WebContext, pages: Pages) -> list[Route]:
    """The routes of every page for readers."""
    at = PageRoutes(context, pages)
    return [
        Route("/", at.front),
        Route("/stories/{story_id}", at.story),
        Route("/tags/{tag}", at.tag),
        Route("/feeds", at.feeds),
        Route("/feeds/{feed_id}", at.feed),
        Route("/channels", at.channels),
        Route("/search", at.search),
        Route("/newsletters", at.newsletters),
        Route("/newsletters/{newsletter_id}.atom", at.issue_feed),
        Route("/newsletters/{newsletter_id}", at.newsletter),
        Route("/newsletters/{newsletter_id}/{number}", at.issue),
        Route("/opml", at.opml),
        Route("/robots.txt", at.robots),
    ]


def asset_routes(view: View) -> list[Route]:
    """The routes of the files that pages load."""
    return [Route(f"/{asset.path}", _asset_endpoint(asset)) for asset in view.assets.values()]


def _asset_endpoint(asset: Asset) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        return Response(asset.body, media_type=asset.content_type, headers=FOR_EVER)

    return serve


def _page(html: str) -> HTMLResponse:
    return HTMLResponse(html, headers=FRESH)


def _before(request: Request) -> int | None:
    """The cursor of a further page; raises UsageError for anything else than a number."""
    text = request.query_params.get("before")
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise UsageError('"before" takes the number that the link to older ones gives')
    return int(text)
