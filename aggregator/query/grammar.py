"""The one query language: channels, newsletters, tag rules and search read it from here.

    either = both (("OR" | "||") both)*
    both   = one (["AND" | "&&"] one)*
    one    = ("NOT" | "!" | "-" | "+") one | [field ":"] (group | term)
    group  = "(" either ")"
    term   = (word | quoted phrase) ["*"] | "*"

A query is read once into a frozen tree (`tree.py`) and one compiled test (`matching.py`); what it is asked about is a
`Subject`.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from aggregator.errors import QueryError
from aggregator.query.matching import Query
from aggregator.query.tree import (
    DATE_FIELDS,
    FIELDS,
    QUOTES,
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

MAX_LENGTH = 4000
MAX_DEPTH = 100

_ENDS = rf"(?=[\s(){QUOTES}]|\Z)"
_AND = re.compile(rf"&&|AND{_ENDS}")
_OR = re.compile(rf"\|\||OR{_ENDS}")
_NOT = re.compile(rf"!|-(?!\s|\Z)|NOT{_ENDS}")
_PLUS = re.compile(r"\+(?!\s|\Z)")
_FIELD = re.compile(rf"([^\s()\\:*!+\-{QUOTES}][^\s()\\:*{QUOTES}]*):\s*")
_UNUSED = "~^[]{}"
_WORD = re.compile(rf"(?:\\.|(?!&&|\|\|)[^\s()\\*{QUOTES}{re.escape(_UNUSED)}])+", re.DOTALL)
_PHRASE = re.compile(rf"[{QUOTES}]((?:\\.|[^\\{QUOTES}])*)[{QUOTES}]", re.DOTALL)
_END = re.compile(r"\)|\Z")
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
        if here in tuple(QUOTES):
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
