"""Where bounces are read, as the environment names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.errors import ConfigError
from aggregator.settings.return_mail import ImapFolder, parse_listen, parse_return_box


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("maildir:/var/mail/bounces", Path("/var/mail/bounces")),
        (
            "imaps://wire:p%40ss@mail.example.org",
            ImapFolder(host="mail.example.org", port=993, tls="implicit", username="wire", password="p@ss"),
        ),
        (
            "imap://w%2Fx:p@mail.example.org:1143/Bounces/in",
            ImapFolder(
                host="mail.example.org", port=1143, tls="starttls", username="w/x", password="p", folder="Bounces/in"
            ),
        ),
        (
            "imap://wire:p@127.0.0.1/INBOX?tls=none",
            ImapFolder(host="127.0.0.1", port=143, tls="none", username="wire", password="p"),
        ),
        (
            "imap://wire:p@localhost?tls=none",
            ImapFolder(host="localhost", port=143, tls="none", username="wire", password="p"),
        ),
    ],
)
def test_a_box_is_read_from_its_address(url: str, expected: object) -> None:
    assert parse_return_box(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "maildir:relative",
        "pop3://wire:hunter2@mail.example.org",
        "imaps://wire:hunter2@",
        "imaps://wire:hunter2@mail.example.org:0",
        "imaps://wire:hunter2@mail.example.org:port",
        "imaps://wire:hun#ter2@mail.example.org",
        "imaps://hunter2@mail.example.org",
        "imaps://mail.example.org/INBOX",
        "imaps://wire:hunter2@mail.example.org/INBOX?tls=none",
        "imap://wire:hunter2@mail.example.org/INBOX?tls=none",
        "imap://wire:hunter2@127.0.0.1/INBOX?verify=no",
        "imaps://wire:hunter2@mail.example.org/Zur%C3%BCck",
        "imaps://wire:hunter2@mail.example.org/a%0d%0ab",
    ],
)
def test_a_fault_is_told_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_return_box(url)
    assert str(raised.value).startswith("environment: AGGREGATOR_BOUNCES_URL: ")
    assert "hunter2" not in str(raised.value)


def test_a_password_is_not_shown_by_accident() -> None:
    assert "hunter2" not in repr(parse_return_box("imaps://wire:hunter2@mail.example.org"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:2424", ("127.0.0.1", 2424)), ("[::1]:24", ("::1", 24)), ("0.0.0.0:0", ("0.0.0.0", 0))],
)
def test_where_to_listen(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize(
    "text", ["", "2424", "127.0.0.1", "localhost:2424", "127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:-1"]
)
def test_where_nobody_can_listen(text: str) -> None:
    with pytest.raises(ConfigError, match="AGGREGATOR_BOUNCES_LISTEN: must be HOST:PORT"):
        parse_listen(text)
