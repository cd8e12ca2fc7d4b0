"""Does the DNS agree with how we send? Look at the mail server, judge, ask what that takes, judge again.

    relay > judge > names.answers > judge > ... until nothing is missing

It writes nothing and sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.mail_ports import MailNames
from aggregator.model.mailfacts import Answer, MailSetup, Question, RelayFacts, Verdict
from aggregator.steps.mailcheck.judging import judge

MOST_ROUNDS = 40
"""Rounds of questions. Each follows names one step further, and no chain of ours is longer than 10 includes or 8
parents; so this is never reached, and is here so that nobody has to prove it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectPorts:
    """What looking needs of the world."""

    names: MailNames


def inspect_mail(ports: InspectPorts, setup: MailSetup, relay: RelayFacts | None) -> tuple[Verdict, ...]:
    """The verdicts on this setup, and on the mail server when there is one."""
    known: dict[Question, Answer] = {}
    verdicts, missing = judge(setup, relay, known)
    for _ in range(MOST_ROUNDS):
        if not missing:
            break
        known |= ports.names.answers(missing)
        verdicts, missing = judge(setup, relay, known)
    return verdicts
