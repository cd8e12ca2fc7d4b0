"""Running the pages under uvicorn until a signal ends them."""

import signal
from types import FrameType

import uvicorn

from aggregator.web.app import create_app
from aggregator.wiring import Runtime

GRACE_SECONDS = 3
"""How long answers under way may take after the signal; the rest of the ten seconds belongs to the worker."""


def serve(runtime: Runtime, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then let the worker end too."""

    def stop(number: int, frame: FrameType | None) -> None:
        runtime.stopping.set()

    # uvicorn hands the signal on once it has shut down; without a handler of ours that would end the process
    # before the worker has.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    uvicorn.run(
        create_app(runtime.web_context()),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    runtime.stopping.set()
