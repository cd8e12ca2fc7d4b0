"""People on a real database, with a clock that tests move and links that are signed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.mail_tables import notices
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.notices import SqlNoticeStore, read_notice
from aggregator.adapters.store.persons import SqlPersonStore
from aggregator.adapters.store.signups import SqlSignUpStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.adapters.store.suppressions import SqlSuppressionStore
from aggregator.flows.subscribe import SubscribePlan, SubscribePorts, confirm, sign_up
from aggregator.model.consent import Act, Evidence
from aggregator.model.edition import Choices
from aggregator.model.newcomer import Newcomer
from aggregator.model.newsletter import Newsletter
from aggregator.model.signup import ConfirmOutcome, Notice, SignUpVerdict
from aggregator.steps.pseudonyms import Pseudonyms
from aggregator.steps.signing import Confirmation
from tests.fakes import START, FrozenClock
from tests.mail_fakes import DAILY, WEEKLY
from tests.real_store import database_of

FORM = Evidence(source="subscribe form", wording="Send me", language="en", client="192.0.2.1", agent="Tests/1")


@dataclass
class PeopleWorld:
    """The stores of one database, and what a reader would do."""

    database: Database
    clock: FrozenClock = field(default_factory=FrozenClock)
    alarms: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.newsletters = SqlNewsletterStore(self.database)
        self.subscribers = SqlSubscriberStore(self.database)
        self.persons = SqlPersonStore(self.database)
        self.suppressions = SqlSuppressionStore(self.database)
        self.sign_ups = SqlSignUpStore(self.database)
        self.notices = SqlNoticeStore(self.database)
        self.stories = SqlStoryStore(self.database)
        self.pseudonyms = Pseudonyms(["a secret of the tests"])
        self.ports = SubscribePorts(sign_ups=self.sign_ups, stories=self.stories, clock=self.clock)
        self.plan = SubscribePlan(
            newsletters={"weekly": WEEKLY, "daily": DAILY},
            pseudonyms=self.pseudonyms,
            alarm=lambda: self.alarms.append("ceiling"),
        )
        self.newsletters.sync([WEEKLY, DAILY], self._runs, 0)

    def _runs(self, newsletter: Newsletter) -> tuple[datetime, datetime]:
        return START, START + timedelta(days=7)

    def ask(
        self, email: str, *letters: str, client: str = "192.0.2.1", choices: Choices | None = None
    ) -> SignUpVerdict:
        asked = dict.fromkeys(letters or ("weekly",), choices or Choices())
        evidence = Evidence(source="subscribe form", wording="Send me", language="en", client=client, agent="Tests/1")
        return sign_up(self.ports, self.plan, email=email, asked=asked, language="fr", evidence=evidence)

    def link(self, email: str, letter: str = "weekly", *, kind: str = "confirm") -> Confirmation:
        """The link of the last mail to an address."""
        notice = self.mails(email, kind)[-1]
        assert notice.subscriber_id is not None
        return Confirmation(
            subscriber_id=notice.subscriber_id,
            newsletter_id=letter,
            nonce=notice.nonce,
            issued_at=notice.created_at,
        )

    def confirm(self, confirmation: Confirmation) -> ConfirmOutcome:
        return confirm(self.ports, self.plan, confirmation, FORM)

    def mails(self, email: str | None = None, kind: str = "confirm") -> list[Notice]:
        """The notices of a kind, in the order they were queued."""
        query = select(notices).where(notices.c.kind == kind).order_by(notices.c.id)
        with self.database.read() as connection:
            found = [read_notice(row) for row in connection.execute(query)]
        return [notice for notice in found if email in (None, notice.email)]

    def states(self, letter: str = "weekly") -> dict[str, str]:
        return {item.subscriber.email: item.state.value for item in self.subscribers.subscriptions(letter)}

    def acts(self, email: str) -> list[tuple[str, Act]]:
        person = self.persons.find(email)
        data = self.persons.everything(person.subscriber.id, ()) if person else None
        return [(consent.newsletter_id, consent.act) for consent in data.consents] if data else []

    def enlist(self, *emails: str) -> None:
        people = [Newcomer(email=email) for email in emails]
        self.subscribers.enlist(WEEKLY, people, FORM, self.clock.now(), runs=self._runs, last_seq=0)

    def count(self, table: str) -> int:
        with self.database.read() as connection:
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


@contextmanager
def people_world(kind: str = "sqlite") -> Iterator[PeopleWorld]:
    with database_of(kind) as database:
        yield PeopleWorld(database)
