"""Sending: due Deliveries in, letters out, answers noted as they come.

    mailer.connect > pacing > deliveries.exchange > letter > dkim > mailer.hand > mailer.answers > retrying
    > deliveries.exchange

One transaction notes the answers that have come and claims as many rows as there is room for. A row is `sending` on
disk before a server hears of it, so whatever kills us leaves no more letters in doubt than were at hand: they are
listed as `uncertain`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from aggregator.faults import fault
from aggregator.flows.delivering.keeping_pace import PaceKeeper
from aggregator.flows.delivering.lettering import DeliverPlan, PrintRun
from aggregator.flows.delivering.noting import DeliverPorts, Run, collect, doubtful, exchange, policy_pause, settle
from aggregator.model.delivery import Delivery, DeliveryReport, DeliveryState, SendResult
from aggregator.model.sending import Claim, Outgoing

FRESH = timedelta(days=7)
"""An Issue older than this is no news, and none of its letters is sent any more: who takes a newsletter back into
feeds.yaml after a month, or starts a machine after one, does not mail what was left."""
MOST_COUNTED = 1_000
"""Letters that wait are counted so far: more connections than for these are not opened."""
PRINT_RUNS = 8
"""Issues whose letters are ready to be made; of the editions of a newsletter several are sent at once."""
PATIENCE_SECONDS = 1.0
"""So long an answer is waited for before we look whether we are to stop."""


def deliver(
    ports: DeliverPorts,
    plan: DeliverPlan,
    *,
    pacing: PaceKeeper,
    should_stop: Callable[[], bool] = lambda: False,
    wait: Callable[[float], object] = time.sleep,
) -> DeliveryReport:
    """Send what is due until nothing is, the server is down, or `should_stop` says so between two letters.

    Rows are claimed in the name of the worker whose pace `pacing` keeps. `wait` lets so many seconds pass while the
    database is away, or less when the run is to stop. A fault of ours in a letter settles that one and is raised: going
    on might cost every reader theirs. What is raised as StoreError may leave rows claimed.
    """
    run = Run(ports, plan, pacing, should_stop, wait)
    run.letters = ports.deliveries.waiting(run.now, plan.newsletters, limit=MOST_COUNTED)
    if not run.letters:
        return run.report()
    try:
        _send_all(run)
    finally:
        ports.mailer.close()
        fault("send.closed")
    if run.unsure:
        ports.deliveries.release(pacing.worker, run.now)
    if run.error is not None:
        raise run.error
    return run.report()


def _send_all(run: Run) -> None:
    run.paused = policy_pause(run.ports)
    while True:
        noted = bool(run.settled)
        exchanged = exchange(run, _wish(run))
        for delivery in exchanged.claimed:
            _hand(run, delivery)
        if not (noted or exchanged.claimed or run.settled or run.at_hand):
            return
        collect(run, PATIENCE_SECONDS if run.at_hand and not run.settled else 0)


def _wish(run: Run) -> Claim | None:
    """What to claim now; nothing while something is to be noted that may end the run or slow a domain down."""
    if run.ends or any(item.result.policy for item in run.settled):
        return None
    pace = run.pacing.pace(run.ports.deliveries, run.now)
    if not pace.room:
        return None
    if problem := run.ports.mailer.connect(run.letters):
        run.paused = problem.reply
        return None
    newsletter_ids = [id_ for id_ in run.plan.newsletters if id_ not in pace.newsletters]
    room = min(pace.room, run.ports.mailer.room())
    return Claim(worker=run.pacing.worker, newsletter_ids=newsletter_ids, room=room, but_to=tuple(pace.domains))


# --- letters --------------------------------------------------------------------------------------


def _hand(run: Run, delivery: Delivery) -> None:
    """Make the letter of a claimed row and hand it over, or settle the row."""
    if delivery.state is DeliveryState.CANCELLED:
        return
    if run.error is not None:
        settle(run, delivery, SendResult(state=DeliveryState.QUEUED, reply="not sent: another letter met a fault"))
        return
    try:
        printing = _print_run(run, delivery)
        if run.now - printing.issue.created_at > FRESH:
            words = f"not sent: the issue is older than {FRESH.days} days"
            settle(run, delivery, SendResult(state=DeliveryState.CANCELLED, reply=words))
            return
        letter = printing.letter(delivery)
    except ValueError as error:
        settle(run, delivery, _unspeakable(error))
    except Exception as error:
        words = f"not sent for a fault of ours ({type(error).__name__}); the log says where"
        settle(run, delivery, SendResult(state=DeliveryState.DEFERRED, reply=words))
        run.error = error
    else:
        _hand_over(run, delivery, letter)


def _hand_over(run: Run, delivery: Delivery, letter: Outgoing) -> None:
    try:
        run.ports.mailer.hand(letter)
    except ValueError as error:
        settle(run, delivery, _unspeakable(error))
    except Exception as error:
        settle(run, delivery, doubtful(error))
        run.error = error
    else:
        run.at_hand[delivery.id] = delivery


def _print_run(run: Run, delivery: Delivery) -> PrintRun:
    """What makes the letters of its Issue, which is read once and kept for the next ones."""
    found = run.print_runs.pop(delivery.issue_id, None)
    if found is None:
        issue = run.ports.newsletters.edition_issue(delivery.edition_id, delivery.issue_number)
        assert issue is not None  # noqa: S101 (a delivery is stored with its issue, and issues are never deleted)
        found = run.plan.print_run(issue)
    run.print_runs[delivery.issue_id] = found
    if len(run.print_runs) > PRINT_RUNS:
        del run.print_runs[next(iter(run.print_runs))]
    return found


def _unspeakable(error: ValueError) -> SendResult:
    """What becomes of a letter to an address that no header or command can hold: it never reached a server."""
    return SendResult(state=DeliveryState.REFUSED, reply=f"not sent: {error}")
