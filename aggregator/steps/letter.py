"""One Issue as one letter to one reader: the bytes that leave us (RFC 5322, 2045, 2369, 2919, 8058).

deliver: deliveries.claim > **letter** > mailer.send > deliveries.settle

A letter is the same at every attempt. Its headers are encoded and folded here and not by `email`, which writes
a long List-Unsubscribe as an encoded-word (python/cpython#135307) and decodes encoded-words in a text it is
given, line breaks in them included. The tests read each letter back with `email`.
"""

import binascii
import re
from email.utils import format_datetime, parseaddr
from html import escape
from urllib.parse import quote

from aggregator.model.channel import Site
from aggregator.model.characters import BREAKS
from aggregator.model.delivery import Delivery
from aggregator.model.newsletter import UNSUBSCRIBE_PLACEHOLDER, Issue, Newsletter

LONGEST_NAME = 200
"""Characters of a display name that are kept."""
LONGEST_SENDER_ID = 15
"""Gmail's limit for the last field of Feedback-ID, which names the sender."""
_FOLD = 78
_ENCODED_OCTETS = 42
"""Octets in one encoded-word, so that the longest, with its header's name, is within 78 (RFC 2047 2 admits 75)."""
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+")
_UNSAFE = re.compile(r"[\s\x00-\x20\x7f<>]")


def write_letter(
    issue: Issue,
    newsletter: Newsletter,
    site: Site,
    delivery: Delivery,
    *,
    unsubscribe_url: str,
    archive_url: str,
) -> bytes:
    """The whole message; raises ValueError for an address that no header can hold."""
    headers = _headers(issue, newsletter, delivery) | _list_headers(newsletter, site, unsubscribe_url, archive_url)
    boundary = f"=_{issue.id}.{delivery.id}"  # in no body: quoted-printable never writes "=_" (RFC 2045 6.7)
    headers["MIME-Version"] = "1.0"
    headers["Content-Type"] = f'multipart/alternative; boundary="{boundary}"'
    text = issue.rendering.text.replace(UNSUBSCRIBE_PLACEHOLDER, unsubscribe_url)
    html = issue.rendering.html.replace(UNSUBSCRIBE_PLACEHOLDER, escape(unsubscribe_url))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")
    parts = (f"\r\n--{boundary}\r\n".encode("ascii") + _part(*part) for part in (("plain", text), ("html", html)))
    return b"".join((head, *parts, f"\r\n--{boundary}--\r\n".encode("ascii")))


def _headers(issue: Issue, newsletter: Newsletter, delivery: Delivery) -> dict[str, str]:
    headers = {
        "From": _mailbox(*parseaddr(newsletter.sender)),
        "To": _mailbox(delivery.subscriber.name or "", delivery.subscriber.email),
        "Subject": _text(issue.rendering.subject),
        "Date": format_datetime(issue.created_at),
        "Message-ID": delivery.message_id,
        "Precedence": "bulk",
        "Auto-Submitted": "auto-generated",  # RFC 3834 5: no vacation notes in answer
        "Feedback-ID": f"{issue.number}:{newsletter.id}:digest:{newsletter.domain[:LONGEST_SENDER_ID]}",
        "Content-Language": newsletter.language,
    }
    if newsletter.reply_to:
        headers["Reply-To"] = _mailbox(*parseaddr(newsletter.reply_to))
    return headers


def _list_headers(newsletter: Newsletter, site: Site, unsubscribe_url: str, archive_url: str) -> dict[str, str]:
    """What tells a mail program that this is a list, how to leave it, and where it is kept."""
    headers = {
        "List-Id": f"{_phrase(newsletter.title)}\r\n <{newsletter.id}.{newsletter.domain}>",
        "List-Unsubscribe": f"<{unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": f"<{archive_url}>",
        "List-Post": "NO",
    }
    if site.contact:
        contact = quote(site.contact, safe="@+")  # RFC 6068 2
        headers["List-Owner"] = f"<mailto:{contact}>"
        headers["List-Help"] = f"<mailto:{contact}?subject=help>"
    return headers


def _part(subtype: str, text: str) -> bytes:
    """A body as quoted-printable, which no server on the way needs to touch (RFC 2045 6.7)."""
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    octets = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    return head.encode("ascii") + binascii.b2a_qp(octets).replace(b"\n", b"\r\n")


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
