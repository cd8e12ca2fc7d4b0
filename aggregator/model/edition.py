"""How a Newsletter comes: its own Edition, those that readers choose for themselves, and where each stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from aggregator.model.newsletter import Newsletter

OWN = ""
"""The key of a Newsletter's own Edition: the one with the numbers of the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a reader chose for one Newsletter; what is None is as the Newsletter has it.

    `schedule` in the words of `schedule.py`, `quiet` as in "22:00-07:00", `query` narrows what comes.
    """

    schedule: str | None = None
    timezone: str | None = None
    quiet: str | None = None
    language: str | None = None
    query: str = ""

    @property
    def key(self) -> str:
        """The same for the same choices; `OWN` when there are none."""
        return "; ".join(f"{name}={value}" for name, value in asdict(self).items() if value)

    def applied(self, newsletter: Newsletter) -> Newsletter:
        """The Newsletter as it is for who chose so."""
        queries = [query for query in (newsletter.query, self.query) if query]
        return replace(
            newsletter,
            schedule=self.schedule or newsletter.schedule,
            timezone=self.timezone or newsletter.timezone,
            quiet=self.quiet or newsletter.quiet,
            language=self.language or newsletter.language,
            query=queries[0] if len(queries) == 1 else " AND ".join(f"({query})" for query in queries),
            when_empty="skip" if self.query else newsletter.when_empty,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One way a Newsletter comes, shared by the readers with the same Choices.

    `base_id` names the Edition that a reader who changed their Choices joins once both have told the same: until then
    an Edition of their own brings what lies between, so that nothing is lost and nothing comes twice.
    """

    id: int
    newsletter_id: str
    key: str = OWN
    choices: Choices = field(default_factory=Choices)
    base_id: int | None = None

    @property
    def is_own(self) -> bool:
        return self.key == OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An Issue that waits for a person until `deadline_at`: what it may tell is fixed by `up_to`.

    `pinned` and `dropped` are ids of Stories; `note` is the editor's, plain text.
    """

    edition_id: int
    up_to: int
    made_at: datetime
    deadline_at: datetime
    approved_at: datetime | None = None
    note: str = ""
    pinned: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where an Edition stands: Stories up to `cursor` were considered, `due_at` is its next time, `next_number` its
    next Issue's number. Closing it names the Slot it saw, so that each closes once.
    """

    edition: Edition
    cursor: int
    due_at: datetime
    next_number: int
    draft: Draft | None = None

    @property
    def newsletter_id(self) -> str:
        return self.edition.newsletter_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A Story as an Issue told it."""

    story_id: str
    issue_number: int
    title: str
