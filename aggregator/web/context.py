"""What the pages are handed: exactly this, so that tests build them from stores alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aggregator.mail_ports import NewsletterStore
from aggregator.model.channel import Format, Publication
from aggregator.model.indexed import Finding
from aggregator.model.vitals import Health
from aggregator.ports import FeedStore, FoldStore, PublicationStore, StoryStore
from aggregator.query.matching import Query
from aggregator.readers import Readers
from aggregator.settings.values import Settings
from aggregator.steps.signing import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """The ports and values behind the pages; `settings` is asked anew for every answer, as feeds.yaml may change."""

    settings: Callable[[], Settings]
    stories: StoryStore
    folds: FoldStore
    feeds: FeedStore
    newsletters: NewsletterStore
    readers: Readers
    """What people who read may do."""
    publications: PublicationStore
    find: Callable[[Query, int | None], Finding]
    """A page of what a query finds below a place, the newest date first."""
    build: Callable[[str, Format], Publication]
    """The feed of any query, as it is now; raises QueryError."""
    signer: Signer
    health: Callable[[], Health]
    now: Callable[[], datetime]
