"""Templates that people may change: jinja2, strict, without globals; those of letters cannot reach out of a sandbox.

Sources come in as texts by file name; reading the files is others' business. A template that names what it is not
given, a filter or a part that does not exist, or that would switch escaping off, is refused when it is read, with
its file and line, not when the first mail is due or a reader comes.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NoReturn

from jinja2 import Environment, FunctionLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from aggregator.errors import TemplateError

FILTERS = frozenset(
    "capitalize count default e escape first indent isolate join last length lower trim upper wordwrap".split()
)
"""All that every template may call; `safe` is not among them, so what comes from a feed stays text."""
Filter = Callable[..., object]

_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\u200e\u200f\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


class Templates:
    """A folder of templates, read and checked; `given` are the names that `render` will pass, to all or to each.

    `filters` are those they may call besides `FILTERS`. Without the `sandbox` they render twice as fast.
    """

    def __init__(
        self,
        sources: Mapping[str, str],
        *,
        given: Collection[str] | Callable[[str], Collection[str]],
        filters: Mapping[str, Filter] | None = None,
        sandbox: bool = True,
    ) -> None:
        self._sources = dict(sources)
        self._environment = _environment(self._sources, ImmutableSandboxedEnvironment if sandbox else Environment)
        self._environment.filters |= filters or {}
        for name in sorted(self._sources):
            self._check(name, frozenset(given(name) if callable(given) else given))

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """The template with these values; raises TemplateError."""
        try:
            return self._environment.get_template(name).render(values)
        except Exception as error:  # a template may fail in as many ways as a program
            self._refuse(name, error)

    def _check(self, name: str, given: Collection[str]) -> None:
        try:
            tree = self._environment.parse(self._sources[name], name)
            self._environment.get_template(name)  # compiles, which is when filters are looked up
        except TemplateSyntaxError as error:
            raise TemplateError(f"{name}:{error.lineno}: {error.message}") from error
        for line, message in self._faults(tree, find_undeclared_variables(tree) - set(given) - _made(tree)):
            raise TemplateError(f"{name}:{line}: {message}")

    def _faults(self, tree: nodes.Template, unknown: Collection[str]) -> Iterator[tuple[int, str]]:
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                yield node.lineno, f"{node.name!r} is not a name that templates are given"
        for part in tree.find_all((nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)):
            for path in part.find_all(nodes.Const):
                if path.value not in self._sources:
                    yield part.lineno, f"there is no template {path.value!r} beside it"
        for modifier in tree.find_all(nodes.EvalContextModifier):
            yield modifier.lineno, "escaping cannot be switched off"

    def _refuse(self, name: str, error: Exception) -> NoReturn:
        lines = [
            (frame.f_code.co_filename, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename in self._sources
        ]
        file, line = lines[-1] if lines else (name, 1)
        cause = f"there is no template {error.name!r}" if isinstance(error, TemplateNotFound) else error
        raise TemplateError(f"{file}:{line}: {cause}") from error


def _made(tree: nodes.Template) -> set[str]:
    """The names a template sets and imports itself: jinja2 takes them for unknown where a block uses them."""
    imported = (name for part in tree.find_all(nodes.FromImport) for name in part.names)
    stored = (node.name for node in tree.find_all(nodes.Name) if node.ctx == "store")
    return {*stored, *(name if isinstance(name, str) else name[1] for name in imported)}


def _environment(sources: Mapping[str, str], kind: type[Environment]) -> Environment:
    environment = kind(
        loader=FunctionLoader(lambda name: (sources[name], name, None) if name in sources else None),
        autoescape=lambda name: not (name or "").endswith(".txt"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.clear()
    environment.filters["isolate"] = isolate
    environment.filters = {name: call for name, call in environment.filters.items() if name in FILTERS}
    return environment


def isolate(text: str) -> str:
    """Text between the marks FSI and PDI when it has letters that run right to left (UAX 9 2.4.2), for plain text."""
    return f"\u2068{text}\u2069" if _RIGHT_TO_LEFT.search(text) else text
