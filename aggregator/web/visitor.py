"""Who sends a form: from which client, from which page, and how often they have tried links that are none."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request

from aggregator.model.consent import Evidence
from aggregator.press.consent_words import LANGUAGE, source_of
from aggregator.settings.proxies import client_of
from aggregator.settings.values import Settings
from aggregator.steps.pseudonyms import network_of

MISSES, MINUTE = 20, timedelta(minutes=1)
"""So many links that are none may one network try in that time."""
REMEMBERED = 10_000
"""Networks whose misses are counted at a time."""

log = structlog.get_logger()


def client(request: Request, settings: Settings) -> str:
    """The address of who asks, as far as it can be known."""
    peer = request.client.host if request.client else ""
    return client_of(peer, request.headers.getlist("x-forwarded-for"), settings.proxies)


def evidence(request: Request, settings: Settings, page: str, wording: str) -> Evidence:
    """What is kept of an act on one of our pages; `wording` is the sentence that stood beside the button."""
    return Evidence(
        source=source_of(page),
        wording=wording,
        language=LANGUAGE,
        client=client(request, settings),
        agent=request.headers.get("user-agent", ""),
    )


def refuse_foreign(request: Request, settings: Settings) -> None:
    """Raises HTTPException (403) for a form that another site sent.

    A page that sends no referrer sends the origin `null` (Fetch 3.2); there the browser's own word decides.
    """
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", "").lower(), urlsplit(settings.site.base_url).netloc.lower()}
    foreign = origin not in (None, "null") and _host_of(origin or "") not in ours
    if foreign or request.headers.get("sec-fetch-site") == "cross-site":
        raise HTTPException(403)


def _host_of(origin: str) -> str:
    """Host and port, in small letters; "" for what is no origin."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


class Misses:
    """Counts the links that are none, by network, in the memory of this process."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._counts: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def demand_room(self, client: str) -> None:
        """Raises HTTPException (429) for who has tried too many."""
        began, count = self._count(client)
        if count >= MISSES:
            wait = began + MINUTE - self._now()
            raise HTTPException(429, headers={"Retry-After": str(max(1, round(wait.total_seconds())))})

    def note(self, client: str) -> None:
        """One more; raises HTTPException (429) when that is one too many."""
        self.demand_room(client)
        network, (began, count) = network_of(client), self._count(client)
        self._counts[network] = (began, count + 1)
        self._counts.move_to_end(network)
        if count + 1 == MISSES:
            log.warning("links.guessed", misses=MISSES, why="a client tries links that are not ours")
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def _count(self, client: str) -> tuple[datetime, int]:
        now = self._now()
        began, count = self._counts.get(network_of(client), (now, 0))
        return (began, count) if began <= now < began + MINUTE else (now, 0)
