"""The clock of the embedded mode: APScheduler 3 ticks in memory; what is due stands in the tables.

Ticks are only nudges: each task re-reads and claims its rows, so a tick that comes late or twice does no harm.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from aggregator.errors import AggregatorError

log = structlog.get_logger()
logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # `_report` says it once, and a long task is no fault


class EmbeddedJobs:
    """Tasks at intervals in this process: each task runs in a thread of its own, never twice at a time."""

    def __init__(self, tasks: Mapping[str, tuple[Callable[[], object], timedelta]]) -> None:
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(max(1, len(tasks)))},
            jobstores={"default": _Ticks()},
            timezone="UTC",
        )
        self._scheduler.add_listener(_report, EVENT_JOB_ERROR)
        for name, (task, every) in tasks.items():
            self._scheduler.add_job(
                task, _Every(every), id=name, coalesce=True, misfire_grace_time=None, next_run_time=datetime.now(UTC)
            )

    def start(self) -> None:
        """Start ticking; the first tick of every task is now."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let running tasks end, start no new ones."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)


class _Every(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Each tick counts from the last: APScheduler's own would make up every tick that a clock put forward skipped."""

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now + self.interval


class _Ticks(MemoryJobStore):  # type: ignore[misc]
    """Ticks that a clock put back has moved further off than their interval are due."""

    def get_due_jobs(self, now: datetime) -> list[Job]:
        for job in self.get_all_jobs():
            if job.next_run_time > now + job.trigger.interval:
                job.next_run_time = now
                self.update_job(job)
        return list(super().get_due_jobs(now))


def _report(event: JobExecutionEvent) -> None:
    """A task that raised is logged by name; its next tick comes as usual. A fault of ours is told with its place."""
    error = event.exception
    place = None if isinstance(error, AggregatorError) else error
    log.error("task failed", task=event.job_id, error=str(error), kind=type(error).__name__, exc_info=place)
