"""The processes that are crashed, each a child of ours in a group of its own, known by how it ended.

`flows` does what a worker does, once and without its clock, in a fork of this process: many of them cost little.
`worker` is `aggregator worker` as people start it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from aggregator import faults
from aggregator.settings.loading import load_settings
from aggregator.wiring import Runtime
from aggregator.worker import Worker
from benchmarks.crash_site import Site

LONGEST = 120.0
"""Seconds that any process may take."""
RESTS, LOOKS = 0.01, 0.25
"""Seconds between two looks at a process, and at what else may have come true."""


@dataclass(slots=True)
class Child:
    """A process that we started and nobody else waits for."""

    pid: int
    code: int | None = None
    """Its exit code, less than 0 for a signal, once it has ended."""
    stopped: bool = False

    def look(self) -> None:
        """Learn what became of it since the last look."""
        if self.code is not None:
            return
        pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if pid and os.WIFSTOPPED(status):
            self.stopped = True
        elif pid and os.WIFCONTINUED(status):
            self.stopped = False
        elif pid:
            self.code, self.stopped = os.waitstatus_to_exitcode(status), False

    def await_change(self, until: Callable[[], bool] = lambda: False, seconds: float = LONGEST) -> bool:
        """Wait until it ends, is stopped, or that is true; False when time is over."""
        now = look_at = time.monotonic()
        end = now + seconds
        while (now := time.monotonic()) < end:
            self.look()
            if self.code is not None or self.stopped:
                return True
            if now >= look_at:
                if until():
                    return True
                look_at = now + LOOKS
            time.sleep(RESTS)
        return False

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self.stopped = False

    def end(self) -> None:
        """As systemd ends it: asked first."""
        self.look()
        if self.code is None:
            os.kill(self.pid, signal.SIGTERM)
            if not self.await_change(seconds=30):
                self.kill()

    def kill(self) -> None:
        """As a power cut ends it."""
        self.look()
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.await_change(seconds=10)

    def limit(self, octets: int) -> None:
        """Let it write no file longer than this, as on a disk that is full; 0: any."""
        most = octets or resource.RLIM_INFINITY
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def flows(site: Site, smtp_url: str, asked: str = "") -> Child:
    """A fork that follows feeds.yaml, closes the issues that are due and sends what is; `asked` as in `faults.py`."""
    return _fork(site.log, lambda: _work_through(site, smtp_url, asked))


def worker(site: Site, smtp_url: str, asked: str = "") -> Child:
    """`aggregator worker`, until it is ended."""
    environment = site.environment(smtp_url) | ({faults.VARIABLE: asked} if asked else {})
    return _fork(site.log, lambda: _become([sys.executable, "-m", "aggregator", "worker"], site.folder, environment))


def _fork(log: Path, work: Callable[[], int]) -> Child:
    sys.stdout.flush()
    if pid := os.fork():
        return Child(pid)
    code = 70
    try:
        with suppress(OSError):
            os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number in (1, 2):
            os.dup2(descriptor, number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:  # whatever happens, the child must not go on as its parent
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work_through(site: Site, smtp_url: str, asked: str) -> int:
    faults.ask(asked)
    os.environ.update(site.environment(smtp_url))
    settings = load_settings(site.config, os.environ)
    with Runtime(settings) as runtime, ExitStack() as place:
        worker = Worker(runtime)
        worker.lead(place)
        if worker.leads:
            runtime.mail.compose()
        report = runtime.mail.deliver()
    return 0 if report.paused is None else 75  # the server's fault: come again


def _become(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
    os.chdir(folder)
    os.execve(command[0], command, dict(environment))
