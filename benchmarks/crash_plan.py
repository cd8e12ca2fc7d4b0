"""Which crashes there are: points and kinds, numbers of workers, ways of the mail server.

Where in its work a worker dies is drawn from the seed, the name and the number of the run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from benchmarks.crash_run import REFUSING, Crash, Kind, Outcome
from benchmarks.smtp_journal import Mode

SiteName = Literal["due", "queued", "again", "mixed", "secure"]
"""due: the issue is to be made. queued: its letters wait. again: so, with `uncertain: resend`. mixed: so, to readers of
every fate. secure: the same by TLS only."""

POINTS: dict[str, str] = {
    "digest.slot": "an issue is due",
    "digest.chosen": "its stories are chosen",
    "digest.rendered": "its letter is written",
    "digest.issue": "its row is written, not committed",
    "digest.half": "some of its readers too",
    "digest.recipients": "all of them",
    "digest.queued": "all is written, not committed",
    "digest.closed": "committed",
    "send.claimed": "rows are `sending`, not committed",
    "send.committed": "committed",
    "send.connected": "the server is connected to",
    "send.ehlo": "it has answered EHLO",
    "send.mail": "MAIL",
    "send.rcpt": "RCPT",
    "send.data": "DATA",
    "send.body": "half of the message has left us",
    "send.dot": "the dot has left us",
    "send.answered": "the server's answer is here",
    "send.mark": "it is about to be noted",
    "send.marked": "it is noted, and other rows are `sending`",
    "send.quit": "all is sent, before QUIT",
    "send.closed": "the run is over",
}
"""The points of RELIABILITY, in the order in which they are come to: eight of an issue, fourteen of a letter."""
KINDS: tuple[Kind, ...] = ("kill", "stop", "drop", "enospc")
SERVERS: dict[Mode, SiteName] = {
    "good": "mixed",
    "odd": "mixed",
    "closing": "mixed",
    "resetting": "mixed",
    "full": "mixed",
    "no_tls": "secure",
    "no_login": "secure",
}
_ONCE = ("digest.slot", "digest.chosen", "digest.rendered", "digest.issue", "digest.recipients", "digest.queued")
_PER_CONNECTION = ("send.connected", "send.ehlo", "send.quit")
_SOONEST = 0.05
"""Seconds after which a worker is killed, at the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A crash, and the site it happens to."""

    site: SiteName
    crash: Crash


@dataclass(slots=True)
class Reach:
    """How often each point is come to in a run, as far as runs have shown."""

    recipients: int
    most: dict[str, int] = field(default_factory=dict)

    def draw(self, point: str, random: Random) -> int:
        return random.randint(1, self.most.get(point, self._guess(point)))

    def learn(self, point: str, nth: int) -> None:
        """It was not come to so often."""
        self.most[point] = max(1, nth - 1)

    def _guess(self, point: str) -> int:
        if point in _ONCE or point.endswith(".closed"):
            return 1
        if point == "digest.half" or point in _PER_CONNECTION:
            return max(1, self.recipients // 100)
        return self.recipients


Perform = Callable[[Task], Outcome]


def points(
    names: Sequence[str],
    kinds: Sequence[Kind],
    runs: int,
    real: int,
    *,
    seed: int,
    recipients: int,
    perform: Perform,
    thin: bool = False,
) -> Iterator[Outcome]:
    """So many runs for each point and kind, and `real` ones by `aggregator worker`; those that never came to their
    point are made again. `thin`: the first kind at each point, the others in turn."""
    reach = Reach(recipients)
    for number in range(runs + real):
        for place, name in enumerate(names):
            for kind in (kinds[0], *kinds[1:][place % len(kinds[1:]) :][:1]) if thin and kinds[1:] else kinds:
                yield from _until_reached(reach, name, kind, number, real=number >= runs, seed=seed, perform=perform)


def _until_reached(
    reach: Reach, name: str, kind: Kind, number: int, *, real: bool, seed: int, perform: Perform
) -> Iterator[Outcome]:
    random = Random(f"{seed} {name} {kind} {number}")
    while True:
        nth = reach.draw(name, random)
        crash = Crash(name=name, kind=kind, asked=f"{name}:{nth}={kind}", real=real)
        outcome = perform(Task(site="due" if name.startswith("digest.") else "queued", crash=crash))
        yield outcome
        if outcome.reached or nth == 1:
            return
        reach.learn(name, nth)


def workers(
    numbers: Sequence[int], runs: int, real: int, *, seed: int, recipients: int, perform: Perform
) -> Iterator[Outcome]:
    """So many workers at once, one of them killed or stopped at a moment that nobody chose."""
    longest = _guessed(recipients)
    for count in numbers:
        for kind in ("kill", "stop"):
            for number in range(runs + real):
                random = Random(f"{seed} {count} {kind} {number}")
                crash = Crash(
                    name=f"{count} workers",
                    kind="kill" if kind == "kill" else "stop",
                    delay=random.uniform(_SOONEST, longest),
                    workers=count,
                    real=number >= runs,
                )
                for outcome in _until_in_time(Task(site="queued", crash=crash), perform):
                    yield outcome
                    longest = _nearer(longest, outcome)


def endings(runs: int, *, seed: int, recipients: int, perform: Perform) -> Iterator[Outcome]:
    """`aggregator worker` told to end while it sends: nothing is in doubt then."""
    for number in range(runs):
        random = Random(f"{seed} end {number}")
        delay = random.uniform(1.0, 3.0 + _guessed(recipients))
        crash = Crash(name="told to end", kind="end", delay=delay, real=True)
        yield from _until_in_time(Task(site="queued", crash=crash), perform)


def resends(runs: int, *, seed: int, recipients: int, perform: Perform) -> Iterator[Outcome]:
    """Killed where letters are in doubt, which are to be sent once more under the Message-ID that they had."""
    for number in range(runs):
        random = Random(f"{seed} resend {number}")
        asked = f"{random.choice(('send.dot', 'send.answered', 'send.mark'))}:{random.randint(1, recipients // 4)}=kill"
        yield perform(Task(site="again", crash=Crash(name="uncertain: resend", kind="kill", asked=asked)))


def full_disks(runs: int, *, seed: int, recipients: int, perform: Perform) -> Iterator[Outcome]:
    """A disk that is full while letters are sent, and has room again a second later."""
    most = 500_000 + 2_000 * recipients  # beyond the log of the run, and before the ledger's is written anew
    for number in range(runs):
        room = Random(f"{seed} full {number}").randint(most // 3, most)
        yield perform(Task(site="queued", crash=Crash(name="disk full", kind="full", room=room)))


def servers(modes: Sequence[Mode], runs: int, *, seed: int, recipients: int, perform: Perform) -> Iterator[Outcome]:
    """A mail server of each kind, with a worker that lives and, where it takes mail, with one that is killed; readers
    of every fate."""
    longest = _guessed(recipients)
    for mode in modes:
        for number in range(runs if mode in REFUSING else 2 * runs):
            random = Random(f"{seed} {mode} {number}")
            kind: Kind = "kill" if number >= runs else "none"
            crash = Crash(name=f"server {mode}", kind=kind, delay=random.uniform(_SOONEST, longest), mode=mode)
            for outcome in _until_in_time(Task(site=SERVERS[mode], crash=crash), perform):
                yield outcome
                longest = _nearer(longest, outcome)


def _until_in_time(task: Task, perform: Perform) -> Iterator[Outcome]:
    """A crash after a time, and while all was done before it, the same after a shorter one."""
    while True:
        outcome = perform(task)
        yield outcome
        if outcome.reached or task.crash.delay <= _SOONEST:
            return
        task = replace(task, crash=replace(task.crash, delay=max(_SOONEST, 0.6 * task.crash.delay)))


def _guessed(recipients: int) -> float:
    """Seconds that a worker may take for so many letters."""
    return 0.5 + recipients / 200


def _nearer(longest: float, outcome: Outcome) -> float:
    """Draw from a shorter time where a run was over before its moment, from a longer one where it was not."""
    if outcome.crash.kind == "none" or outcome.crash.real:
        return longest
    return max(0.3, longest * 0.8) if not outcome.reached else min(20.0, longest * 1.1)
