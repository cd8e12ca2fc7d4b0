"""The one place that builds adapters from Settings and hands them to flows.

A `Runtime` is everything one process needs. Its methods are the tasks: a command calls one of them once, the
worker's clock calls them all (`TASKS`).
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import structlog

from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.entries import SqlEntryStore
from aggregator.adapters.store.facts import SqlFactStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.publications import SqlPublicationStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.settings.values import Settings

log = structlog.get_logger()


class SystemClock:
    """`ports.Clock`: the time of this machine, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Runtime:
    """One process's adapters and tasks; use it as a context manager, so that children and sockets end with it."""

    TASKS = (("refresh", timedelta(seconds=15)), ("compose", timedelta(seconds=20)), ("deliver", timedelta(seconds=5)))

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.stopping = threading.Event()
        self.database = open_database(settings.database_url)
        self.feeds = SqlFeedStore(self.database)
        self.entries = SqlEntryStore(self.database)
        self.stories = SqlStoryStore(self.database)
        self.publications = SqlPublicationStore(self.database)
        self.newsletters = SqlNewsletterStore(self.database)
        self.subscribers = SqlSubscriberStore(self.database)
        self.deliveries = SqlDeliveryStore(self.database)
        self.facts = SqlFactStore(self.database)
