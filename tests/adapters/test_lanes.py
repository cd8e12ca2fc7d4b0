"""Many feeds at once: turns per host, bounds, and an end at any moment."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from time import monotonic, sleep

import pytest
from aiohttp import ClientSession

from aggregator.adapters.fetcher import AiohttpFetcher
from aggregator.adapters.lanes import Lanes
from aggregator.model.poll import Cause, Fetched, FetchFailed, FetchOutcome, FetchRequest
from aggregator.settings.values import Polling
from tests.adapters.fetch_server import BODY, NOW, POLLING, FetchServer, Talk, answer, failure, silence

GOOD = answer(body=BODY)


@pytest.fixture
def server() -> Iterator[FetchServer]:
    with FetchServer() as running:
        running.answers["/feed"] = GOOD
        yield running


def fetcher(polling: Polling = POLLING, **fields: object) -> AiohttpFetcher:
    """A fetcher to which every name is this machine."""
    polling = replace(polling, **fields)  # type: ignore[arg-type]
    return AiohttpFetcher(polling, user_agent="wire/1", now=lambda: NOW, look_up=lambda host: ["127.0.0.1"])


def requests(count: int, url: str) -> list[FetchRequest]:
    return [FetchRequest(feed_id=f"feed-{n}", url=url) for n in range(count)]


def wait_until(done: Callable[[], bool], seconds: float = 10) -> bool:
    end = monotonic() + seconds
    while not done() and monotonic() < end:
        sleep(0.005)
    return done()


def brought(outcomes: list[FetchOutcome]) -> list[str]:
    return sorted(outcome.feed_id for outcome in outcomes if isinstance(outcome, Fetched))


# --- turns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_host", [1, 2, 5])
def test_a_host_has_its_lanes_and_no_more(server: FetchServer, per_host: int) -> None:
    async def when_all_lanes_are_in_use(talk: Talk) -> None:
        while server.busiest < per_host:
            await talk.pause()
        await talk.send(GOOD)

    server.answers["/feed"] = when_all_lanes_are_in_use
    outcomes = list(fetcher(per_host=per_host).fetch(requests(12, server.url())))
    assert len(brought(outcomes)) == 12
    assert server.busiest == per_host


def test_two_hundred_feeds_of_one_host_share_its_connections(server: FetchServer) -> None:
    wanted = [FetchRequest(feed_id=f"{n:03}", url=server.url(f"/feed?{n}")) for n in range(200)]
    server.answers |= {f"/feed?{n}": GOOD for n in range(200)}
    assert len(brought(list(fetcher().fetch(wanted)))) == 200
    assert sorted(server.paths()) == sorted(f"/feed?{n}" for n in range(200))
    assert len(server.talks) <= POLLING.per_host


def test_ports_and_spellings_of_a_host_are_one_host(server: FetchServer) -> None:
    with FetchServer() as second:
        urls = [f"{base}/feed" for base in (server.url(""), second.url("").replace("http:", "HTTP:"))]
        second.answers["/feed"] = server.answers["/feed"] = silence
        with closing(fetcher(per_host=1)) as one_lane:
            outcomes = one_lane.fetch([FetchRequest(feed_id=url, url=url) for url in urls])
            thread = threading.Thread(target=lambda: list(outcomes))
            thread.start()
            assert wait_until(lambda: bool(server.talks))
            assert not wait_until(lambda: bool(second.talks), seconds=0.2)
        thread.join(10)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_all_hosts_together_have_a_limit(server: FetchServer, concurrency: int) -> None:
    async def with_time_for_others_to_come(talk: Talk) -> None:
        for _ in range(5):
            await talk.pause()
        await talk.send(GOOD)

    server.answers["/feed"] = with_time_for_others_to_come
    hosts = [f"{n}.example" for n in range(6)]
    wanted = [FetchRequest(feed_id=host, url=server.url(name=host)) for host in hosts]
    assert brought(list(fetcher(concurrency=concurrency).fetch(wanted))) == hosts
    assert server.busiest == concurrency


def test_a_slow_host_holds_its_own_lanes_only(server: FetchServer) -> None:
    server.answers["/slow"] = silence
    stuck = [FetchRequest(feed_id=f"stuck-{n}", url=server.url("/slow", "slow.example")) for n in range(50)]
    with closing(fetcher(concurrency=4)) as polite:
        outcomes = polite.fetch([*stuck, *requests(50, server.url())])
        assert len(brought([next(outcomes) for _ in range(50)])) == 50
        assert server.paths().count("/slow") <= POLLING.per_host


def test_a_server_that_is_slow_costs_its_feed_the_time_limit_not_the_others(server: FetchServer) -> None:
    server.answers["/slow"] = silence
    wanted = [FetchRequest(feed_id="slow", url=server.url("/slow")), *requests(20, server.url())]
    outcomes = list(fetcher(timeout=timedelta(seconds=1)).fetch(wanted))
    assert len(brought(outcomes)) == 20
    assert [failure(outcome).cause for outcome in outcomes if outcome.feed_id == "slow"] == [Cause.TIMEOUT]


@pytest.mark.parametrize(
    "url", ["http://[", "http://]", "", "//", "http://\udce9/", "\x00", "http://a:b:c/", "mailto:x@y"]
)
def test_an_address_that_cannot_be_read_is_that_feeds_error(server: FetchServer, url: str) -> None:
    outcomes = list(fetcher().fetch([FetchRequest(feed_id="odd", url=url), *requests(3, server.url())]))
    assert len(brought(outcomes)) == 3
    (odd,) = (outcome for outcome in outcomes if isinstance(outcome, FetchFailed))
    assert (odd.feed_id, odd.cause) == ("odd", Cause.BLOCKED_ADDRESS)


def test_no_requests_no_outcomes() -> None:
    assert list(fetcher().fetch([])) == []


def test_a_name_server_that_hangs_holds_up_nobody(server: FetchServer) -> None:
    """More names than any pool has threads; the others' look-ups still get through, and the round ends."""
    answered = threading.Event()

    def look_up(host: str) -> list[str]:
        if host.startswith("dead"):
            answered.wait(30)
        return ["127.0.0.1"]

    polling = replace(POLLING, timeout=timedelta(seconds=2))
    patient = AiohttpFetcher(polling, user_agent="wire/1", now=lambda: NOW, look_up=look_up)
    dead = [FetchRequest(feed_id=f"dead-{n}", url=server.url(name=f"dead{n}.example")) for n in range(60)]
    alive = FetchRequest(feed_id="alive", url=server.url(name="alive.example"))
    outcomes = list(patient.fetch([*dead, alive]))
    assert brought(outcomes) == ["alive"]
    assert {outcome.cause for outcome in outcomes if isinstance(outcome, FetchFailed)} == {Cause.TIMEOUT}
    assert not answered.is_set()
    answered.set()


# --- memory ---------------------------------------------------------------------------------------


def test_the_fetcher_waits_for_a_consumer_that_does_not_take(server: FetchServer) -> None:
    """What was fetched and not yet taken is bounded, so memory does not grow with the number of feeds."""
    room = 2 * 4
    with closing(fetcher(concurrency=4, per_host=4)) as bounded:
        outcomes = bounded.fetch(requests(300, server.url()))
        next(outcomes)
        assert wait_until(lambda: len(server.seen) == room)
        assert not wait_until(lambda: len(server.seen) > room, seconds=0.3)
        for taken, _ in enumerate(outcomes, start=2):
            assert len(server.seen) <= taken + room
        assert len(server.seen) == 300


@pytest.mark.parametrize("concurrency", [1, 2, 7])
def test_a_consumer_slower_than_the_whole_round_gets_everything(server: FetchServer, concurrency: int) -> None:
    """The last outcomes are taken after the event loop has ended."""
    count = 2 * concurrency
    outcomes = fetcher(concurrency=concurrency).fetch(requests(count, server.url()))
    got = [next(outcomes)]
    assert wait_until(lambda: not any(thread.name == "fetcher" for thread in threading.enumerate()))
    assert len(brought([*got, *outcomes])) == count


# --- the end --------------------------------------------------------------------------------------


def test_closing_from_another_thread_ends_a_round_with_bodies_under_way(server: FetchServer) -> None:
    async def half(talk: Talk) -> None:
        await talk.send(answer(body=BODY)[:-9])
        await silence(talk)

    server.answers["/half"] = half
    stopped = fetcher(per_host=8)
    taken: list[FetchOutcome] = []
    wanted = [
        *requests(3, server.url()),
        *(FetchRequest(feed_id=f"half-{n}", url=server.url("/half")) for n in range(5)),
    ]
    consumer = threading.Thread(target=lambda: taken.extend(stopped.fetch(wanted)))
    consumer.start()
    assert wait_until(lambda: server.paths().count("/half") == 5 and len(taken) == 3)
    stopped.close()
    consumer.join(10)
    assert not consumer.is_alive()
    assert brought(taken) == ["feed-0", "feed-1", "feed-2"]
    assert all(talk.closed_by_client.wait(10) for talk in server.talks)
    assert len(brought(list(stopped.fetch(requests(2, server.url()))))) == 2


def test_a_consumer_that_walks_away_ends_the_round(server: FetchServer) -> None:
    server.answers["/slow"] = silence
    outcomes = fetcher().fetch([*requests(1, server.url()), FetchRequest(feed_id="slow", url=server.url("/slow"))])
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert not any(thread.name == "fetcher" for thread in threading.enumerate())


def test_closing_what_never_ran_or_is_over_does_no_harm(server: FetchServer) -> None:
    idle = fetcher()
    idle.close()
    idle.fetch(requests(1, server.url()))
    idle.close()
    assert len(brought(list(idle.fetch(requests(1, server.url()))))) == 1
    idle.close()
    idle.close()


async def never(session: ClientSession, request: FetchRequest) -> FetchOutcome:
    raise AssertionError(f"{request} was fetched")


def lanes(open_session: Callable[[], ClientSession]) -> Lanes:
    return Lanes(requests(3, "http://x/"), fetch=never, open_session=open_session, concurrency=2, per_host=1)


def test_a_stop_before_the_start_is_kept() -> None:
    early = lanes(ClientSession)
    early.stop()
    assert list(early.outcomes()) == []


def test_stops_at_any_moment_end_the_round(server: FetchServer) -> None:
    for _ in range(50):
        racing = fetcher()
        consumer = threading.Thread(target=lambda racing=racing: list(racing.fetch(requests(8, server.url()))))
        consumer.start()
        racing.close()
        racing.close()
        consumer.join(10)
        assert not consumer.is_alive()


def test_what_stops_the_whole_round_is_raised_to_the_flow() -> None:
    def open_session() -> ClientSession:
        raise OSError("too many open files")

    with pytest.raises(OSError, match="too many"):
        list(lanes(open_session).outcomes())
