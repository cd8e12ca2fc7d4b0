"""For machines: whether this process can serve (`/readyz`), and how the installation is doing (`/healthz`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aggregator.errors import Problem, StoreError
from aggregator.model.delivery import DeliveryState
from aggregator.model.feed import FeedStatus
from aggregator.model.vitals import Health
from aggregator.web.context import WebContext

WORKER_SILENT = timedelta(minutes=5)
"""A worker says that it is alive many times in this span; after it, it is taken for stopped."""
FLOOD_NOTED = timedelta(days=1)
"""How long a flood of sign-ups is spoken of."""
NO_STORE = {"Cache-Control": "no-store"}


def health_routes(context: WebContext) -> list[Route]:
    """The routes for monitoring; both answer without the templates."""

    def healthz(request: Request) -> Response:
        try:
            report = health_report(context.health(), context.now())
        except StoreError:
            return _unavailable()
        return JSONResponse(report, headers=NO_STORE)

    def readyz(request: Request) -> Response:
        try:
            context.stories.last_seq()
        except StoreError:
            return _unavailable()
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def health_report(health: Health, now: datetime) -> dict[str, object]:
    """The document of `/healthz`; `degraded` means that pages are served but something is not as it should be.

    Notes are of what may be meant so."""
    silence = now - health.worker_tick if health.worker_tick else None
    reasons = [
        *(["feeds.yaml has faults and is ignored; the last good one is in use"] if health.problems else []),
        *(["no worker is running"] if silence is None or silence > WORKER_SILENT else []),
        *([_offline(health.offline_since)] if health.offline_since else []),
        *([_unsent(health.unsent_since)] if health.unsent_since and _waiting(health) else []),
    ]
    return {
        "status": "degraded" if reasons else "ok",
        "reasons": reasons,
        "notes": _notes(health, now),
        "database": "ok",
        "worker_tick_age_seconds": None if silence is None else round(silence.total_seconds()),
        "config_problems": [_problem(problem) for problem in health.problems],
        "feeds": {status.value: health.feeds.get(status, 0) for status in FeedStatus},
        "deliveries": {state.value: health.deliveries.get(state, 0) for state in DeliveryState},
    }


def _notes(health: Health, now: datetime) -> list[str]:
    doubtful = health.deliveries.get(DeliveryState.UNCERTAIN, 0)
    return [
        *([] if health.sends_mail else ["no mail server is named: letters are kept as files and none is sent"]),
        *([f"uncertain whether {doubtful} letters arrived; they are not sent again by themselves"] if doubtful else []),
        *(_flood(health.flooded_at, now)),
        *(
            [f"{health.out_of_reach} suppressed addresses were noted under a secret that AGGREGATOR_SECRET lacks"]
            if health.out_of_reach
            else []
        ),
    ]


def _flood(at: datetime | None, now: datetime) -> list[str]:
    if at is None or now - at > FLOOD_NOTED:
        return []
    return [f"too many sign-ups at {at:%Y-%m-%d %H:%M} UTC: somebody may use the form on others; none went out then"]


def _waiting(health: Health) -> int:
    return sum(health.deliveries.get(state, 0) for state in (DeliveryState.QUEUED, DeliveryState.DEFERRED))


def _unsent(since: datetime) -> str:
    """Without the server's words, which may name a reader."""
    return f"the mail server takes no letter since {since:%Y-%m-%d %H:%M} UTC; the worker's log says why"


def _offline(since: datetime) -> str:
    return f"no feed could be reached since {since:%Y-%m-%d %H:%M} UTC; this machine seems to be offline"


def _problem(problem: Problem) -> dict[str, object]:
    """A fault with the name of its file; the folders above are nobody's business."""
    return {
        "file": PurePath(problem.file).name,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "message": problem.message,
    }


def _unavailable() -> Response:
    return JSONResponse(
        {"status": "unavailable", "database": "does not answer"},
        status_code=503,
        headers=NO_STORE | {"Retry-After": "30"},
    )
