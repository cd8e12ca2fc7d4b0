"""The address of the mail server: what may be written, and that no fault repeats it."""

from __future__ import annotations

import pytest

from aggregator.errors import ConfigError
from aggregator.settings.relay import Relay, parse_relay


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://relay.example", Relay(host="relay.example", port=587, tls="starttls")),
        ("smtp://relay.example?tls=starttls", Relay(host="relay.example", port=587, tls="starttls")),
        ("smtp://127.0.0.1:2525?tls=none", Relay(host="127.0.0.1", port=2525, tls="none")),
        ("smtp://localhost?tls=none", Relay(host="localhost", port=25, tls="none")),
        ("smtps://relay.example", Relay(host="relay.example", port=465, tls="implicit")),
        (
            "smtp://wire%40example.org:p%2Fs@relay.example:2587",
            Relay(host="relay.example", port=2587, tls="starttls", username="wire@example.org", password="p/s"),
        ),
        ("smtps://wire@[::1]:9", Relay(host="::1", port=9, tls="implicit", username="wire", password="")),
    ],
)
def test_addresses_of_servers(url: str, relay: Relay) -> None:
    assert parse_relay(url) == relay


def test_a_password_is_not_shown() -> None:
    assert "geheim" not in repr(parse_relay("smtp://wire:geheim@relay.example"))


@pytest.mark.parametrize(
    "url",
    [
        "relay.example:587",
        "http://relay.example",
        "smtp://",
        "smtp://relay.example:port",
        "smtp://relay.example:0",
        "smtp://relay.example/inbox",
        "smtp://wire:12#geheim@relay.example",
        "smtp://[::1",
        "smtp://relay.example?tls=maybe",
        "smtp://relay.example?tls=none&tls=starttls",
        "smtps://relay.example?tls=none",
        "smtp://wire:geheim@relay.example?tls=none",
    ],
)
def test_addresses_that_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ConfigError, match="AGGREGATOR_SMTP_URL") as caught:
        parse_relay(url)
    assert "geheim" not in str(caught.value)
