"""What the worker does at each tick, on a frozen clock, a real database and a server on the loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest

from aggregator import worker as module
from aggregator.errors import StoreError
from aggregator.model.delivery import DeliveryState
from aggregator.model.feed import Feed, FeedState
from aggregator.model.poll import RefreshReport
from aggregator.model.sending import Claim
from aggregator.settings.loading import load_settings
from aggregator.wiring import Runtime
from aggregator.worker import Worker, fair_share, working
from tests.acceptance.wire import HEAD
from tests.adapters.fetch_server import FetchServer, answer
from tests.fakes import START, FrozenClock
from tests.mail_fakes import ScriptedMailer

RSS = """<rss version="2.0"><channel><title>Tank</title><item><guid>{n}</guid><title>Paper {n}</title>
<link>https://tank.example/{n}</link><pubDate>Tue, 24 Nov 2026 07:00:00 GMT</pubDate></item></channel></rss>"""
LETTER = """newsletters:
  - {id: weekly, title: The week, schedule: "daily 07:30", from: "Wire <wire@wire.example>", when_empty: send}
"""
MINUTE = timedelta(minutes=1)


@pytest.fixture
def server() -> Iterator[FetchServer]:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=RSS.format(n=1).encode())}
        yield server


@pytest.fixture
def runtime(server: FetchServer, tmp_path: Path) -> Iterator[Runtime]:
    path = tmp_path / "feeds.yaml"
    path.write_text(f"{HEAD}feeds: [{{id: tank, name: Tank, url: '{server.url('/tank')}'}}]\n{LETTER}")
    environ = {"AGGREGATOR_DATABASE": f"sqlite:///{tmp_path}/wire.db", "AGGREGATOR_SECRET": "known to tests only"}
    with Runtime(load_settings(path, environ), clock=FrozenClock()) as runtime:
        runtime.mail.mailer = ScriptedMailer()
        runtime.migrate()
        yield runtime


@pytest.fixture
def clock(runtime: Runtime) -> FrozenClock:
    assert isinstance(runtime.clock, FrozenClock)
    return runtime.clock


@pytest.fixture
def worker(runtime: Runtime) -> Worker:
    worker = Worker(runtime)
    worker.begin()
    return worker


def letter(runtime: Runtime) -> DeliveryState:
    (row,) = runtime.mail.deliveries.for_issue(1)
    return row.state


def queue(runtime: Runtime) -> None:
    runtime.readers.add("ana@reader.example", None, "weekly", "form")
    assert runtime.mail.compose_now("weekly") is not None


# --- beginning ------------------------------------------------------------------------------------


def test_who_begins_follows_the_file_and_names_what_the_last_left_in_doubt(runtime: Runtime) -> None:
    runtime.follow()
    queue(runtime)
    claim = Claim(worker="gone", newsletter_ids=["weekly"])
    assert runtime.mail.deliveries.exchange((), START, claim).claimed
    with runtime.database.write() as connection:
        connection.exec_driver_sql("UPDATE feeds SET active = false")
    Worker(runtime).begin()
    assert letter(runtime) is DeliveryState.UNCERTAIN
    assert [state.feed.id for state in runtime.feeds.states()] == ["tank"]


def test_who_is_not_alone_only_sends_until_the_other_ends(
    runtime: Runtime, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEAD", "POLL", "COMPOSE", "DELIVER"):
        monkeypatch.setattr(module, name, timedelta(seconds=0.1))
    with Runtime(runtime.settings, clock=clock) as other, ExitStack() as first:
        first.enter_context(other.exclusive())
        other.follow()
        queue(other)
        with working(runtime):
            until(lambda: runtime.mail.deliveries.counts() == {DeliveryState.ACCEPTED: 1})
            assert runtime.stories.last_seq() == 0, "it does not poll"
            first.close()
            until(lambda: runtime.stories.last_seq() == 1)
        with other.exclusive():
            pass


# --- polling --------------------------------------------------------------------------------------


def test_a_tick_polls_what_is_due_and_says_that_the_worker_is_alive(
    runtime: Runtime, worker: Worker, server: FetchServer, clock: FrozenClock
) -> None:
    worker.poll()
    assert runtime.stories.last_seq() == 1
    assert runtime.facts.last_tick() == START
    clock.advance(minutes=1)
    worker.poll()
    assert server.paths() == ["/tank"]
    assert runtime.facts.last_tick() == START + MINUTE


def test_a_long_round_says_that_it_is_alive_now_and_then(
    runtime: Runtime, worker: Worker, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks, noted = list[object](), runtime.facts.record_tick
    monkeypatch.setattr(runtime.facts, "record_tick", lambda now: (ticks.append(now), noted(now)))

    def poll(states: object, progress: object) -> RefreshReport:
        for _ in range(40):
            clock.advance(seconds=1)
            progress(RefreshReport())
        clock.advance(hours=-1)  # the clock is put back
        progress(RefreshReport())
        return RefreshReport()

    monkeypatch.setattr(runtime, "poll", poll)
    worker.poll()
    second = timedelta(seconds=1)
    assert ticks == [START, START + 15 * second, START + 30 * second, START + 40 * second - 60 * MINUTE]


def test_rounds_follow_each_other_until_nothing_is_due(
    runtime: Runtime, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def poll(states: list[FeedState], progress: object) -> RefreshReport:
        asked.append([state.feed.id for state in states])
        assert len(asked) < 9
        return RefreshReport(feeds=len(states), offline=len(asked) == 4)

    due = [waiting(f"feed-{number}", "http://tank.example/") for number in range(11)]
    monkeypatch.setattr(runtime, "poll", poll)
    monkeypatch.setattr(runtime.feeds, "due", lambda now: due[sum(map(len, asked)) :])
    worker.poll()
    assert list(map(len, asked)) == [8, 3]
    asked.clear()
    monkeypatch.setattr(runtime.feeds, "due", lambda now: due)
    worker.poll()
    assert len(asked) == 4, "without a way out there is no other round"


def waiting(feed_id: str, url: str) -> FeedState:
    return FeedState(feed=Feed(id=feed_id, url=url, name=feed_id), next_check_at=START)


def test_a_host_has_its_share_of_a_round_and_the_longest_waiting_go_first() -> None:
    big = [waiting(f"big-{number}", f"https://big.example/{number}") for number in range(5)]
    small = [waiting(f"small-{number}", f"https://small-{number}.example/") for number in range(3)]
    taken = [state.feed.id for state in fair_share([*big[:4], *small, big[4]], 2)]
    assert taken == ["big-0", "big-1", "small-0", "small-1", "small-2"]


def test_a_feed_checked_in_the_future_is_polled_again_in_time(
    runtime: Runtime, worker: Worker, clock: FrozenClock
) -> None:
    clock.advance(days=3650)
    worker.poll()
    clock.moment = START
    worker.poll()
    (state,) = runtime.feeds.states()
    assert state.next_check_at is not None
    assert START < state.next_check_at < START + timedelta(days=1)


def test_old_keys_are_let_go_once_a_day(
    runtime: Runtime, worker: Worker, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(runtime.folds, "forget", asked.append)
    for hours in (0, 1, 1, 22, 1):
        clock.advance(hours=hours)
        worker.poll()
    assert len(asked) == 2


# --- publishing -----------------------------------------------------------------------------------


@pytest.fixture
def published(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much changed at each time the worker published."""
    counts, publish = list[int](), runtime.publish

    def counted() -> int:
        counts.append(publish())
        return counts[-1]

    monkeypatch.setattr(runtime, "publish", counted)
    monkeypatch.setattr(module, "REST", 0)
    return counts


def test_what_changed_is_published_and_nothing_else(
    runtime: Runtime, worker: Worker, clock: FrozenClock, published: list[int]
) -> None:
    worker.publish()
    worker.publish()
    assert published == [3]
    worker.poll()
    worker.publish()
    assert published == [3, 3]
    clock.advance(hours=1)
    worker.publish()
    assert published == [3, 3, 0]
    runtime.change(replace(runtime.settings, site=replace(runtime.settings.site, title="Another")))
    worker.publish()
    assert published == [3, 3, 0, 3]


def test_publishing_rests_after_it_has_worked(
    runtime: Runtime, worker: Worker, published: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 100.0

    def takes_a_while() -> int:
        nonlocal moment
        moment += 10
        published.append(0)
        return 0

    monkeypatch.setattr(module, "REST", 3)
    monkeypatch.setattr(module, "monotonic", lambda: moment)
    monkeypatch.setattr(runtime, "publish", takes_a_while)
    worker.publish()
    runtime.change(replace(runtime.settings, site=replace(runtime.settings.site, title="Another")))
    moment += 29
    worker.publish()
    assert len(published) == 1
    moment += 2
    worker.publish()
    assert len(published) == 2


# --- newsletters ----------------------------------------------------------------------------------


def test_issues_wait_for_the_first_round(runtime: Runtime, worker: Worker, clock: FrozenClock) -> None:
    clock.advance(days=2)  # the machine was off, and both the poll and the issue are due
    again = Worker(runtime)
    again.begin()
    again.compose()
    assert runtime.mail.newsletters.issue("weekly", 1) is None
    again.poll()
    again.compose()
    issue = runtime.mail.newsletters.issue("weekly", 1)
    assert issue is not None
    assert len(issue.story_ids) == 1


def test_but_they_do_not_wait_for_ever(runtime: Runtime, worker: Worker, clock: FrozenClock) -> None:
    clock.advance(days=2)
    again = Worker(runtime)
    clock.advance(minutes=60)
    again.compose()
    assert runtime.mail.newsletters.issue("weekly", 1) is None
    clock.advance(minutes=1)
    again.compose()
    assert runtime.mail.newsletters.issue("weekly", 1) is not None


def test_a_worker_that_was_stopped_in_its_first_round_composes_nothing(
    runtime: Runtime, worker: Worker, clock: FrozenClock
) -> None:
    clock.advance(days=2)
    runtime.stopping.set()
    again = Worker(runtime)
    again.poll()
    again.compose()
    assert runtime.mail.newsletters.issue("weekly", 1) is None


# --- faults ---------------------------------------------------------------------------------------


def broken() -> None:
    raise TypeError("of ours")


def test_after_a_fault_of_ours_no_letter_is_sent_for_a_while(
    runtime: Runtime, worker: Worker, clock: FrozenClock
) -> None:
    queue(runtime)
    runtime.readers.add("bob@reader.example", None, "weekly", "form")
    assert runtime.mail.compose_now("weekly") is not None
    runtime.mail.mailer = mailer = ScriptedMailer(on_send=broken)
    with pytest.raises(TypeError):
        worker.deliver()
    worker.deliver()
    clock.advance(minutes=14)
    worker.deliver()
    assert len(mailer.sent) == 1
    mailer.on_send = lambda: None
    clock.advance(minutes=1)
    worker.deliver()
    assert runtime.mail.deliveries.counts() == {DeliveryState.UNCERTAIN: 1, DeliveryState.ACCEPTED: 2}


@pytest.mark.parametrize(("error", "tries"), [(TypeError("of ours"), 1), (StoreError("database: locked"), 2)])
def test_a_fault_of_ours_in_polling_asks_nobody_again_at_once(
    runtime: Runtime, worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    asked: list[object] = []

    def failing(states: object, progress: object) -> RefreshReport:
        asked.append(states)
        raise error

    monkeypatch.setattr(runtime, "poll", failing)
    with pytest.raises(type(error)):
        worker.poll()
    if tries == 1:
        worker.poll()
    else:
        with pytest.raises(StoreError):
            worker.poll()
    assert len(asked) == tries


def test_a_fault_seen_by_a_clock_that_was_ahead_holds_nothing_up(
    runtime: Runtime, worker: Worker, clock: FrozenClock
) -> None:
    clock.advance(days=3650)
    queue(runtime)
    runtime.mail.mailer = mailer = ScriptedMailer(on_send=broken)
    with pytest.raises(TypeError):
        worker.deliver()
    clock.moment = START
    assert runtime.mail.compose_now("weekly") is not None
    mailer.on_send = lambda: None
    worker.deliver()
    assert len(mailer.sent) == 2


# --- all of it ------------------------------------------------------------------------------------


def test_the_whole_worker_polls_publishes_composes_and_sends_until_it_is_told_to_stop(
    runtime: Runtime, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.follow()
    runtime.readers.add("ana@reader.example", None, "weekly", "form")
    clock.advance(days=1)
    for name in ("POLL", "INDEX", "PUBLISH", "RETAG", "COMPOSE", "DELIVER"):
        monkeypatch.setattr(module, name, timedelta(seconds=0.2))
    with working(runtime):
        until(lambda: runtime.mail.deliveries.counts() == {DeliveryState.ACCEPTED: 1})
        until(lambda: "feed.atom" in runtime.publications.etags())
        until(lambda: not runtime.search.stale(1))
        assert not runtime.stopping.is_set()
    assert runtime.stopping.is_set()
    assert b"Paper 1" in runtime.mail.mailer.sent[0][2]  # type: ignore[attr-defined]


def test_work_that_does_not_end_is_cut_short(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, cut = Event(), Event()

    def endless() -> None:
        begun.set()
        assert cut.wait(30)

    monkeypatch.setattr(module, "LETTING_GO_SECONDS", 0.1)
    monkeypatch.setattr(runtime.mail, "deliver", endless)
    monkeypatch.setattr(runtime, "interrupt", cut.set)
    with working(runtime):
        assert begun.wait(10)
    assert cut.is_set()


def test_work_that_ends_is_not_cut_short(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[str] = []
    monkeypatch.setattr(runtime, "interrupt", lambda: cut.append("short"))
    with working(runtime):
        pass
    assert cut == []


def until(true: Callable[[], bool]) -> None:
    end = monotonic() + 30
    while not true():
        assert monotonic() < end
        sleep(0.02)
