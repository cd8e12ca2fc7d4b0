"""Bytes as served -> bytes that feedparser reads well: unpacked, in an encoding it may guess, within reach.

The first half of parse. Everything here is a search over bytes: what is not found costs next to nothing.
"""

import codecs
import re
import zlib
from dataclasses import dataclass

from aggregator.model.poll import Cause
from aggregator.steps.parse.limits import MAX_BODY, NotAFeedError

MAX_ITEMS = 2_000
"""A longer document is cut before it is read: a list sorted by date has its newest entries at one of its ends."""

HEAD = 64 * 1024
MAX_ENTITY = 256
MAX_EXPANSION = 20_000_000
"""Octets that the references of a document may stand for at worst."""

_UNSAFE_CODECS = frozenset({"utf_7", "unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined"})
"""Codecs of Python that find markup where there was none, or that need quadratic time."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32be"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_CONTROLS = bytes(code for code in range(0x20) if code not in b"\t\n\r\x0e\x0f\x1b")
"""What XML forbids and WordPress lets through; the shifts of ISO 2022 (SO, SI, ESC) stay."""

_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_DOCTYPE = re.compile(rb"<!DOCTYPE\s+([\w:.-]{1,40})[^\[>]{0,500}\[(.*?)\]\s*>", re.DOTALL)
_ENTITY = re.compile(
    rb"""<!ENTITY\s+(\w{1,40})\s+(?:"([^"&%%<]{0,%d}|&#\w{1,8};)"|'([^'"&%%<]{0,%d}|&#\w{1,8};)')\s*>"""
    % (MAX_ENTITY, MAX_ENTITY)
)
_REFERENCE = re.compile(rb"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));")
_ITEM = re.compile(rb"<(?:item|entry)[\s>]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A document ready to be read; `dropped` items were cut from its middle."""

    body: bytes
    content_type: str
    dropped: int = 0


def mend(body: bytes, content_type: str | None) -> Mended:
    """The document unpacked, with one clear encoding, harmless declarations and a bounded number of items."""
    body = _unpacked(body)
    body, content_type = _encoded(body, content_type or "")
    if b"\0" not in body[:4]:
        body = body.translate(None, _CONTROLS)
    body, dropped = _shortened(_with_valid_references(_with_plain_entities(body)))
    return Mended(body=body, content_type=content_type, dropped=dropped)


def _unpacked(body: bytes) -> bytes:
    """Some servers send gzip without saying so (RFC 1952: one member or several)."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    whole, rest = bytearray(), body
    while rest.startswith(b"\x1f\x8b"):
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            whole += stream.decompress(rest, MAX_BODY + 1 - len(whole))
        except zlib.error as error:
            raise NotAFeedError(Cause.ENCODING, f"broken gzip: {error}") from error
        if len(whole) > MAX_BODY:
            raise NotAFeedError(Cause.TOO_BIG, f"the unpacked document is larger than {MAX_BODY:,} octets")
        if not stream.eof:
            raise NotAFeedError(Cause.ENCODING, "the gzip stream ends before its end")
        rest = stream.unused_data
    return bytes(whole)


def _encoded(body: bytes, content_type: str) -> tuple[bytes, str]:
    """The document and a media type that names its encoding where that is known before reading.

    A byte order mark is believed first (RFC 7303, 3), then bytes that are UTF-8 beyond doubt: a server's default
    charset over them is the commonest lie of all. After these the server's word; else feedparser reads the XML
    declaration. Names that are no character encoding are never believed.
    """
    declared = _DECLARED.match(body)
    if declared and _is_unsafe(declared[1].decode("ascii")):
        body = body[: declared.start(1)] + b"utf-8" + body[declared.end(1) :]
    charset = _marked(body) or _plainly_utf8(body) or _named(body, content_type)
    return body, f"application/xml; charset={charset}" if charset else "application/xml"


def _marked(body: bytes) -> str | None:
    return next((name for mark, name in _MARKS if body.startswith(mark)), None)


def _plainly_utf8(body: bytes) -> str | None:
    if body.isascii() or b"\0" in body[:4]:
        return None
    try:
        body.decode()
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _named(body: bytes, content_type: str) -> str | None:
    """The server's charset, unless the bytes are visibly of a wider kind."""
    found = _CHARSET.search(content_type)
    return found[1] if found and b"\0" not in body[:4] and not _is_unsafe(found[1]) else None


def _is_unsafe(name: str) -> bool:
    try:
        return codecs.lookup(name).name.replace("-", "_") in _UNSAFE_CODECS
    except LookupError:
        return False


def _with_plain_entities(body: bytes) -> bytes:
    """A DOCTYPE reduced to its harmless entities, one a line, which is the only form feedparser finds them in.

    Short texts without references of their own stay; whatever nests, grows, or points outside is left out, and its
    references then stand as they are written.
    """
    start = body.find(b"<!DOCTYPE", 0, HEAD)
    found = _DOCTYPE.match(body, start, start + HEAD) if start >= 0 else None
    if found is None:
        return body
    entities = [(name, one or other) for name, one, other in _ENTITY.findall(found[2])]
    if body.count(b"&") * max((len(value) for _, value in entities), default=0) > MAX_EXPANSION:
        entities = []
    lines = b"".join(b'\n<!ENTITY %s "%s">' % entity for entity in entities)
    doctype = b"\n<!DOCTYPE %s [%s\n]>\n" % (found[1], lines) if lines else b""
    return body[: found.start()] + doctype + body[found.end() :]


def _with_valid_references(body: bytes) -> bytes:
    """References to what is no character in XML (1.0, 2.2) become the replacement character."""
    return _REFERENCE.sub(_valid_reference, body) if b"&#" in body else body


def _valid_reference(reference: re.Match[bytes]) -> bytes:
    digits = reference[1] or reference[2]
    code = int(digits, 16 if reference[1] else 10) if len(digits) <= 10 else 0x110000
    valid = code in (0x9, 0xA, 0xD) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return reference[0] if valid else b"&#xFFFD;"


def _shortened(body: bytes) -> tuple[bytes, int]:
    """Of a list that is far too long, its two ends."""
    if body.count(b"<item") + body.count(b"<entry") <= MAX_ITEMS:
        return body, 0
    starts = [found.start() for found in _ITEM.finditer(body)]
    dropped = len(starts) - MAX_ITEMS
    if dropped <= 0:
        return body, 0
    half = MAX_ITEMS // 2
    return body[: starts[half]] + body[starts[half + dropped] :], dropped
