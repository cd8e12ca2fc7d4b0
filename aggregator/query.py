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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from difflib import get_close_matches
from operator import attrgetter

from aggregator.errors import QueryError
from aggregator.subject import Subject, Text, entry_subject, runs_on, slug, story_subject, tag_name, words_of

__all__ = [
    "FIELDS",
    "Query",
    "QueryError",
    "Subject",
    "entry_subject",
    "parse_query",
    "required_tags",
    "slug",
    "story_subject",
]

MAX_LENGTH = 4000
MAX_DEPTH = 100

# --- the tree -------------------------------------------------------------------------------------

_TEXT_FIELDS = {"": "everywhere", "title": "title", "text": "body", "author": "author", "category": "category"}
_TAG_FIELDS = ("country", "region", "topic", "type", "publisher")
FIELDS = (*_TAG_FIELDS, "tag", "feed", "lang", "author", "title", "text", "category", "since", "until")

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

    def __str__(self) -> str:
        bare = not self.value if self.prefix else False
        if not bare:
            bare = bool((_BARE_VALUE if self.field else _BARE).fullmatch(self.value)) and self.value not in _OPERATORS
        value = self.value if bare else '"' + re.sub(r'([\\"])', r"\\\1", self.value) + '"'
        return f"{self.field}:{value}{'*' * self.prefix}" if self.field else f"{value}{'*' * self.prefix}"


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


def required_tags(query: Query) -> frozenset[str]:
    """Tags that every match is sure to carry (for narrowing a search; often fewer than the query names)."""
    return _required(query.root)


def _required(node: Node) -> frozenset[str]:
    match node:
        case Term(prefix=False) if node.field in (*_TAG_FIELDS, "tag"):
            return frozenset((_tag_of(node),))
        case And():
            return frozenset().union(*map(_required, node.parts))
        case Or():
            return frozenset.intersection(*map(_required, node.parts))
        case _:
            return frozenset()


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
    """One test for all alternatives: words and tags are looked up as sets, which is what makes rules cheap."""
    texts: dict[str, list[Term]] = {}
    tags: set[str] = set()
    tests: list[Test] = []
    for part in parts:
        if not isinstance(part, Term):
            tests.append(_compile(part))
        elif part.field in _TEXT_FIELDS:
            texts.setdefault(part.field, []).append(part)
        elif part.field in (*_TAG_FIELDS, "tag") and not part.prefix:
            tags.add(_tag_of(part))
        else:
            tests.append(_compile_other(part))
    if tags:
        tests.insert(0, lambda subject, now: not subject.tags.isdisjoint(tags))
    tests[:0] = [_compile_text(_TEXT_FIELDS[name], terms) for name, terms in texts.items()]
    if len(tests) == 1:
        return tests[0]
    return lambda subject, now: any(test(subject, now) for test in tests)


def _compile_text(scope: str, terms: Iterable[Term]) -> Test:
    text_of: Callable[[Subject], Text] = attrgetter(scope)
    words: set[str] = set()
    phrases: dict[str, list[str]] = {}  # by the longest word, which the set of words rules out soonest
    anywhere: list[str] = []
    for term in terms:
        parts = words_of(term.value)
        open_left, open_right = bool(runs_on(parts[0])), bool(runs_on(parts[-1]))
        needle = f"{'' if open_left else ' '}{' '.join(parts)}{'' if open_right or term.prefix else ' '}"
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
        if any(needle in text.line for head in heads & text.words for needle in phrases[head]):
            return True
        return any(needle in text.line for needle in anywhere)

    return test


def _compile_other(term: Term) -> Test:
    value, prefix = term.value.lower(), term.prefix
    if term.field in ("since", "until"):
        return _compile_date(term)
    if term.field == "feed":
        if prefix:
            return lambda subject, now: any(feed.startswith(value) for feed in subject.feeds)
        return lambda subject, now: value in subject.feeds
    if term.field == "lang":
        code = value.replace("_", "-")
        start = code if prefix else f"{code}-"
        return lambda subject, now: code in subject.languages or any(x.startswith(start) for x in subject.languages)
    start = _tag_of(term)
    return lambda subject, now: any(tag.startswith(start) for tag in subject.tags)


_AGO = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def _compile_date(term: Term) -> Test:
    since = term.field == "since"
    if ago := _AGO.fullmatch(term.value.lower()):
        age = int(ago[1]) * _UNITS[ago[2]]
        if since:
            return lambda subject, now: subject.date is not None and subject.date >= now - age
        return lambda subject, now: subject.date is not None and subject.date <= now - age
    moment = datetime.fromisoformat(term.value)
    if len(term.value) == 10 and not since:
        moment = datetime.combine(moment, time.max)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if since:
        return lambda subject, now: subject.date is not None and subject.date >= moment
    return lambda subject, now: subject.date is not None and subject.date <= moment


def _tag_of(term: Term) -> str:
    if term.field == "tag":
        namespace, _, value = term.value.partition(":")
        return tag_name(namespace.lower(), value)
    return tag_name(term.field, term.value)


def _fault(term: Term) -> str | None:
    """What is wrong with a term, if anything."""
    if term.field in _TEXT_FIELDS and not words_of(term.value):
        return "a search term needs a letter or a digit"
    if term.field in ("since", "until"):
        return _date_fault(term)
    if term.field == "tag" and ":" not in term.value:
        return "a tag is written namespace:name, as in tag:topic:energy"
    if not term.prefix and not slug(term.value.partition(":")[2] if term.field == "tag" else term.value):
        return f"{term.field}: needs a name after it"
    return None


def _date_fault(term: Term) -> str | None:
    if not term.prefix and _AGO.fullmatch(term.value.lower()):
        return None
    try:
        datetime.fromisoformat(term.value)
    except ValueError:
        return f"{term.field}: takes a date as 2026-01-31 or an age as 12h, 30d or 8w, not {term.value!r}"
    return "a date takes no *" if term.prefix else None


# --- reading --------------------------------------------------------------------------------------

_QUOTES = '"“”„«»'
_OPERATORS = ("AND", "OR", "NOT")
_ENDS = rf"(?=[\s(){_QUOTES}]|$)"
_AND = re.compile(rf"&&|AND{_ENDS}")
_OR = re.compile(rf"\|\||OR{_ENDS}")
_NOT = re.compile(rf"!|-(?!\s|$)|NOT{_ENDS}")
_PLUS = re.compile(r"\+(?!\s|$)")
_FIELD = re.compile(rf"([^\s()\\:*!+\-{_QUOTES}][^\s()\\:*{_QUOTES}]*):\s*")
_UNUSED = "~^[]{}"
_WORD = re.compile(rf"(?:\\.|(?!&&|\|\|)[^\s()\\*{_QUOTES}{re.escape(_UNUSED)}])+", re.DOTALL)
_PHRASE = re.compile(rf"[{_QUOTES}]((?:\\.|[^\\{_QUOTES}])*)[{_QUOTES}]", re.DOTALL)
_BARE = re.compile(r"[^\W_][\w.-]*")
_BARE_VALUE = re.compile(r"[^\W_][\w.:-]*")
_SPACE = re.compile(r"\s*")
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
        if name in FIELDS:
            return name
        near = get_close_matches(name, FIELDS, n=1)
        hint = f"did you mean {near[0]}:?" if near else f"fields are {', '.join(FIELDS)}"
        self.at = found.start()
        raise self.fault(f'there is no field "{name}:" ({hint}; put a text with a colon in quotes)')

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
        self.skip()
        return pattern.match(self.text, self.at)

    def at_end(self) -> bool:
        """Nothing more on this level: the end of the text or a closing parenthesis."""
        self.skip()
        return self.text[self.at : self.at + 1] in ("", ")")

    def skip(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]

    def fault(self, message: str) -> QueryError:
        return QueryError(message, text=self.text, position=self.at)


def _joined(kind: type[And] | type[Or], parts: list[Node]) -> Node:
    """One node for all parts; nested nodes of the same kind are drawn up, so that equal meanings are equal trees."""
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))
