"""A folder on an IMAP server (RFC 9051, RFC 3501): its unseen mails, each marked as seen once it is stored.

One conversation, over TLS. Of each mail no more is asked for than is read, and asking does not mark it.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress

from aggregator.adapters.mail_pipe import MOST_OCTETS
from aggregator.errors import BoxError
from aggregator.model.bounce import BoxedMail
from aggregator.settings.return_mail import ImapFolder

TIMEOUT = 60.0
"""Seconds without a word from the server."""
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f]+")
_FAULTS = (imaplib.IMAP4.error, OSError, ValueError)


class ImapBox:
    """`mail_ports.BounceBox` of one folder; `context` is what a test trusts."""

    def __init__(self, folder: ImapFolder, *, context: ssl.SSLContext | None = None, timeout: float = TIMEOUT) -> None:
        self._folder, self._timeout = folder, timeout
        self._context = context or ssl.create_default_context()
        self._server: imaplib.IMAP4 | None = None

    def mails(self) -> Iterator[BoxedMail]:
        """In the order in which they arrived; raises BoxError. The conversation lasts as long as this is read."""
        try:
            self._server = self._open()
            for uid in self._unseen():
                raw = self._fetch(uid)
                if raw is not None:
                    yield BoxedMail(key=uid, raw=raw)
        except _FAULTS as error:
            raise self._fault(error) from None  # what is behind it may hold the password
        finally:
            self._close()

    def done(self, key: str) -> None:
        """Mark it as seen; raises BoxError."""
        self._flag(key, r"(\Seen)")

    def leave(self, key: str) -> None:
        """It stays unseen, with a flag that mail programs show; raises BoxError."""
        self._flag(key, r"(\Flagged)")

    def _flag(self, uid: str, flags: str) -> None:
        try:
            _answer(self._talk().uid("STORE", uid, "+FLAGS.SILENT", flags))
        except _FAULTS as error:
            raise self._fault(error) from None

    def _open(self) -> imaplib.IMAP4:
        folder = self._folder
        if folder.tls == "implicit":
            server: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                folder.host, folder.port, ssl_context=self._context, timeout=self._timeout
            )
        else:
            server = imaplib.IMAP4(folder.host, folder.port, timeout=self._timeout)
        self._server = server  # so that it is closed whatever comes
        if folder.tls == "starttls":
            server.starttls(ssl_context=self._context)
        server.login(folder.username, folder.password)
        quoted = folder.folder.replace("\\", "\\\\").replace('"', '\\"')
        _answer(server.select(f'"{quoted}"'))
        return server

    def _talk(self) -> imaplib.IMAP4:
        if self._server is None:
            raise BoxError(f"the mailbox on {self._folder.host}: the conversation has ended; read it again")
        return self._server

    def _unseen(self) -> list[str]:
        found = _answer(self._talk().uid("SEARCH", "UNSEEN"))
        return [uid.decode("ascii") for line in found if isinstance(line, bytes) for uid in line.split()]

    def _fetch(self, uid: str) -> bytes | None:
        """The start of one mail, None when it is gone."""
        found = _answer(self._talk().uid("FETCH", uid, f"(BODY.PEEK[]<0.{MOST_OCTETS}>)"))
        return next((bytes(part[1])[:MOST_OCTETS] for part in found if isinstance(part, tuple)), None)

    def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            with suppress(*_FAULTS):
                server.logout()
            with suppress(*_FAULTS):
                server.shutdown()

    def _fault(self, error: Exception) -> BoxError:
        words = " ".join(_UNREADABLE.sub(" ", str(error) or type(error).__name__).split())[:300]
        if self._folder.password:
            words = words.replace(self._folder.password, "…")
        place = f"{self._folder.host}:{self._folder.port}"
        return BoxError(f"the mailbox on {place}: {words}; see AGGREGATOR_BOUNCES_URL")


def _answer(reply: tuple[str, Sequence[object]]) -> Sequence[object]:
    """What the server gave; raises IMAP4.error for anything but OK."""
    kind, data = reply
    if kind != "OK":
        raise imaplib.IMAP4.error(f"it answered {kind} {data!r}")
    return data
