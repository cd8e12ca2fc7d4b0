"""The sample publishers and the mailbox: real servers, asked over real sockets."""

import gzip
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from smtplib import SMTP
from urllib.parse import urlsplit

import pytest

from aggregator.demo import server as sample_server
from aggregator.demo.calendar import EDITION
from aggregator.demo.mailbox import Mailbox
from aggregator.demo.server import FAILING, FEEDS, SLOW, TYPES, SampleServer


@pytest.fixture
def publishers() -> Iterator[SampleServer]:
    with SampleServer(today=EDITION) as server:
        yield server


def get(publishers: SampleServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", urlsplit(publishers.url).port or 0, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", sorted(FEEDS.iterdir()), ids=lambda path: path.name)
def test_each_feed_is_served_as_its_type_and_confirmed_by_its_etag(
    publishers: SampleServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_server, "SLOW_SECONDS", 0.01)
    status, headers, body = get(publishers, f"/{path.name}")
    assert (status, headers["Content-Type"], body) == (200, TYPES[path.suffix], path.read_bytes())
    assert get(publishers, f"/{path.name}", If_None_Match=headers["ETag"])[0] == 304
    assert get(publishers, f"/{path.name}", If_None_Match='"other"')[0] == 200
    assert publishers.answers == {200: 2, 304: 1}


def test_the_answer_is_compressed_for_those_who_accept_it(publishers: SampleServer) -> None:
    _, headers, body = get(publishers, "/fennmark.rdf", Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == (FEEDS / "fennmark.rdf").read_bytes()


def test_the_failing_publisher_says_when_to_come_back(publishers: SampleServer) -> None:
    status, headers, _ = get(publishers, f"/{FAILING}")
    assert (status, headers["Retry-After"]) == (503, "7200")


def test_only_the_sample_files_exist(publishers: SampleServer) -> None:
    for path in ("/", "/missing.rss", "/..%2fserver.py", "/%2e%2e/feeds.yaml"):
        assert get(publishers, path)[0] == 404, path


def test_the_second_edition_replaces_one_feed_only(publishers: SampleServer) -> None:
    before = {name: get(publishers, f"/{name}")[1]["ETag"] for name in ("kestrel-house.rss", "fennmark.rdf")}
    publishers.publish_second_edition()
    after = {name: get(publishers, f"/{name}")[1]["ETag"] for name in before}
    assert after["fennmark.rdf"] == before["fennmark.rdf"]
    assert after["kestrel-house.rss"] != before["kestrel-house.rss"]


def test_the_slow_publisher_is_a_file_and_the_failing_one_is_none() -> None:
    assert (FEEDS / SLOW).exists()
    assert not (FEEDS / FAILING).exists()


def test_the_server_ends_although_a_client_stays_connected() -> None:
    with SampleServer(today=EDITION) as server:
        port = urlsplit(server.url).port or 0
        idle = HTTPConnection("127.0.0.1", port, timeout=10)
        idle.request("GET", "/fennmark.rdf")
        idle.getresponse().read()
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def test_the_mailbox_keeps_each_message_as_it_came(tmp_path: Path) -> None:
    message = b"Subject: One\r\n\r\n.A line with a dot\r\n"
    with Mailbox(tmp_path / "in") as mailbox, SMTP("127.0.0.1", urlsplit(mailbox.url).port or 0, timeout=10) as client:
        client.sendmail("wire@wire.example", ["a@news.example", "b@news.example"], message)
    assert [recipient for recipient, _ in mailbox.received] == ["a@news.example", "b@news.example"]
    assert [path.read_bytes() for _, path in mailbox.received] == [message, message]


def test_the_mailbox_ends_although_a_client_stays_connected(tmp_path: Path) -> None:
    with Mailbox(tmp_path / "in") as mailbox:
        port = urlsplit(mailbox.url).port or 0
        idle = socket.create_connection(("127.0.0.1", port), timeout=10)
        assert idle.recv(100).startswith(b"220 ")
    with idle:
        assert idle.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
