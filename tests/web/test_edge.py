"""What every answer has in common, and what each kind of error becomes."""

from collections.abc import Iterator
from dataclasses import replace
from inspect import iscoroutinefunction

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from aggregator.errors import NotFoundError, QueryError, StoreError, TokenError
from aggregator.web.app import create_app
from aggregator.web.edge import MAX_BODY, Edge, is_our_host
from aggregator.web.failures import Failures
from aggregator.web.view import View
from tests.web.sample_site import BASE, SITE, SampleSite, settings
from tests.web.test_pages import MISSING, PAGES

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age=31536000",
}
OTHERS = ("/opml", "/robots.txt", "/healthz", "/readyz", "/feed.atom", "/channels/japan.json", "/newsletters/weekly/1")


def broken(site: SampleSite, error: Exception) -> Iterator[TestClient]:
    """A site whose stories cannot be read."""

    def fail(**_: object) -> None:
        raise error

    context = replace(site.context, stories=type("Broken", (), {"newest": staticmethod(fail)})())
    with TestClient(create_app(context), base_url=BASE) as client:
        yield client


@pytest.mark.parametrize("path", [*PAGES, *MISSING, "/?before=x", "/search?q=("])
def test_good_pages_and_error_pages_carry_the_same_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "server" not in headers


@pytest.mark.parametrize("path", OTHERS)
def test_everything_else_forbids_scripts_and_sniffing_too(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_site_without_tls_does_not_demand_it(own_site: SampleSite) -> None:
    own_site.settings = settings(site=replace(SITE, base_url="http://127.0.0.1:8000"))
    with TestClient(create_app(own_site.context), base_url="http://127.0.0.1:8000") as client:
        assert "strict-transport-security" not in client.get("/").headers


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("wire.example.org", True),
        ("WIRE.example.org:443", True),
        ("wire.example.org.", True),
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.1.20", True),
        ("evil.example", False),
        ("wire.example.org.evil.example", False),
        ("evil-wire.example.org", False),
        ("wire.example.org@evil.example", False),
        ("wire.example.org:443:443", False),
        ("wire.example.org/..", False),
        ("[::1", False),
        ("[wire.example.org]", False),
        ("", False),
    ],
)
def test_only_our_name_this_machine_and_addresses_are_our_host(host: str, ours: bool) -> None:
    assert is_our_host(host, BASE) is ours


def test_another_host_is_refused_with_nothing_of_it_in_the_answer(client: TestClient) -> None:
    answer = client.get("/", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert answer.status_code == 421
    assert "evil" not in answer.text
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_a_forwarded_host_changes_no_link(client: TestClient) -> None:
    hostile = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "Forwarded": "host=evil.example"}
    for path in (*PAGES, "/opml", "/stories/lone"):
        answer = client.get(path, headers=hostile)
        assert "evil" not in answer.text + str(answer.headers), path


@pytest.mark.parametrize("path", ["/", "/stories/gas", "/search", "/opml", "/healthz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_pages_can_only_be_read(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 405
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_a_body_above_the_limit_is_refused_however_it_is_announced(client: TestClient) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(MAX_BODY // 1024 + 1):
            yield b"a" * 1024

    for content in (b"a" * (MAX_BODY + 1), drip()):
        answer = client.post(
            "/unsubscribe/x", content=content, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 413
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (NotFoundError("there is no such <thing>"), 404, "There is no such &lt;thing&gt;."),
        (QueryError("a word is missing", text="a AND", position=5), 400, "<pre>a AND\n     ^</pre>"),
        (StoreError("database: locked; /var/lib/secret"), 503, "The database does not answer just now."),
        (TokenError("forged"), 400, "This request cannot be read."),
        (RuntimeError("the secret cause"), 500, "The fault is ours and has been noted."),
    ],
)
def test_each_error_becomes_its_status_and_a_page(site: SampleSite, error: Exception, status: int, words: str) -> None:
    for client in broken(site, error):
        with capture_logs():
            answer = client.get("/")
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert words in answer.text
        assert "secret" not in answer.text
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_a_store_that_fails_says_when_to_come_back(site: SampleSite) -> None:
    for client in broken(site, StoreError("database: locked")):
        with capture_logs() as events:
            assert client.get("/").headers["retry-after"] == "30"
        assert [(event["event"], event["page"]) for event in events] == [("web.unavailable", "/")]


def test_an_unknown_error_is_logged_by_its_route_so_that_no_token_is(site: SampleSite) -> None:
    context = replace(site.context, signer=None)  # type: ignore[arg-type]
    with TestClient(create_app(context), base_url=BASE) as client, capture_logs() as events:
        answer = client.get("/unsubscribe/a-token")
    assert answer.status_code == 500
    assert [(event["event"], event["page"]) for event in events] == [("web.failed", "/unsubscribe/{token}")]
    assert "a-token" not in str([event["error"] for event in events])


def test_an_answer_that_breaks_off_is_not_begun_anew(site: SampleSite) -> None:
    async def torn(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    edge = Edge(torn, settings=lambda: site.settings, failures=Failures(View(lambda: site.settings)))
    with pytest.raises(RuntimeError, match="in the middle"):
        TestClient(edge, base_url=BASE).get("/")


def test_no_page_is_made_on_the_event_loop(site: SampleSite) -> None:
    """Starlette runs plain functions on threads; coroutines, which read forms, hand their work to one."""
    routes = [route for route in create_app(site.context).routes if isinstance(route, Route)]
    assert {route.path for route in routes if iscoroutinefunction(route.endpoint)} == {
        "/preferences/{token}",
        "/preferences/{token}/erase",
        "/subscribe",
        "/unsubscribe/{token}",
    }


def test_pages_are_compressed_and_feeds_choose_their_coding_themselves(client: TestClient) -> None:
    asked = {"Accept-Encoding": "gzip;q=0.5, identity;q=1"}
    assert client.get("/", headers=asked).headers["content-encoding"] == "gzip"
    feed = client.get("/feed.atom", headers=asked)
    assert "content-encoding" not in feed.headers
    assert not feed.headers["etag"].endswith('-gzip"')
