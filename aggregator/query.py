"""The one query language: channels, newsletters, tag rules and search read it from here.

    either = both (("OR" | "||") both)*
    both   = one (["AND" | "&&"] one)*
    one    = ("NOT" | "!" | "-" | "+") one | [field ":"] (group | term)
    group  = "(" either ")"
    term   = (word | quoted phrase) ["*"] | "*"

A query is read once into a frozen tree and one compiled test; what it is asked about is a `Subject`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from operator import attrgetter

from aggregator.errors import QueryError
from aggregator.subject import BREAK, Subject, Text, entry_subject, runs_on, slug, story_subject, words_of

__all__ = ["FIELDS", "Query", "Subject", "entry_subject", "names_asked_for", "parse_query", "slug", "story_subject"]

MAX_LENGTH = 4000
MAX_DEPTH = 100

# --- the tree -------------------------------------------------------------------------------------

TEXT_FIELDS = {"": "everywhere", "author": "author", "title": "title", "text": "body", "category": "category"}
_TAG_FIELDS = dict.fromkeys(("country", "mentions", "region", "topic", "type", "publisher", "tag"), "tags")
NAME_FIELDS = {**_TAG_FIELDS, "feed": "feeds", "lang": "languages"}
DATE_FIELDS = ("since", "until")
FIELDS = (*NAME_FIELDS, *filter(None, TEXT_FIELDS), *DATE_FIELDS)

Test = Callable[[Subject, datetime], bool]


@dataclass(frozen=True, slots=True)
class Everything:
    def __str__(self) -> str:
        return "*"


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase as it was written; `field` is "" for title and text, `prefix` means it ended in `*`."""

    field: str
    value: str
    prefix: bool = False

    @property
    def words(self) -> list[str]:
        """Its value, folded as texts are; what stands between two texts can be asked for by nobody."""
        return words_of(self.value.replace(BREAK, " "))

    def __str__(self) -> str:
        name = f"{self.field}:" if self.field else ""
        bare = (_BARE_VALUE if name else _BARE).fullmatch(self.value) and self.value not in _OPERATORS
        value = self.value if bare or not self.value else f'"{_SPECIAL.sub(_ESCAPED, self.value)}"'
        return f"{name}{value}{'*' * self.prefix}"


@dataclass(frozen=True, slots=True)
class Not:
    part: Node

    def __str__(self) -> str:
        return f"NOT ({self.part})" if isinstance(self.part, And | Or) else f"NOT {self.part}"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " OR ".join(map(str, self.parts))


Node = Everything | Term | Not | And | Or


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


# --- matching -------------------------------------------------------------------------------------


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


def name_of(term: Term) -> str:
    """The tag, feed or language a term names, as a Subject holds it."""
    if term.field in ("feed", "lang"):
        value = term.value.lower()
        return value.replace("_", "-") if term.field == "lang" else value
    namespace, _, value = term.value.partition(":") if term.field == "tag" else (term.field, "", term.value)
    return f"{namespace.lower()}:{slug(value)}"


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


_AGO = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def _compile_date(term: Term) -> Test:
    bound = bound_of(term)
    if term.field == "since":
        return lambda subject, now: subject.date is not None and subject.date >= bound(now)
    return lambda subject, now: subject.date is not None and subject.date <= bound(now)


def bound_of(term: Term) -> Callable[[datetime], datetime]:
    """The moment a date term names, given now; a day stands for its first moment, after `until:` for its last."""
    if ago := _AGO.fullmatch(term.value.lower()):
        age = int(ago[1]) * _UNITS[ago[2]]
        return lambda now: now - age
    try:
        day = date.fromisoformat(term.value)
        moment = datetime.combine(day, time.max if term.field == "until" else time.min, UTC)
    except ValueError:
        moment = datetime.fromisoformat(term.value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return lambda now: moment


def _fault(term: Term) -> str | None:
    """What is wrong with a term, if anything."""
    if term.field in DATE_FIELDS:
        try:
            bound_of(term)
        except ValueError:
            return f"{term.field}: takes a date as 2026-01-31 or an age as 12h, 30d or 8w, not {term.value!r}"
        return "a date takes no *" if term.prefix else None
    if term.field in TEXT_FIELDS and not term.words:
        return "a search term needs a letter or a digit"
    if term.field == "tag" and ":" not in term.value:
        return "a tag is written namespace:name, as in tag:topic:energy"
    if not term.prefix and name_of(term).endswith(":"):
        return f"{term.field}: needs a name after it"
    return None


# --- reading --------------------------------------------------------------------------------------

_QUOTES = '"“”„«»'
_OPERATORS = ("AND", "OR", "NOT")
_ENDS = rf"(?=[\s(){_QUOTES}]|\Z)"
_AND = re.compile(rf"&&|AND{_ENDS}")
_OR = re.compile(rf"\|\||OR{_ENDS}")
_NOT = re.compile(rf"!|-(?!\s|\Z)|NOT{_ENDS}")
_PLUS = re.compile(r"\+(?!\s|\Z)")
_FIELD = re.compile(rf"([^\s()\\:*!+\-{_QUOTES}][^\s()\\:*{_QUOTES}]*):\s*")
_UNUSED = "~^[]{}"
_WORD = re.compile(rf"(?:\\.|(?!&&|\|\|)[^\s()\\*{_QUOTES}{re.escape(_UNUSED)}])+", re.DOTALL)
_PHRASE = re.compile(rf"[{_QUOTES}]((?:\\.|[^\\{_QUOTES}])*)[{_QUOTES}]", re.DOTALL)
_BARE = re.compile(r"[^\W_][\w.-]*")
_BARE_VALUE = re.compile(r"[^\W_][\w.:-]*")
_END = re.compile(r"\)|\Z")
_SPECIAL, _ESCAPED = re.compile(rf"[\\{_QUOTES}]"), r"\\\g<0>"
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_query(text: str) -> Query:
    """Read a query; "" asks for everything. Raises QueryError, with the place, for anything else it cannot read."""
    if len(text) > MAX_LENGTH:
        raise QueryError(f"a query has at most {MAX_LENGTH} characters", text=text[:80], position=0)
    return Query(_Reader(text).read())


class _Reader:
    """Recursive descent, one method per line of the grammar; `at` is the next character, `depth` the nesting."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def read(self) -> Node:
        if not self.text.strip():
            return Everything()
        node = self.either("")
        if self.at < len(self.text):
            raise self.fault('this ")" closes nothing')
        return node

    def either(self, scope: str) -> Node:
        parts = [self.both(scope)]
        while self.take(_OR):
            parts.append(self.both(scope))
        return _joined(Or, parts)

    def both(self, scope: str) -> Node:
        parts = [self.one(scope)]
        while self.take(_AND) or not (self.at_end() or self.looking_at(_OR)):
            parts.append(self.one(scope))
        return _joined(And, parts)

    def one(self, scope: str) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fault(f"a query nests at most {MAX_DEPTH} deep")
        node = self.operand(scope)
        self.depth -= 1
        return node

    def operand(self, scope: str) -> Node:
        if self.at_end():
            raise self.fault("a word or phrase is missing")
        if self.looking_at(_AND) or self.looking_at(_OR):
            raise self.fault("an operator stands here without a word or phrase before it")
        if self.take(_NOT):
            return Not(self.one(scope))
        if self.take(_PLUS):
            return self.one(scope)
        if name := self.take(_FIELD):
            scope = self.field_named(name)
        return self.group(scope) if self.text[self.at : self.at + 1] == "(" else self.term(scope)

    def field_named(self, found: re.Match[str]) -> str:
        name = found[1].lower()
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, n=1)
            hint = f'did you mean "{near[0]}:"?' if near else f"fields are {', '.join(FIELDS)};"
            self.at = found.start()
            raise self.fault(f'there is no field "{name}:" ({hint} else put the text in quotes)')
        return name

    def group(self, scope: str) -> Node:
        start = self.at
        self.at += 1
        node = self.either(scope)
        if self.text[self.at : self.at + 1] != ")":
            self.at = start
            raise self.fault('this "(" is never closed')
        self.at += 1
        return node

    def term(self, scope: str) -> Node:
        start = self.at
        value = self.value()
        prefix = self.text[self.at : self.at + 1] == "*"
        self.at += prefix
        if prefix and _WORD.match(self.text, self.at):
            raise self.fault('"*" stands only at the end of a word')
        if prefix and not value and not scope:
            return Everything()
        term = Term(scope, value, prefix)
        if fault := _fault(term):
            self.at = start
            raise self.fault(fault)
        return term

    def value(self) -> str:
        """The next word or phrase, without its quotes and escapes."""
        here = self.text[self.at : self.at + 1]
        if found := _PHRASE.match(self.text, self.at) or _WORD.match(self.text, self.at):
            self.at = found.end()
            if self.text[self.at : self.at + 1] in tuple(_UNUSED):
                raise self.fault(f"{self.text[self.at]!r} has no meaning here; put the text in quotes")
            return _ESCAPE.sub(r"\1", found[1] if found.lastindex else found[0])
        if here == "*":
            return ""
        if here in tuple(_QUOTES):
            raise self.fault("this quotation mark is never closed")
        missing = "a word or phrase is missing"
        raise self.fault(f"{here!r} has no meaning here; put the text in quotes" if here else missing)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = self.looking_at(pattern)
        if found:
            self.at = found.end()
        return found

    def looking_at(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.at = len(self.text) - len(self.text[self.at :].lstrip())
        return pattern.match(self.text, self.at)

    def at_end(self) -> bool:
        """Nothing more on this level: the end of the text or a closing parenthesis."""
        return self.looking_at(_END) is not None

    def fault(self, message: str) -> QueryError:
        return QueryError(message, text=self.text, position=self.at)


def _joined(kind: type[And] | type[Or], parts: list[Node]) -> Node:
    """One node for all parts; nested nodes of the same kind are drawn up, so that equal meanings are equal trees."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, kind) else (part,))]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))
