"""Never more than is allowed within any span, whatever comes; and no less than is allowed for long."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.pace import Limits, Rate, WarmUp
from aggregator.model.sending import Sent
from aggregator.steps.pacing import Pacer, warmed_up
from tests.fakes import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def sent(at: datetime, domain: str = "a.example", newsletter_id: str = "weekly") -> Sent:
    return Sent(at=at, domain=domain, newsletter_id=newsletter_id)


def test_without_limits_all_may_go() -> None:
    pacer = Pacer(Limits(), most=16)
    for _ in range(1000):
        pacer.note(sent(START))
    pace = pacer.pace(START)
    assert (pace.room, pace.domains, pace.newsletters) == (16, {}, {})
    assert Limits().longest == timedelta()


def test_the_whole_rate_counts_every_letter_of_the_last_span() -> None:
    pacer = Pacer(Limits(whole=Rate(letters=10, span=HOUR)), most=16)
    for minute in range(8):
        pacer.note(sent(START + timedelta(minutes=minute), domain=f"d{minute}.example"))
    now = START + timedelta(minutes=8)
    assert pacer.pace(now).room == 2
    for _ in range(2):
        pacer.note(sent(now))
    assert pacer.pace(now).room == 0
    assert pacer.pace(START + HOUR).room == 0, "the first part is not wholly past"
    assert pacer.pace(START + HOUR + timedelta(minutes=1)).room == 1
    assert pacer.pace(START + 2 * HOUR).room == 10


def test_a_domain_that_has_had_its_share_waits_alone() -> None:
    limits = Limits(domains={"big.example": Rate(letters=3, span=HOUR)}, other_domains=Rate(letters=1, span=HOUR))
    pacer = Pacer(limits, most=16)
    for _ in range(2):
        pacer.note(sent(START, "big.example"))
    assert pacer.pace(START).room == 1, "all of them might be for the one that has one left"
    pacer.note(sent(START, "big.example"))
    pacer.note(sent(START, "small.example"))
    pace = pacer.pace(START)
    assert pace.room == 1, "all of them might be for one that is new"
    assert pace.domains == dict.fromkeys(("big.example", "small.example"), START + HOUR + timedelta(minutes=1))
    assert pacer.pace(START + 2 * HOUR).domains == {}


def test_of_a_small_share_no_more_is_asked_for_at_once() -> None:
    limits = Limits(domains={"big.example": Rate(letters=3, span=HOUR)}, other_domains=Rate(letters=5, span=HOUR))
    assert Pacer(limits, most=16).pace(START).room == 3
    assert Pacer(Limits(other_domains=Rate(letters=5, span=HOUR)), most=16).pace(START).room == 5


def test_a_newsletter_has_a_rate_of_its_own() -> None:
    pacer = Pacer(Limits(newsletters={"weekly": Rate(letters=2, span=HOUR)}), most=16)
    for _ in range(2):
        pacer.note(sent(START))
    for _ in range(5):
        pacer.note(sent(START, newsletter_id="daily"))
    pace = pacer.pace(START)
    assert (pace.room, set(pace.newsletters)) == (16, {"weekly"})


def test_who_has_had_a_large_share_waits_for_a_tenth_of_it() -> None:
    pacer = Pacer(Limits(domains={"big.example": Rate(letters=100, span=HOUR)}), most=4)
    for number in range(100):
        pacer.note(sent(START + number * timedelta(seconds=36), "big.example"))
    now = START + timedelta(minutes=60)
    until = pacer.pace(now).domains["big.example"]
    assert timedelta(minutes=5) <= until - now <= timedelta(minutes=8)
    assert pacer.pace(until).room == 4
    assert pacer.pace(until).domains == {}


@pytest.mark.parametrize(
    ("day", "letters"), [(-3, 200), (0, 200), (2, 200), (3, 400), (8, 800), (365_000, 200 * 2**40)]
)
def test_a_new_relay_warms_up(day: int, letters: int) -> None:
    warm_up = WarmUp(begins=START, letters=200, doubling=3 * DAY)
    assert warmed_up(warm_up, START + day * DAY) == letters


def test_a_warm_up_is_a_limit_a_day() -> None:
    limits = Limits(warm_up=WarmUp(begins=START, letters=5, doubling=DAY), whole=Rate(letters=8, span=HOUR))
    pacer = Pacer(limits, most=16)
    for _ in range(5):
        pacer.note(sent(START))
    assert pacer.pace(START).room == 0
    assert pacer.pace(START + DAY).room == 5
    assert limits.longest == DAY


def test_what_is_counted_is_forgotten_though_nobody_asks() -> None:
    pacer = Pacer(Limits(whole=Rate(letters=5, span=HOUR)), most=4)
    for minute in range(300):
        pacer.note(sent(START + timedelta(minutes=minute)))
    assert pacer.pace(START + timedelta(minutes=299)).room == 0
    assert pacer.pace(START + timedelta(minutes=299 + 57)).room == 1


def test_what_a_clock_that_was_ahead_counted_holds_nothing_up() -> None:
    pacer = Pacer(Limits(whole=Rate(letters=5, span=HOUR)), most=4)
    for _ in range(5):
        pacer.note(sent(START + 3650 * DAY))
    assert pacer.pace(START).room == 4


@given(
    letters=st.integers(1, 20),
    minutes=st.integers(1, 3 * 60),
    steps=st.lists(st.tuples(st.floats(0, 3000), st.integers(1, 30)), max_size=40),
)
def test_within_any_span_never_more_go_than_are_allowed(
    letters: int, minutes: int, steps: list[tuple[float, int]]
) -> None:
    span, now, went = timedelta(minutes=minutes), START, list[datetime]()
    pacer = Pacer(Limits(whole=Rate(letters=letters, span=span)), most=30)
    for seconds, wanted in steps:
        now += timedelta(seconds=seconds)
        for _ in range(min(wanted, pacer.pace(now).room)):
            pacer.note(sent(now))
            went.append(now)
        assert sum(at > now - span for at in went) <= letters
    assert pacer.pace(now + 2 * span).room == min(30, letters)


@given(st.lists(st.tuples(st.integers(0, 600), st.sampled_from(["a.example", "b.example"])), max_size=60))
def test_a_domain_is_told_a_time_at_which_it_may_go_on(steps: list[tuple[int, str]]) -> None:
    pacer, now = Pacer(Limits(other_domains=Rate(letters=4, span=HOUR)), most=2), START
    for seconds, domain in steps:
        now += timedelta(seconds=seconds)
        if domain not in pacer.pace(now).domains:
            pacer.note(sent(now, domain))
        for until in pacer.pace(now).domains.values():
            assert now < until <= now + 2 * HOUR
    for domain, until in pacer.pace(now).domains.items():
        assert domain not in pacer.pace(until).domains
