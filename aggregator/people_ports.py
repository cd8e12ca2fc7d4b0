"""What flows need of the world to deal with one person: their data, their address's suppression, mails to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from aggregator.model.consent import Evidence, Suppression
from aggregator.model.person import Person, PersonalData


class PersonStore(Protocol):
    def find(self, email: str) -> Person | None:
        """The person of this address, in letters of any size."""

    def person(self, subscriber_id: int) -> Person | None:
        """The person of that id; None for one who was erased."""

    def everything(self, subscriber_id: int, keys: Collection[str]) -> PersonalData | None:
        """All that is kept about a person, `keys` being the hashes of their address."""

    def end_all(self, subscriber_id: int, evidence: Evidence, now: datetime) -> int:
        """End every subscription of a person, as `unsubscribe` does; how many there were."""

    def erase(self, subscriber_id: int, key: str, now: datetime) -> bool:
        """One transaction: take out all that tells who a person is, cancel their letters, and suppress their address
        under `key`; whether there was one. Their id is never given to another."""


class SuppressionStore(Protocol):
    def suppress(self, key: str, suppression: Suppression) -> bool:
        """Keep that an address gets no mail; False when that stood already, which stays as it is."""

    def suppression(self, keys: Collection[str]) -> Suppression | None:
        """What stands under one of these hashes of one address."""

    def suppressions(self) -> Mapping[tuple[str, str], int]:
        """How many there are, by the name of the secret they are hashed with, and by reason."""
