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
from aggregator.web.pages import Pages
from aggregator.web.routes import asset_routes, page_routes
from aggregator.web.subscriptions import subscription_routes
from aggregator.web.view import View

GZIP_FROM = 1000
"""Octets below which compressing costs more than it saves."""


def create_app(context: WebContext) -> Starlette:
    """The application, on what it is handed; it opens nothing and starts nothing by itself."""
    view = View(context.settings)
    failures = Failures(view)
    app = Starlette(
        routes=[
            *page_routes(context, Pages(context, view)),
            *channel_routes(PublicationCache(context.publications), context.build),
            *subscription_routes(context, view),
            *health_routes(context),
            *asset_routes(view),
        ],
        middleware=[
            Middleware(Edge, settings=context.settings, failures=failures),
            Middleware(GZipMiddleware, minimum_size=GZIP_FROM, compresslevel=5),
        ],
        exception_handlers={HTTPException: failures.response, AggregatorError: failures.response},
    )
    app.router.redirect_slashes = False  # `Edge` takes closing slashes off; a redirect would echo the Host header
    return app
