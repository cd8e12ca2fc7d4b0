"""An editor's note: plain text with empty lines between paragraphs -> pieces, the web addresses in it as links.

compose: ... rendering (layout > **note**) > issue
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aggregator.press.views import PieceView, shown
from aggregator.urls import absolute_http, ascii_url

_ADDRESS = re.compile(r"\bhttps?://[^\s<>\"“”«»]+", re.IGNORECASE)
_BEHIND = ".,;:!?…'’*_"
"""What ends a sentence and no address."""


def note_view(note: str) -> tuple[tuple[PieceView, ...], ...]:
    """The paragraphs, each in pieces; the lines of one paragraph are joined."""
    paragraphs = (shown(paragraph) for paragraph in re.split(r"(?:\r\n?|\n)[ \t]*(?:\r\n?|\n)\s*", note))
    return tuple(tuple(_pieces(paragraph)) for paragraph in paragraphs if paragraph)


def _pieces(text: str) -> Iterator[PieceView]:
    done = 0
    for found in _ADDRESS.finditer(text):
        address = _without_ending(found.group())
        url = absolute_http(address)
        url = ascii_url(url) if url else None
        if url is None:
            continue
        if found.start() > done:
            yield PieceView(text=text[done : found.start()])
        yield PieceView(text=address, url=url)
        done = found.start() + len(address)
    if done < len(text):
        yield PieceView(text=text[done:])


def _without_ending(address: str) -> str:
    """The address without the punctuation behind it, and without a bracket that it does not open itself."""
    while address[-1] in _BEHIND or (address[-1] in ")]}" and _is_open(address)):
        address = address[:-1]
    return address


def _is_open(address: str) -> bool:
    closing = address[-1]
    return address.count(closing) > address.count({")": "(", "]": "[", "}": "{"}[closing])
