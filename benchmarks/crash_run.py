"""One crash: a worker that dies at a point, others beside and after it that do not, and what is true when all is quiet.

run(site, server, Crash(name="send.dot", kind="kill", asked="send.dot:17=kill"), addresses)
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aggregator.faults import VARIABLE
from benchmarks.crash_oracle import Verdict, issue_text, judge
from benchmarks.crash_process import Child, flows, worker
from benchmarks.crash_site import Site
from benchmarks.smtp_journal import JournalServer, Mode, read_journal

Kind = Literal["kill", "stop", "drop", "enospc", "end", "full", "none"]
"""What befalls the first worker; `end`: it is asked to (SIGTERM); `full`: its disk is, for a while; `none`: the mail
server alone is the trouble."""
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "end": signal.SIGTERM}
REFUSING: frozenset[Mode] = frozenset({"full", "no_tls", "no_login"})
"""A server that is so takes nothing; it is well again when the first workers have given up."""
ROUNDS = 30
"""Workers that are started at most until all is quiet: a deferred letter needs two, a server that hangs up many."""
SETTLING = 60.0
"""Seconds in which any worker has to be done."""
ASLEEP = 1.0
"""Seconds that a stopped process stays so while others work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """What is done to the first of so many workers: `asked` as in `aggregator/faults.py`, or after `delay` seconds.

    `name` and `kind`: where it stands in the tables. `room`: octets that fit into a file of its disk. `real`: workers
    are `aggregator worker`, else its flows alone.
    """

    name: str
    kind: Kind
    asked: str = ""
    delay: float = 0.0
    room: int = 0
    workers: int = 1
    mode: Mode = "good"
    real: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`reached`: whether it befell the worker while there was something to do; `text`: what the issue says."""

    crash: Crash
    reached: bool
    verdict: Verdict
    text: tuple[object, ...]
    seconds: float


def run(
    site: Site,
    server: JournalServer,
    crash: Crash,
    addresses: Sequence[str],
    *,
    most_in_doubt: int,
    resends: bool = False,
) -> Outcome:
    """Crash a worker of this site, let it come to rest, and judge it."""
    began = time.monotonic()
    server.begin(site.folder / "journal")
    server.mode = crash.mode
    start = worker if crash.real else flows
    children = [start(site, server.url, crash.asked if number == 0 else "") for number in range(crash.workers)]
    try:
        reached = _let_happen(site, server, crash, children)
    finally:
        for child in children:
            child.kill()
    if crash.mode in REFUSING:
        server.mode = "good"
    settle(site, server, real=crash.real)
    server.settle()
    return Outcome(
        crash=crash,
        reached=reached,
        verdict=judge(site, read_journal(server.journal), addresses, most_in_doubt=most_in_doubt, resends=resends),
        text=issue_text(site),
        seconds=round(time.monotonic() - began, 2),
    )


def _let_happen(site: Site, server: JournalServer, crash: Crash, children: Sequence[Child]) -> bool:
    """The fault, and what follows of it in the process it befell; a stopped one sleeps beside one that works."""
    victim, others = children[0], list(children[1:])
    reached = _befall(site, crash, victim)
    if victim.stopped:
        others = others or [(worker if crash.real else flows)(site, server.url)]
        others[0].await_change(lambda: at_rest(site), seconds=ASLEEP)
        victim.wake()
    for child in (victim, *others):
        child.await_change(lambda: _is_idle(site, crash), seconds=SETTLING)
        child.end()
    return reached


def _befall(site: Site, crash: Crash, victim: Child) -> bool:
    """Whether it did, before all was done."""
    if crash.asked:
        victim.await_change(lambda: _is_idle(site, crash), seconds=SETTLING)
        return _told(site, crash)
    if crash.kind == "none":
        return True
    if crash.kind == "full":
        return _starve(site, crash, victim)
    victim.await_change(seconds=crash.delay)
    at_work = victim.code is None and not at_rest(site)
    if victim.code is None:
        os.kill(victim.pid, SIGNALS[crash.kind])
        victim.await_change(seconds=30)
    return at_work


def _starve(site: Site, crash: Crash, victim: Child) -> bool:
    """Whether the disk was full for it; there is room again after a while, and nobody tells it so."""
    victim.limit(crash.room)
    victim.await_change(lambda: "deliver.not_noted" in site.log.read_text("utf-8"), seconds=SETTLING)
    victim.await_change(seconds=ASLEEP)
    if victim.code is None:
        victim.limit(0)
    return "deliver.not_noted" in site.log.read_text("utf-8")


def _told(site: Site, crash: Crash) -> bool:
    return f"{VARIABLE}: {crash.asked.partition(':')[0]} is reached" in site.log.read_text("utf-8")


def _is_idle(site: Site, crash: Crash) -> bool:
    """Whether a real worker has nothing left to do now; the flows alone end by themselves."""
    return crash.real and (at_rest(site) or (crash.kind in ("drop", "enospc") and _told(site, crash)))


def settle(site: Site, server: JournalServer, *, real: bool = False) -> None:
    """Let workers that nothing befalls do what is left, until all is quiet."""
    for _ in range(ROUNDS):
        if at_rest(site):
            break
        site.let_time_pass()
        child = (worker if real else flows)(site, server.url)
        child.await_change(lambda: real and at_rest(site), seconds=SETTLING)
        child.end()


def at_rest(site: Site) -> bool:
    """Whether the issue is made, and no letter waits, but those that the server puts off for ever."""
    ((made, waiting),) = site.read(
        "SELECT (SELECT count(*) FROM issues), count(*)"
        " FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id"
        " WHERE state = 'sending' OR (next_attempt_at IS NOT NULL AND email NOT LIKE '%.defer@%')"
    )
    return made != 0 and waiting == 0
