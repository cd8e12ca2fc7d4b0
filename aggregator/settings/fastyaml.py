"""The quick way from YAML text to plain data; the exact way, which knows places, is `yamltext.py`.

libyaml cuts the text into events. What it refuses, and whatever takes more thought than mappings, lists and
scalars (anchors, tags, a key given twice), raises Unsure and is left to the exact way.
"""

from __future__ import annotations

import re
from typing import Any

from yaml import YAMLError
from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    StreamStartEvent,
)

try:
    from yaml.cyaml import CParser
except ImportError:  # PyYAML was built without libyaml: the exact way reads everything, in more time
    CParser = None

MAX_DEPTH = 50


class Unsure(Exception):
    """The text is for the exact way to read, or to refuse."""


def read(text: str) -> Any:
    """The data of a text, as the exact way would give it; raises Unsure."""
    if CParser is None:
        raise Unsure
    try:
        return _Events(text).document()
    except (YAMLError, UnicodeError) as error:
        raise Unsure from error


class _Events:
    """The events of a text, taken one by one and put together."""

    def __init__(self, text: str) -> None:
        self._next = CParser(text).get_event

    def document(self) -> Any:
        self._expect(StreamStartEvent)
        start = self._expect(DocumentStartEvent)
        if start.version or start.tags:
            raise Unsure
        data = self._value(self._next(), 0)
        self._expect(DocumentEndEvent)
        self._expect(StreamEndEvent)
        return data

    def _expect(self, kind: type[Event]) -> Any:
        event = self._next()
        if not isinstance(event, kind):
            raise Unsure
        return event

    def _value(self, event: Any, depth: int) -> Any:
        if depth > MAX_DEPTH or event.anchor or getattr(event, "tag", None):  # an alias has an anchor, and no tag
            raise Unsure
        if isinstance(event, ScalarEvent):
            return plain_value(event.value) if event.implicit[0] else event.value
        return self._mapping(depth) if isinstance(event, MappingStartEvent) else self._list(depth)

    def _list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            found.append(self._value(event, depth + 1))
        return found

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            if not isinstance(event, ScalarEvent) or event.anchor or event.tag or event.value in found:
                raise Unsure
            found[event.value] = self._value(self._next(), depth + 1)
        return found


_WORDS: dict[str, bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_REAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")


def plain_value(text: str) -> Any:
    """An unquoted scalar, by the core schema of YAML 1.2 (10.3) as people mean it: `07`, `1_000`, dates stay text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NUMBER.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text
