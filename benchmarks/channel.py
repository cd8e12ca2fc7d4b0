"""What a channel costs to build, and to serve from memory, beside feedgen alone and a bare ASGI application.

    python -m benchmarks.channel --entries 1000

Building is timed in this process (the median of several rounds). Serving is a uvicorn process on loopback that
holds both applications; one client asks them in turns, so that a busy machine slows both alike.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from random import Random

import uvicorn
from feedgen.feed import FeedGenerator
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.publications import SqlPublicationStore
from aggregator.model.channel import Channel, Format, Publication, Site
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import Link, Person, SafeHtml
from aggregator.model.story import Story
from aggregator.steps.feedwriter.writer import write_channel
from aggregator.web.channels import PublicationCache, channel_routes

FORMATS: tuple[Format, ...] = ("atom", "rss", "json")
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SITE = Site(title="Wire", base_url="https://wire.example.org")
CHANNEL = Channel(id="all", title="All", size=100_000)
FEEDS = {
    f"feed-{number}": Feed(
        id=f"feed-{number}",
        url=f"https://publisher-{number}.example/rss",
        name=f"Publisher {number}",
        site_url=f"https://publisher-{number}.example/",
        language="fr",
    )
    for number in range(20)
}
WORDS = "sécurité énergie Asie frontière accord traité défense économie réforme marché région climat".split()
CONNECTIONS = 16
SECONDS = 1.5
ROUNDS = 5


def stories(count: int) -> list[Story]:
    """Stories of 1-5 KB, every fifth of them also at another publisher; the same for equal counts."""
    random = Random(count)
    return [_story(number, random) for number in range(count, 0, -1)]


def _story(number: int, random: Random) -> Story:
    entries = [_entry(number, random)]
    if number % 5 == 0:
        entries.append(_entry(number + 1, random))
    return Story(id=f"story-{number}", seq=number, first_seen=NOW, updated=NOW, entries=tuple(entries))


def _entry(number: int, random: Random) -> Entry:
    home = f"https://publisher-{number % 20}.example"
    sentences = (f"{' '.join(random.choices(WORDS, k=14))}." for _ in range(random.randrange(10, 50)))
    paragraphs = "".join(f'<p>{sentence} <a href="{home}/about">plus</a></p>' for sentence in sentences)
    return Entry(
        feed_id=f"feed-{number % 20}",
        keys=EntryKeys(identity=(), digest=b""),
        first_seen=NOW,
        changed_at=NOW,
        date=NOW - timedelta(hours=number),
        title=" ".join(random.choices(WORDS, k=8)),
        links=(
            Link(href=f"{home}/{number}"),
            Link(href=f"{home}/{number}.pdf", rel="enclosure", type="application/pdf", length=100_000),
        ),
        summary=SafeHtml(f"<p>{' '.join(random.choices(WORDS, k=20))}</p>"),
        content=SafeHtml(paragraphs),
        authors=(Person(name="Ana Lee"),),
        tags=(Tag(name="country:jp", origin="rule", label="Japan"), Tag(name="topic:energy", origin="rule")),
    )


# --- building -------------------------------------------------------------------------------------


def plain_feedgen(found: list[Story]) -> bytes:
    """The same entries through feedgen as its manual shows it: one link, no source, no other places."""
    feed = FeedGenerator()
    feed.id("urn:x")
    feed.title("All")
    feed.updated(NOW)
    feed.link(href="https://wire.example.org/", rel="alternate")
    for story in found:
        entry = feed.add_entry(order="append")
        entry.id(story.id)
        entry.title(story.head.title)
        entry.updated(story.updated)
        entry.published(story.head.date)
        entry.author([{"name": person.name} for person in story.head.authors])
        entry.link(href=story.head.url)
        entry.summary(story.head.summary, type="html")
        entry.content(story.head.content, type="html")
        entry.category([{"term": tag.name, "label": tag.label or tag.name} for tag in story.tags])
    return bytes(feed.atom_str())


def milliseconds(work: Callable[[], object]) -> float:
    """The median over the rounds, after one to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return round(statistics.median(times) * 1000, 1)


def building(found: list[Story]) -> dict[str, object]:
    def write(format: Format) -> Publication:
        return write_channel(CHANNEL, found, format, site=SITE, feeds=FEEDS)

    ours = {format: milliseconds(partial(write, format)) for format in FORMATS}
    alone = milliseconds(lambda: plain_feedgen(found))
    return {
        "ms": ours,
        "bytes": {format: len(write(format).body) for format in FORMATS},
        "feedgen_alone_ms": alone,
        "atom_to_feedgen_alone": round(ours["atom"] / alone, 2),
    }


# --- serving --------------------------------------------------------------------------------------


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """The least an ASGI application can do for the same answers."""
    etag = scope["state"]["etag"]
    unchanged = any(name == b"if-none-match" and value == etag for name, value in scope["headers"])
    body = b"" if unchanged else scope["state"]["body"]
    headers = [(b"etag", etag), (b"content-type", b"application/atom+xml"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 304 if unchanged else 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _serve(publication: Publication, ready: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/wire.db")
        migrate(database)
        store = SqlPublicationStore(database)
        store.put([publication])
        _run(PublicationCache(store), publication, ready)


def _run(cache: PublicationCache, publication: Publication, ready: Connection) -> None:
    ours = Starlette(routes=list(channel_routes(cache, lambda query, format: publication)))
    cache.refresh()
    served = cache.load(publication.path)
    assert served is not None
    coded = served.code("gzip")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/bare":
            scope["state"] = {"etag": coded.etag.encode(), "body": coded.body}
            await bare(scope, receive, send)
        else:
            await ours(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    ready.send((listener.getsockname()[1], coded.etag))
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", server_header=False)
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def server(publication: Publication) -> Iterator[tuple[int, str]]:
    """A uvicorn process with both applications; gives its port and the ETag to ask with."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(publication, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(30):
            raise TimeoutError("the server did not start")
        yield ours.recv()
    finally:
        process.terminate()
        process.join(10)


class _Client(asyncio.Protocol):
    """One connection that asks again as soon as an answer of the expected length is there."""

    def __init__(self, request: bytes, length: int) -> None:
        self.request, self.length, self.answers, self._got = request, length, 0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._got += len(data)
        if self._got >= self.length:
            self._got -= self.length
            self.answers += 1
            self.transport.write(self.request)


async def per_second(port: int, request: bytes) -> float:
    """Answers a second over all connections; all answers to one request have one length."""
    length = await _length(port, request)
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: _Client(request, length), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    start = time.perf_counter()
    await asyncio.sleep(SECONDS)
    answers, spent = sum(client.answers for client in clients), time.perf_counter() - start
    for client in clients:
        client.transport.abort()
    return answers / spent


async def _length(port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    body = 0 if b" 304 " in head else int(fields[b"content-length"])
    await reader.readexactly(body)
    writer.close()
    await writer.wait_closed()
    return len(head) + body


async def serving(port: int, etag: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for status, condition in (("200", ""), ("304", f"If-None-Match: {etag}\r\n")):
        rates: dict[str, list[float]] = {"/channels/all.atom": [], "/bare": []}
        for _ in range(ROUNDS):
            for path, measured in rates.items():
                request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n{condition}\r\n"
                measured.append(await per_second(port, request.encode()))
        ours, least = rates.values()
        found[status] = {
            "per_second": round(statistics.median(ours)),
            "bare_per_second": round(statistics.median(least)),
            "to_bare": round(statistics.median(a / b for a, b in zip(ours, least, strict=True)), 2),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1000)
    arguments = parser.parse_args()
    found = stories(arguments.entries)
    publication = write_channel(CHANNEL, found, "atom", site=SITE, feeds=FEEDS)
    with server(publication) as (port, etag):
        served = asyncio.run(serving(port, etag))
    print(json.dumps({"entries": arguments.entries, "build": building(found), "serve": served}, indent=2))


if __name__ == "__main__":
    main()
