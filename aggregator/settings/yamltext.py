"""YAML 1.2 text as plain data, with the place of every key and value kept for messages.

Faults of the text itself (no UTF-8, broken syntax, a key given twice, aliases that unfold without end)
are raised as ConfigError; what the data means is not known here.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from aggregator.errors import ConfigError, Problem

MAX_BYTES = 20_000_000
MAX_NODES = 1_000_000
MAX_DEPTH = 50
_TAB = "tabs cannot indent YAML; use spaces"
Path = tuple[str | int, ...]
Place = tuple[int, int]


def decode(raw: bytes, file: str) -> str:
    """The text of a file, which has to be UTF-8 and of a bearable size."""
    if len(raw) > MAX_BYTES:
        _refuse(file, 0, 0, f"the file is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        _refuse(file, line, column, f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8")


class YamlText:
    """A document that was read; `data` holds dicts, lists, str, int, float, bool and None only."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._lines = text.split("\n")
        self._problems: list[Problem] = []
        self._count = 0
        self._root = self._compose(text)
        self.data = self._value(self._root, "", 0) if self._root is not None else None
        if self._problems:
            raise ConfigError(tuple(self._problems))

    def place(self, path: Path, *, of_key: bool = False, offset: int = 0) -> Place:
        """Line and column of a value or its key; where the path leads past what is there, of the last thing found.

        `offset` moves on within a value, as long as the file spells the value letter by letter.
        """
        node, key = self._root, (1, 1)
        for step in path:
            inner = _step(node, step)
            if inner is None:
                return key
            key, node = inner
        line, column = key if of_key or node is None else _start(node)
        if offset and isinstance(node, ScalarNode):
            rest = self._lines[line - 1][column - 1 :]
            quote = rest[:1] in ("'", '"')
            column += quote + offset if rest[quote:].startswith(node.value) else 0
        return line, column

    def _compose(self, text: str) -> Node | None:
        try:
            return YAML(typ="safe", pure=True).compose(text)  # type: ignore[no-any-return]
        except ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            _refuse(self.file, line, column, f"the character U+{ord(text[error.position]):04X} may not stand in YAML")
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if isinstance(mark, StringMark) else (0, 0)
            what = ", ".join(part for part in (error.context, error.problem) if part)
            _refuse(self.file, *place, f"{_TAB} ({what})" if "\\t" in what else f"this is not YAML: {what}")
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
            _refuse(self.file, *_start(node), f"this {reason} (aliases?)", key)
        if isinstance(node, MappingNode):
            return self._mapping(node, key, depth)
        if isinstance(node, SequenceNode):
            return [self._value(item, f"{key}[{number}]", depth + 1) for number, item in enumerate(node.value)]
        return _scalar(node.tag or "", node.value)

    def _mapping(self, node: MappingNode, key: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for name_node, value_node in node.value:
            line, column = _start(name_node)
            name = name_node.value
            if not isinstance(name_node, ScalarNode) or name is None:
                self._problems.append(self._fault(line, column, key, "a key must be a plain word"))
                continue
            dotted = f"{key}.{name}" if key else name
            if name in lines:
                message = f"this key is given twice, first on line {lines[name]}"
                self._problems.append(self._fault(line, column, dotted, message))
            lines[name] = line
            found[name] = self._value(value_node, dotted, depth + 1)
        return found

    def _fault(self, line: int, column: int, key: str, message: str) -> Problem:
        return Problem(file=self.file, line=line, column=column, key=key, message=message)


def _step(node: Node | None, step: str | int) -> tuple[Place, Node] | None:
    if isinstance(node, MappingNode):
        return next(((_start(key), value) for key, value in node.value if key.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return _start(node.value[step]), node.value[step]
    return None


def _start(node: Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_REAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")


def _scalar(tag: str, text: str) -> Any:
    """The core schema of YAML 1.2 (10.3) for what people mean: `07`, `1_000` and dates stay text."""
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if _NUMBER.fullmatch(text):
            return int(text)
        case "float" if _REAL.fullmatch(text):
            return float(text)
        case _:
            return text


def _refuse(file: str, line: int, column: int, message: str, key: str = "") -> NoReturn:
    raise ConfigError((Problem(file=file, line=line, column=column, key=key, message=message),)) from None
