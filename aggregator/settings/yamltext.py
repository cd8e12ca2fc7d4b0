"""YAML 1.2 text as plain data, with the place of any key and value for messages.

A sound text is read the quick way (`fastyaml.py`); ruamel reads it only when a message needs a place. Faults of
the text itself (no UTF-8, broken syntax, a key given twice, aliases that unfold without end) are raised as
ConfigError; what the data means is not known here.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from aggregator.errors import ConfigError, Problem
from aggregator.settings import fastyaml
from aggregator.settings.fastyaml import MAX_DEPTH, plain_value

MAX_BYTES = 20_000_000
MAX_NODES = 1_000_000
_CURES = {
    "'\\t'": "tabs cannot indent YAML, use spaces",
    "mapping values are not allowed": "a text with a colon and a space in it needs quotes",
    "cannot start any token": "a text that begins so needs quotes",
    "expected <block end>": "lines of one level begin in the same column",
    "while parsing a flow": "a bracket, a brace or a comma is missing",
    "while scanning a quoted": "a quotation mark is missing",
}
"""What people most often meant, by a sign in ruamel's words."""
Path = tuple[str | int, ...]
Place = tuple[int, int]


def decode(raw: bytes, file: str) -> str:
    """The text of a file, which has to be UTF-8 and of a bearable size."""
    if len(raw) > MAX_BYTES:
        _refuse(file, 0, 0, f"the file is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good, bad = error.object[: error.start].decode(), error.object[error.start]
        _refuse(file, *_place(good, len(good)), f"byte 0x{bad:02x} is not UTF-8; save the file as UTF-8")


def plain_key(name: str) -> str:
    """A key as it stands in a message, on one line whatever it holds."""
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


class YamlText:
    """A document that was read; `data` holds dicts, lists, str, int, float, bool and None only."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._text = text
        self._problems: list[Problem] = []
        self._count = 0
        self.data = self._read()

    def _read(self) -> Any:
        with suppress(fastyaml.Unsure):
            return fastyaml.read(self._text)
        data = self._value(self._root, "", 0) if self._root is not None else None
        if self._problems:
            raise ConfigError(tuple(self._problems))
        return data

    def place(self, path: Path, *, of_key: bool = False, offset: int | None = None) -> Place:
        """Line and column of a value or its key; where the path leads past what is there, of the last thing found.

        `offset` moves on within a value, as long as the file spells the value letter by letter.
        """
        node, key = self._root, (1, 1)
        for step in path:
            inner = self._step(node, step)
            if inner is None:
                return key
            key, node = inner
        if of_key or node is None or _is_absent(node):
            return key
        start = node.start_mark.index
        if offset is not None and isinstance(node, ScalarNode):
            first = start + (self._text[start] in "'\"")
            start = first + offset if self._text.startswith(node.value, first) else start
        return _place(self._text, start)

    @cached_property
    def _root(self) -> Node | None:
        text = self._text
        try:
            return YAML(typ="safe", pure=True).compose(text)  # type: ignore[no-any-return]
        except ReaderError as error:
            place = _place(text, error.position)
            _refuse(self.file, *place, f"the character U+{ord(text[error.position]):04X} may not stand in YAML")
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = _place(text, mark.index) if isinstance(mark, StringMark) else (0, 0)
            what = ", ".join(part for part in (error.context, error.problem) if part)
            cure = next((f"; {cure}" for sign, cure in _CURES.items() if sign in what), "")
            _refuse(self.file, *place, f"this is not YAML: {what}{cure}")
        except (YAMLError, ValueError) as error:
            _refuse(self.file, 0, 0, f"this is not YAML: {' '.join(str(error).split())}")
        except RecursionError:
            _refuse(self.file, 0, 0, f"this nests more than {MAX_DEPTH} deep")

    def _value(self, node: Node, key: str, depth: int) -> Any:
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            reason = (
                f"unfolds to more than {MAX_NODES} values" if depth <= MAX_DEPTH else f"nests over {MAX_DEPTH} deep"
            )
            _refuse(self.file, *self._start(node), f"this {reason} (aliases?)", key)
        if isinstance(node, MappingNode):
            return self._mapping(node, key, depth)
        if isinstance(node, SequenceNode):
            return [self._value(item, f"{key}[{number}]", depth + 1) for number, item in enumerate(node.value)]
        return _scalar(node.tag or "", node.value)

    def _mapping(self, node: MappingNode, key: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        names: dict[str, Node] = {}
        for name_node, value_node in node.value:
            name = name_node.value
            if not isinstance(name_node, ScalarNode):
                self._note(name_node, key, "a key must be a plain word")
                continue
            dotted = f"{key}.{plain_key(name)}" if key else plain_key(name)
            if name in names:
                self._note(name_node, dotted, f"this key is given twice, first on line {self._start(names[name])[0]}")
            names[name] = name_node
            found[name] = self._value(value_node, dotted, depth + 1)
        return found

    def _note(self, node: Node, key: str, message: str) -> None:
        line, column = self._start(node)
        self._problems.append(Problem(file=self.file, line=line, column=column, key=key, message=message))

    def _step(self, node: Node | None, step: str | int) -> tuple[Place, Node] | None:
        if isinstance(node, MappingNode):
            return next(((self._start(key), value) for key, value in node.value if key.value == step), None)
        if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            return self._start(node.value[step]), node.value[step]
        return None

    def _start(self, node: Node) -> Place:
        return _place(self._text, node.start_mark.index)


def _place(text: str, index: int) -> Place:
    """Line and column of a character, counted as editors do: YAML's own marks take U+0085 and U+2028 for line ends."""
    before = text[:index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _is_absent(node: Node) -> bool:
    """Nothing was written after the key; the mark of such a node is that of whatever comes next."""
    return isinstance(node, ScalarNode) and node.value == "" and node.style is None


def _scalar(tag: str, text: str) -> Any:
    return plain_value(text) if tag.rpartition(":")[2] in ("null", "bool", "int", "float") else text


def _refuse(file: str, line: int, column: int, message: str, key: str = "") -> NoReturn:
    raise ConfigError((Problem(file=file, line=line, column=column, key=key, message=message),)) from None
