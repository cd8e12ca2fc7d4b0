"""Running the pages under uvicorn until a signal ends them."""

import errno
import os
import signal
import socket
from threading import Event
from types import FrameType

import structlog
import uvicorn

from aggregator.errors import UsageError
from aggregator.web.app import create_app
from aggregator.web.context import WebContext
from aggregator.web.pages import PAGE_SIZE
from aggregator.web.patience import PatientProtocol, take_descriptors
from aggregator.wiring import Runtime

log = structlog.get_logger()

_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES)
GRACE_SECONDS = 3
"""How long answers under way may take after the signal; the rest of the ten seconds belongs to the worker."""


def context_of(runtime: Runtime) -> WebContext:
    """What the pages are handed of a Runtime."""
    return WebContext(
        settings=lambda: runtime.settings,
        stories=runtime.stories,
        folds=runtime.folds,
        feeds=runtime.feeds,
        newsletters=runtime.mail.newsletters,
        readers=runtime.readers,
        publications=runtime.publications,
        find=lambda query, below: runtime.find(query, limit=PAGE_SIZE, below=below),
        build=runtime.build,
        signer=runtime.signer,
        health=runtime.health,
        now=runtime.clock.now,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there, taken before any work is done; port 0 takes a free one. Raises UsageError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        cure = "--port takes another, 0 any that is free" if error.errno in _OF_THE_PORT else "--host takes another"
        raise UsageError(f"cannot listen on {host}:{port}: {reason}; {cure}") from error


def stop_on_signals(runtime: Runtime) -> None:
    """Let SIGTERM and SIGINT end what is under way in good order, from now on."""

    def stop(number: int, frame: FrameType | None) -> None:
        runtime.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def serve(runtime: Runtime, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then let the worker end too."""
    # uvicorn hands the signal on once it has shut down; without a handler of ours that would end the process
    # before the worker has.
    stop_on_signals(runtime)
    take_descriptors()
    config = uvicorn.Config(
        create_app(context_of(runtime)),
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # we believe those that AGGREGATOR_PROXIES names, and uvicorn's own would believe more
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    log.info("serving", url="http://{}:{}/".format(*listener.getsockname()[:2]))
    _Server(config, runtime.stopping).run(sockets=[listener])
    runtime.stopping.set()


class _Server(uvicorn.Server):
    """A server that also ends when it was told to before its own handlers of signals stood."""

    def __init__(self, config: uvicorn.Config, stopping: Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.should_exit = self.should_exit or self._stopping.is_set()
