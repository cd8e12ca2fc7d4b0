"""A mail from anyone, opened within bounds: 1 MiB, 100 parts, 20 levels, whatever it is made of.

bytes > **open_mail** > complaint, report, or free text > reading

Python's parser makes a message of each blank line of a delivery status, and recurses into nested parts. So the
bytes are cut and the status types renamed before it sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import Compat32
from html import unescape
from typing import Any

MAX_OCTETS = 1024 * 1024
MAX_PARTS = 100
MAX_DEPTH = 20
MAX_HEADER_OCTETS = 256 * 1024
MAX_DELIMITERS = 1000
"""Lines that begin like a delimiter of parts, in all; what comes after them is not read."""
MAX_TEXT = 64 * 1024
"""Characters of a notice that are read: what it has to say stands at its top."""
LONGEST_LINE = 998
"""RFC 5322 2.1.1; also what keeps the patterns of others from taking hours over one line."""
LONGEST_HEADER = 2000

STATUS, FEEDBACK, DISPOSITION = "text/x-delivery-status", "text/x-feedback-report", "text/x-disposition-notification"
"""What the types of RFC 3464, 5965 and 8098 are called in an opened mail."""
_SPECIAL = re.compile(
    rb"message/(?:global-)?(delivery-status|disposition-notification|feedback-report)(?![\w-])", re.IGNORECASE
)
_NESTED = re.compile(rb"^content-type:\s*(?:message|multipart)/", re.IGNORECASE | re.MULTILINE)
_DELIMITER = re.compile(rb"^--", re.MULTILINE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_TAG = re.compile(
    r"<(?:style|script)[^>]{0,200}>.{0,5000}?</(?:style|script)>|<[^>]{0,500}>", re.IGNORECASE | re.DOTALL
)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d)\b[^>]{0,200}>", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n?|\n")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_CLOSED = re.compile(
    r"^[-=_* \t]*(?:"
    r"(?:this is a |below (?:the next|this) line is (?:a )?)copy of (?:the|your) message\b.*"
    r"|the headers? of the original message\b.*|(?:the )?original message (?:follows|headers)\b.*"
    r"|included is a copy\b.*"
    r"|(?:original message|message (?:headers?|text) follows?|returned mail|(?:start of )?returned message"
    r"|(?:returned|old) message follows|old message|headers? of the source mail attached|message headers?"
    r"|your original message)[-=_*:. \t]*"
    r")$|^[> \t]*(?:received: (?:from|by)|return-path:) .*$",
    re.IGNORECASE | re.MULTILINE,
)
"""The line between a notice and the mail that came back, in notices of plain text."""
_WANTED = frozenset("message-id to from return-path delivered-to x-original-to errors-to sender".split())


class _AsWritten(Compat32):
    """Python's oldest policy, but headers with octets beyond ASCII are given as they are, not as `Header` objects."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return value


class UnreadableError(ValueError):
    """The mail cannot be opened; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part that holds no others; `returned`: of the mail that came back, not of the notice about it."""

    type: str
    message: Message
    returned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMail:
    """A mail whose parts are known; `original` has the headers of the mail it brought back, "" for none."""

    message: Message
    parts: tuple[Part, ...]
    text: str
    original: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The first header of that name on one line, decoded; "" when there is none."""
        return next(iter(self.headers(name)), "")

    def headers(self, name: str) -> list[str]:
        """Every header of that name, fifty at most, each on one line and decoded."""
        return [header_text(value) for value in self.message.get_all(name, [])[:50]]

    def own(self, type_: str) -> Iterator[str]:
        """The text of every part of that type that is not of the mail brought back."""
        return (text_of(part.message) for part in self.parts if part.type == type_ and not part.returned)

    @property
    def type(self) -> str:
        return self.message.get_content_type()

    def parameter(self, name: str) -> str:
        """A parameter of the Content-Type, lower case."""
        value = self.message.get_param(name)
        return value.lower() if isinstance(value, str) else ""


def open_mail(raw: bytes) -> OpenMail:
    """Parse what lies within the bounds; raises UnreadableError, and whatever `email` raises."""
    message = BytesParser(policy=_AsWritten()).parsebytes(_bounded(raw))
    if not message.keys() and not message.get_payload():
        raise UnreadableError("it is empty")
    parts = tuple(_taken(_walk(message, 0, False)))
    notice = _notice(parts)
    closed = _CLOSED.search(notice)
    text, rest = (notice[: closed.start()], notice[closed.start() :]) if closed else (notice, "")
    return OpenMail(message=message, parts=parts, text=text, original=_original(parts, rest))


def _bounded(raw: bytes) -> bytes:
    raw = raw[:MAX_OCTETS]
    end = _HEAD_END.search(raw)
    if (end.start() if end else len(raw)) > MAX_HEADER_OCTETS:
        raise UnreadableError(f"its headers are longer than {MAX_HEADER_OCTETS // 1024} KiB")
    raw = _SPECIAL.sub(rb"text/x-\1", raw)
    for pattern, most in ((_NESTED, MAX_PARTS), (_DELIMITER, MAX_DELIMITERS)):
        for number, found in enumerate(pattern.finditer(raw)):
            if number == most:
                raw = raw[: found.start()]
                break
    return raw


def _walk(message: Message, depth: int, returned: bool) -> Iterator[Part]:
    inner = message.get_payload()
    if not isinstance(inner, list):
        yield Part(type=message.get_content_type(), message=message, returned=returned)
        return
    if depth < MAX_DEPTH:
        wraps = message.get_content_maintype() == "message"
        for part in (part for part in inner if isinstance(part, Message)):
            if wraps:
                yield Part(type="message/rfc822", message=part, returned=returned)
            yield from _walk(part, depth + 1, returned or wraps)


def _taken(parts: Iterator[Part]) -> Iterator[Part]:
    for number, part in enumerate(parts):
        if number == MAX_PARTS:
            return
        yield part


# --- text -----------------------------------------------------------------------------------------


def text_of(part: Message) -> str:
    """A part's text, decoded; lines cut to what a line may have, the whole to what is read of a notice."""
    octets = part.get_payload(decode=True)
    start = octets[: 4 * MAX_TEXT] if isinstance(octets, bytes) else b""
    text = _decoded(start, part.get_content_charset() or "utf-8")
    return "\n".join(line[:LONGEST_LINE] for line in _LINE_END.split(text[:MAX_TEXT]))


def _decoded(octets: bytes, charset: str) -> str:
    try:
        return octets.decode(charset)
    except (LookupError, ValueError):
        return octets.decode("utf-8", "replace")


def header_text(value: object) -> str:
    """A header on one line, with its encoded words read (RFC 2047); what cannot be read stays as it is."""
    plain = str(value)[:LONGEST_HEADER].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        plain = "".join(
            _decoded(piece, charset or "latin-1") if isinstance(piece, bytes) else piece
            for piece, charset in decode_header(plain)
        )
    except (ValueError, HeaderParseError):  # its base64 is broken
        return clean(plain)
    return clean(plain)


def clean(text: str, limit: int = LONGEST_HEADER) -> str:
    """One line without controls or marks that turn text around."""
    return " ".join(_UNSEEN.sub(" ", text[: 4 * limit]).split())[:limit]


def _notice(parts: tuple[Part, ...]) -> str:
    """What a person would read first: the texts of the notice, or its HTML when it has nothing else."""
    own = [part for part in parts if not part.returned]
    texts = [text_of(part.message) for part in own if part.type == "text/plain"]
    if not any(text.strip() for text in texts):
        texts = [_stripped(text_of(part.message)) for part in own if part.type == "text/html"]
    return "\n".join(texts)[:MAX_TEXT]


def _stripped(html: str) -> str:
    return unescape(_TAG.sub("", _BREAK.sub("\n", html))).replace("\xa0", " ")


def _original(parts: tuple[Part, ...], rest: str) -> Mapping[str, str]:
    """The headers of the mail brought back: as a message, as headers alone, or as text under the notice."""
    for part in parts:
        if part.type == "message/rfc822":
            return _named(part.message)
        if part.type in ("text/rfc822-headers", "message/rfc822-headers"):
            return _named(HeaderParser().parsestr(text_of(part.message).lstrip()))
    _, _, headers = rest.partition("\n")
    return _named(HeaderParser().parsestr(headers.lstrip("\n- =*"))) if headers.strip() else {}


def _named(message: Message) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in message.items():
        if name.lower() in _WANTED:
            found.setdefault(name.lower(), header_text(value))
    return found
