"""What a parser's child process does: documents in, outcomes out, each within limits of its own.

`parser_pool.py` starts `main` in a process of its own, with the descriptor of a line to the parent. It imports
little, so that it starts fast and stays small, and it ends when its end of the line is the only one left.
"""

import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection

from aggregator.adapters.garbage import look_seldom
from aggregator.model.poll import Cause, Fetched, FetchFailed, PollOutcome

MAX_DOCUMENTS = 2_000
MAX_RESIDENT = 160 * 1024 * 1024
"""Memory of a child, in octets, that is not worth keeping: a new one costs a quarter of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How to read a document, and the limits of each: seconds of CPU time, octets of memory."""

    read: Callable[[Fetched], PollOutcome]
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome of one document; a child that is `spent` takes no other."""

    outcome: PollOutcome
    spent: bool


def main() -> None:
    """Serve the parent until it, or this child, is at its end."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a signal to the whole group: the parent decides, its end is ours
        signal.signal(number, signal.SIG_IGN)
    line = Connection(int(sys.argv[1]))
    try:
        serve(line)
    except (EOFError, OSError):
        sys.exit()


def serve(line: Connection) -> None:
    """Answer documents one after another, until this child is spent."""
    task: Task = line.recv()
    _limit_memory(task.memory)
    look_seldom()
    line.send(None)
    for served in count(1):
        fetched: Fetched = line.recv()
        try:
            answer = _answer(task, fetched, served)
            reply = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        except MemoryError:
            message = f"reading it needs more than {task.memory // 1024**2} MiB of memory"
            answer = Answer(outcome=failure(fetched, Cause.PARSE_LIMIT, message), spent=True)
            reply = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        line.send_bytes(reply)
        if answer.spent:
            return


def _limit_memory(octets: int) -> None:
    """No more than `octets`, nor more than the system allows already."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = octets if most == resource.RLIM_INFINITY else min(octets, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def failure(fetched: Fetched, cause: Cause, message: str) -> FetchFailed:
    """The document's failure, with what the server said of the next visit."""
    return FetchFailed(
        feed_id=fetched.feed_id, cause=cause, message=message, status=fetched.status, wishes=fetched.wishes
    )


def _answer(task: Task, fetched: Fetched, served: int) -> Answer:
    outcome = _within_time(task, fetched)
    return Answer(outcome=outcome, spent=served >= MAX_DOCUMENTS or _resident() > MAX_RESIDENT)


def _within_time(task: Task, fetched: Fetched) -> PollOutcome:
    """The outcome of `read`; past its CPU time SIGPROF ends the process, in the midst of C code too."""
    signal.setitimer(signal.ITIMER_PROF, task.cpu)
    try:
        return task.read(fetched)
    except MemoryError:
        raise
    except Exception as error:  # one document's surprise is that feed's failure, whatever it is
        words = " ".join(str(error).split())[:120]
        return failure(fetched, Cause.PARSE, f"unreadable: {type(error).__name__}: {words}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _resident() -> int:
    """Octets of memory in use now, 0 where the system does not say.

    Not `ru_maxrss`: that begins, after a fork and an exec, at the size of the parent.
    """
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0
