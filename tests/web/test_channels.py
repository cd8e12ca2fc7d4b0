"""Merged feeds as readers, caches and browsers meet them, through Starlette's own client."""

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import urlencode

import brotli
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Message

from aggregator.errors import StoreError
from aggregator.model.channel import Format, Publication
from aggregator.query.grammar import parse_query
from aggregator.web import channels
from aggregator.web.channels import (
    BUILDS_AT_ONCE,
    STALE_AFTER,
    ChannelEndpoint,
    PublicationCache,
    Representation,
    channel_routes,
)
from tests.fakes import START, MemoryPublications

BODY = b"<feed>" + b"Japan and Russia. " * 200 + b"</feed>"
ATOM = Publication(
    path="channels/japan.atom",
    content_type="application/atom+xml; charset=utf-8",
    body=BODY,
    etag='"abc"',
    last_modified=START,
)
ALL = replace(ATOM, path="feed.atom", etag='"all"')
DATE = format_datetime(START, usegmt=True)


class House:
    """The routes on a store, with a clock that moves when told, and searches that are counted."""

    def __init__(self) -> None:
        self.store, self.now, self.built = MemoryPublications(), 1000.0, 0
        self.store.put(
            [ATOM, ALL, replace(ATOM, path="feed.json", content_type="application/feed+json; charset=utf-8")]
        )
        self.cache = PublicationCache(self.store, clock=lambda: self.now)
        self.client = TestClient(Starlette(routes=list(channel_routes(self.cache, self.build))))

    def build(self, query: str, format: Format) -> Publication:
        self.built += 1
        parse_query(query)
        return replace(ATOM, path=f"feed.{format}?q={query}", body=query.encode(), etag=f'"{len(query)}"')


@pytest.fixture
def house() -> House:
    return House()


PLAIN = {"Accept-Encoding": "identity"}


def test_a_channel_is_served_with_everything_caches_and_browsers_need(house: House) -> None:
    answer = house.client.get("/channels/japan.atom", headers=PLAIN)
    assert (answer.status_code, answer.content) == (200, BODY)
    assert dict(answer.headers) == {
        "content-type": "application/atom+xml; charset=utf-8",
        "content-length": str(len(BODY)),
        "etag": '"abc"',
        "last-modified": DATE,
        "cache-control": "public, max-age=900, stale-while-revalidate=3600",
        "vary": "Accept-Encoding",
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "ETag",
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/feed.atom", 200),
        ("/feed.json", 200),
        ("/feed.atom?q=", 200),
        ("/feed.atom?utm_source=x", 200),
        ("/feed.rss", 404),
        ("/feed.xml", 404),
        ("/feed.xml?q=energy", 404),
        ("/channels/none.atom", 404),
        ("/channels/japan", 404),
        ("/channels/..%2Ffeed.atom", 404),
    ],
)
def test_only_what_was_published_is_found(house: House, path: str, status: int) -> None:
    assert house.client.get(path).status_code == status
    assert house.built == 0


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("identity", None),
        ("deflate", None),
        ("gzip", "gzip"),
        ("GZIP;q=0.2", "gzip"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("identity;q=1, gzip;q=0.5", None),
        ("gzip;q=many", None),
        ("gzip;level=9", "gzip"),
    ],
)
def test_the_client_gets_the_coding_it_likes_best(house: House, accepted: str, coding: str | None) -> None:
    with house.client.stream("GET", "/channels/japan.atom", headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["content-length"] == str(len(raw))
    assert answer.headers["etag"] == (f'"abc-{coding}"' if coding else '"abc"')
    decode = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}[coding]
    assert decode(raw) == BODY


@pytest.mark.parametrize("accepted", ["gzip", "br", "identity"])
def test_every_coding_is_made_once(house: House, accepted: str) -> None:
    house.client.get("/channels/japan.atom", headers={"Accept-Encoding": accepted})
    served = house.cache.held("channels/japan.atom")
    assert served is not None
    made = served.held(accepted)
    house.client.get("/channels/japan.atom", headers={"Accept-Encoding": accepted})
    assert made is not None
    assert served.held(accepted) is made


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": '"abc"'}, 304),
        ({"If-None-Match": 'W/"abc"'}, 304),
        ({"If-None-Match": '"old", W/"abc" , "x"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"old"'}, 200),
        ({"If-None-Match": "abc"}, 200),
        ({"If-None-Match": '"abc-gzip"'}, 200),
        ({"If-None-Match": '"old,"abc'}, 200),
        ({"If-Modified-Since": DATE}, 304),
        ({"If-Modified-Since": format_datetime(START + timedelta(days=1), usegmt=True)}, 304),
        ({"If-Modified-Since": format_datetime(START - timedelta(seconds=1), usegmt=True)}, 200),
        ({"If-Modified-Since": "Tue, 24 Nov 2026 08:00:00 -0000"}, 304),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": "Tue, 24 Nov 99999999999999999999 08:00:00 GMT"}, 200),
        ({"If-None-Match": '"old"', "If-Modified-Since": DATE}, 200),
        ({"If-None-Match": '"abc"', "If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 304),
    ],
)
def test_a_conditional_request_is_answered_by_rfc_9110(house: House, headers: dict[str, str], status: int) -> None:
    answer = house.client.get("/channels/japan.atom", headers=PLAIN | headers)
    assert answer.status_code == status
    assert answer.content == (b"" if status == 304 else BODY)
    assert answer.headers["etag"] == '"abc"'
    assert answer.headers["vary"] == "Accept-Encoding"
    assert ("content-type" in answer.headers) is (status == 200)


def test_entity_tags_on_several_lines_are_one_list(house: House) -> None:
    lines = [("Accept-Encoding", "identity"), ("If-None-Match", '"old"'), ("If-None-Match", '"abc"')]
    assert house.client.get("/channels/japan.atom", headers=lines).status_code == 304


def test_each_coding_is_unchanged_under_its_own_tag(house: House) -> None:
    asked = {"Accept-Encoding": "gzip", "If-None-Match": '"abc-gzip"'}
    assert house.client.get("/channels/japan.atom", headers=asked).status_code == 304


def test_head_is_get_without_the_body(house: House) -> None:
    for headers in (PLAIN, {"Accept-Encoding": "gzip"}, PLAIN | {"If-None-Match": "*"}):
        asked = house.client.head("/channels/japan.atom", headers=headers)
        given = house.client.get("/channels/japan.atom", headers=headers)
        assert (asked.status_code, asked.headers, asked.content) == (given.status_code, given.headers, b"")


def test_nothing_is_taken_by_post(house: House) -> None:
    assert house.client.post("/feed.atom").status_code == 405


# --- the cache ------------------------------------------------------------------------------------


def test_answers_come_from_memory(house: House) -> None:
    house.client.get("/channels/japan.atom")
    reads = house.store.reads
    for headers in ({}, {"If-None-Match": "*"}, PLAIN):
        house.client.get("/channels/japan.atom", headers=headers)
    assert house.client.get("/channels/none.atom").status_code == 404
    assert house.store.reads == reads


def test_what_another_process_publishes_is_served_within_the_stated_time(house: House) -> None:
    house.client.get("/channels/japan.atom")
    house.store.put([replace(ATOM, body=b"new", etag='"new"')])
    house.now += STALE_AFTER - 0.1
    assert house.client.get("/channels/japan.atom").content == BODY
    house.now += 0.1
    assert house.client.get("/channels/japan.atom").content == b"new"


def test_a_check_without_news_reads_no_body_again(house: House) -> None:
    house.client.get("/channels/japan.atom")
    reads = house.store.reads
    house.now += STALE_AFTER
    house.client.get("/channels/japan.atom")
    assert house.store.reads == reads + 1


def test_a_withdrawn_channel_is_gone(house: House) -> None:
    house.client.get("/channels/japan.atom")
    house.store.prune(["feed.atom"])
    house.now += STALE_AFTER
    assert house.client.get("/channels/japan.atom").status_code == 404
    assert house.client.get("/feed.atom").status_code == 200


def test_a_channel_withdrawn_between_check_and_read_is_not_found(house: House) -> None:
    house.client.get("/feed.atom")
    house.store.prune(["feed.atom"])
    assert house.client.get("/channels/japan.atom").status_code == 404


def test_a_database_that_fails_does_not_take_down_what_is_held(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked() -> None:
        raise StoreError("database: locked")

    house.client.get("/channels/japan.atom")
    monkeypatch.setattr(house.store, "etags", locked)
    house.now += STALE_AFTER
    assert house.client.get("/channels/japan.atom").content == BODY
    house.cache = PublicationCache(house.store)
    with pytest.raises(StoreError):
        house.cache.refresh()
    assert house.cache.stale


# --- searches -------------------------------------------------------------------------------------


def test_a_search_is_a_feed_of_its_own(house: House) -> None:
    answer = house.client.get("/feed.atom?q=country%3Ajp%20energy", headers=PLAIN)
    assert (answer.status_code, answer.content) == (200, b"country:jp energy")
    assert answer.headers["content-type"] == ATOM.content_type
    again = house.client.get(
        "/feed.atom?q=country%3Ajp%20energy", headers=PLAIN | {"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_few_searches_are_made_at_a_time_and_channels_do_not_wait_for_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, begun = ChannelEndpoint(house.cache, house.build), list[str]()
    house.cache.refresh()
    house.cache.load("channels/japan.atom")

    async def scenario() -> None:
        finish = asyncio.Event()

        async def in_thread(work: Callable[..., Representation], *arguments: str) -> Representation:
            if work == endpoint._built:
                begun.append(arguments[0])
                await finish.wait()
            return work(*arguments)

        monkeypatch.setattr(channels, "run_in_threadpool", in_thread)
        names = [f"q{number}" for number in range(BUILDS_AT_ONCE + 1)]
        searches = [asyncio.create_task(ask(endpoint, {"format": "atom"}, query=name)) for name in names]
        assert await ask(endpoint, {"name": "japan.atom"}) == 200
        for _ in range(50):  # turns of the loop in which a search could begin
            await asyncio.sleep(0)
        assert begun == names[:-1]
        finish.set()
        assert await asyncio.gather(*searches) == [200] * len(names)
        assert begun == names

    asyncio.run(scenario())


async def ask(endpoint: ChannelEndpoint, params: dict[str, str], query: str = "") -> int:
    """The status that a GET is answered with."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path_params": params,
        "query_string": urlencode({"q": query}).encode() if query else b"",
        "headers": [],
    }
    await endpoint(scope, receive, send)
    return int(sent[0]["status"])


def test_a_search_that_cannot_be_read_names_the_place(house: House) -> None:
    answer = house.client.get("/feed.rss?q=energy+AND%0D%0A")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.text.count("\n") == 1
    assert "at character" in answer.text


@pytest.mark.parametrize("path", ["/feed.atom", "/channels/japan.atom", "/feed.atom?q=x"])
def test_nobody_is_tracked(house: House, path: str) -> None:
    assert (
        "set-cookie" not in house.client.get(path, headers={"Cookie": "a=b", "Referer": "https://x.example/"}).headers
    )
