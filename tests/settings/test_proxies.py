"""A header says who asks only where a proxy that was named sent it."""

import pytest

from aggregator.errors import ConfigError
from aggregator.settings.proxies import client_of, parse_proxies

PROXY, OUTER, STRANGER, READER = "10.0.0.1", "10.0.0.2", "198.51.100.7", "192.0.2.9"
OURS = ("10.0.0.0/8", "fd00::/8")


def test_addresses_and_networks_are_read() -> None:
    assert parse_proxies(" 127.0.0.1, 10.0.0.0/8 ::1\n") == ("127.0.0.1/32", "10.0.0.0/8", "::1/128")
    assert parse_proxies("") == ()


@pytest.mark.parametrize("text", ["proxy", "10.0.0.1/8", "10.0.0.0/8,*", "300.1.1.1"])
def test_what_is_neither_is_named_with_the_cure(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_proxies(text)
    (problem,) = refused.value.problems
    assert problem.key == "AGGREGATOR_PROXIES"
    assert "is no address or network" in problem.message


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (STRANGER, [READER], STRANGER),
        (PROXY, [], PROXY),
        (PROXY, [READER], READER),
        (PROXY, [f"{STRANGER}, {READER}"], READER),
        (PROXY, [STRANGER, READER], READER),
        (PROXY, [f"{READER}, {OUTER}"], READER),
        (PROXY, [f"{OUTER}"], OUTER),
        (PROXY, ["unknown"], PROXY),
        (PROXY, [f"{READER}, ' OR 1=1"], PROXY),
        (PROXY, [""], PROXY),
        ("::ffff:10.0.0.1", [READER], READER),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("testclient", [READER], "testclient"),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy_of_ours(peer: str, forwarded: list[str], client: str) -> None:
    assert client_of(peer, forwarded, OURS) == client


def test_nobody_is_believed_by_default() -> None:
    assert client_of("127.0.0.1", [READER], ()) == "127.0.0.1"
