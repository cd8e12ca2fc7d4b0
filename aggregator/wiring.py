"""The one place that builds adapters from Settings and hands them to flows.

A `Runtime` is everything one process needs. Its methods are the tasks: a command calls one of them once, the
worker (`worker.py`) again and again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from aggregator.adapters.fetcher import AiohttpFetcher
from aggregator.adapters.parser_pool import ParserPool
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.entries import SqlEntryStore
from aggregator.adapters.store.facts import SqlFactStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.kinship import SqlFoldStore
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.publications import SqlPublicationStore
from aggregator.adapters.store.search import SqlSearchStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.tags import SqlTagStore
from aggregator.adapters.worker_lock import worker_lock
from aggregator.errors import AggregatorError, ConfigError, NotFoundError, Problem, StoreError
from aggregator.flows.finding import FindPorts, find
from aggregator.flows.indexing import catch_up
from aggregator.flows.ingest import ingest
from aggregator.flows.publish import PublishPorts, build, publish
from aggregator.flows.refold import RefoldPorts
from aggregator.flows.refresh import Progress, RefreshPorts, refresh
from aggregator.flows.retag import Retagging, retag
from aggregator.mailroom import Mailroom
from aggregator.model.applied import Applied
from aggregator.model.channel import Channel, Format, Publication
from aggregator.model.feed import FeedState
from aggregator.model.indexed import Finding, Order
from aggregator.model.poll import RefreshReport
from aggregator.model.vitals import Health
from aggregator.plans import EVERYTHING, Plans
from aggregator.ports import Clock, PublicationStore
from aggregator.query.grammar import parse_query
from aggregator.query.matching import Query
from aggregator.readers import Readers
from aggregator.returns import Returns
from aggregator.settings.loading import ensure_secret
from aggregator.settings.values import Polling, Settings
from aggregator.steps.pseudonyms import Pseudonyms
from aggregator.steps.signing import Signer

log = structlog.get_logger()

READER = f"aggregator {version('aggregator')}, feedparser {version('feedparser')}"
"""What reads documents: another may see more in what is unchanged."""
BEFORE_A_SEARCH, IN_A_TICK = 500, 5_000
"""Stories that the search index takes in at most, where somebody waits for it and where nobody does."""


class SystemClock:
    """`ports.Clock`: the time of this machine, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Runtime:
    """One process's adapters and tasks; use it as a context manager, so that children and sockets end with it."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.stopping = threading.Event()
        self.config_problems: tuple[Problem, ...] = ()
        secrets = settings.secrets or (ensure_secret(settings.data_dir),)
        self.signer = Signer(secrets)
        self.database = open_database(settings.database_url, hurried=self.stopping.is_set)
        self.feeds = SqlFeedStore(self.database)
        self.entries = SqlEntryStore(self.database)
        self.tags = SqlTagStore(self.database)
        self.folds = SqlFoldStore(self.database)
        self.stories = SqlStoryStore(self.database)
        self.search = SqlSearchStore(self.database)
        self.publications = SqlPublicationStore(self.database)
        self.facts = SqlFactStore(self.database)
        self._one_poll = threading.Lock()
        self._fetcher: AiohttpFetcher | None = None
        self._parser: ParserPool | None = None
        self._limits: Polling | None = None
        self._follows = False
        self.plans, self.settings = Plans(settings, self.signer), settings
        pseudonyms = Pseudonyms(secrets)
        self.returns = Returns(self.database, clock=self.clock, signer=self.signer, keys=pseudonyms.addresses)
        self.mail = Mailroom(
            self.database,
            settings,
            clock=self.clock,
            stopping=self.stopping,
            plans=lambda: self.plans,
            current=lambda: self.settings,
            refused=self.returns.refused,
        )
        self.readers = Readers(
            self.database,
            pseudonyms=pseudonyms,
            clock=self.clock,
            settings=lambda: self.settings,
            begin=self.mail.begin,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interrupt()
        self.mail.places.leave()
        self.database.close()

    def let_go(self) -> None:
        """Begin nothing new: what is under way ends where it can."""
        self.stopping.set()
        if self._fetcher is not None:
            self._fetcher.close()

    def interrupt(self) -> None:
        """Cut short what is under way: polls stay due, a letter at hand ends as what it then is."""
        for adapter in (self._fetcher, self._parser, self.mail.mailer, self.mail.postman):
            if adapter is not None:
                adapter.close()
        self._fetcher = self._parser = None

    # --- the configuration ------------------------------------------------------------------------

    def migrate(self) -> bool:
        """Bring the database to the schema of this version; True when something was to do."""
        return migrate(self.database)

    def prepare(self) -> None:
        """Bring the database to the schema of this version and have it follow feeds.yaml."""
        self.migrate()
        self.follow()

    def follow(self) -> None:
        """Have the database follow feeds.yaml, and its edits, from now on.

        For who acts in the name of the file, alone; who only looks may look at any file beside one who acts.
        """
        self._follows = True
        self.change(self.settings)

    def change(self, settings: Settings) -> None:
        """Go on with this feeds.yaml; when that fails, with the one before. Raises TemplateError, StoreError."""
        plans = self.plans if settings is self.settings else Plans(settings, self.signer)
        if self._follows:
            self._follow(settings)
        self.plans, self.settings, self.config_problems = plans, settings, ()
        if self._follows and self.tags.tagging().version != plans.tagging:
            self.tags.begin(plans.tagging)

    def refuse(self, error: Exception) -> None:
        """Remember why an edit is not used."""
        if isinstance(error, ConfigError):
            self.config_problems = error.problems
            return
        why = str(error) if isinstance(error, AggregatorError) else f"a fault of ours ({type(error).__name__})"
        problem = Problem(file=self.settings.config_path, line=0, column=0, key="", message=f"not applied: {why}")
        self.config_problems = (problem,)

    def _follow(self, settings: Settings) -> None:
        self.feeds.sync(settings.feeds, self.clock.now(), reader=READER)
        self.mail.follow(settings)
        self.facts.record_applied(Applied(channels=settings.channels, newsletters=settings.newsletters))

    def feed_states(self) -> Sequence[FeedState]:
        """How the feeds of this feeds.yaml fare, in the order of their ids; those never followed are new."""
        now, known = self.clock.now(), {state.feed.id: state for state in self.feeds.states()}
        fresh = {feed.id: FeedState(feed=feed, next_check_at=now) for feed in self.settings.feeds}
        states = {id_: known[id_] if id_ in known and _same(known[id_], new) else new for id_, new in fresh.items()}
        return [states[id_] for id_ in sorted(states)]

    def feed_state(self, feed_id: str) -> FeedState:
        """How one of them fares; raises NotFoundError."""
        self._demand_feeds([feed_id])
        return next(state for state in self.feed_states() if state.feed.id == feed_id)

    # --- polling and publishing -------------------------------------------------------------------

    def feeds_to_poll(self, ids: Collection[str], *, everything: bool = False) -> Sequence[FeedState]:
        """The named feeds, or all, or those due now; raises NotFoundError."""
        if not ids:
            return self.feeds.states() if everything else self.feeds.due(self.clock.now())
        self._demand_feeds(ids)
        return self.feeds.states(ids)

    def _demand_feeds(self, ids: Collection[str]) -> None:
        known = self.plans.publish.feeds
        for unknown in sorted(set(ids) - known.keys()):
            near = get_close_matches(unknown, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`aggregator feeds list` names them all"
            raise NotFoundError(f"no feed {unknown!r} in {self.settings.config_path}: {hint}")

    def poll(self, states: Sequence[FeedState], *, progress: Progress = lambda report: None) -> RefreshReport:
        """Poll these feeds once."""
        with self._one_poll:
            fetcher, parser = self._readers()
            ports = RefreshPorts(
                feeds=self.feeds,
                entries=self.entries,
                folds=self.folds,
                fetcher=fetcher,
                parser=parser,
                clock=self.clock,
            )
            plans = self.plans
            report = refresh(
                ports,
                plans.refresh,
                states,
                was_offline=self.facts.offline_since() is not None,
                progress=progress,
                should_stop=self.stopping.is_set,
            )
            if plans.tagging != self.plans.tagging:  # what it brought has the tags of the file as it was
                self.tags.begin(self.plans.tagging)
            if report.offline:
                self.facts.record_offline(self.clock.now())
            elif report.online:
                self.facts.record_online()
            return report

    def _readers(self) -> tuple[AiohttpFetcher, ParserPool]:
        """They live from poll to poll, as long as feeds.yaml sets the same limits."""
        if self._fetcher is None or self._parser is None or self._limits != self.settings.polling:
            if self._parser is not None:
                self._parser.close()
            self._limits = self.settings.polling
            self._fetcher = fetcher_of(self._limits, f"+{self.settings.site.base_url}")
            self._parser = ParserPool(self._limits, read=ingest)
        return self._fetcher, self._parser

    def retag(self, *, anew: bool = False, progress: Callable[[int], None] = lambda count: None) -> Retagging:
        """Give stored entries the tags of this feeds.yaml, until done, told to stop, or the file gives others."""
        plans = self.plans

        def should_stop() -> bool:
            return self.stopping.is_set() or plans.tagging != self.plans.tagging

        report = retag(self.tags, plans.retag, anew=anew, progress=progress, should_stop=should_stop)
        if report.entries:
            log.info("retag", entries=report.entries, changed=report.changed, done=report.done)
        return report

    def refold_ports(self) -> RefoldPorts:
        """What folding stored entries anew needs."""
        return RefoldPorts(folds=self.folds, stories=self.stories, clock=self.clock)

    def publish(self, onto: PublicationStore | None = None) -> int:
        """Bring every channel up to date, in the database or there; returns how many publications changed."""
        ports = PublishPorts(stories=self.stories, publications=onto or self.publications, clock=self.clock)
        return publish(ports, self.plans.publish, should_stop=self.stopping.is_set)

    def build(self, query: str, format: Format) -> Publication:
        """The feed of any query, as it is now; raises QueryError."""
        title = f"{self.settings.site.title}: {query}" if query else self.settings.site.title
        channel = Channel(id=EVERYTHING, title=title, query=query)
        finding = self.find(parse_query(query), limit=channel.size, order=Order.ARRIVAL)
        return build(self.plans.publish, channel, format, finding.stories)

    def find(
        self,
        query: Query,
        *,
        limit: int,
        order: Order = Order.DATE,
        below: int | None = None,
        catching_up: int = BEFORE_A_SEARCH,
    ) -> Finding:
        """What a query finds, once the index has caught up with at most so many of the latest Stories."""
        try:
            catch_up(self.search, at_most=catching_up)
        except StoreError as error:  # who cannot write can read what is indexed
            log.warning("search.behind", error=str(error))
        ports = FindPorts(search=self.search, stories=self.stories, clock=self.clock)
        return find(ports, query, limit=limit, order=order, below=below)

    def index(self) -> None:
        """Have the search index take in what is new."""
        catch_up(self.search, at_most=IN_A_TICK, should_stop=self.stopping.is_set)

    # --- the worker -------------------------------------------------------------------------------

    def exclusive(self) -> AbstractContextManager[None]:
        """Be the one that leads; raises BusyError when another process does, StoreError when none can."""
        return worker_lock(Path(self.settings.database_url.removeprefix("sqlite:///")))

    def health(self) -> Health:
        """How this installation fares."""
        return Health(
            worker_tick=self.facts.last_tick(),
            offline_since=self.facts.offline_since(),
            unsent_since=self.facts.unsent_since(),
            problems=self.config_problems,
            feeds=Counter(state.status for state in self.feeds.states()),
            deliveries=self.mail.deliveries.counts(),
            sends_mail=self.settings.smtp_url is not None,
            flooded_at=self.facts.flooded_at(),
            out_of_reach=self.readers.out_of_reach(),
        )


def fetcher_of(polling: Polling, contact: str) -> AiohttpFetcher:
    """A fetcher that gives our name and how we are reached."""
    agent = f"aggregator/{version('aggregator')} ({contact})"
    return AiohttpFetcher(polling, user_agent=agent, now=SystemClock().now)


def _same(known: FeedState, new: FeedState) -> bool:
    return known.feed.url == new.feed.url
