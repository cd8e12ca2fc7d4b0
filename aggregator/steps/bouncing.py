"""What bounces lead to: a score that grows by the day and is forgotten, never a counter of mails.

box > bounces > **bouncing** > store

A hard bounce counts 1, a soft one 0.5, at most one a day whatever arrives, so that a flood about one address is one
day's worth. The score is forgotten after seven days with Issues that did not come back, or with a letter accepted a
fortnight later. Above three, from three Issues at least, a Subscriber is disabled: told of it three times, a week
apart, then removed. Mailman 3 counts the same way, with 5 for its limit (`styles/default.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from aggregator.model.bounce import (
    BounceAction,
    BouncedRecipient,
    BounceHistory,
    BounceKind,
    BounceVerdict,
    RunOutcome,
    Strike,
)

HARD, SOFT = 1.0, 0.5
LIMIT = 3.0
"""Who has more than this is disabled."""
LEAST_ISSUES = 3
"""So many different Issues have to come back: one sent again and again is one fault."""
QUIET_DAYS = 7
"""So many days with an accepted Issue, and no bounce, wipe the score out."""
QUIET_SPAN = timedelta(days=14)
"""A letter accepted so long after the last bounce does so, too: for newsletters that come seldom."""
FAULTY_SHARE = 0.05
"""More of a run than this that comes back for reasons which name no address is a fault of ours or of our relay."""
WHOLLY_FAULTY_SHARE = 0.5
"""More than this is one, whatever the reasons: a relay that knows nobody says "unknown user" of everyone."""
LEAST_FAULTY = 5
"""Letters; of fewer nobody can tell a fault from bad luck."""
NOTICES = 3
NOTICE_EVERY = timedelta(days=7)


# --- one Subscriber -------------------------------------------------------------------------------


def counts(recipient: BouncedRecipient) -> bool:
    """A bounce that says something of the address, and not of what we are or send (RFC 3463 3.8)."""
    return recipient.kind in (BounceKind.HARD, BounceKind.SOFT) and not recipient.policy


def score(history: BounceHistory, now: datetime) -> float:
    """What stands against a Subscriber now."""
    return _standing(history, now.date())[0]


def judge(recipient: BouncedRecipient, strike: Strike, history: BounceHistory, now: datetime) -> BounceVerdict:
    """What one more bounce leads to. `history` may hold it already: a mail that is read twice counts once."""
    reason = f"{recipient.status} {recipient.diagnostic}".strip() or recipient.kind.value
    if recipient.kind is BounceKind.COMPLAINT:
        return BounceVerdict(action=BounceAction.SUPPRESS, score=score(history, now), reason="a complaint")
    if not counts(recipient):
        return BounceVerdict(action=BounceAction.NOTHING, score=score(history, now), reason=reason)
    if recipient.names_address:
        return BounceVerdict(action=BounceAction.SUPPRESS, score=score(history, now), reason=reason)
    together = BounceHistory(strikes=(*history.strikes, strike), accepted=history.accepted)
    points, issues = _standing(together, now.date())
    disable = points > LIMIT and issues >= LEAST_ISSUES
    return BounceVerdict(action=BounceAction.DISABLE if disable else BounceAction.SCORED, score=points, reason=reason)


def _standing(history: BounceHistory, today: date) -> tuple[float, int]:
    """(score, number of Issues that came back) since it was last forgotten."""
    strikes = {strike.digest: strike for strike in history.strikes}.values()
    points, issues, last = 0.0, set[int](), None
    for day in sorted({strike.at.date() for strike in strikes}):
        if last is not None and _forgotten(history.accepted, last, day - timedelta(days=1)):
            points, issues = 0.0, set()
        ofday = [strike for strike in strikes if strike.at.date() == day]
        points += HARD if any(strike.kind is BounceKind.HARD for strike in ofday) else SOFT
        issues |= {strike.issue_id for strike in ofday}
        last = day
    if last is None or _forgotten(history.accepted, last, today):
        return 0.0, 0
    return points, len(issues)


def _forgotten(accepted: Sequence[date], last: date, until: date) -> bool:
    """Letters arrived after the last bounce, up to and with the day `until`: enough of them, or one late enough."""
    after = {day for day in accepted if last < day <= until}
    return len(after) >= QUIET_DAYS or any(day - last >= QUIET_SPAN for day in after)


# --- one run --------------------------------------------------------------------------------------


def relay_fault(run: RunOutcome) -> str | None:
    """Why the bounces of a run are held to be our relay's fault, so that they count against nobody; else None."""
    count = len(run.unnamed)
    if count >= LEAST_FAULTY and count > FAULTY_SHARE * run.letters and len(set(run.unnamed)) > 1:
        return f"{count} of {run.letters} letters came back for reasons that are no reader's"
    every = count + run.named
    if every >= LEAST_FAULTY and every > WHOLLY_FAULTY_SHARE * run.letters:
        return f"{every} of {run.letters} letters came back"
    return None


# --- the way out ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What is to be done for a disabled Subscriber, and when: the notice of that number, or, when 0, the removal."""

    notice: int
    at: datetime


def next_step(disabled_at: datetime, notices: Sequence[datetime]) -> NextStep:
    """The first notice is due at once, each other one a week after the last; a week after the third comes the end."""
    sent = sorted(moment for moment in notices if moment >= disabled_at)
    at = sent[-1] + NOTICE_EVERY if sent else disabled_at
    return NextStep(notice=len(sent) + 1 if len(sent) < NOTICES else 0, at=at)
