"""The web application: which routes there are, and what stands around them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from aggregator.errors import AggregatorError
from aggregator.web.channels import PublicationCache, channel_routes
from aggregator.web.context import WebContext
from aggregator.web.edge import Edge
from aggregator.web.failures import Failures
from aggregator.web.health import health_routes
from aggregator.web.letters import letter_routes
from aggregator.web.pages import Pages
from aggregator.web.preferences import preference_routes
from aggregator.web.routes import asset_routes, page_routes
from aggregator.web.sign_up import sign_up_routes
from aggregator.web.subscriptions import subscription_routes
from aggregator.web.view import View
from aggregator.web.visitor import Misses

GZIP_FROM = 1000
"""Octets below which compressing costs more than it saves."""


def create_app(context: WebContext) -> Starlette:
    """The application, on what it is handed; it opens nothing and starts nothing by itself."""
    view = View(context.settings)
    failures, misses = Failures(view), Misses(context.now)
    pages = [
        *page_routes(context, Pages(context, view)),
        *sign_up_routes(context, view, misses),
        *preference_routes(context, view, misses),
        *letter_routes(context, view, misses),
        *subscription_routes(context, view, misses),
        *health_routes(context),
        *asset_routes(view),
    ]
    for route in pages:  # not the channels, which choose among codings themselves, each with an entity tag of its own
        route.app = GZipMiddleware(route.app, minimum_size=GZIP_FROM, compresslevel=5)
    app = Starlette(
        routes=[*channel_routes(PublicationCache(context.publications), context.build), *pages],
        middleware=[Middleware(Edge, settings=context.settings, failures=failures)],
        exception_handlers={HTTPException: failures.response, AggregatorError: failures.response},
    )
    app.router.redirect_slashes = False  # `Edge` takes closing slashes off; a redirect would echo the Host header
    return app
