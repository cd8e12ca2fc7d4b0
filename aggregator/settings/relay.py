"""The mail servers that AGGREGATOR_SMTP_URL names; faults are told without repeating it: it may hold passwords."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from aggregator.errors import ConfigError, Problem

Tls = Literal["starttls", "implicit", "none"]

_PORTS: dict[Tls, int] = {"starttls": 587, "implicit": 465, "none": 25}
_FORM = "must be smtp://user:password@host:587 or smtps://host:465, special characters as %XX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The server that takes our mail."""

    host: str
    port: int
    tls: Tls
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_relays(urls: str) -> tuple[Relay, ...]:
    """The servers of AGGREGATOR_SMTP_URL, with spaces between them, in the order they are preferred; raises
    ConfigError."""
    relays = tuple(parse_relay(url) for url in urls.split())
    if not relays:
        raise _wrong(_FORM)
    if len(set(relays)) < len(relays):
        raise _wrong("names a mail server twice; name each once, the preferred one first")
    return relays


def parse_relay(url: str) -> Relay:
    """Read `smtp://user:password@host:587`, `smtps://…` or `smtp://host:25?tls=none`; raises ConfigError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _wrong(_FORM) from None
    beyond = parts.path.strip("/") or parts.fragment  # such as what follows a # in a password
    if parts.scheme not in ("smtp", "smtps") or not host or port == 0 or beyond:
        raise _wrong(_FORM)
    if parts.query not in ("", "tls=starttls", "tls=none") or (parts.query and parts.scheme == "smtps"):
        raise _wrong("knows one option, for smtp:// only: ?tls=starttls, which is the default, or ?tls=none")
    if parts.query == "tls=none" and parts.username:
        raise _wrong("asks to log in without TLS, which would show the password on the way; take ?tls=none out")
    tls: Tls = "implicit" if parts.scheme == "smtps" else "none" if parts.query == "tls=none" else "starttls"
    return Relay(
        host=host,
        port=port or _PORTS[tls],
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or "") if parts.username else None,
    )


def _wrong(message: str) -> ConfigError:
    return ConfigError((Problem(file="environment", line=0, column=0, key="AGGREGATOR_SMTP_URL", message=message),))
