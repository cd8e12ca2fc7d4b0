"""Whether what is asked about is what a query asks for: the tree, compiled into one test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from aggregator.query.tree import NAME_FIELDS, TEXT_FIELDS, And, Everything, Node, Not, Or, Term, bound_of, name_of
from aggregator.subject import Subject, Text, runs_on

Test = Callable[[Subject, datetime], bool]


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read; `str()` gives its canonical text, which reads back to an equal query."""

    root: Node
    _test: Test = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_test", _compile(self.root))

    def __str__(self) -> str:
        return "" if isinstance(self.root, Everything) else str(self.root)

    def __reduce__(self) -> tuple[type[Query], tuple[Node]]:
        return Query, (self.root,)

    def matches(self, subject: Subject, now: datetime) -> bool:
        """Whether the subject is one of those asked for; `now` is what `since:30d` counts from."""
        return self._test(subject, now)


def names_asked_for(query: Query, field: str) -> frozenset[str]:
    """The names of a field, such as `feed`, that a query asks for or leaves out; not beginnings with a `*`."""
    return frozenset(name_of(term) for term in _terms(query.root) if term.field == field and not term.prefix)


def _terms(node: Node) -> Iterator[Term]:
    match node:
        case Term():
            yield node
        case Not():
            yield from _terms(node.part)
        case And() | Or():
            for part in node.parts:
                yield from _terms(part)


def _compile(node: Node) -> Test:
    match node:
        case Everything():
            return lambda subject, now: True
        case Not():
            inner = _compile(node.part)
            return lambda subject, now: not inner(subject, now)
        case And():
            tests = tuple(map(_compile, node.parts))
            return lambda subject, now: all(test(subject, now) for test in tests)
        case Or():
            return _compile_any(node.parts)
        case Term():
            return _compile_any((node,))


def _compile_any(parts: tuple[Node, ...]) -> Test:
    """One test for all alternatives: words and names are looked up as sets, which is what makes rules cheap."""
    texts: dict[str, list[Term]] = {}
    names: dict[str, list[Term]] = {}
    tests: list[Test] = []
    for part in parts:
        if not isinstance(part, Term):
            tests.append(_compile(part))
        elif part.field in TEXT_FIELDS:
            texts.setdefault(TEXT_FIELDS[part.field], []).append(part)
        elif part.field in NAME_FIELDS:
            names.setdefault(NAME_FIELDS[part.field], []).append(part)
        else:
            tests.append(_compile_date(part))
    tests[:0] = [_compile_names(scope, terms) for scope, terms in names.items()]
    tests += [_compile_text(scope, terms) for scope, terms in texts.items()]
    return tests[0] if len(tests) == 1 else lambda subject, now: any(test(subject, now) for test in tests)


def _compile_names(scope: str, terms: Iterable[Term]) -> Test:
    names_of: Callable[[Subject], frozenset[str]] = attrgetter(scope)
    exact = {name_of(term) for term in terms if not term.prefix}
    starts = tuple(name_of(term) for term in terms if term.prefix)
    if not starts:
        return lambda subject, now: not names_of(subject).isdisjoint(exact)
    return lambda subject, now: any(name in exact or name.startswith(starts) for name in names_of(subject))


def _compile_text(scope: str, terms: Iterable[Term]) -> Test:
    text_of: Callable[[Subject], Text] = attrgetter(scope)
    words: set[str] = set()
    phrases: dict[str, list[str]] = {}  # by the longest word, which the set of words rules out soonest
    anywhere: list[str] = []
    for term in terms:
        parts = term.words
        start, end = "" if runs_on(parts[0]) else " ", "" if term.prefix or runs_on(parts[-1]) else " "
        needle = f"{start}{' '.join(parts)}{end}"
        whole = [part for part in parts[: len(parts) - term.prefix] if not runs_on(part)]
        if not whole:
            anywhere.append(needle)
        elif len(parts) == 1:
            words.add(parts[0])
        else:
            phrases.setdefault(max(whole, key=len), []).append(needle)
    if not phrases and not anywhere:
        return lambda subject, now: not text_of(subject).words.isdisjoint(words)
    heads = frozenset(phrases)

    def test(subject: Subject, now: datetime) -> bool:
        text = text_of(subject)
        if not text.words.isdisjoint(words):
            return True
        for head in heads & text.words:
            if any(needle in text.line for needle in phrases[head]):
                return True
        return bool(anywhere) and any(needle in text.line for needle in anywhere)

    return test


def _compile_date(term: Term) -> Test:
    bound = bound_of(term)
    if term.field == "since":
        return lambda subject, now: subject.date is not None and subject.date >= bound(now)
    return lambda subject, now: subject.date is not None and subject.date <= bound(now)
