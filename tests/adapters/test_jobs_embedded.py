"""Ticks come, whatever the clock does; a task that fails is told and comes again."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from aggregator.adapters.jobs_embedded import EmbeddedJobs
from aggregator.errors import StoreError

SOON = timedelta(milliseconds=20)
BOUND = 30


class Task:
    """Counts its runs, and can be waited for."""

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self.runs = 0
        self._work, self._changed = work, threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.runs += 1
            self._changed.notify_all()
        self._work()

    def wait_for(self, runs: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.runs >= runs, BOUND)


@contextmanager
def ticking(task: Task, every: timedelta = SOON) -> Iterator[EmbeddedJobs]:
    jobs = EmbeddedJobs({"task": (task, every)})
    jobs.start()
    try:
        yield jobs
    finally:
        jobs.stop()


def test_a_task_runs_now_and_again() -> None:
    task = Task()
    with ticking(task):
        task.wait_for(3)


def test_stopping_waits_for_the_task_at_hand_and_starts_none() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(BOUND)
        ended.set()

    task = Task(work)
    with ticking(task):
        assert begun.wait(BOUND)
        threading.Timer(0.1, go_on.set).start()
    assert ended.is_set()
    assert task.runs == 1


def test_a_task_never_runs_beside_itself_and_the_wait_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    go_on, beside = threading.Event(), Task()
    task = Task(lambda: go_on.wait(BOUND))
    jobs = EmbeddedJobs({"slow": (task, SOON), "beside": (beside, SOON)})
    jobs.start()
    beside.wait_for(10)
    assert task.runs == 1
    go_on.set()
    task.wait_for(2)
    jobs.stop()
    assert caplog.records == []


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_put_back_or_forward_neither_stops_the_ticks_nor_heaps_them_up(years: int) -> None:
    task = Task()
    with ticking(task, timedelta(hours=1)) as jobs:
        task.wait_for(1)
        # To the scheduler, a next run so many years off is what a clock put back or forward leaves behind.
        jobs._scheduler.modify_job("task", next_run_time=datetime.now(UTC) + timedelta(days=365 * years))
        task.wait_for(2)
    assert task.runs == 2


def test_ticks_missed_in_ten_years_are_not_counted_one_by_one() -> None:
    jobs = EmbeddedJobs({"task": (Task(), timedelta(hours=1))})
    job, now = jobs._scheduler.get_job("task"), datetime.now(UTC)
    job.next_run_time = now - timedelta(days=3650)
    assert len(job._get_run_times(now)) == 1


@pytest.mark.parametrize(("error", "place"), [(StoreError("locked"), False), (KeyError("id"), True)])
def test_a_task_that_fails_is_told_by_name_and_comes_again(error: Exception, place: bool) -> None:
    def fail() -> None:
        raise error

    task = Task(fail)
    with structlog.testing.capture_logs() as logs, ticking(task):
        task.wait_for(2)
    assert {(entry["event"], entry["task"], entry["error"]) for entry in logs} == {("task failed", "task", str(error))}
    assert all((entry["exc_info"] is not None) is place for entry in logs)
