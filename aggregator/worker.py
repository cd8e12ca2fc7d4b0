"""The worker: the tasks of a Runtime, each on a clock of its own, in the background until it is told to stop.

    poll, index, publish, retag, compose > deliver, notify, housekeep

What is due stands in the tables. A tick that comes late, twice or not at all does no harm.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from time import monotonic
from urllib.parse import urlsplit

import structlog

from aggregator.adapters.jobs_embedded import EmbeddedJobs
from aggregator.errors import BoxError, BusyError, StoreError
from aggregator.model.feed import FeedState
from aggregator.model.poll import RefreshReport
from aggregator.steps.folding.verify import TEXT_DAYS
from aggregator.wiring import Runtime

log = structlog.get_logger()

POLL, INDEX, PUBLISH, RETAG, COMPOSE, DELIVER = (timedelta(seconds=seconds) for seconds in (15, 5, 5, 5, 20, 5))
NOTIFY, HOUSEKEEP = timedelta(seconds=5), timedelta(minutes=10)
LEAD = timedelta(seconds=5)
ALIVE = timedelta(seconds=15)
"""A long round says that it is alive this often."""
FIRST_ROUND = timedelta(hours=1)
"""How long Issues wait at most until all that is due after a start has been polled: after a pause, none goes out
without what the pause held back."""
DEPTH = 4
"""A round asks each host for this many feeds per lane, one after another: what falls due meanwhile waits no longer."""
REST = 3
"""Publishing rests this many times as long as it took: while a long round brings Stories, there is always a reason."""
AFTER_A_FAULT = timedelta(minutes=15)
"""Nothing is polled, or sent, for so long after a fault of ours in it: each try asks publishers for all again, or might
cost a reader a letter."""
LETTING_GO_SECONDS = 3
"""How long work under way may take to end by itself once a process is told to stop, before it is cut short."""


@contextmanager
def working(runtime: Runtime) -> Iterator[None]:
    """Work in the background until the block ends; then let go of the work at hand within seconds.

    Of all workers of a database one leads. The others send beside it, and the next leads when it ends.
    """
    worker = Worker(runtime)
    with ExitStack() as place:
        worker.lead(place)
        if not worker.leads:
            log.info("worker.sends_only", why="another worker leads; this one takes over when it ends")
        jobs = EmbeddedJobs({"lead": (lambda: worker.lead(place), LEAD), **worker.tasks()})
        jobs.start()
        try:
            yield
        finally:
            cut = threading.Timer(LETTING_GO_SECONDS, runtime.interrupt)
            cut.start()
            runtime.let_go()
            jobs.stop()
            cut.cancel()


class Worker:
    """What a worker does at each tick, and what it remembers from one to the next."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._started = runtime.clock.now()
        self._first_round = threading.Event()
        self._alive: datetime | None = None
        self._forgotten: date | None = None
        self._published: tuple[object, ...] = ()
        self._rests_until = 0.0
        self._faults: dict[str, datetime] = {}
        self._has_place = False
        self.leads = False

    def tasks(self) -> Mapping[str, tuple[Callable[[], object], timedelta]]:
        """What is to be done how often; all but sending is for the one that leads."""
        return {
            "poll": (self._leading(self.poll), POLL),
            "index": (self._leading(self._runtime.index), INDEX),
            "publish": (self._leading(self.publish), PUBLISH),
            "retag": (self._leading(self._runtime.retag), RETAG),
            "compose": (self._leading(self.compose), COMPOSE),
            "deliver": (self.deliver, DELIVER),
            "notify": (self._leading(self.notify), NOTIFY),
            "housekeep": (self._leading(self._runtime.readers.housekeep), HOUSEKEEP),
        }

    def _leading(self, task: Callable[[], object]) -> Callable[[], object]:
        return lambda: task() if self.leads else None

    def lead(self, place: ExitStack) -> None:
        """Lead from now on until `place` is left, unless another worker does; raises StoreError when none can."""
        if self.leads or self._runtime.stopping.is_set():
            return
        if not self._has_place:
            try:
                place.enter_context(self._runtime.exclusive())
            except BusyError:
                return
            self._has_place = True
        self.begin()
        try:
            place.enter_context(self._runtime.returns.listening(self._runtime.settings))
        except BoxError as error:  # letters go all the same, and what comes back waits where it is
            log.error("bounces.not_taken_in", error=str(error))

    def begin(self) -> None:
        """Have the database follow feeds.yaml, and name what workers now gone left in doubt; only for who leads."""
        self._started = self._runtime.clock.now()
        self._runtime.follow()
        self._runtime.mail.recover()
        self._runtime.mail.recover_notices()
        self.leads = True
        if folder := self._runtime.mail.outbox:
            log.warning("mail.outbox", folder=str(folder), why="no mail server is named")

    def poll(self) -> None:
        """Poll what is due, unless a fault of ours was met a moment ago."""
        self._carefully("poll", self._poll_due)

    def _poll_due(self) -> None:
        """Round after round, until nothing is due."""
        while not self._runtime.stopping.is_set():
            self._say_alive()
            self._forget_old_keys()
            self._mend_clock()
            if not self._poll_round():
                self._first_round.set()
                return

    def _poll_round(self) -> bool:
        """Whether there was anything to poll."""
        runtime = self._runtime
        due = fair_share(runtime.feeds.due(runtime.clock.now()), DEPTH * runtime.settings.polling.per_host)
        if not due:
            return False
        report = runtime.poll(due, progress=self._say_alive)
        log.info("poll", **{name: getattr(report, name) for name in ("feeds", "fetched", "failed", "entries_new")})
        return report.feeds > 0 and not report.offline

    def _say_alive(self, report: RefreshReport | None = None) -> None:
        """Note it in the database, now and then in a round."""
        now = self._runtime.clock.now()
        if report is None or self._alive is None or not self._alive <= now < self._alive + ALIVE:
            self._runtime.facts.record_tick(now)
            self._alive = now

    def _mend_clock(self) -> None:
        if mended := self._runtime.feeds.mend_clock(self._runtime.clock.now()):
            log.warning("clock.put_back", feeds=mended, why="they were checked at a time that is yet to come")

    def _forget_old_keys(self) -> None:
        """Once a day: what was seen long ago is folded with nothing new, but for its address."""
        now = self._runtime.clock.now()
        if self._forgotten != now.date():
            self._runtime.folds.forget(now - TEXT_DAYS)
            self._forgotten = now.date()

    def publish(self) -> None:
        """Publish when a Story, feeds.yaml or the hour is another: a query may name an age, as `since:7d`."""
        runtime, begun = self._runtime, monotonic()
        if begun < self._rests_until:
            return
        shown = (
            runtime.stories.version(),
            runtime.plans,
            runtime.clock.now().replace(minute=0, second=0, microsecond=0),
        )
        if shown != self._published:
            runtime.publish()
            self._published = shown
            self._rests_until = monotonic() + REST * (monotonic() - begun)

    def compose(self) -> None:
        """Close Issues that are due, once the first round is done or has had its time."""
        if self._first_round.is_set() or self._runtime.clock.now() - self._started > FIRST_ROUND:
            self._runtime.mail.compose()

    def deliver(self) -> None:
        """Send what is due, unless a fault of ours was met a moment ago."""
        self._carefully("deliver", self._runtime.mail.deliver)

    def notify(self) -> None:
        """Send notices that are due, unless a fault of ours was met a moment ago."""
        self._carefully("notify", self._runtime.mail.notify)

    def _carefully(self, name: str, task: Callable[[], object]) -> None:
        now, fault_at = self._runtime.clock.now(), self._faults.get(name)
        if fault_at and fault_at <= now < fault_at + AFTER_A_FAULT:
            return
        try:
            task()
        except StoreError:  # nobody outside is asked for anything while the database is away
            raise
        except Exception:
            self._faults[name] = now
            raise


def fair_share(due: Sequence[FeedState], per_host: int) -> Sequence[FeedState]:
    """The feeds to poll in one round, the longest waiting first: so many of each host, the others in the next."""
    taken: Counter[str | None] = Counter()
    shared = []
    for state in due:
        host = urlsplit(state.feed.url).hostname
        taken[host] += 1
        if taken[host] <= per_host:
            shared.append(state)
    return shared
