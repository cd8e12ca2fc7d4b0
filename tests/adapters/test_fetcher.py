"""Conditional GETs against a real server that answers as it likes."""

import gzip
import ssl
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import brotli
import pytest
from structlog.testing import capture_logs

from aggregator.adapters.fetcher import LONGEST_VALIDATOR, AiohttpFetcher
from aggregator.model.feed import Validators
from aggregator.model.poll import Cause, Fetched, FetchOutcome, FetchRequest, NotModified, ServerWishes
from aggregator.settings.values import Polling
from tests.adapters.fetch_server import (
    BODY,
    NOW,
    POLLING,
    Answer,
    FetchServer,
    Talk,
    answer,
    failure,
    fetch,
    head,
    silence,
)

BRIEF = replace(POLLING, timeout=timedelta(seconds=0.3))
DIGEST = sha256(BODY).hexdigest()
NOTHING = Validators()


@pytest.fixture
def server() -> Iterator[FetchServer]:
    with FetchServer() as running:
        yield running


def poll(
    server: FetchServer,
    script: Answer | list[Answer],
    validators: Validators = NOTHING,
    *,
    path: str = "/feed",
    headers: tuple[tuple[str, str], ...] = (),
    polling: Polling = POLLING,
) -> FetchOutcome:
    server.answers[path] = script
    request = FetchRequest(feed_id="a", url=server.url(path), validators=validators, headers=headers)
    return fetch(request, polling=polling)["a"]


# --- what a request carries -----------------------------------------------------------------------


def test_a_first_request_asks_without_conditions_and_says_who_asks(server: FetchServer) -> None:
    outcome = poll(server, answer(body=BODY, content_type="text/xml"), path="/feed?a=%2Fb&c=d+e")
    (seen,) = server.seen
    assert seen.path == "/feed?a=%2Fb&c=d+e"
    assert set(seen.headers) == {"host", "user-agent", "accept", "accept-encoding"}
    assert seen.headers["user-agent"] == "wire/1 (+https://wire.example)"
    assert outcome == Fetched(
        feed_id="a",
        url=server.url("/feed?a=%2Fb&c=d+e"),
        status=200,
        body=BODY,
        content_type="text/xml",
        validators=Validators(body_sha256=DIGEST),
    )


@pytest.mark.parametrize(
    "etag", ['"abc"', 'W/"abc"', "unquoted", '"', '""', "'single'", '"a, b"', '"ü"', "W/", '"' + "x" * 900 + '"']
)
def test_validators_come_back_as_they_were_given(server: FetchServer, etag: str) -> None:
    octets = etag.encode().decode("latin-1")
    first = poll(server, answer(body=BODY, etag=octets, last_modified="any day, 2026"))
    assert isinstance(first, Fetched)
    second = poll(server, answer(304), first.validators)
    assert server.seen[1].carried("If-None-Match", "If-Modified-Since") == {
        "If-None-Match": octets,
        "If-Modified-Since": "any day, 2026",
    }
    assert second == NotModified(feed_id="a", validators=first.validators)


@pytest.mark.parametrize("etag", ["x" * (LONGEST_VALIDATOR + 1), '"\xe9"', '"\t"', ""])
def test_validators_that_could_not_go_back_as_they_came_are_not_kept(server: FetchServer, etag: str) -> None:
    outcome = poll(server, answer(body=BODY, etag=etag))
    assert isinstance(outcome, Fetched)
    assert outcome.validators == Validators(body_sha256=DIGEST)


def test_headers_of_the_feed_are_sent(server: FetchServer) -> None:
    poll(server, answer(body=BODY), headers=(("Authorization", "Bearer s3cret"), ("User-Agent", "other/2")))
    assert server.seen[0].carried("Authorization", "User-Agent") == {
        "Authorization": "Bearer s3cret",
        "User-Agent": "other/2",
    }


def test_a_cookie_is_never_sent_back(server: FetchServer) -> None:
    server.answers["/home"] = answer(body=BODY, set_cookie="b=2")
    server.answers["/next"] = answer(302, location="/home", set_cookie="a=1; Path=/")
    paths = {"one": "/next", "two": "/home", "three": "/next"}
    requests = [FetchRequest(feed_id=id_, url=server.url(path, "feed.example")) for id_, path in paths.items()]
    fetch(*requests, look_up=lambda host: ["127.0.0.1"])  # jars keep no cookies of bare addresses
    assert len(server.seen) == 5
    assert not any(seen.carried("Cookie", "Referer") for seen in server.seen)


# --- what an answer means -------------------------------------------------------------------------


def test_a_304_may_bring_new_validators_and_wishes(server: FetchServer) -> None:
    old = Validators(etag='"1"', last_modified="yesterday", body_sha256=DIGEST)
    outcome = poll(server, answer(304, etag='"2"', cache_control="max-age=60"), old)
    assert outcome == NotModified(feed_id="a", validators=replace(old, etag='"2"'), wishes=ServerWishes(max_age=60))


@pytest.mark.parametrize("known", [NOTHING, Validators(body_sha256=DIGEST)])
def test_a_304_that_nobody_asked_for_is_a_fault_of_the_server(server: FetchServer, known: Validators) -> None:
    """Taken for an answer, it would hide the entries of a new feed for ever."""
    outcome = failure(poll(server, answer(304, etag='"1"'), known))
    assert (outcome.cause, outcome.status) == (Cause.STATUS, 304)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_the_same_body_is_like_a_304(server: FetchServer, coding: str) -> None:
    sent = gzip.compress(BODY) if coding == "gzip" else BODY
    outcome = poll(server, answer(body=sent, content_encoding=coding, etag='"2"'), Validators(body_sha256=DIGEST))
    assert outcome == NotModified(feed_id="a", validators=Validators(etag='"2"', body_sha256=DIGEST))


def test_a_changed_body_drops_the_validators_that_are_gone(server: FetchServer) -> None:
    outcome = poll(server, answer(body=BODY), Validators(etag='"1"', last_modified="x", body_sha256="other"))
    assert isinstance(outcome, Fetched)
    assert outcome.validators == Validators(body_sha256=DIGEST)


@pytest.mark.parametrize(
    ("status", "cause"),
    [(s, Cause.STATUS) for s in (201, 204, 206, 300, 305, 400, 401, 403, 404, 429, 451, 500, 502, 503, 999)]
    + [(410, Cause.GONE)],
)
def test_other_statuses_are_failures_with_their_number_and_wishes(
    server: FetchServer, status: int, cause: Cause
) -> None:
    outcome = failure(poll(server, answer(status, retry_after="120")))
    assert (outcome.cause, outcome.status) == (cause, status)
    assert outcome.wishes.retry_after == NOW + timedelta(seconds=120)
    assert str(status) in outcome.message


@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
def test_an_empty_200_is_no_feed(server: FetchServer, body: bytes) -> None:
    assert failure(poll(server, answer(body=body))).cause is Cause.EMPTY


# --- bodies ---------------------------------------------------------------------------------------


PACKED = {
    "gzip": gzip.compress(BODY, mtime=0),
    "GZIP": gzip.compress(BODY, mtime=0),
    "deflate": zlib.compress(BODY),
    "br": brotli.compress(BODY),
}


@pytest.mark.parametrize(("coding", "packed"), PACKED.items(), ids=PACKED)
def test_codings_we_ask_for_are_undone(server: FetchServer, coding: str, packed: bytes) -> None:
    outcome = poll(server, answer(body=packed, content_encoding=coding))
    assert isinstance(outcome, Fetched)
    assert outcome.body == BODY
    assert coding.lower() in server.seen[0].headers["accept-encoding"]


@pytest.mark.parametrize(
    "script",
    [
        answer(body=gzip.compress(BODY)[:-4], content_encoding="gzip"),
        answer(body=BODY, content_encoding="gzip"),
        answer(body=gzip.compress(gzip.compress(BODY)), content_encoding="gzip, gzip"),
        answer(body=gzip.compress(BODY), content_encoding="gzip\r\nContent-Encoding: gzip"),
        answer(body=BODY, content_encoding="exi"),
    ],
)
def test_what_cannot_be_unpacked_whole_is_an_error(server: FetchServer, script: bytes) -> None:
    assert failure(poll(server, script, Validators(etag='"1"'))).cause is Cause.ENCODING


async def endless_body(talk: Talk) -> None:
    await talk.send(head("HTTP/1.1 200 OK", "Content-Type: text/xml"))
    while True:
        await talk.send(b"<item/>" * 10_000)


async def endless_chunks(talk: Talk) -> None:
    await talk.send(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"))
    while True:
        await talk.send(b"2710\r\n" + bytes(10_000) + b"\r\n")


async def endless_nothing(talk: Talk) -> None:
    """A stream of empty gzip blocks: much to read, nothing in it."""
    await talk.send(head("HTTP/1.1 200 OK", "Content-Encoding: deflate"))
    while True:
        await talk.send(b"\x00\x00\x00\xff\xff" * 5_000)


async def too_long_by_its_own_word(talk: Talk) -> None:
    await talk.send(head("HTTP/1.1 200 OK", "Content-Length: 999999999999"))
    await silence(talk)


async def bomb(talk: Talk) -> None:
    await talk.send(answer(body=gzip.compress(bytes(50_000_000)), content_encoding="gzip"))
    await silence(talk)


@pytest.mark.parametrize("script", [endless_body, endless_chunks, endless_nothing, too_long_by_its_own_word, bomb])
def test_a_body_beyond_the_cap_ends_the_connection(server: FetchServer, script: Answer) -> None:
    assert failure(poll(server, script)).cause is Cause.TOO_BIG
    (talk,) = server.talks
    assert talk.closed_by_client.wait(10)
    assert talk.sent < 20_000_000  # the buffers of two sockets, far below what the script would send


async def drop_in_body(talk: Talk) -> None:
    await talk.send(head("HTTP/1.1 200 OK", "Content-Length: 1000", 'ETag: "1"') + BODY)


async def drop_in_chunks(talk: Talk) -> None:
    await talk.send(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", 'ETag: "1"') + b"400\r\n" + BODY)


async def drop_at_once(talk: Talk) -> None:
    del talk


async def drop_in_head(talk: Talk) -> None:
    await talk.send(b"HTTP/1.1 200 OK\r\nContent-Le")


@pytest.mark.parametrize("script", [drop_in_body, drop_in_chunks, drop_at_once, drop_in_head])
def test_half_an_answer_is_none(server: FetchServer, script: Answer) -> None:
    assert failure(poll(server, script)).cause is Cause.CONNECT


def test_octets_beyond_content_length_are_not_the_answer_to_the_next_request(server: FetchServer) -> None:
    server.answers["/short"] = head("HTTP/1.1 200 OK", "Content-Length: 6") + b"<rss/>" + answer(body=b"smuggled")
    server.answers["/good"] = answer(body=BODY)
    polling = replace(POLLING, per_host=1)
    outcomes = fetch(*(FetchRequest(feed_id=p, url=server.url(p)) for p in ("/short", "/good")), polling=polling)
    assert isinstance(outcomes["/good"], Fetched)
    assert outcomes["/good"].body == BODY


async def drip_body(talk: Talk) -> None:
    await talk.send(head("HTTP/1.1 200 OK", "Content-Length: 100000"))
    await drip(talk)


async def drip_head(talk: Talk) -> None:
    await talk.send(b"HTTP/1.1 200 OK\r\n")
    await drip(talk)


async def drip(talk: Talk) -> None:
    while not talk.writer.is_closing():
        await talk.send(b"x")
        await talk.pause()


async def early_hints_for_ever(talk: Talk) -> None:
    while True:
        await talk.send(head("HTTP/1.1 103 Early Hints"))


@pytest.mark.parametrize("script", [drip_body, drip_head, early_hints_for_ever, silence])
def test_the_whole_fetch_has_one_time_limit(server: FetchServer, script: Answer) -> None:
    assert failure(poll(server, script, polling=BRIEF)).cause is Cause.TIMEOUT
    assert server.talks[0].closed_by_client.wait(10)


# --- answers that are not HTTP --------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
    ],
)
def test_an_answer_that_is_no_http_is_that_feeds_error(server: FetchServer, data: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.send(data)

    assert failure(poll(server, script)).cause is Cause.CONNECT


def test_words_of_the_server_are_cleaned(server: FetchServer) -> None:
    data = b"HTTP/1.1 500 \x1b[31mred\xff\x9b " + b"x" * 500 + b"\r\nContent-Length: 0\r\n\r\n"
    outcome = failure(poll(server, data))
    assert len(outcome.message) <= 300


# --- no answer at all -----------------------------------------------------------------------------


def test_nobody_listens() -> None:
    with FetchServer() as gone:
        url = gone.url()
    outcome = failure(fetch(FetchRequest(feed_id="a", url=url))["a"])
    assert outcome.cause is Cause.CONNECT
    assert "127.0.0.1" in outcome.message


def test_a_server_without_tls_at_an_https_address() -> None:
    with FetchServer(greeting=answer(400)) as server:
        url = server.url().replace("http:", "https:")
        assert failure(fetch(FetchRequest(feed_id="a", url=url))["a"]).cause is Cause.TLS


def test_a_certificate_nobody_vouches_for() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    with FetchServer(tls=context) as server:
        outcome = failure(fetch(FetchRequest(feed_id="a", url=server.url()))["a"])
        assert outcome.cause is Cause.TLS
        assert "self-signed" in outcome.message
        assert server.seen == []


# --- faults of ours -------------------------------------------------------------------------------


def test_an_error_nobody_thought_of_is_the_fate_of_one_feed(server: FetchServer) -> None:
    server.answers["/feed"] = answer(body=BODY)
    good = [FetchRequest(feed_id=f"good-{n}", url=server.url()) for n in range(20)]
    bad = FetchRequest(feed_id="bad", url=server.url(), headers=(("Authorization", "s3cret\r\nX: y"),))
    with capture_logs() as logs:
        outcomes = fetch(*good[:10], bad, *good[10:])
    assert failure(outcomes.pop("bad")).cause is Cause.INTERNAL
    assert all(isinstance(outcome, Fetched) for outcome in outcomes.values())
    (event,) = logs
    assert (event["feed_id"], event["kind"], event["log_level"]) == ("bad", "ValueError", "error")
    assert "s3cret" not in repr(event) + repr(outcomes)


def test_a_clock_that_fails_fails_every_feed_and_ends_the_round(server: FetchServer) -> None:
    server.answers["/feed"] = answer(body=BODY)

    def now() -> datetime:
        raise RuntimeError("no time")

    fetcher = AiohttpFetcher(POLLING, user_agent="wire/1", now=now)
    with capture_logs() as logs:
        outcomes = list(fetcher.fetch([FetchRequest(feed_id=str(n), url=server.url()) for n in range(5)]))
    assert [failure(outcome).cause for outcome in outcomes] == [Cause.INTERNAL] * 5
    assert {event["kind"] for event in logs} == {"RuntimeError"}
