"""Redirects: by table for the rules, and over real servers for what each origin gets to see."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from structlog.testing import capture_logs
from yarl import URL

from aggregator.adapters.fetcher import AiohttpFetcher
from aggregator.adapters.redirects import HOPS, BadRedirect, Hop
from aggregator.model.feed import Validators
from aggregator.model.poll import Cause, Fetched, FetchOutcome, FetchRequest, NotModified
from tests.adapters.fetch_server import BODY, NOW, POLLING, FetchServer, Talk, answer, failure, fetch, head

SECRETS = (("Authorization", "Bearer s3cret"), ("Cookie", "a=1"), ("X-Api-Key", "s3cret"))
KNOWN = Validators(etag='"1"', last_modified="yesterday", body_sha256="0" * 64)
DIGEST = sha256(BODY).hexdigest()
CARRIED = ("Authorization", "Cookie", "X-Api-Key", "If-None-Match", "If-Modified-Since")


def walk(start: str, *steps: tuple[int, str]) -> Hop:
    hop = Hop(url=URL(start), headers={"X-Api-Key": "s3cret"})
    for status, location in steps:
        hop = hop.next(status, location, URL)
    return hop


@pytest.mark.parametrize(
    ("start", "location", "target"),
    [
        ("http://a.example/x/feed", "../feed.xml", "http://a.example/feed.xml"),
        ("http://a.example/x/feed", "feed.xml", "http://a.example/x/feed.xml"),
        ("http://a.example/x/feed", "?page=2", "http://a.example/x/feed?page=2"),
        ("http://a.example/x", "//b.example/y", "http://b.example/y"),
        ("https://a.example/x", "/feed.xml#part", "https://a.example/feed.xml"),
        ("http://a.example/x", "/my feed.xml", "http://a.example/my%20feed.xml"),
        ("http://a.example/x", "HTTP://B.example/y", "http://b.example/y"),
        ("http://a.example/x", "http://a.example/%0d%0aSet-Cookie:x=1", "http://a.example/%0D%0ASet-Cookie:x=1"),
    ],
)
def test_locations_are_resolved_against_the_address_asked(start: str, location: str, target: str) -> None:
    assert str(walk(start, (302, location)).url) == target


@pytest.mark.parametrize(
    ("start", "location", "kept"),
    [
        ("http://a.example/x", "/y", True),
        ("http://a.example/x", "http://a.example:80/y", True),
        ("http://a.example/x", "http://A.EXAMPLE./y", True),
        ("http://a.example/x", "https://a.example/y", False),
        ("http://a.example/x", "http://a.example:8080/y", False),
        ("http://a.example/x", "http://www.a.example/y", False),
        ("http://a.example/x", "http://b.example/y", False),
    ],
)
def test_headers_stay_with_their_origin(start: str, location: str, kept: bool) -> None:
    hop = walk(start, (302, location))
    assert hop.at_home is kept
    assert bool(hop.headers) is kept


def test_headers_once_dropped_do_not_come_back() -> None:
    hop = walk("http://a.example/", (302, "http://b.example/"), (302, "http://a.example/feed"), (302, "/rss"))
    assert hop.headers == {}
    assert not hop.at_home


def test_a_step_down_to_plain_http_is_taken_once() -> None:
    once = [(302, "http://a.example/1"), (302, "https://a.example/2")]
    assert walk("https://a.example/", *once).url == URL("https://a.example/2")
    with pytest.raises(BadRedirect, match="more than once"):
        walk("https://a.example/", *once, (302, "http://a.example/3"))


@pytest.mark.parametrize(
    ("steps", "for_good"),
    [([301], True), ([308, 301], True), ([302], False), ([303], False), ([307], False), ([301, 302], False)],
)
def test_only_permanent_redirects_move_a_feed(steps: list[int], for_good: bool) -> None:
    assert walk("http://a.example/", *((s, f"/{n}") for n, s in enumerate(steps))).moved_for_good is for_good


@pytest.mark.parametrize(
    ("location", "reason"),
    [("", "nowhere"), ("/", "itself"), ("#top", "itself"), ("http://[::1/", "cannot be read"), ("//[", "cannot be")],
)
def test_a_redirect_that_leads_nowhere(location: str, reason: str) -> None:
    with pytest.raises(BadRedirect, match=reason):
        walk("http://a.example/", (302, location))


def test_the_way_has_an_end() -> None:
    steps = [(302, f"/{n}") for n in range(HOPS)]
    assert walk("http://a.example/", *steps).count == HOPS
    with pytest.raises(BadRedirect, match=f"more than {HOPS}"):
        walk("http://a.example/", *steps, (302, "/more"))


# --- over the wire --------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[FetchServer]:
    with FetchServer() as running:
        yield running


def poll(server: FetchServer, validators: Validators = KNOWN, *, onward: FetchServer | None = None) -> FetchOutcome:
    """Ask `server`, which may send us on to another."""
    polling = replace(POLLING, ports=(*POLLING.ports, *([onward.port] if onward else ())))
    request = FetchRequest(feed_id="a", url=server.url(), validators=validators, headers=SECRETS)
    return fetch(request, polling=polling)["a"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_within_an_origin_everything_goes_along(server: FetchServer, status: int) -> None:
    server.answers |= {"/feed": answer(status, b"moved", location="/new#x"), "/new": answer(304)}
    assert poll(server) == NotModified(feed_id="a", validators=KNOWN)
    assert server.paths() == ["/feed", "/new"]
    assert server.seen[0].carried(*CARRIED) == server.seen[1].carried(*CARRIED)
    assert len(server.seen[1].carried(*CARRIED)) == len(CARRIED)
    assert len(server.talks) == 1


def test_nothing_crosses_to_another_origin_and_its_words_go_to_itself_only(server: FetchServer) -> None:
    with FetchServer() as other:
        server.answers["/feed"] = answer(302, location=other.url("/feed"))
        other.answers["/feed"] = answer(body=BODY, etag='"theirs"', last_modified="their day")
        outcome = poll(server, onward=other)
        assert isinstance(outcome, Fetched)
        assert outcome.url == other.url("/feed")
        assert outcome.validators == Validators(
            etag='"theirs"', last_modified="their day", body_sha256=DIGEST, given_by=other.url("/feed")
        )
        assert other.seen[0].carried(*CARRIED) == {}
        other.answers["/feed"] = answer(304)
        assert poll(server, outcome.validators, onward=other) == NotModified(feed_id="a", validators=outcome.validators)
        asked = {"If-None-Match": '"theirs"', "If-Modified-Since": "their day"}
        assert server.seen[1].carried(*asked) == {}
        assert other.seen[1].carried(*CARRIED) == asked
        server.answers["/feed"] = answer(302, location=other.url("/elsewhere"))
        poll(server, outcome.validators, onward=other)
        assert other.seen[2].carried(*asked) == {}


def test_a_304_of_an_origin_that_was_asked_nothing_is_a_fault(server: FetchServer) -> None:
    with FetchServer() as other:
        server.answers["/feed"] = answer(302, location=other.url("/feed"))
        other.answers["/feed"] = answer(304)
        assert failure(poll(server, onward=other)).cause is Cause.STATUS


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://u:p@127.0.0.1/",
        "data:,x",
        "javascript:alert(1)",
        "http://127.0.0.1\\@example.com/",
        "http://2130706433/",
        "http:/\\example.com",
    ],
)
def test_each_hop_is_checked_like_the_first(server: FetchServer, location: str) -> None:
    server.answers["/feed"] = answer(302, location=location)
    assert failure(poll(server)).cause is Cause.BLOCKED_ADDRESS
    assert server.paths() == ["/feed"]


@pytest.mark.parametrize(
    ("answers", "requests"),
    [
        ({"/feed": answer(302, location="/b"), "/b": answer(302, location="/feed")}, HOPS + 1),
        ({"/feed": answer(301, location="/feed")}, 1),
        ({"/feed": answer(302)}, 1),
        ({"/feed": answer(301, location="http://[")}, 1),
    ],
)
def test_bad_redirects_are_failures_with_a_cause(server: FetchServer, answers: dict[str, bytes], requests: int) -> None:
    server.answers |= answers
    assert failure(poll(server)).cause is Cause.REDIRECT
    assert len(server.seen) == requests


@pytest.mark.parametrize("status", [300, 304, 305, 306])
def test_other_statuses_with_a_location_are_not_followed(server: FetchServer, status: int) -> None:
    server.answers |= {"/feed": answer(status, location="/new"), "/new": answer(body=BODY)}
    assert not isinstance(poll(server), Fetched)
    assert server.paths() == ["/feed"]


def test_a_page_that_refreshes_itself_is_not_followed(server: FetchServer) -> None:
    server.answers["/feed"] = answer(body=b'<meta http-equiv="refresh" content="0;url=/new">')
    assert isinstance(poll(server), Fetched)
    assert server.paths() == ["/feed"]


def test_a_redirect_with_an_endless_body_holds_nobody_up(server: FetchServer) -> None:
    async def endless(talk: Talk) -> None:
        await talk.send(head("HTTP/1.1 302 Found", "Location: /new", "Transfer-Encoding: chunked"))
        while True:
            await talk.send(b"400\r\n" + bytes(1024) + b"\r\n")

    server.answers |= {"/feed": endless, "/new": answer(304)}
    assert isinstance(poll(server), NotModified)
    assert server.talks[0].closed_by_client.wait(10)


def test_no_header_comes_out_of_a_location(server: FetchServer) -> None:
    server.answers |= {"/feed": answer(302, location="/n%0d%0aSet-Cookie:x=1"), "/n%0d%0aSet-Cookie:x=1": answer(304)}
    assert isinstance(poll(server), NotModified)
    assert "set-cookie" not in server.seen[1].headers


def test_retry_after_of_a_redirect_counts(server: FetchServer) -> None:
    server.answers |= {"/feed": answer(302, location="/n", retry_after="7200"), "/n": answer(304, retry_after="60")}
    outcome = poll(server)
    assert outcome.wishes.retry_after == NOW + timedelta(hours=2)
    server.answers["/n"] = answer(302, location="/n")
    assert poll(server).wishes.retry_after == NOW + timedelta(hours=2)


def test_a_person_is_told_once_that_a_feed_moved_for_good(server: FetchServer) -> None:
    server.answers |= {"/feed": answer(301, location="/new?token=s3cret"), "/new?token=s3cret": answer(body=BODY)}
    fetcher = AiohttpFetcher(POLLING, user_agent="wire/1", now=lambda: NOW)
    with capture_logs() as logs:
        for _ in range(2):
            (outcome,) = fetcher.fetch([FetchRequest(feed_id="a", url=server.url())])
            assert isinstance(outcome, Fetched)
    (event,) = logs
    assert (event["feed_id"], event["to"], event["log_level"]) == ("a", server.url("/new?token=***"), "warning")


@pytest.mark.parametrize(
    ("status", "new"), [(301, answer(404)), (301, answer(body=b"")), (302, answer(304)), (307, answer(body=BODY))]
)
def test_a_move_to_nothing_or_for_a_while_is_not_told(server: FetchServer, status: int, new: bytes) -> None:
    server.answers |= {"/feed": answer(status, location="/new"), "/new": new}
    with capture_logs() as logs:
        poll(server)
    assert server.paths() == ["/feed", "/new"]
    assert logs == []
