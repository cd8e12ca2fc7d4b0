"""All that people who read may do, and what is done about them: the stores of persons, tied to their flows.

    import, add, suppress, forget, export

`wiring.py` has one for each process; a command and a page call the same methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.persons import SqlPersonStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.adapters.store.suppressions import SqlSuppressionStore
from aggregator.flows.import_people import ImportPlan, ImportPorts, import_people
from aggregator.flows.people import PeoplePlan, PeoplePorts, add_one, exported, forget, show, suppress
from aggregator.model.consent import Suppression
from aggregator.model.delivery import Subscription
from aggregator.model.newcomer import ImportReport
from aggregator.model.newsletter import Newsletter
from aggregator.model.person import PersonalData
from aggregator.ports import Clock
from aggregator.schedule import next_run
from aggregator.settings.values import Settings
from aggregator.steps.pseudonyms import Pseudonyms


class Readers:
    """The people of one installation; `settings` gives those of the moment, as feeds.yaml may be edited."""

    def __init__(
        self, database: Database, *, pseudonyms: Pseudonyms, clock: Clock, settings: Callable[[], Settings]
    ) -> None:
        self.persons = SqlPersonStore(database)
        self.subscribers = SqlSubscriberStore(database)
        self.suppressions = SqlSuppressionStore(database)
        self._newsletters, self._stories = SqlNewsletterStore(database), SqlStoryStore(database)
        self._pseudonyms, self._clock, self._settings = pseudonyms, clock, settings

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
        plan = ImportPlan(newsletters=self._letters(), keys=self._pseudonyms.addresses)
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

    def _begin(self, newsletter_id: str) -> None:
        """Let a newsletter that this feeds.yaml names have its place in the database, whatever file that follows."""
        if letter := self._settings().newsletter(newsletter_id):
            self._newsletters.begin(letter, next_run(letter, self._clock.now()), self._stories.last_seq())

    def _letters(self) -> dict[str, Newsletter]:
        return {letter.id: letter for letter in self._settings().newsletters}

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
