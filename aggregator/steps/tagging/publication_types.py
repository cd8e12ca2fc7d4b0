"""What kind of publication an entry is, by a label at either end of its title or a part of its address."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from aggregator.model.taxonomy import Taxonomy
from aggregator.steps.tagging.lexicon import Lexicon, compile_lexicon, parts_of
from aggregator.subject import slug, words_of

_START = re.compile(r"\s*(?:[\[(]([^\])]{2,40})[\])]|([^:|–—]{2,40}?)\s*(?::|\s[|–—-]\s))")
_END = re.compile(r"(?:[\[(]([^\])]{2,40})[\])]|\s[|–—-]\s([^|–—]{2,40}))\s*$")
_MARK = re.compile(r"[\[(:|–—-]")
"""Without one of these a title has no label."""
_PATH = re.compile(r"[a-z]+://(?:\[[^\]]*\])?[^/?#\[\]]*(/[^?#]*)", re.IGNORECASE)
_MAX_PATH = 500


class Kind(NamedTuple):
    """A type found: the tag, where, and by what."""

    tag: str
    field: Literal["title", "url"]
    matched: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """Labels of titles as whole texts, words anywhere in a title, and parts of addresses."""

    labels: Mapping[str, str]
    anywhere: Lexicon[str]
    paths: Mapping[str, str]


def compile_types(taxonomy: Taxonomy) -> Types:
    """The signs of all types; where two share one, it means the first."""
    labels: dict[str, str] = {}
    paths: dict[str, str] = {}
    for kind in taxonomy.types:
        for title in kind.titles:
            labels.setdefault(" ".join(parts_of(title)), f"type:{kind.id}")
        for path in kind.paths:
            paths.setdefault(slug(path), f"type:{kind.id}")
    words = ((word, f"type:{kind.id}") for kind in taxonomy.types for word in kind.anywhere)
    return Types(labels=labels, anywhere=compile_lexicon(words), paths=paths)


def kind_of(title: str, words: Sequence[str], url: str | None, types: Types) -> Kind | None:
    """The type an entry shows, by its title before its address; `words` are those of the title."""
    return _by_label(title, types) or _by_title(words, types) or (_by_path(url, types) if url else None)


def _by_label(title: str, types: Types) -> Kind | None:
    if not _MARK.search(title):
        return None
    for found in (_START.match(title), _END.search(title)):
        if found:
            label = " ".join(words_of(found[1] or found[2]))
            if tag := types.labels.get(label):
                return Kind(tag, "title", label)
    return None


def _by_title(words: Sequence[str], types: Types) -> Kind | None:
    for hit in types.anywhere.find(words):
        return Kind(hit.senses[0], "title", " ".join(words[hit.at : hit.at + hit.length]))
    return None


def _by_path(url: str, types: Types) -> Kind | None:
    """By a part of the path; the last one is the name of the entry itself."""
    path = _PATH.match(url[:_MAX_PATH])
    parts = path[1].lower().split("/") if path else [""]
    for part in parts[:-1] if parts[-1] else parts[:-2]:
        if tag := types.paths.get(part):
            return Kind(tag, "url", part)
    return None
