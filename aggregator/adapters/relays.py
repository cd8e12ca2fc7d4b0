"""Which of several mail servers takes our letters now: the first that is not known to be down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from aggregator.model.delivery import SendResult
from aggregator.settings.relay import Relay

FIRST_REST = 30.0
LONGEST_REST = 900.0
"""Seconds in which a server that was down is left alone; they double with each new fault."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Standing:
    """How one server fares: its last fault, and until when it is left alone."""

    fault: SendResult | None = None
    rest: float = 0.0
    rested_at: float = 0.0


class Relays:
    """The mail servers in the order they are preferred; each that is down is told to the log once, and once more when
    it is back."""

    def __init__(self, relays: Sequence[Relay], *, monotonic: Callable[[], float]) -> None:
        self._standings = {relay: _Standing() for relay in relays}
        self._monotonic = monotonic

    def choose(self) -> Relay | SendResult:
        """The server to turn to; what is wrong with the first when all are to be left alone."""
        now = self._monotonic()
        for relay, standing in self._standings.items():
            if standing.fault is None or now >= standing.rested_at:
                return relay
        return next(standing.fault for standing in self._standings.values() if standing.fault is not None)

    def down(self, relay: Relay, fault: SendResult) -> None:
        """Leave a server alone for a while, longer each time."""
        standing = self._standings[relay]
        if standing.fault is None:
            log.error("mailer.down", reason=fault.reply)
        standing.rest = min(standing.rest * 2 or FIRST_REST, LONGEST_REST)
        standing.fault, standing.rested_at = fault, self._monotonic() + standing.rest

    def up(self, relay: Relay) -> None:
        """A server has had a word on a letter."""
        standing = self._standings[relay]
        if standing.fault is not None:
            log.info("mailer.up", host=relay.host, port=relay.port)
            standing.fault, standing.rest = None, 0.0
