"""The server that benchmarks measure against: it must serve what it says, or the figures mean nothing."""

import asyncio
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import mean

import feedparser
import pytest
from aiohttp import ClientSession

from benchmarks.feedserver import FeedServer
from benchmarks.feedtext import FeedText

FEEDS = 20
CONDITION = {"If-None-Match": '"any"'}


@pytest.fixture(scope="module")
def server() -> Iterator[FeedServer]:
    with FeedServer(feeds=FEEDS, size=30_000) as running:
        yield running


def get(server: FeedServer, headers: dict[str, str] | None = None) -> list[tuple[int, bytes, str | None]]:
    async def all_of_them() -> list[tuple[int, bytes, str | None]]:
        async with ClientSession() as session:
            answers = []
            for url in server.urls:
                async with session.get(url, headers=headers) as response:
                    answers.append((response.status, await response.read(), response.headers.get("ETag")))
            return answers

    return asyncio.run(all_of_them())


def test_each_mode_answers_as_it_says(server: FeedServer) -> None:
    assert len(set(server.urls)) == FEEDS
    assert all(url.isprintable() for url in server.urls)
    server.mode = "first"
    first = get(server)
    assert server.answers() == {"200": FEEDS}
    assert len({etag for _, _, etag in first}) == FEEDS
    server.mode = "304"
    assert [status for status, _, _ in get(server, CONDITION)] == [304] * FEEDS
    assert server.answers() == {"304": FEEDS}
    assert get(server) == first
    server.mode = "same"
    assert get(server, CONDITION) == [(200, body, None) for _, body, _ in first]
    server.mode = "changed"
    changed = get(server, CONDITION)
    assert server.answers() == {"200": 2, "304": 18}
    assert [number for number, (status, *_) in enumerate(changed) if status == 200] == [0, 10]


def test_feeds_are_read_without_complaint_and_a_change_is_one_entry(server: FeedServer) -> None:
    server.mode = "first"
    old = [feedparser.parse(io.BytesIO(body)) for _, body, _ in get(server)]
    assert {feed["version"] for feed in old} == {"rss20", "atom10"}
    assert not any(feed["bozo"] for feed in old)
    assert all(20 <= len(feed["entries"]) <= 30 for feed in old)
    server.mode = "changed"
    new = feedparser.parse(io.BytesIO(get(server)[10][1]))
    ids = [entry["id"] for entry in old[10]["entries"]]
    assert [entry["id"] for entry in new["entries"]][1:] == ids
    assert new["entries"][0]["id"] not in ids


@pytest.mark.parametrize("size", [30_000, 60_000, 90_000])
def test_feeds_have_the_size_asked_for(size: int) -> None:
    text = FeedText(size=size, seed=2, now=datetime.now(UTC))
    assert mean(len(text.feed(number)) for number in range(40)) == pytest.approx(size, rel=0.2)


def test_the_time_of_the_server_stands_apart(server: FeedServer) -> None:
    before = server.cpu_seconds()
    get(server)
    assert server.cpu_seconds() > before


def test_an_address_that_is_none_of_its_own_is_not_found(server: FeedServer) -> None:
    async def status() -> int:
        async with ClientSession() as session, session.get(f"{server.urls[0]}00000") as response:
            return response.status

    assert asyncio.run(status()) == 404
