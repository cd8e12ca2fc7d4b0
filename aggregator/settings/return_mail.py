"""Where mail that comes back is read: AGGREGATOR_BOUNCES_URL, and AGGREGATOR_BOUNCES_LISTEN.

Their faults are told without repeating them: they may hold a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from aggregator.errors import ConfigError, Problem

BOUNCES_URL, BOUNCES_LISTEN = "AGGREGATOR_BOUNCES_URL", "AGGREGATOR_BOUNCES_LISTEN"
Tls = Literal["starttls", "implicit", "none"]

_PORTS: dict[Tls, int] = {"starttls": 143, "implicit": 993, "none": 143}
_FORM = "must be imaps://user:password@host/INBOX, special characters as %XX, or maildir:/path/to/folder"
_LISTEN_FORM = "must be HOST:PORT, as 127.0.0.1:2424"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapFolder:
    """A folder on an IMAP server."""

    host: str
    port: int
    tls: Tls
    username: str
    password: str = field(repr=False)
    folder: str = "INBOX"


ReturnBox = ImapFolder | Path
"""An IMAP folder, or the path of a Maildir."""


def parse_return_box(url: str) -> ReturnBox:
    """Read `imaps://user:password@host/INBOX`, `imap://…` (STARTTLS), or `maildir:/path`; raises ConfigError."""
    if url.startswith("maildir:"):
        path = url.removeprefix("maildir:")
        if not path.startswith("/"):
            raise _wrong(BOUNCES_URL, _FORM)
        return Path(path)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _wrong(BOUNCES_URL, _FORM) from None
    if parts.scheme not in ("imap", "imaps") or not host or port == 0 or parts.fragment:
        raise _wrong(BOUNCES_URL, _FORM)  # a fragment is what follows a # in a password
    if not parts.username or parts.password is None:
        raise _wrong(BOUNCES_URL, "names no user and password to log in with: imaps://user:password@host/INBOX")
    folder = unquote(parts.path.strip("/")) or "INBOX"
    if not (folder.isascii() and folder.isprintable()):
        raise _wrong(BOUNCES_URL, "names a folder in letters outside ASCII; let the mail be sorted into one without")
    return ImapFolder(
        host=host,
        port=port or _PORTS[_tls(parts.scheme, parts.query, host)],
        tls=_tls(parts.scheme, parts.query, host),
        username=unquote(parts.username),
        password=unquote(parts.password),
        folder=folder,
    )


def _tls(scheme: str, query: str, host: str) -> Tls:
    if query not in ("", "tls=starttls", "tls=none") or (query and scheme == "imaps"):
        raise _wrong(BOUNCES_URL, "knows one option, for imap:// only: ?tls=starttls, the default, or ?tls=none")
    if query == "tls=none" and not _is_loopback(host):
        raise _wrong(BOUNCES_URL, "would show the password on the way: ?tls=none is for a server on this machine only")
    return "implicit" if scheme == "imaps" else "none" if query == "tls=none" else "starttls"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_listen(text: str) -> tuple[str, int]:
    """(host, port) of `127.0.0.1:2424` or `[::1]:2424`; raises ConfigError."""
    host, _, port = text.strip().rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(bare)
    except ValueError:
        raise _wrong(BOUNCES_LISTEN, f"{_LISTEN_FORM}: an address of this machine, and not a name") from None
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise _wrong(BOUNCES_LISTEN, _LISTEN_FORM)
    return bare, int(port)


def _wrong(name: str, message: str) -> ConfigError:
    return ConfigError((Problem(file="environment", line=0, column=0, key=name, message=message),))
