"""The guard, alone and as the fetcher's: no socket for a refused address, and the one checked is the one used."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, gaierror
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientConnectorError

from aggregator.adapters import guard as guarding
from aggregator.adapters.fetcher import AiohttpFetcher
from aggregator.adapters.guard import Blocked, Guard, is_public
from aggregator.model.poll import Cause, Fetched, FetchFailed, FetchOutcome, FetchRequest, NotModified
from aggregator.settings.values import Polling
from tests.adapters.fence import fence
from tests.adapters.fetch_server import FetchServer, answer

HOSTILE = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hostile" / "ssrf"
PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"
POLLING = Polling()


class Names:
    """A resolver by script: each look-up of a name takes its next answer; None fails, unknown names are public."""

    def __init__(self, **scripts: Sequence[Sequence[str] | None]) -> None:
        self.scripts = {name.replace("_", "."): list(script) for name, script in scripts.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        script = self.scripts.get(host, [[PUBLIC]])
        addresses = script.pop(0) if len(script) > 1 else script[0]
        if addresses is None:
            raise gaierror("temporary failure in name resolution")
        return addresses


def fetch(url: str, *, names: Names | None = None, polling: Polling = POLLING) -> FetchOutcome:
    fetcher = AiohttpFetcher(
        polling, user_agent="wire/1", now=lambda: datetime(2026, 11, 24, tzinfo=UTC), look_up=names or Names()
    )
    (outcome,) = fetcher.fetch([FetchRequest(feed_id="a", url=url)])
    return outcome


def cause(outcome: FetchOutcome) -> Cause:
    assert isinstance(outcome, FetchFailed), outcome
    return outcome.cause


def rows(name: str) -> list[dict[str, object]]:
    if not HOSTILE.is_dir():
        return []
    return list(json.loads((HOSTILE / name).read_text(encoding="utf-8")))


needs_corpus = pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"{HOSTILE} is not there")


# --- addresses ------------------------------------------------------------------------------------


NOT_PUBLIC = """
    0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 168.63.129.16 169.254.169.254 192.0.0.192 192.88.99.1 224.0.0.1
    255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::7f00:1
    2002:7f00:1:: 2002:c0a8:ffff:: 2001:0:4136:e378:8000:63bf:3f57:fdf2 2001:db8::1 3fff::1 5f00::1 100::1
    fe80::1 fc00::1 fec0::1 ff0e::1
"""


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_what_is_not_the_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", [PUBLIC, PUBLIC_6, "::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2002:5db8:d822::"]
)
def test_what_is_the_internet(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("item", "address", "port", "passes"),
    [
        ("10.0.0.0/8", "10.9.8.7", 80, True),
        ("10.0.0.0/8", "10.9.8.7", 9000, False),
        ("10.0.0.0/8", "192.168.0.1", 80, False),
        ("10.0.0.7/8", "10.1.1.1", 80, True),  # the host part of a network is not taken amiss
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.1", "127.0.0.2", 80, False),
        ("127.0.0.0/8", "::ffff:127.0.0.1", 80, False),
        ("::1", "::1", 80, True),
        ("fe80::/10", "fe80::1%eth0", 80, True),
        ("intranet.example.org", "10.0.0.1", 80, False),
    ],
)
def test_private_networks_can_be_allowed(item: str, address: str, port: int, passes: bool) -> None:
    guard = Guard(allow_private=[item], ports=[80])
    if passes:
        guard.check(address, port)
    else:
        with pytest.raises(Blocked):
            guard.check(address, port)


def test_a_name_is_no_address_for_a_socket() -> None:
    with pytest.raises(Blocked):
        Guard(allow_private=[], ports=[80]).check("example.org", 80)
    with pytest.raises(Blocked):
        Guard(allow_private=[], ports=[80]).make_socket((AF_INET, SOCK_STREAM, 0, "", ("127.0.0.1", 80)))


def test_an_allowed_name_opens_its_own_door_only() -> None:
    guard = Guard(allow_private=["Intranet.example.org."], ports=[80])
    with pytest.raises(Blocked, match=r"polling\.ports"):
        guard.check_answer("intranet.example.org", 8000, ["10.0.0.5"])
    guard.read("http://INTRANET.example.org:8000/feed", first=True)
    guard.check_answer("intranet.example.org", 8000, ["10.0.0.5"])
    guard.make_socket((AF_INET, SOCK_STREAM, 0, "", ("10.0.0.5", 8000))).close()
    with pytest.raises(Blocked):
        guard.check_answer("evil.example", 8000, ["10.0.0.5"])
    with pytest.raises(Blocked):
        guard.read("http://10.0.0.5:8000/")
    with pytest.raises(Blocked):
        guard.make_socket((AF_INET, SOCK_STREAM, 0, "", ("10.0.0.5", 6379)))


def test_the_port_that_a_feed_names_is_open_on_its_own_host_only() -> None:
    guard = Guard(allow_private=["10.0.0.0/8"], ports=[80])
    guard.read("http://10.0.0.5:9000/feed", first=True)
    guard.read("http://10.0.0.5:9000/other")
    for address in ("http://10.0.0.6:9000/", "http://10.0.0.5:9001/", f"http://{PUBLIC}:9000/"):
        with pytest.raises(Blocked, match=r"polling\.ports"):
            guard.read(address)
    with pytest.raises(Blocked, match=r"polling\.ports"):
        guard.read(f"http://{PUBLIC}:9000/", first=True)


def test_a_host_is_inside_when_every_look_up_said_so() -> None:
    guard = Guard(allow_private=["10.0.0.0/8", "wiki.example.org"], ports=[80])
    for name, address in (("a.example", "10.0.0.1"), ("b.example", PUBLIC), ("wiki.example.org", PUBLIC)):
        guard.check_answer(name, 80, [address])
    hosts = ("10.9.9.9", PUBLIC, "A.example.", "b.example", "wiki.example.org")
    assert [guard.is_inside(host) for host in hosts] == [True, False, True, False, True]
    guard.check_answer("a.example", 80, [PUBLIC, "10.0.0.1"])
    guard.check_answer("b.example", 80, ["10.0.0.1"])
    assert [guard.is_inside(name) for name in ("a.example", "b.example")] == [False, False]


@pytest.mark.parametrize("name", ["intranet", "x.internal", "printer.local", "router.lan", "X.HOME.ARPA."])
def test_a_private_name_needs_an_allowed_network(name: str) -> None:
    with pytest.raises(Blocked, match="private name"):
        Guard(allow_private=[], ports=[80]).check_answer(name, 80, [PUBLIC])
    guard = Guard(allow_private=["10.0.0.0/8"], ports=[80])
    guard.check_answer(name, 80, ["10.0.0.1"])
    with pytest.raises(Blocked, match="private name"):
        guard.check_answer(name, 80, ["10.0.0.1", PUBLIC])
    guard.check_answer(name, 80, ["10.0.0.1"])


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("https://bücher.example/é?q=a+b", "xn--bcher-kva.example", "/%C3%A9?q=a+b"),
        ("http://example.org?x=1", "example.org", "/?x=1"),
        ("http://example.org/a%2Fb?sig=%2B%3D%26+%3A%2F&x=%zz#z", "example.org", "/a%2Fb?sig=%2B%3D%26+%3A%2F&x=%zz"),
    ],
)
def test_addresses_are_sent_as_they_were_written(text: str, host: str, path: str) -> None:
    url = Guard(allow_private=[], ports=[80, 443]).read(text)
    assert (url.raw_host, url.raw_path_qs) == (host, path)


# --- the whole fetcher against the corpus ---------------------------------------------------------


@needs_corpus
@pytest.mark.parametrize("verdict", ["refuse", "allow"])
def test_every_address_of_the_corpus_gets_its_verdict(verdict: str) -> None:
    """Even with a resolver that calls every name public; and the host that is meant is the one that is asked."""
    urls = [str(row["url"]) for row in rows("urls.json") if row["expect"] == verdict]
    assert len(urls) > 20
    wrong = []
    for url in urls:
        names = Names()
        with fence() as outside:
            outcome = fetch(url, names=names)
        refused = cause(outcome) is Cause.BLOCKED_ADDRESS and not outside.made
        host = (urlsplit(url).hostname or "").encode("idna").decode() if verdict == "allow" else ""
        allowed = cause(outcome) is Cause.CONNECT and (names.asked or [outside.tried[0][0]])[0].lower() == host
        if not (refused if verdict == "refuse" else allowed):
            wrong.append((url[:80], outcome, outside.tried))
    assert wrong == []


@needs_corpus
@pytest.mark.parametrize("row", rows("dns_scripts.json"), ids=lambda row: row["name"])
def test_names_never_lead_to_a_private_socket(row: dict[str, object]) -> None:
    script = [answer_ and list(answer_) for answer_ in row["script"]]  # type: ignore[attr-defined]
    names = Names(feed_example=script)
    with fence() as outside:
        for _ in range(3):  # each poll asks anew
            assert cause(fetch("http://feed.example/", names=names)) in (
                Cause.CONNECT,
                Cause.DNS,
                Cause.BLOCKED_ADDRESS,
            )
    assert {host for host, _ in outside.tried} <= {PUBLIC}
    assert len(names.asked) == 3


@pytest.mark.parametrize("script", [None, []])
def test_a_name_without_an_answer_is_a_passing_fault(script: Sequence[str] | None) -> None:
    assert cause(fetch("http://feed.example/", names=Names(feed_example=[script]))) is Cause.DNS


def test_a_hundred_times_the_same_address_is_tried_once() -> None:
    with fence() as outside:
        fetch("http://feed.example/", names=Names(feed_example=[[PUBLIC] * 100]))
    assert outside.tried == [(PUBLIC, 80)]


# --- real connections -----------------------------------------------------------------------------


HERE = replace(POLLING, allow_private=("127.0.0.1",))


def test_the_peer_is_the_address_that_was_checked() -> None:
    """The second look-up, which would rebind the name to another address, is never made for one connection."""
    with FetchServer() as server, fence() as outside:
        server.answers["/feed"] = answer(body=b"<rss/>")
        names = Names(feed_example=[["127.0.0.1"], ["127.0.0.3"]])
        url = server.url(name="feed.example")
        assert isinstance(fetch(url, names=names, polling=HERE), Fetched)
        assert names.asked == ["feed.example"]
        assert outside.tried == [("127.0.0.1", server.port)]
        assert [seen.address for seen in server.seen] == ["127.0.0.1"]
        assert cause(fetch(url, names=names, polling=HERE)) is Cause.BLOCKED_ADDRESS
        assert len(server.seen) == len(outside.tried) == 1


def test_a_name_is_checked_anew_on_every_hop() -> None:
    with FetchServer() as server:
        server.answers["/feed"] = answer(302, location="/next", connection="close")
        names = Names(feed_example=[["127.0.0.1"], ["169.254.169.254"]])
        with fence() as outside:
            outcome = fetch(server.url(name="feed.example"), names=names, polling=HERE)
        assert cause(outcome) is Cause.BLOCKED_ADDRESS
        assert outside.tried == [("127.0.0.1", server.port)]
        assert server.paths() == ["/feed"]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[FetchServer]:
    """A server that stands for the public internet."""
    monkeypatch.setattr(guarding, "is_public", lambda address: str(address) == "127.0.0.2")
    with FetchServer(address="127.0.0.2") as server:
        yield server


@pytest.fixture
def inside() -> Iterator[FetchServer]:
    """A server on a network that is allowed."""
    with FetchServer() as server:
        server.answers["/feed"] = server.answers["/admin"] = answer(body=b"<rss/>")
        yield server


NAMES = {"wiki.example": ["127.0.0.1"], "news.example": ["127.0.0.2"]}


def poll(inside: FetchServer, outside: FetchServer, *urls: str) -> list[FetchOutcome]:
    """Ask one address after the other, by one fetcher that finds both ports usual."""
    polling = replace(HERE, ports=(inside.port, outside.port), concurrency=1)
    fetcher = AiohttpFetcher(polling, user_agent="wire/1", now=datetime.now, look_up=lambda name: NAMES[name])
    return list(fetcher.fetch([FetchRequest(feed_id=url, url=url) for url in urls]))


@pytest.mark.parametrize("start", ["127.0.0.2", "news.example"])
@pytest.mark.parametrize("target", ["127.0.0.1", "wiki.example"])
def test_no_redirect_leads_from_the_internet_to_an_allowed_network(
    inside: FetchServer, outside: FetchServer, start: str, target: str
) -> None:
    outside.answers["/feed"] = answer(302, location=inside.url("/admin", target))
    (outcome,) = poll(inside, outside, outside.url(name=start))
    assert isinstance(outcome, FetchFailed)
    assert (outcome.cause, "a feed's own address" in outcome.message) == (Cause.BLOCKED_ADDRESS, True)
    assert inside.seen == []


def test_nor_over_a_connection_that_stands_open_to_it(inside: FetchServer, outside: FetchServer) -> None:
    own = inside.url(name="wiki.example")
    outside.answers["/feed"] = answer(302, location=inside.url("/admin", "wiki.example"))
    first, second = poll(inside, outside, own, outside.url())
    assert isinstance(first, Fetched)
    assert cause(second) is Cause.BLOCKED_ADDRESS
    assert inside.paths() == ["/feed"]


def test_nor_by_way_of_the_internet(inside: FetchServer, outside: FetchServer) -> None:
    inside.answers["/feed"] = answer(302, location=outside.url())
    outside.answers["/feed"] = answer(302, location=inside.url("/admin"))
    assert [cause(outcome) for outcome in poll(inside, outside, inside.url())] == [Cause.BLOCKED_ADDRESS]
    assert (inside.paths(), outside.paths()) == (["/feed"], ["/feed"])


@pytest.mark.parametrize("start", ["127.0.0.1", "wiki.example"])
def test_within_an_allowed_network_a_redirect_keeps_to_the_usual_ports(
    inside: FetchServer, outside: FetchServer, start: str
) -> None:
    inside.answers["/feed"] = answer(302, location=inside.url("/admin"))
    assert [type(outcome) for outcome in poll(inside, outside, inside.url(name=start))] == [Fetched]
    with FetchServer() as database:
        inside.answers["/feed"] = answer(302, location=database.url("/", "wiki.example"))
        (outcome,) = poll(inside, outside, inside.url(name=start))
        assert isinstance(outcome, FetchFailed)
        assert "polling.ports" in outcome.message
        assert database.talks == []


def test_one_private_address_spoils_the_whole_answer() -> None:
    with fence() as outside:
        assert (
            cause(fetch("http://feed.example/", names=Names(feed_example=[[PUBLIC, "10.0.0.1"]])))
            is Cause.BLOCKED_ADDRESS
        )
    assert outside.made == 0


def test_an_international_name_is_looked_up_in_its_ascii_form() -> None:
    names = Names()
    with fence():
        fetch("https://bücher.example/feed", names=names)
    assert names.asked == ["xn--bcher-kva.example"]


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::1]/", "http://localhost/"])
def test_the_sockets_themselves_are_guarded(url: str) -> None:
    """Whatever address gets past the reading of it, by whichever way: no socket is made for it."""

    async def get() -> None:
        fetcher = AiohttpFetcher(POLLING, user_agent="wire/1", now=datetime.now)
        async with fetcher._session(fetcher._inner) as session:
            await session.get(url)

    with fence() as outside, pytest.raises(ClientConnectorError) as raised:
        asyncio.run(get())
    assert isinstance(raised.value.os_error, Blocked)
    assert outside.made == 0


def test_proxies_and_passwords_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ana password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with FetchServer() as proxy, FetchServer() as server:
        server.answers["/feed"] = answer(body=b"<rss/>")
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        outcome = fetch(server.url(), polling=HERE)
        assert isinstance(outcome, Fetched | NotModified)
        assert server.seen[0].carried("Authorization", "Proxy-Authorization") == {}
        assert proxy.talks == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/", "polling.allow_private"),
        ("http://93.184.216.34:22/", "polling.ports"),
        ("http://ana:secret@example.org/", "headers"),
        ("ftp://example.org/", "http://"),
    ],
)
def test_a_refusal_says_what_would_allow_it_and_no_secret(url: str, words: str) -> None:
    outcome = fetch(url)
    assert isinstance(outcome, FetchFailed)
    assert words in outcome.message
    assert "secret" not in outcome.message
