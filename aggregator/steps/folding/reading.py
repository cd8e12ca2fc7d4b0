"""An entry's text without markup, and what is read off it before it is cut into words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from html import unescape
from zlib import crc32

from aggregator.model.parsed import ParsedEntry
from aggregator.subject import runs_on, words_of

MAX_OCTETS = 16_000
"""Of a text's beginning; what is longer is known by that."""
MAX_WORDS = 1_000

_TAG = re.compile(r"<[^<>]*>")
_ITEM = re.compile(r"<(?:h[1-6]|li)\b")
_ROUNDUP_ITEMS = 4


def text_of(entry: ParsedEntry) -> str:
    """The longer of content and summary, as plain text."""
    markup = max(entry.content, entry.summary, key=len)
    text = _TAG.sub(" ", markup[:MAX_OCTETS])
    return unescape(text) if "&" in text else text


def words(text: str) -> list[str]:
    """The folded words of a text; where a script has no spaces, its characters."""
    found = words_of(text)[:MAX_WORDS]
    if " ".join(found).isascii():
        return found
    return [part for word in found for part in (word if runs_on(word) else (word,))][:MAX_WORDS]


def is_roundup(entry: ParsedEntry) -> bool:
    """Whether the text is a list of works: four headings or list items, and what it says stands in them."""
    return len(_ITEM.findall(max(entry.content, entry.summary, key=len)[:MAX_OCTETS])) >= _ROUNDUP_ITEMS


def hashes32(words: Sequence[str]) -> list[int]:
    """Quick to make, and met by chance now and then: words tell something when many are alike."""
    return [*map(crc32, " ".join(words).encode("utf-8", "surrogatepass").split(b" "))] if words else []


def hash64(text: str) -> int:
    """Met by chance in no feed: of what tells something by itself, as addresses do."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
