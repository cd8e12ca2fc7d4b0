"""What a query asks of the search index: for each span of time, a condition on tokens.

The index narrows, the matcher decides. A condition admits every Story that the query matches; where the index cannot
be sure of a term (`unsure`), the condition admits more, never less, and who reads it asks `Query.matches` in the end.

Dates are gone from conditions: between two of the moments a query names, each `since:` and `until:` holds for all or
for none, so the query falls into spans, each with a simpler query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import assert_never

from aggregator.model.indexed import MAX_SECOND, second_of
from aggregator.query.matching import Query
from aggregator.query.tree import (
    DATE_FIELDS,
    NAME_FIELDS,
    TEXT_FIELDS,
    And,
    Everything,
    Node,
    Not,
    Or,
    Term,
    bound_of,
    name_of,
)
from aggregator.steps.finding.tokens import MAX_TOKEN, kind_of, name_token, tokens_of
from aggregator.subject import runs_on

MAX_BOUNDS = 8
"""Moments that a query is taken apart at; one that names more is not narrowed by date."""
MAX_LEVELS = 12
"""Nested operators that an index is asked about: parsers of databases go less deep than ours."""
_COLUMNS = {"everywhere": ("title", "text"), "body": ("text",)}


@dataclass(frozen=True, slots=True)
class Has:
    """These tokens stand side by side in one of these fields of `StoryWords`; `prefix`: the last one begins so."""

    columns: tuple[str, ...]
    tokens: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Lacks:
    part: Condition


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


Condition = bool | Has | Lacks | AllOf | AnyOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Seconds from `first` up to, not including, `end`, and the condition on Stories dated in it."""

    first: int
    end: int
    condition: Condition


def narrowed(query: Query, now: datetime, *, unsure: Callable[[Has], bool]) -> tuple[Span, ...]:
    """The spans that may hold matches, the newest first; `unsure` says of what the index knows too little."""
    bounds = {term: second_of(bound_of(term)(now)) for term in _date_terms(query.root)}
    seconds = sorted(set(bounds.values()))
    if len(seconds) > MAX_BOUNDS:
        seconds, bounds = [], {}
    cuts = sorted({0, MAX_SECOND + 1, *seconds, *(second + 1 for second in seconds)})
    found: list[Span] = []
    for first, end in reversed([*pairwise(cuts)]):
        condition = _Narrowing(unsure, _held(bounds, first, end)).admitting(query.root)
        if found and found[-1].first == end and found[-1].condition == condition:
            found[-1] = replace(found[-1], first=first)
        elif condition is not False:
            found.append(Span(first=first, end=end, condition=condition))
    return tuple(found)


def required_tags(query: Query) -> frozenset[str]:
    """Tags that every match is sure to carry (often fewer than the query names)."""
    return _required(query.root)


def _required(node: Node) -> frozenset[str]:
    match node:
        case Term(prefix=False) if NAME_FIELDS.get(node.field) == "tags":
            return frozenset((name_of(node),))
        case And():
            return frozenset().union(*map(_required, node.parts))
        case Or():
            return frozenset.intersection(*map(_required, node.parts))
        case _:
            return frozenset()


# --- dates ----------------------------------------------------------------------------------------


def _date_terms(node: Node) -> set[Term]:
    match node:
        case Term():
            return {node} if node.field in DATE_FIELDS else set()
        case Not():
            return _date_terms(node.part)
        case And() | Or():
            return set().union(*map(_date_terms, node.parts))
        case Everything():
            return set()
        case _:
            assert_never(node)


def _held(bounds: Mapping[Term, int], first: int, end: int) -> Mapping[Term, bool]:
    """Whether each date term holds in this span; terms whose own second it is are left out, as seconds have parts."""
    return {
        term: (first > second) == (term.field == "since")
        for term, second in bounds.items()
        if not first <= second < end
    }


# --- conditions -----------------------------------------------------------------------------------


class _Narrowing:
    """One walk through a query in one span: conditions that admit all matches, or hold for nothing but matches."""

    def __init__(self, unsure: Callable[[Has], bool], held: Mapping[Term, bool]) -> None:
        self._unsure, self._held = unsure, held

    def admitting(self, node: Node) -> Condition:
        """What every match of the node meets, and maybe others."""
        return self._narrow(node, wide=True, levels=MAX_LEVELS)

    def _narrow(self, node: Node, *, wide: bool, levels: int) -> Condition:
        if levels == 0:
            return wide
        match node:
            case Everything():
                return True
            case Not():
                return _lacking(self._narrow(node.part, wide=not wide, levels=levels - 1))
            case And():
                return _all_of([self._narrow(part, wide=wide, levels=levels - 1) for part in node.parts])
            case Or():
                return _any_of([self._narrow(part, wide=wide, levels=levels - 1) for part in node.parts])
            case Term():
                return self._held.get(node, wide) if node.field in DATE_FIELDS else self._term(node, wide)
            case _:
                assert_never(node)

    def _term(self, term: Term, wide: bool) -> Condition:
        found, cut = _has(term)
        return found if wide or not (cut or self._unsure(found)) else False


def _has(term: Term) -> tuple[Has, bool]:
    """The tokens a term asks for, and whether they were cut short."""
    if scope := NAME_FIELDS.get(term.field):
        name = name_of(term)
        beginning = term.prefix and name != kind_of(name)
        return Has(("names",), (name_token(scope, name),), beginning), len(scope) + 1 + len(name) >= MAX_TOKEN
    scope, words = TEXT_FIELDS[term.field], term.words
    cut = any(len(word) >= MAX_TOKEN and not runs_on(word) for word in words)
    whole = runs_on(words[-1]) or not term.prefix
    return Has(_COLUMNS.get(scope, (scope,)), tuple(tokens_of(words)), not whole), cut


def _lacking(part: Condition) -> Condition:
    return not part if isinstance(part, bool) else part.part if isinstance(part, Lacks) else Lacks(part)


def _all_of(parts: Sequence[Condition]) -> Condition:
    if any(part is False for part in parts):
        return False
    left = tuple(dict.fromkeys(part for part in parts if part is not True))
    return AllOf(left) if len(left) > 1 else left[0] if left else True


def _any_of(parts: Sequence[Condition]) -> Condition:
    if any(part is True for part in parts):
        return True
    left = tuple(dict.fromkeys(part for part in parts if part is not False))
    return AnyOf(left) if len(left) > 1 else left[0] if left else False
