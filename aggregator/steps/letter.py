"""One Issue as one letter to one reader: the bytes that leave us (RFC 5322, 2045, 2369, 2919, 8058).

deliver: deliveries.exchange > **letter** > mailer.hand > mailer.answers > deliveries.exchange

A letter is the same at every attempt. Its headers are encoded and folded here and not by `email`, which writes
a long List-Unsubscribe as an encoded-word (python/cpython#135307) and decodes encoded-words in a text it is
given, line breaks in them included. The tests read each letter back with `email`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import format_datetime, parseaddr
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from aggregator.model.channel import Site
from aggregator.model.characters import BREAKS
from aggregator.model.delivery import Delivery
from aggregator.model.newsletter import PREFERENCES_PLACEHOLDER, UNSUBSCRIBE_PLACEHOLDER, Issue, Newsletter

LONGEST_NAME = 200
"""Characters of a display name that are kept."""
LONGEST_SENDER_ID = 15
"""Gmail's limit for the last field of Feedback-ID, which names the sender."""
_FOLD = 78
_ENCODED_OCTETS = 42
"""Octets in one encoded-word, so that the longest, with its header's name, is within 78 (RFC 2047 2 admits 75)."""
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+")
_UNSAFE = re.compile(r"[\s\x00-\x20\x7f<>]")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysOut:
    """How the reader of one letter leaves the list: by a page, and by a mail to this address where there is one; and
    where they change what they get."""

    url: str
    preferences_url: str
    mail: str | None = None

    def put_into(self, text: str, *, html: bool) -> str:
        """The text with this reader's own addresses in their places."""
        for place, url in ((UNSUBSCRIBE_PLACEHOLDER, self.url), (PREFERENCES_PLACEHOLDER, self.preferences_url)):
            text = text.replace(place, escape(url) if html else url)
        return text


def write_letter(
    issue: Issue, newsletter: Newsletter, site: Site, delivery: Delivery, *, ways_out: WaysOut, archive_url: str
) -> bytes:
    """The whole message; raises ValueError for an address that no header can hold."""
    boundary = _boundary(issue, delivery)
    head = _head(
        issue, newsletter, site, archive_url, own=(_to(delivery), delivery.message_id, _leave(ways_out), boundary)
    )
    text = ways_out.put_into(issue.rendering.text, html=False)
    html = ways_out.put_into(issue.rendering.html, html=True)
    parts = (f"\r\n--{boundary}\r\n{_PART[kind]}".encode("ascii") + _body(words) for kind, words in _both(text, html))
    return b"".join((head, *parts, f"\r\n--{boundary}--\r\n".encode("ascii")))


class Lines(NamedTuple):
    """A message in lines that end with CRLF; `dotless` when none is known to begin with a dot (RFC 5321 4.5.2)."""

    octets: bytes
    dotless: bool


class LetterPress:
    """The letters of one Issue, octet for octet as `write_letter` writes them: what they have in common is made once,
    and only what is each reader's own is put in its places."""

    def __init__(self, issue: Issue, newsletter: Newsletter, site: Site, *, archive_url: str) -> None:
        self._issue = issue
        head = _head(issue, newsletter, site, archive_url, own=_MARKS)
        pieces: list[bytes | _Place] = []
        for piece in re.split(b"(%b)" % b"|".join(map(re.escape, _MARK_OCTETS)), head):
            pieces.append(_Place(own=_MARK_OCTETS.index(piece)) if piece in _MARK_OCTETS else piece)
        for kind, words in _both(issue.rendering.text, issue.rendering.html):
            pieces += [b"\r\n--", _BOUNDARY, f"\r\n{_PART[kind]}".encode("ascii"), *_cut(words, kind)]
        pieces += [b"\r\n--", _BOUNDARY, b"--\r\n"]
        self._common = [piece if isinstance(piece, bytes) else b"" for piece in pieces]
        self._places = [(number, piece) for number, piece in enumerate(pieces) if isinstance(piece, _Place)]
        self._dotless = not any(map(_has_dots, self._common))

    def letter(self, delivery: Delivery, ways_out: WaysOut) -> Lines:
        """The whole message; raises ValueError for an address that no header can hold."""
        own = (_to(delivery), delivery.message_id, _leave(ways_out), _boundary(self._issue, delivery))
        octets = [value.encode("ascii") for value in own]
        pieces, dotless = self._common.copy(), self._dotless
        for number, place in self._places:
            pieces[number] = filled = place.filled(octets, ways_out)
            dotless = dotless and not _has_dots(filled)
        return Lines(b"".join(pieces), dotless)


def _has_dots(piece: bytes) -> bool:
    """Whether a line of it begins with a dot, or may, as what stands before it is not known."""
    return piece.startswith(b".") or b"\n." in piece


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something of the reader's own stands: one of the values of the head, or a line of a body with an address
    of theirs."""

    own: int = -1
    kind: str = ""
    line: str = ""

    def filled(self, own: list[bytes], ways_out: WaysOut) -> bytes:
        if self.own >= 0:
            return own[self.own]
        return _quoted(ways_out.put_into(self.line, html=self.kind == "html"))


_MARKS = ("\0to\0", "\0id\0", "\0leave\0", "\0boundary\0")
"""In the places of a reader's own values; no header of ours holds a NUL."""
_MARK_OCTETS = [mark.encode("ascii") for mark in _MARKS]
_BOUNDARY = _Place(own=3)


def _cut(words: str, kind: str) -> Iterator[bytes | _Place]:
    """A body in pieces, those lines apart that hold an address of the reader's: each line is encoded for itself."""
    common: list[str] = []
    for line in re.findall(r"[^\n]*\n|[^\n]+", _lines(words)):
        if UNSUBSCRIBE_PLACEHOLDER in line or PREFERENCES_PLACEHOLDER in line:
            yield _quoted("".join(common))
            yield _Place(kind=kind, line=line)
            common = []
        else:
            common.append(line)
    yield _quoted("".join(common))


def _both(text: str, html: str) -> tuple[tuple[str, str], ...]:
    return ("plain", text), ("html", html)


def _boundary(issue: Issue, delivery: Delivery) -> str:
    return f"=_{issue.id}.{delivery.id}"  # in no body: quoted-printable never writes "=_" (RFC 2045 6.7)


def _to(delivery: Delivery) -> str:
    return _mailbox(delivery.subscriber.name or "", delivery.subscriber.email)


def _leave(ways_out: WaysOut) -> str:
    """One https address and, after it, one of mail (RFC 8058 3.1, RFC 2369 3.2)."""
    return f"<{ways_out.url}>" if ways_out.mail is None else f"<{ways_out.url}>,\r\n <mailto:{ways_out.mail}>"


def _head(
    issue: Issue, newsletter: Newsletter, site: Site, archive_url: str, *, own: tuple[str, str, str, str]
) -> bytes:
    """All headers; of the reader's own are To, Message-ID, List-Unsubscribe and the boundary."""
    to, message_id, leave, boundary = own
    headers = _headers(issue, newsletter, to, message_id) | _list_headers(newsletter, site, leave, archive_url)
    headers["MIME-Version"] = "1.0"
    headers["Content-Type"] = f'multipart/alternative; boundary="{boundary}"'
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")


def _headers(issue: Issue, newsletter: Newsletter, to: str, message_id: str) -> dict[str, str]:
    headers = {
        "From": _mailbox(*parseaddr(newsletter.sender)),
        "To": to,
        "Subject": _text(issue.rendering.subject),
        "Date": format_datetime(issue.created_at),
        "Message-ID": message_id,
        "Precedence": "bulk",
        "Auto-Submitted": "auto-generated",  # RFC 3834 5: no vacation notes in answer
        "Feedback-ID": f"{issue.number}:{newsletter.id}:digest:{newsletter.domain[:LONGEST_SENDER_ID]}",
        "Content-Language": newsletter.language,
    }
    if newsletter.reply_to:
        headers["Reply-To"] = _mailbox(*parseaddr(newsletter.reply_to))
    return headers


def _list_headers(newsletter: Newsletter, site: Site, leave: str, archive_url: str) -> dict[str, str]:
    """What tells a mail program that this is a list, how to leave it, and where it is kept."""
    headers = {
        "List-Id": f"{_phrase(newsletter.title)}\r\n <{newsletter.id}.{newsletter.domain}>",
        "List-Unsubscribe": leave,
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": f"<{archive_url}>",
        "List-Post": "NO",
    }
    if site.contact:
        contact = quote(site.contact, safe="@+")  # RFC 6068 2
        headers["List-Owner"] = f"<mailto:{contact}>"
        headers["List-Help"] = f"<mailto:{contact}?subject=help>"
    return headers


_PART = {
    kind: f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    for kind in ("plain", "html")
}


def _body(words: str) -> bytes:
    """A body as quoted-printable, which no server on the way needs to touch (RFC 2045 6.7)."""
    return _quoted(_lines(words))


def _lines(words: str) -> str:
    return words.replace("\r\n", "\n").replace("\r", "\n")


def _quoted(lines: str) -> bytes:
    return binascii.b2a_qp(lines.encode("utf-8", "replace")).replace(b"\n", b"\r\n")


# --- header texts ---------------------------------------------------------------------------------


def _text(text: str) -> str:
    """An unstructured header value on one or more lines (RFC 5322 2.2.3), whatever the text holds."""
    return _folded(_clean(text))


def _mailbox(name: str, address: str) -> str:
    if _UNSAFE.search(address) or not address.isascii():
        raise ValueError(f"no header can hold the address {address!r}")
    phrase = _phrase(name)
    if not phrase:
        return address
    return f"{phrase} <{address}>" if len(phrase) + len(address) < _FOLD - 20 else f"{phrase}\r\n <{address}>"


def _phrase(text: str) -> str:
    """A display name: plain, quoted where it holds signs of its own meaning, else encoded (RFC 5322 3.2.5)."""
    text = _clean(text)[:LONGEST_NAME].rstrip()
    if _PHRASE.fullmatch(text) and _is_plain(text):
        return _folded(text)
    if text and len(text) < _FOLD - 20 and _is_plain(text):
        return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
    return _encoded(text)


def _clean(text: str) -> str:
    """The text on one line: no control characters, no separator of lines, single spaces."""
    return BREAKS.sub(" ", text.encode("utf-8", "replace").decode("utf-8")).strip()


def _is_plain(text: str) -> bool:
    """Whether the text may stand as it is: ASCII, nothing that looks encoded, no word too long for a line."""
    return text.isascii() and "=?" not in text and max(map(len, text.split()), default=0) < _FOLD - 20


def _folded(text: str) -> str:
    if not _is_plain(text):
        return _encoded(text)
    lines, room = [""], _FOLD - len("List-Unsubscribe-Post: ")
    for word in text.split(" "):
        if len(lines[-1]) + len(word) >= room:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\r\n ".join(line for line in lines if line)


def _encoded(text: str) -> str:
    """Encoded-words of base64, split between characters (RFC 2047 2, 5)."""
    words: list[bytes] = []
    for character in text:
        octets = character.encode()
        if words and len(words[-1]) + len(octets) <= _ENCODED_OCTETS:
            words[-1] += octets
        else:
            words.append(octets)
    return "\r\n ".join(f"=?utf-8?b?{binascii.b2a_base64(word, newline=False).decode('ascii')}?=" for word in words)
