"""What flows need of the world to deal with one person: their data, their address's suppression, mails to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aggregator.mail_ports import Runs
from aggregator.model.consent import Act, Evidence, Suppression
from aggregator.model.delivery import SendResult
from aggregator.model.edition import Choices
from aggregator.model.newsletter import Newsletter
from aggregator.model.person import DisabledReader, Person, PersonalData
from aggregator.model.signup import AskedFor, ConfirmOutcome, Notice, SignUp, SignUpCounts, SignUpVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePlan:
    """The newsletters there are, and all hashes an address may be suppressed by: the first is the one to write."""

    newsletters: Mapping[str, Newsletter]
    keys: Callable[[str], tuple[str, ...]]


class PersonStore(Protocol):
    def find(self, email: str) -> Person | None:
        """The person of this address, in letters of any size."""

    def person(self, subscriber_id: int) -> Person | None:
        """The person of that id; None for one who was erased."""

    def everything(self, subscriber_id: int, keys: Collection[str]) -> PersonalData | None:
        """All that is kept about a person, `keys` being the hashes of their address."""

    def end_all(self, subscriber_id: int, evidence: Evidence, now: datetime) -> int:
        """End every subscription of a person, as `unsubscribe` does, and let no mail go that still waits; how many
        there were."""

    def prefer(
        self,
        subscriber_id: int,
        newsletter: Newsletter,
        choices: Choices,
        evidence: Evidence,
        now: datetime,
        *,
        keys: Collection[str],
        runs: Runs,
        last_seq: int,
    ) -> Act | None:
        """One transaction: give a reader a newsletter as they chose, from where they stand. `CONFIRMED` for who had it
        not, and then what `keys` suppress is lifted; `CHANGED`, or None when all is as it was."""

    def disabled(self) -> Sequence[DisabledReader]:
        """Everybody whose mail came back too often."""

    def tell_disabled(self, reader: DisabledReader, domain: str, now: datetime) -> None:
        """Queue a mail that says so, whose link takes each of their newsletters up again."""

    def erase(self, subscriber_id: int, keys: Sequence[str], now: datetime) -> bool:
        """One transaction: take out all that tells who a person is, cancel their letters, and suppress their address
        under the first of `keys`, its hashes; whether there was one. Their id is never given to another."""


class SuppressionStore(Protocol):
    def suppress(self, key: str, suppression: Suppression) -> bool:
        """Keep that an address gets no mail; False when that stood already, which stays as it is."""

    def suppression(self, keys: Collection[str]) -> Suppression | None:
        """What stands under one of these hashes of one address."""

    def among(self, keys: Collection[str]) -> Collection[str]:
        """Those of these hashes, of any number of addresses, that stand here."""

    def suppressions(self) -> Mapping[tuple[str, str], int]:
        """How many there are, by the name of the secret they are hashed with, and by reason."""


class SignUpStore(Protocol):
    def ask(self, form: SignUp, now: datetime, judge: Callable[[SignUpCounts], SignUpVerdict]) -> SignUpVerdict:
        """One transaction: have what was asked lately judged, and do what the verdict says: pending subscriptions where
        there are none, the evidence, and a mail that asks to confirm; or, for who has it all confirmed, one that says
        where their preferences are. While a mail waits for its reader, what else is asked waits for it too."""

    def asked(self, subscriber_id: int, nonce: str) -> AskedFor | None:
        """What the mail with this nonce asks its reader to confirm; None when nothing is known of it."""

    def confirm(
        self,
        asked: AskedFor,
        newsletter: Newsletter,
        evidence: Evidence,
        now: datetime,
        *,
        keys: Collection[str],
        runs: Runs,
        last_seq: int,
    ) -> ConfirmOutcome:
        """One transaction: make one subscription of a mail good, once; note the evidence, lift what `keys` suppress,
        and queue a welcome."""

    def expire(self, before: datetime) -> int:
        """Erase what nobody has confirmed since then, with the people of whom nothing else is kept; how many."""

    def forget_counts(self, before: datetime) -> None:
        """Let forms and settled notices of before then go."""


class NoticeStore(Protocol):
    def alert(self, email: str, subject: str, lines: Sequence[str], domain: str, now: datetime) -> None:
        """Queue a mail to the admin."""

    def recover(self, now: datetime) -> int:
        """Rows left `sending` by a worker that is gone become `uncertain`; how many."""

    def waiting(self, now: datetime) -> bool:
        """Whether there is one to claim."""

    def claim(self, now: datetime) -> Notice | None:
        """Move the longest waiting due row to `sending`, durably, and return it. One at a time: a kill leaves one in
        doubt at most."""

    def settle(self, notice: Notice, result: SendResult, now: datetime, retry_at: datetime | None) -> bool:
        """Move a claimed row from `sending` to its result, durably; False when the claim no longer stands."""
