"""The score of a Subscriber, the fault of a run, and the way out, as tables and as properties."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.bounce import (
    BounceAction,
    BouncedRecipient,
    BounceHistory,
    BounceKind,
    BounceVerdict,
    RunOutcome,
    Strike,
)
from aggregator.steps.bouncing import NOTICE_EVERY, judge, next_step, relay_fault, score

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
HARD = BouncedRecipient(address="ada@think.example", kind=BounceKind.HARD, status="5.2.2", diagnostic="mailbox full")
SOFT = BouncedRecipient(address="ada@think.example", kind=BounceKind.SOFT, status="4.4.1")


def strike(day: float, kind: BounceKind = BounceKind.HARD, *, issue: int | None = None, name: str = "") -> Strike:
    """A bounce so many days after the start; by default each day has its own Issue."""
    digest = name or f"{day}-{kind}"
    at = START + day * DAY
    return Strike(digest=digest.encode(), at=at, kind=kind, issue_id=int(day) if issue is None else issue)


def history(*strikes: Strike, accepted: tuple[int, ...] = ()) -> BounceHistory:
    return BounceHistory(strikes=strikes, accepted=tuple((START + day * DAY).date() for day in accepted))


def verdict(recipient: BouncedRecipient, last: Strike, past: BounceHistory) -> BounceVerdict:
    return judge(recipient, last, past, last.at)


# --- one Subscriber -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strikes", "accepted", "today", "expected"),
    [
        ((), (), 0, 0.0),
        ((strike(0),), (), 0, 1.0),
        ((strike(0, BounceKind.SOFT),), (), 0, 0.5),
        ((strike(0, BounceKind.SOFT), strike(0.1), strike(0.2, BounceKind.SOFT)), (), 0, 1.0),
        ((strike(0), strike(1), strike(2, BounceKind.SOFT)), (), 2, 2.5),
        ((strike(0),), (1, 2, 3, 4, 5, 6), 9, 1.0),
        ((strike(0),), (1, 2, 3, 4, 5, 6, 7), 9, 0.0),
        ((strike(0),), (0, -1, -2, -3, -4, -5, -6, -7), 9, 1.0),
        ((strike(0),), (13,), 20, 1.0),
        ((strike(0),), (14,), 20, 0.0),
        ((strike(0),), (14,), 13, 1.0),
        ((strike(0),), (), 400, 1.0),
        ((strike(0), strike(20)), (14,), 20, 1.0),
        ((strike(0), strike(14)), (14,), 14, 2.0),
    ],
)
def test_a_score_is_of_days_and_is_forgotten_by_letters_that_arrive(
    strikes: tuple[Strike, ...], accepted: tuple[int, ...], today: int, expected: float
) -> None:
    assert score(history(*strikes, accepted=accepted), START + today * DAY) == expected


def test_more_than_three_from_three_issues_disables() -> None:
    past = history(strike(0), strike(1))
    assert verdict(HARD, strike(2), past) == BounceVerdict(
        action=BounceAction.SCORED, score=3.0, reason="5.2.2 mailbox full"
    )
    past = history(strike(0), strike(1), strike(2))
    assert verdict(HARD, strike(3), past).action is BounceAction.DISABLE
    same = history(strike(0, issue=1), strike(1, issue=1), strike(2, issue=2))
    assert verdict(HARD, strike(3, issue=2), same).action is BounceAction.SCORED


def test_soft_bounces_of_seven_days_disable() -> None:
    days = [strike(day, BounceKind.SOFT) for day in range(7)]
    actions = [verdict(SOFT, last, history(*days[:number])).action for number, last in enumerate(days)]
    assert actions == [BounceAction.SCORED] * 6 + [BounceAction.DISABLE]


def test_an_address_that_is_no_good_is_suppressed_at_once() -> None:
    unknown = BouncedRecipient(address="a@b.example", kind=BounceKind.HARD, status="5.1.1", names_address=True)
    assert verdict(unknown, strike(0), history()).action is BounceAction.SUPPRESS


def test_a_complaint_suppresses_and_is_no_score() -> None:
    complaint = BouncedRecipient(address="a@b.example", kind=BounceKind.COMPLAINT)
    assert verdict(complaint, strike(0, BounceKind.COMPLAINT), history()) == BounceVerdict(
        action=BounceAction.SUPPRESS, score=0.0, reason="a complaint"
    )


@pytest.mark.parametrize(
    "recipient",
    [
        BouncedRecipient(address="a@b.example", kind=BounceKind.HARD, status="5.7.1", policy=True),
        BouncedRecipient(address="a@b.example", kind=BounceKind.SOFT, status="4.7.1", policy=True),
        BouncedRecipient(address="a@b.example", kind=BounceKind.DELIVERED),
    ],
)
def test_what_is_no_fault_of_the_address_never_counts(recipient: BouncedRecipient) -> None:
    past = history(*map(strike, range(20)))
    assert verdict(recipient, strike(20), past).action is BounceAction.NOTHING


DAYS = st.integers(0, 60)
KINDS = st.sampled_from([BounceKind.HARD, BounceKind.SOFT])
STRIKES = st.lists(st.builds(strike, st.floats(0, 60), KINDS), max_size=30)


@given(STRIKES, st.sets(DAYS), st.randoms(), DAYS)
def test_neither_order_nor_a_mail_that_is_read_twice_matters(
    strikes: list[Strike], accepted: set[int], random: object, today: int
) -> None:
    shuffled = [*strikes, *strikes[:3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    now = START + today * DAY
    days = tuple(sorted(accepted))
    assert score(history(*shuffled, accepted=days), now) == score(history(*strikes, accepted=days), now)


@given(STRIKES, DAYS, KINDS)
def test_what_comes_within_a_day_is_worth_one_at_most(strikes: list[Strike], day: int, kind: BounceKind) -> None:
    now = START + 61 * DAY
    before = score(history(*strikes), now)
    flood = [strike(day + number / 100, kind, name=f"flood {number}") for number in range(50)]
    assert before <= score(history(*strikes, *flood), now) <= before + 1.0


def test_a_flood_of_ten_thousand_is_one_days_worth() -> None:
    flood = [strike(0, name=str(number), issue=number) for number in range(10_000)]
    assert score(history(*flood), START) == 1.0
    assert verdict(HARD, strike(0.3, name="last"), history(*flood)).action is BounceAction.SCORED


@given(STRIKES, st.sets(DAYS), DAYS)
def test_letters_that_arrive_never_raise_a_score(strikes: list[Strike], accepted: set[int], today: int) -> None:
    now = START + today * DAY
    assert score(history(*strikes, accepted=tuple(accepted)), now) <= score(history(*strikes), now)


# --- one run --------------------------------------------------------------------------------------

TWO = ("a.example", "b.example")


@pytest.mark.parametrize(
    ("run", "faulty"),
    [
        (RunOutcome(letters=0), False),
        (RunOutcome(letters=1000, unnamed=TWO * 25), False),
        (RunOutcome(letters=1000, unnamed=TWO * 26), True),
        (RunOutcome(letters=1000, unnamed=("a.example",) * 500), False),
        (RunOutcome(letters=1000, unnamed=("a.example",) * 501), True),
        (RunOutcome(letters=1000, named=200), False),
        (RunOutcome(letters=1000, named=400, unnamed=("a.example",) * 101), True),
        (RunOutcome(letters=4, unnamed=TWO * 2), False),
        (RunOutcome(letters=20, unnamed=("a.example", "b.example", "c.example")), False),
    ],
)
def test_a_run_that_comes_back_is_our_relays_fault(run: RunOutcome, faulty: bool) -> None:
    assert (relay_fault(run) is not None) == faulty


def test_the_fault_of_a_run_is_told_in_numbers() -> None:
    assert relay_fault(RunOutcome(letters=100, unnamed=TWO * 10)) == (
        "20 of 100 letters came back for reasons that are no reader's"
    )
    assert relay_fault(RunOutcome(letters=10, named=9)) == "9 of 10 letters came back"


# --- the way out ----------------------------------------------------------------------------------


def test_three_notices_a_week_apart_then_the_end() -> None:
    sent: list[datetime] = []
    plan = []
    for _ in range(4):
        step = next_step(START, sent)
        plan.append((step.notice, (step.at - START).days))
        sent.append(step.at)
    assert plan == [(1, 0), (2, 7), (3, 14), (0, 21)]


def test_a_notice_that_went_late_moves_the_next() -> None:
    late = START + 3 * DAY
    assert next_step(START, [late]).at == late + NOTICE_EVERY


def test_notices_of_an_earlier_time_are_not_counted() -> None:
    assert next_step(START, [START - 30 * DAY, START - 23 * DAY]).notice == 1


def test_days_are_of_utc() -> None:
    assert isinstance(history(accepted=(1,)).accepted[0], date)
    late, early = strike(0.62, name="23:52"), strike(0.64, name="00:21")
    assert (late.at.day, early.at.day) == (2, 3)
    assert score(history(late, early), START + DAY) == 2.0
