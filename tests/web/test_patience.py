"""Connections that say nothing, or too slowly, or are too many: each ends, and everybody else is served."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn

from aggregator.web import edge, patience
from aggregator.web.app import create_app
from aggregator.web.routes import ROBOTS
from tests.web.sample_site import SampleSite

GET = b"GET /robots.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /subscribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
LONGEST = 20
"""Seconds that anything here may take."""


@contextmanager
def serving(site: SampleSite) -> Iterator[tuple[str, int]]:
    """The pages under uvicorn, as `aggregator web` has them, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(create_app(site.context), http=patience.PatientProtocol, log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(LONGEST)


@pytest.fixture
def address(site: SampleSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.5)
    with serving(site) as address:
        yield address


def opened(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=LONGEST)


def until_it_ends(connection: socket.socket) -> bytes:
    """What comes before the other side hangs up."""
    said = b""
    try:
        while octets := connection.recv(65536):
            said += octets
    except ConnectionResetError:
        return said
    return said


def drip(connection: socket.socket) -> None:
    """Send a letter now and then, for as long as anybody listens."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        connection.sendall(b"X")
        time.sleep(0.05)


def asked(connection: socket.socket, last: bytes = GET) -> int:
    """The status of the answer to a request whose last octets are sent now."""
    connection.sendall(last)
    said = b""
    while not said.endswith(ROBOTS.encode()):
        said += (octets := connection.recv(65536))
        assert octets, said
    return int(said.split()[1])


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_who_never_ends_the_headers_is_hung_up_on(address: tuple[str, int], said: bytes) -> None:
    with opened(address) as connection:
        connection.sendall(said)
        assert until_it_ends(connection) == b""


def test_neither_does_a_drop_now_and_then_help(address: tuple[str, int]) -> None:
    with opened(address) as connection, pytest.raises(ConnectionError):
        drip(connection)


def test_a_further_request_has_its_own_time(address: tuple[str, int]) -> None:
    with opened(address) as connection:
        for _ in range(4):
            connection.sendall(GET[:10])
            time.sleep(0.2)
            assert asked(connection, GET[10:]) == 200
        connection.sendall(b"GET /")
        assert until_it_ends(connection) == b""


def test_a_body_that_does_not_come_is_not_waited_for(address: tuple[str, int]) -> None:
    with opened(address) as connection:
        connection.sendall(POST + b"Content-Length: 100\r\n\r\nemail=")
        answer = until_it_ends(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"took too long to arrive" in answer


def test_more_connections_than_there_may_be_are_closed_and_the_others_served(
    site: SampleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 3)
    with serving(site) as address, ExitStack() as kept:
        first = [kept.enter_context(opened(address)) for _ in range(3)]
        for connection in first:
            assert asked(connection) == 200
        with opened(address) as late:
            assert until_it_ends(late) == b""
        assert asked(first[0]) == 200


def test_the_process_takes_the_descriptors_it_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: set_to.append(limits))
    for soft, hard in ((1024, 524_288), (256, 2048), (8192, 8192), (1024, resource.RLIM_INFINITY)):
        monkeypatch.setattr(resource, "getrlimit", lambda which, pair=(soft, hard): pair)
        patience.take_descriptors()
    assert set_to == [(4096, 524_288), (2048, 2048), (4096, resource.RLIM_INFINITY)]
