"""How long a connection may keep us waiting, and how many there may be: what uvicorn leaves open.

Who opens connections and says nothing, or says a request letter by letter, takes places from others (slowloris); each
place is a file descriptor, of which the worker needs some too.
"""

from __future__ import annotations

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"""From the beginning of a connection, or from the first octet of a further request, until its headers are whole."""
MOST_CONNECTIONS = 1000
"""Connections at one time; more are closed at once."""
DESCRIPTORS = 4096
"""Files and sockets the process may have, so that those connections leave enough for the worker."""


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, whose patience with headers ends."""

    _awaited: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent has it
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._awaited is None and not self._answering:
            self._await_head()
        super().data_received(data)
        if self._answering:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._awaited = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._awaited is not None:
            self._awaited.cancel()
            self._awaited = None


def take_descriptors() -> None:
    """Let the process have `DESCRIPTORS` of them, or as many as the system gives it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
