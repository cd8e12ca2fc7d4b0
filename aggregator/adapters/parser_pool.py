"""Reading documents in child processes that may be lost: a hostile one costs its own feed a failure, nothing else.

refresh: fetch > **parse > normalise > identity** > entries.known ... Beside the flow, a thread takes what the fetcher
brings and one more per child hands it on and waits; the number of documents on the way is bounded.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from time import monotonic
from typing import Self

from aggregator.adapters import parser_child
from aggregator.adapters.parser_child import Answer, Task, failure
from aggregator.errors import ChildError
from aggregator.model.poll import Cause, Fetched, FetchOutcome, PollOutcome
from aggregator.settings.values import Polling

BATCH = 25
LINGER_SECONDS = 0.5
ON_THE_WAY = 2 * BATCH
START_SECONDS = 60
WALL_FACTOR = 6
"""A child that waits instead of working uses no CPU time: after this many times the limit it is ended all the same."""

PROGRAM = f"from {parser_child.__name__} import main; main()"
INHERITED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "LANG")
"""All that a child sees of the environment: it reads what strangers wrote, and needs no secret for it."""


class ParserPool:
    """`ports.Parser`: `read` runs in child processes with limits of CPU time, memory and time.

    Children start when first needed. Use it as a context manager, so that they end with it.
    """

    def __init__(self, polling: Polling, *, read: Callable[[Fetched], PollOutcome]) -> None:
        self._task = Task(read=read, cpu=polling.parse_cpu.total_seconds(), memory=polling.parse_memory)
        self._threads = ThreadPoolExecutor(polling.parse_processes, thread_name_prefix="parser")
        self._seats: SimpleQueue[_Child | None] = SimpleQueue()
        for _ in range(polling.parse_processes):
            self._seats.put(None)
        self._children: set[_Child] = set()
        self._closed = False

    def parse(self, outcomes: Iterable[FetchOutcome]) -> Iterator[Sequence[PollOutcome]]:
        """Turn each `Fetched` into `Read` or `FetchFailed`, pass the rest on; yields batches as they are ready."""
        return _Round(outcomes, self._submit).batches()

    def close(self) -> None:
        """End the children; a round under way raises, and its feeds stay due."""
        self._closed = True
        for child in tuple(self._children):
            child.kill()
        self._threads.shutdown(cancel_futures=True)
        for child in tuple(self._children):
            self._drop(child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, fetched: Fetched) -> "Future[PollOutcome]":
        return self._threads.submit(self._read, fetched)

    def _read(self, fetched: Fetched) -> PollOutcome:
        child = self._seats.get()
        try:
            if child and child.is_gone():
                self._drop(child)
                child = None
            child = child or self._start()
            answer = child.ask(fetched)
            if answer.spent:
                self._drop(child)
                child = None
            return answer.outcome
        except _Lost as loss:
            if child:
                self._drop(child)
                child = None
            if self._closed:
                raise RuntimeError("the parser was closed") from loss
            return failure(fetched, Cause.PARSE_LIMIT, str(loss))
        finally:
            self._seats.put(child)

    def _start(self) -> "_Child":
        """A child that is ready; raises ChildError, which is no document's fault."""
        try:
            child = _Child(self._task)
        except OSError as error:
            cure = "see how many processes, open files and how much memory this user may have"
            raise ChildError(f"the parser's process does not start: {error.strerror}; {cure}") from error
        self._children.add(child)
        if self._closed:
            child.kill()
        try:
            child.prepare()
        except (_Lost, OSError) as error:
            self._drop(child)
            raise ChildError(f"the parser's process does not start: {error}") from error
        return child

    def _drop(self, child: "_Child") -> None:
        child.end()
        self._children.discard(child)


class _Lost(Exception):
    """A child gives no answer; the message says why, in words for a person."""


class _Child:
    """One process that reads documents, one at a time.

    Started afresh, which is safe beside threads: 0.11 s of CPU time and 27 MB. `multiprocessing` would import the
    program's main module into each child: 0.8 s and 100 MB.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._line, theirs = _line()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def prepare(self) -> None:
        """Hand over the task and wait until the child has set its limits."""
        self._line.send(self._task)
        self._receive(START_SECONDS)

    def is_gone(self) -> bool:
        """Whether it ended while it had nothing to do; then no document is to blame."""
        return self._line.poll() or self._process.poll() is not None

    def ask(self, fetched: Fetched) -> Answer:
        """The child's answer; raises _Lost when there is none within the limits."""
        try:
            self._line.send(fetched)
        except OSError as error:
            raise _Lost(self._epitaph()) from error
        answer = self._receive(WALL_FACTOR * self._task.cpu)
        if not isinstance(answer, Answer):
            raise _Lost("the parser's answer makes no sense")
        return answer

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()

    def end(self) -> None:
        """End the process and give back what it held."""
        self.kill()
        self._process.wait()
        self._line.close()

    def _receive(self, seconds: float) -> object:
        try:
            if self._line.poll(seconds):
                return self._line.recv()
        except (EOFError, OSError) as error:
            raise _Lost(self._epitaph()) from error
        self.kill()
        raise _Lost(f"not read within {seconds:g} s")

    def _epitaph(self) -> str:
        """Why the process is gone."""
        code = self._process.wait()
        if code == -signal.SIGPROF:
            return f"not read within {self._task.cpu:g} s of CPU time"
        if code == -signal.SIGABRT:
            return f"reading it crashed, or needs more than {self._task.memory // 1024**2} MiB of memory"
        return f"reading it crashed ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"


class _Round:
    """One pass over the outcomes of a fetcher."""

    def __init__(self, outcomes: Iterable[FetchOutcome], submit: Callable[[Fetched], "Future[PollOutcome]"]) -> None:
        self._outcomes, self._submit = outcomes, submit
        self._ready: SimpleQueue[PollOutcome | BaseException | int] = SimpleQueue()
        self._room = Semaphore(ON_THE_WAY)
        self._stopped = False
        self._missing: int | None = None
        self._delivered = 0

    def batches(self) -> Iterator[Sequence[PollOutcome]]:
        """Up to BATCH outcomes at a time, or those that came within LINGER_SECONDS of the first."""
        Thread(target=self._take, name="parser-feed", daemon=True).start()
        try:
            while batch := self._gather():
                self._room.release(len(batch))
                yield batch
        finally:
            self._stopped = True
            self._room.release()

    def _gather(self) -> list[PollOutcome]:
        batch: list[PollOutcome] = []
        until: float | None = None
        while len(batch) < BATCH and self._delivered != self._missing:
            try:
                item = self._ready.get(timeout=None if until is None else max(0.0, until - monotonic()))
            except Empty:
                break
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, int):
                self._missing = item
                continue
            until = until or monotonic() + LINGER_SECONDS
            batch.append(item)
            self._delivered += 1
        return batch

    def _take(self) -> None:
        """Runs in a thread: the next outcome may be long in coming, and others are ready meanwhile."""
        taken = 0
        try:
            for outcome in self._outcomes:
                self._room.acquire()
                if self._stopped:
                    break
                taken += 1
                if isinstance(outcome, Fetched):
                    self._submit(outcome).add_done_callback(self._settle)
                else:
                    self._ready.put(outcome)
            if isinstance(self._outcomes, Generator):
                self._outcomes.close()
            self._ready.put(taken)
        except BaseException as error:  # raised again where the batches are taken
            self._ready.put(error)

    def _settle(self, future: "Future[PollOutcome]") -> None:
        if future.cancelled():
            self._ready.put(RuntimeError("the parser was closed"))
        else:
            self._ready.put(future.exception() or future.result())


def _line() -> tuple[Connection, socket.socket]:
    ours, theirs = socket.socketpair()
    return Connection(ours.detach()), theirs


def _environment() -> dict[str, str]:
    """The child finds what the parent finds, and no more."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
