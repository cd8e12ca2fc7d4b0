"""The clock of the embedded mode: APScheduler 3 ticks in memory; what is due stands in the tables.

Ticks are only nudges: each task re-reads and claims its rows, so a tick that comes late or twice does no harm.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

log = structlog.get_logger()


class EmbeddedJobs:
    """`ports.Jobs` in this process: each task runs in a thread of its own, never twice at a time."""

    def __init__(self, tasks: Mapping[str, tuple[Callable[[], object], timedelta]]) -> None:
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(max(1, len(tasks)))}, timezone="UTC"
        )
        self._scheduler.add_listener(_report, EVENT_JOB_ERROR)
        for name, (task, every) in tasks.items():
            self._scheduler.add_job(
                task,
                "interval",
                seconds=every.total_seconds(),
                id=name,
                coalesce=True,
                misfire_grace_time=None,
                next_run_time=datetime.now(UTC),
            )

    def start(self) -> None:
        """Start ticking; the first tick of every task is now."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let running tasks end, start no new ones."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)


def _report(event: JobExecutionEvent) -> None:
    """A task that raised is logged by name; its next tick comes as usual."""
    log.error("task failed", task=event.job_id, error=str(event.exception), kind=type(event.exception).__name__)
