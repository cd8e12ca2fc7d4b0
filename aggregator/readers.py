"""All that people who read may do, and what is done about them: the stores of persons, tied to their flows.

    subscribe, confirm, prefer, leave, erase; import, add, suppress, forget, export; housekeep

`wiring.py` has one for each process; a command and a page call the same methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.facts import SqlFactStore
from aggregator.adapters.store.persons import SqlPersonStore
from aggregator.adapters.store.signups import SqlSignUpStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.adapters.store.suppressions import SqlSuppressionStore
from aggregator.flows.housekeep import HousekeepPorts, housekeep
from aggregator.flows.import_people import ImportPorts, import_people
from aggregator.flows.people import PeoplePorts, add_one, exported, forget, show, suppress
from aggregator.flows.prefer import PreferPorts, erase, leave, prefer
from aggregator.flows.subscribe import SubscribePlan, SubscribePorts, asked_for, confirm, sign_up
from aggregator.model.consent import Act, Evidence, Suppression
from aggregator.model.delivery import Subscription
from aggregator.model.edition import Choices
from aggregator.model.newcomer import ImportReport
from aggregator.model.newsletter import Newsletter
from aggregator.model.person import Person, PersonalData
from aggregator.model.signup import AskedFor, ConfirmOutcome, SignUpVerdict
from aggregator.people_ports import PeoplePlan
from aggregator.ports import Clock
from aggregator.settings.values import Settings
from aggregator.steps.pseudonyms import Pseudonyms
from aggregator.steps.signing import Confirmation


class Readers:
    """The people of one installation; `settings` gives those of the moment, as feeds.yaml may be edited."""

    def __init__(
        self,
        database: Database,
        *,
        pseudonyms: Pseudonyms,
        clock: Clock,
        settings: Callable[[], Settings],
        begin: Callable[[str], None],
    ) -> None:
        """`begin` lets a newsletter have its place in the database (`Mailroom.begin`)."""
        self.persons = SqlPersonStore(database)
        self.subscribers = SqlSubscriberStore(database)
        self.suppressions = SqlSuppressionStore(database)
        self.sign_ups = SqlSignUpStore(database)
        self._facts = SqlFactStore(database)
        self._stories = SqlStoryStore(database)
        self._pseudonyms, self._clock, self._settings, self._begin = pseudonyms, clock, settings, begin

    # --- by themselves ----------------------------------------------------------------------------

    def sign_up(self, email: str, asked: Mapping[str, Choices], language: str, evidence: Evidence) -> SignUpVerdict:
        """Take a form in; `asked` names newsletters of feeds.yaml."""
        for letter in asked:
            self._begin(letter)
        return sign_up(
            self._subscribe_ports(),
            self._subscribe_plan(),
            email=email,
            asked=asked,
            language=language,
            evidence=evidence,
        )

    def asked_for(self, link: Confirmation) -> AskedFor | None:
        """What a link asks to confirm; None when it is too old, or nothing is known of it any more."""
        return asked_for(self._subscribe_ports(), link)

    def confirm(self, link: Confirmation, evidence: Evidence) -> ConfirmOutcome:
        """Make the subscription of a link good, once."""
        return confirm(self._subscribe_ports(), self._subscribe_plan(), link, evidence)

    def prefer(self, subscriber_id: int, newsletter_id: str, choices: Choices, evidence: Evidence) -> Act | None:
        """Give a reader a newsletter as they chose, whether they had it or not; what they did, None for nothing."""
        self._begin(newsletter_id)
        ports, plan = self._prefer_ports(), self._plan()
        return prefer(ports, plan, subscriber_id, newsletter_id, choices, evidence)

    def leave(self, subscriber_id: int, newsletter_id: str | None, evidence: Evidence) -> bool:
        """End one subscription of a reader, or all; whether anything changed."""
        return leave(self._prefer_ports(), subscriber_id, newsletter_id, evidence)

    def erase(self, subscriber_id: int) -> bool:
        """Take out all that tells who a reader is, and keep their address out; whether there was one."""
        return erase(self._prefer_ports(), self._plan(), subscriber_id)

    def everything(self, person: Person) -> PersonalData | None:
        """All that is kept about a person."""
        return self.persons.everything(person.subscriber.id, self._pseudonyms.addresses(person.subscriber.email))

    def housekeep(self) -> None:
        """Erase what nobody confirmed, and tell those whose mail came back."""
        ports = HousekeepPorts(
            sign_ups=self.sign_ups, persons=self.persons, suppressions=self.suppressions, clock=self._clock
        )
        housekeep(ports, self._plan())

    def out_of_reach(self) -> int:
        """How many suppressed addresses were hashed with a secret that is not given any more."""
        counts = self.suppressions.suppressions()
        return sum(count for (name, _), count in counts.items() if name not in self._pseudonyms.names)

    # --- by an admin's hand -----------------------------------------------------------------------

    def add(self, email: str, name: str | None, newsletter_id: str, source: str) -> Subscription | None:
        """Subscribe a person who agreed; the subscription that stands already, if one does.

        Raises UsageError, NotFoundError.
        """
        self._begin(newsletter_id)
        return add_one(self._ports(), self._plan(), email, name or "", newsletter_id, source)

    def import_csv(
        self, lines: Iterable[str], file: str, newsletter_id: str, source: str, *, dry_run: bool
    ) -> ImportReport:
        """Subscribe the people of a CSV file; raises UsageError, NotFoundError."""
        if not dry_run:
            self._begin(newsletter_id)
        ports = ImportPorts(subscribers=self.subscribers, stories=self._stories, clock=self._clock)
        plan = self._plan()
        return import_people(ports, plan, lines, file=file, newsletter_id=newsletter_id, source=source, dry_run=dry_run)

    def suppress(self, email: str, note: str) -> tuple[bool, int]:
        """Keep an address out, whoever asks for mail to it; (whether that is new, subscriptions it ended).

        Raises UsageError.
        """
        return suppress(self._ports(), self._plan(), email, note)

    def forget(self, email: str) -> None:
        """Erase the person of this address and keep it out; raises UsageError, NotFoundError."""
        forget(self._ports(), self._plan(), email)

    def show(self, email: str) -> tuple[PersonalData | None, Suppression | None]:
        """All that is kept about the person of this address, and whether it is suppressed; raises UsageError."""
        return show(self._ports(), self._plan(), email)

    def exported(self, newsletter_id: str | None) -> Iterator[dict[str, str]]:
        """Every subscription as a row, read as it is asked for."""
        return exported(self._ports(), newsletter_id)

    # --- what flows are handed --------------------------------------------------------------------

    def _letters(self) -> dict[str, Newsletter]:
        return {letter.id: letter for letter in self._settings().newsletters}

    def _subscribe_ports(self) -> SubscribePorts:
        return SubscribePorts(sign_ups=self.sign_ups, stories=self._stories, clock=self._clock)

    def _subscribe_plan(self) -> SubscribePlan:
        def alarm() -> None:
            self._facts.record_flood(self._clock.now())

        return SubscribePlan(newsletters=self._letters(), pseudonyms=self._pseudonyms, alarm=alarm)

    def _prefer_ports(self) -> PreferPorts:
        return PreferPorts(persons=self.persons, subscribers=self.subscribers, stories=self._stories, clock=self._clock)

    def _ports(self) -> PeoplePorts:
        return PeoplePorts(
            subscribers=self.subscribers,
            persons=self.persons,
            suppressions=self.suppressions,
            stories=self._stories,
            clock=self._clock,
        )

    def _plan(self) -> PeoplePlan:
        return PeoplePlan(newsletters=self._letters(), keys=self._pseudonyms.addresses)
