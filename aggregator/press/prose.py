"""Publishers' words made fit to show in a list: one line of text, ended where a reader would pause."""

from __future__ import annotations

import re

from aggregator.model.characters import UNWANTED
from aggregator.model.entry import Entry
from aggregator.model.parsed import SafeHtml
from aggregator.subject import plain_text

_READ_AHEAD = 20
"""Characters of markup looked at for each one shown, so that a long report costs no more than a note."""
_SENTENCE_END = re.compile(
    r"(?<![\s.(]\w)(?<!\b[A-Z][a-z])(?<!\bProf)(?<!\betc)(?<!\b(?:cf|vs|al|ca))[.!?…][\"'”’»)\]]*(?=\s+[^\sa-z])|[。！？][」』”]?"
)
"""A full stop that ends no initial or short title, with a capital or a digit after it."""
_APPENDED = re.compile(r"(?:The post .{1,500}? (?:appeared first|first appeared) on .{1,200}|\[(?:…|\.\.\.)\])$")
"""What WordPress puts after an excerpt."""


def one_line(text: str) -> str:
    """The text on one line, without controls and direction overrides."""
    return " ".join(UNWANTED.sub("", " ".join(text.split())).split())


def cut(text: str, limit: int) -> str:
    """The text in at most `limit` characters, ended after a word and with an ellipsis when something is left out."""
    if len(text) <= limit:
        return text
    space = text.rfind(" ", 0, limit)
    return text[: space if space > limit // 2 else limit - 1].rstrip(" ,;:–—-(«“") + "…"


def excerpt(entry: Entry, limit: int) -> str:
    """The beginning of the summary, else of the content: whole sentences where they fill half of `limit`."""
    for html in (entry.summary, entry.content):
        text = _APPENDED.sub("", one_line(plain_text(_beginning(html, limit * _READ_AHEAD)))).rstrip()
        if text and text != one_line(entry.title):
            return cut_at_sentence(text, limit)
    return ""


def _beginning(html: SafeHtml, limit: int) -> SafeHtml:
    """The first `limit` characters, without a tag that the cut went through."""
    head = html[:limit]
    return SafeHtml(head[: head.rfind("<")] if head.rfind("<") > head.rfind(">") else head)


def cut_at_sentence(text: str, limit: int) -> str:
    """The text in at most `limit` characters: whole sentences where they fill half of them, else ended after a word."""
    if len(text) <= limit:
        return text
    near = _SENTENCE_END.finditer(text, 0, limit + 2)  # it looks at a space and a letter after the stop
    ends = [end for found in near if limit // 2 <= (end := found.end()) <= limit]
    return text[: ends[-1]] if ends else cut(text, limit)
