"""The one place that builds adapters from Settings and hands them to flows.

A `Runtime` is everything one process needs. Its methods are the tasks: a command calls one of them once, the
worker's clock (`working`) calls `tick`, `compose` and `deliver` again and again.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

import structlog
from filelock import FileLock, Timeout

from aggregator.adapters.config_watch import ConfigWatcher
from aggregator.adapters.fetcher import AiohttpFetcher
from aggregator.adapters.jobs_embedded import EmbeddedJobs
from aggregator.adapters.mailer import OutboxMailer, SmtpMailer
from aggregator.adapters.parser_pool import ParserPool
from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import open_database, open_existing
from aggregator.adapters.store.entries import SqlEntryStore
from aggregator.adapters.store.facts import SqlFactStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.kinship import SqlFoldStore
from aggregator.adapters.store.migrate import demand_current, migrate
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.publications import SqlPublicationStore
from aggregator.adapters.store.search import SqlSearchStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.adapters.store.tags import SqlTagStore
from aggregator.errors import BusyError, ConfigError, NotFoundError, Problem, StoreError
from aggregator.flows.compose import ComposePlan, ComposePorts, compose, compose_one, preview
from aggregator.flows.deliver import DeliverPlan, DeliverPorts, deliver, sample_letter, send_test
from aggregator.flows.finding import FindPorts, find
from aggregator.flows.foresee import ForeseePlan, ForeseePorts, foresee
from aggregator.flows.indexing import catch_up
from aggregator.flows.ingest import ingest
from aggregator.flows.publish import PublishPlan, PublishPorts, build, publish
from aggregator.flows.refold import RefoldPorts
from aggregator.flows.refresh import Progress, RefreshPlan, RefreshPorts, refresh
from aggregator.flows.retag import Retagging, RetagPlan, retag
from aggregator.flows.subscribe import SubscribePorts, add_one, import_csv
from aggregator.model.applied import Applied
from aggregator.model.channel import Channel, Format, Publication
from aggregator.model.delivery import DeliveryReport, ImportReport, SendResult, Subscription
from aggregator.model.feed import FeedState
from aggregator.model.foresight import Foresight
from aggregator.model.newsletter import Issue
from aggregator.model.poll import FetchOutcome, FetchRequest, PollOutcome, RefreshReport
from aggregator.model.search import Finding, Order
from aggregator.model.vitals import Health
from aggregator.ports import Mailer
from aggregator.query import Query, parse_query
from aggregator.schedule import parse_schedule
from aggregator.settings.loading import ensure_secret, find_shipped, load_settings
from aggregator.settings.values import Polling, Settings
from aggregator.steps.folding.verify import TEXT_DAYS
from aggregator.steps.rendering import Renderer
from aggregator.steps.signing import Signer
from aggregator.steps.tagging.renewing import version_of
from aggregator.steps.tagging.tagger import Tagger, compile_tagger

log = structlog.get_logger()

EVERYTHING = ""
"""The id of the channel that holds every Story, at `/feed.atom`."""
READER = f"aggregator {version('aggregator')}, feedparser {version('feedparser')}"
"""What reads documents: another may see more in what is unchanged."""
TICK, COMPOSE, DELIVER, RETAG = (timedelta(seconds=seconds) for seconds in (15, 20, 5, 5))
FIRST_ROUND = timedelta(hours=1)
"""How long Issues wait at most for the first round of polls after a start: after a pause, none goes out without
what the pause held back."""
BEFORE_A_SEARCH, IN_A_TICK = 500, 5_000
"""Stories that the search index takes in at most, where somebody waits for it and where nobody does."""
LETTING_GO_SECONDS = 4
"""How long work under way may take to end by itself once a process is told to stop, before it is cut short."""


class SystemClock:
    """`ports.Clock`: the time of this machine, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Plans:
    """One version of feeds.yaml as the flows need it, worked out once; raises TemplateError."""

    def __init__(self, settings: Settings, signer: Signer) -> None:
        site, feeds = settings.site, {feed.id: feed for feed in settings.feeds}
        newsletters = {letter.id: letter for letter in settings.newsletters}
        channels = (Channel(id=EVERYTHING, title=site.title, size=100), *settings.channels)

        def unsubscribe_url(subscriber_id: int, newsletter_id: str) -> str:
            return f"{site.base_url}/unsubscribe/{signer.unsubscribe_token(subscriber_id, newsletter_id)}"

        self._settings = settings
        self.publish = PublishPlan(site=site, channels=channels, feeds=feeds)
        self.compose = ComposePlan(newsletters=newsletters, site=site, feeds=feeds, renderer=read_templates())
        self.deliver = DeliverPlan(newsletters=newsletters, site=site, unsubscribe_url=unsubscribe_url)

    @cached_property
    def tagger(self) -> Tagger:
        """Made when first asked for: the words of the taxonomy take a fifth of a second to put in order."""
        return _tagger(self._settings)

    @cached_property
    def tagging(self) -> str:
        """The version of the tags that all this gives."""
        given, program = self._settings, version("aggregator")
        taxonomy, language = given.taxonomy.version, given.site.language
        return version_of(given.feeds, given.rules, taxonomy=taxonomy, language=language, program=program)

    @property
    def refresh(self) -> RefreshPlan:
        return RefreshPlan(feeds=self.publish.feeds, every=self._settings.polling.every, tagger=self.tagger)

    @property
    def retag(self) -> RetagPlan:
        return RetagPlan(feeds=self.publish.feeds, tagger=self.tagger, version=self.tagging)


def _tagger(settings: Settings) -> Tagger:
    return compile_tagger(settings.taxonomy, settings.rules, language=settings.site.language)


def read_templates() -> Renderer:
    """The templates of letters, read and tried; raises TemplateError."""
    files = sorted((find_shipped("templates") / "mail").iterdir())
    return Renderer({file.name: file.read_text(encoding="utf-8") for file in files})


class Runtime:
    """One process's adapters and tasks; use it as a context manager, so that children and sockets end with it."""

    def __init__(self, settings: Settings) -> None:
        self.clock = SystemClock()
        self.stopping = threading.Event()
        self.config_problems: tuple[Problem, ...] = ()
        self.signer = Signer(settings.secrets or [ensure_secret(settings.data_dir)])
        self.database = open_database(settings.database_url)
        self.feeds = SqlFeedStore(self.database)
        self.entries = SqlEntryStore(self.database)
        self.tags = SqlTagStore(self.database)
        self.folds = SqlFoldStore(self.database)
        self.stories = SqlStoryStore(self.database)
        self.search = SqlSearchStore(self.database)
        self.publications = SqlPublicationStore(self.database)
        self.newsletters = SqlNewsletterStore(self.database)
        self.subscribers = SqlSubscriberStore(self.database)
        self.deliveries = SqlDeliveryStore(self.database)
        self.facts = SqlFactStore(self.database)
        self.mailer = _mailer(settings)
        self._one_poll = threading.Lock()
        self._fetcher: AiohttpFetcher | None = None
        self._parser: ParserPool | None = None
        self._limits: Polling | None = None
        self._first_round = threading.Event()
        self._published: tuple[object, ...] = ()
        self._forgotten: date | None = None
        self._use(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interrupt()
        self.database.close()

    def interrupt(self) -> None:
        """Cut short what is under way: polls stay due, a letter at hand ends as what it then is."""
        for adapter in (self._fetcher, self._parser, self.mailer):
            if adapter is not None:
                adapter.close()
        self._fetcher = self._parser = None

    # --- the configuration ------------------------------------------------------------------------

    def _use(self, settings: Settings) -> None:
        self.plans, self.settings, self.config_problems = Plans(settings, self.signer), settings, ()

    def migrate(self) -> bool:
        """Bring the database to the schema of this version; True when something was to do."""
        return migrate(self.database)

    def prepare(self) -> None:
        """Bring the database to the schema of this version and make it follow feeds.yaml."""
        self.migrate()
        self._follow()

    def change(self, settings: Settings) -> None:
        """Go on with an edited feeds.yaml; raises TemplateError and goes on with the old one."""
        self._use(settings)
        self._follow()

    def refuse(self, error: ConfigError) -> None:
        """Remember what is wrong with an edit that is not used."""
        self.config_problems = error.problems

    def _follow(self) -> None:
        now, letters = self.clock.now(), self.settings.newsletters
        self.feeds.sync(self.settings.feeds, now, reader=READER)
        due = {
            letter.id: parse_schedule(letter.schedule).next_after(now, ZoneInfo(letter.timezone)) for letter in letters
        }
        self.newsletters.sync(letters, due, self.stories.last_seq())
        self.facts.record_applied(Applied(channels=self.settings.channels, newsletters=letters))
        if self.tags.tagging().version != self.plans.tagging:
            self.tags.begin(self.plans.tagging)

    # --- polling and publishing -------------------------------------------------------------------

    def feeds_to_poll(self, ids: Collection[str], *, everything: bool = False) -> Sequence[FeedState]:
        """The named feeds, or all, or those due now; raises NotFoundError."""
        if not ids:
            return self.feeds.states() if everything else self.feeds.due(self.clock.now())
        known = self.plans.publish.feeds
        for unknown in sorted(set(ids) - known.keys()):
            near = get_close_matches(unknown, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`aggregator feeds list` names them all"
            raise NotFoundError(f"no feed {unknown!r} in {self.settings.config_path}: {hint}")
        return self.feeds.states(ids)

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
            report = refresh(ports, plans.refresh, states, progress=progress, should_stop=self.stopping.is_set)
            if plans is not self.plans:  # what it brought has the tags of the file as it was
                self.tags.begin(self.plans.tagging)
            if report.offline:
                self.facts.record_offline(self.clock.now())
            elif report.fetched or report.not_modified:
                self.facts.record_online()
            return report

    def _readers(self) -> tuple[AiohttpFetcher, ParserPool]:
        """They live from poll to poll, as long as feeds.yaml sets the same limits."""
        if self._fetcher is None or self._parser is None or self._limits != self.settings.polling:
            if self._parser is not None:
                self._parser.close()
            self._limits = self.settings.polling
            self._fetcher = _fetcher(self._limits, f"+{self.settings.site.base_url}")
            self._parser = ParserPool(self._limits, read=ingest)
        return self._fetcher, self._parser

    def retag(self, *, anew: bool = False, progress: Callable[[int], None] = lambda count: None) -> Retagging:
        """Give stored entries the tags of this feeds.yaml, until done, told to stop, or the file is edited."""
        plans = self.plans

        def should_stop() -> bool:
            return self.stopping.is_set() or plans is not self.plans

        report = retag(self.tags, plans.retag, anew=anew, progress=progress, should_stop=should_stop)
        if report.entries:
            log.info("retag", entries=report.entries, changed=report.changed, done=report.done)
        return report

    def refold_ports(self) -> RefoldPorts:
        """What folding stored entries anew needs."""
        return RefoldPorts(folds=self.folds, stories=self.stories, clock=self.clock)

    def publish(self) -> int:
        """Bring every channel up to date; returns how many publications changed."""
        ports = PublishPorts(stories=self.stories, publications=self.publications, clock=self.clock)
        return publish(ports, self.plans.publish)

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

    def tick(self) -> None:
        """Poll what is due, and publish when that or feeds.yaml changed anything."""
        self.facts.record_tick(self.clock.now())
        self._forget_old_keys()
        if mended := self.feeds.mend_clock(self.clock.now()):
            log.warning("clock.put_back", feeds=mended, why="they were checked at a time that is yet to come")
        if states := self.feeds.due(self.clock.now()):
            report = self.poll(states)
            log.info("poll", **{name: getattr(report, name) for name in ("feeds", "fetched", "failed", "entries_new")})
        self._first_round.set()
        hour = self.clock.now().replace(minute=0, second=0, microsecond=0)  # a query may name an age, as `since:7d`
        shown = (self.stories.version(), self.plans, hour)
        if shown != self._published and not self.stopping.is_set():
            self.publish()
            self._published = shown
        catch_up(self.search, at_most=IN_A_TICK, should_stop=self.stopping.is_set)

    def _forget_old_keys(self) -> None:
        """Once a day: what was seen long ago is folded with nothing new, but for its address."""
        if self._forgotten != (today := self.clock.now().date()):
            self._forgotten = today
            self.folds.forget(self.clock.now() - TEXT_DAYS)

    # --- newsletters ------------------------------------------------------------------------------

    def _compose_ports(self) -> ComposePorts:
        return ComposePorts(newsletters=self.newsletters, stories=self.stories, clock=self.clock)

    def compose(self) -> tuple[Issue, ...]:
        """Close the Issues that are due."""
        return compose(self._compose_ports(), self.plans.compose)

    def compose_now(self, newsletter_id: str) -> Issue | None:
        """Close one Issue before its time; None when there is nothing to send. Raises NotFoundError."""
        return compose_one(self._compose_ports(), self.plans.compose, newsletter_id)

    def preview_issue(self, newsletter_id: str) -> Issue:
        """What the next Issue would be now, not stored; raises NotFoundError."""
        return preview(self._compose_ports(), self.plans.compose, newsletter_id)

    def sample_letter(self, issue: Issue) -> bytes:
        """What a reader of this Issue gets, addressed to its own sender."""
        return sample_letter(self.plans.deliver, issue, self.plans.deliver.newsletters[issue.newsletter_id].address)

    def send_test(self, newsletter_id: str, email: str) -> SendResult:
        """Send what the next Issue would be now to one address, as a test; raises NotFoundError, UsageError."""
        return send_test(self.mailer, self.plans.deliver, self.preview_issue(newsletter_id), email)

    def deliver(self) -> DeliveryReport:
        """Send what is due."""
        ports = DeliverPorts(
            deliveries=self.deliveries, newsletters=self.newsletters, mailer=self.mailer, clock=self.clock
        )
        return deliver(ports, self.plans.deliver, should_stop=self.stopping.is_set, wait=self.stopping.wait)

    def _subscribe_ports(self) -> SubscribePorts:
        return SubscribePorts(subscribers=self.subscribers, newsletters=self.newsletters, clock=self.clock)

    def add_subscriber(self, email: str, name: str | None, newsletter_id: str, source: str) -> Subscription | None:
        """Subscribe a person who agreed; the subscription that stands already, if one does. Raises UsageError."""
        return add_one(self._subscribe_ports(), email=email, name=name, newsletter_id=newsletter_id, source=source)

    def import_subscribers(
        self, lines: Iterable[str], file: str, newsletter_id: str, source: str, *, dry_run: bool
    ) -> ImportReport:
        """Subscribe the people of a CSV file; raises UsageError."""
        ports = self._subscribe_ports()
        return import_csv(ports, lines, file=file, newsletter_id=newsletter_id, source=source, dry_run=dry_run)

    # --- the worker -------------------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the one worker of this database; raises BusyError when another process is."""
        path = Path(self.settings.data_dir) / "worker.lock"
        try:
            with FileLock(path, timeout=0):
                yield
        except Timeout as error:
            raise BusyError(
                f"another worker polls and sends for this database (it holds {path}); stop it first, or let it work"
            ) from error

    @contextmanager
    def working(self) -> Iterator[None]:
        """Tick in the background until the block ends; then let go of the work at hand within seconds."""
        with self.exclusive():
            if doubtful := self.deliveries.recover(self.clock.now()):
                log.warning("deliveries.uncertain", count=doubtful, why="a worker ended while it sent them")
            if self.settings.smtp_url is None:
                log.warning("mail.outbox", folder=str(_outbox(self.settings)), why="no mail server is named")
            started = self.clock.now()

            def compose_in_time() -> None:
                if self._first_round.is_set() or self.clock.now() - started > FIRST_ROUND:
                    self.compose()

            tasks: dict[str, tuple[Callable[[], object], timedelta]] = {
                "tick": (self.tick, TICK),
                "compose": (compose_in_time, COMPOSE),
                "deliver": (self.deliver, DELIVER),
                "retag": (self.retag, RETAG),
            }
            jobs = EmbeddedJobs(tasks)
            jobs.start()
            try:
                yield
            finally:
                self.stopping.set()
                cut = threading.Timer(LETTING_GO_SECONDS, self.interrupt)
                cut.start()
                if self._fetcher is not None:
                    self._fetcher.close()
                jobs.stop()
                cut.cancel()

    def health(self) -> Health:
        """How this installation fares."""
        return Health(
            worker_tick=self.facts.last_tick(),
            offline_since=self.facts.offline_since(),
            problems=self.config_problems,
            feeds=Counter(state.status for state in self.feeds.states()),
            deliveries=self.deliveries.counts(),
            sends_mail=self.settings.smtp_url is not None,
        )


def look_ahead(
    settings: Settings, age: timedelta, *, progress: Callable[[int], None] = lambda count: None
) -> Foresight:
    """What would change if this feeds.yaml were followed; reads the database and writes nothing. Raises StoreError."""
    with closing(open_existing(settings.database_url)) as database:
        demand_current(database)
        ports = ForeseePorts(
            feeds=SqlFeedStore(database),
            stories=SqlStoryStore(database),
            newsletters=SqlNewsletterStore(database),
            applied=SqlFactStore(database),
            clock=SystemClock(),
        )
        plan = ForeseePlan(
            feeds=settings.feeds,
            tagger=_tagger(settings),
            channels=settings.channels,
            newsletters=settings.newsletters,
        )
        return foresee(ports, plan, ports.clock.now() - age, progress=progress)


def look_at(polling: Polling, sources: Iterable[FetchRequest | FetchOutcome]) -> Iterator[PollOutcome]:
    """What each address, or document at hand, would give, in order; stores nothing and needs no database."""
    with ParserPool(polling, read=ingest) as parser:
        for source in sources:
            fetched = (
                _fetcher(polling, "preview").fetch([source]) if isinstance(source, FetchRequest) else iter([source])
            )
            yield from (outcome for batch in parser.parse(fetched) for outcome in batch)


def _fetcher(polling: Polling, contact: str) -> AiohttpFetcher:
    agent = f"aggregator/{version('aggregator')} ({contact})"
    return AiohttpFetcher(polling, user_agent=agent, now=SystemClock().now)


def _mailer(settings: Settings) -> Mailer:
    if settings.smtp_url:
        return SmtpMailer(settings.smtp_url)
    return OutboxMailer(_outbox(settings))


def _outbox(settings: Settings) -> Path:
    return Path(settings.data_dir) / "outbox"


@contextmanager
def watch_config(runtime: Runtime, path: Path) -> Iterator[None]:
    """Follow edits of feeds.yaml until the block ends; a bad one changes nothing and is told by log and `/healthz`."""
    watcher = ConfigWatcher(
        path, load=lambda: load_settings(path, os.environ), on_change=runtime.change, on_error=runtime.refuse
    )
    watcher.start()
    try:
        yield
    finally:
        watcher.stop()
