"""How many letters may go now: what went is counted here as it is claimed, and read off the ledger as others send.

deliveries.sent_since > **pacing** > deliveries.exchange
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from aggregator.mail_ports import DeliveryStore
from aggregator.model.delivery import Delivery, DeliveryState
from aggregator.model.pace import Limits, Pace
from aggregator.model.sending import Sent
from aggregator.steps.pacing import Pacer

LOOK = timedelta(seconds=10)
"""So often it is seen what other workers send: by what they send meanwhile, several may be over a limit."""
MOST = 100
"""Letters that are asked for at once, at most; no more connections can be set."""

log = structlog.get_logger()


class PaceKeeper:
    """The pace of one worker, from its first letter to its last."""

    def __init__(self, limits: Limits, worker: str) -> None:
        self.limits, self.worker = limits, worker
        self._pacer = Pacer(limits, most=MOST)
        self._looked: datetime | None = None
        self._waiting: set[str] = set()
        """Domains, which have a dot, and newsletters, which have none, whose letters were made to wait."""

    def pace(self, deliveries: DeliveryStore, now: datetime) -> Pace:
        """How many may go now; letters to who has had all wait in the ledger until there is a next one for them."""
        if not self.limits.longest:
            return Pace(room=MOST)
        looked = self._look(deliveries, now)
        pace = self._pacer.pace(now)
        for domain, until in pace.domains.items():
            if looked or domain not in self._waiting:
                _tell(deliveries.postpone(now, until, domain=domain), until, domain=domain)
        for id_, until in pace.newsletters.items():
            if looked or id_ not in self._waiting:
                _tell(deliveries.postpone(now, until, newsletter_id=id_), until, newsletter_id=id_)
        self._waiting = {*pace.domains, *pace.newsletters}
        return pace

    def count(self, claimed: Sequence[Delivery], now: datetime) -> None:
        """Remember letters that are going."""
        if self.limits.longest:
            for row in claimed:
                if row.state is DeliveryState.SENDING:
                    self._pacer.note(Sent(at=now, domain=row.domain, newsletter_id=row.newsletter_id))

    def _look(self, deliveries: DeliveryStore, now: datetime) -> bool:
        """Whether it was time to see what others have sent."""
        if self._looked is not None and self._looked <= now < self._looked + LOOK:
            return False
        first = self._looked is None or self._looked > now
        since = now - self.limits.longest if first or self._looked is None else self._looked
        if first:
            self._pacer = Pacer(self.limits, most=MOST)
        for sent in deliveries.sent_since(since, but_by=None if first else self.worker):
            self._pacer.note(sent)
        self._looked = now
        return True


def _tell(letters: int, until: datetime, **whose: str) -> None:
    if letters:
        log.info("deliver.paced", **whose, letters=letters, until=until.isoformat(" ", "seconds"))
