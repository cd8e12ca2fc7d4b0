"""Plain data against the models of `document.py`: every fault, in words a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from aggregator.errors import Problem
from aggregator.settings.document import Document, keys_of
from aggregator.settings.yamltext import Path, YamlText, plain_key
from aggregator.urls import canonical_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong at a path in the data; its place in the file is looked up only when it is reported.

    `of_key`: the key itself is meant, not its value. `offset`: which character of the value, which `excerpt` shows.
    `also`: the path of a second value, whose line ends the message.
    """

    path: Path
    message: str
    of_key: bool = False
    offset: int | None = None
    excerpt: tuple[str, ...] = ()
    also: Path = ()

    def problem(self, source: YamlText) -> Problem:
        line, column = source.place(self.path, of_key=self.of_key, offset=self.offset)
        message = f"{self.message} on line {source.place(self.also)[0]}" if self.also else self.message
        key = dotted(self.path)
        return Problem(file=source.file, line=line, column=column, key=key, message=message, excerpt=self.excerpt)


def dotted(path: Path) -> str:
    """A path as people write it: `feeds[3].url`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{plain_key(step)}" for step in path).removeprefix(".")


def check_document(data: dict[str, Any]) -> tuple[Document | None, list[Fault]]:
    """The document, unless there are faults; rules across entries are checked even when single ones are wrong."""
    document, faults = None, [*_same_ids(data), *_same_addresses(data)]
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        faults += faults_of(error, Document)
    return document, faults


def faults_of(error: ValidationError, root: type[BaseModel]) -> list[Fault]:
    """What pydantic found wrong, in our words; `root` is the model that the paths begin at."""
    return [_fault(detail, root) for detail in error.errors(include_url=False)]


def _fault(detail: ErrorDetails, root: type[BaseModel]) -> Fault:
    path, context = detail["loc"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return Fault(path=path, message=_unknown_key(path, root), of_key=True)
        case "missing":
            return Fault(path=path[:-1], message=_missing(path, root))
        case "at":
            return Fault(path=(*path, context["key"]), message=context["message"], of_key=True)
        case "query":
            return Fault(path=path, message=context["message"], offset=context["offset"], excerpt=context["excerpt"])
        case "value_error":
            return Fault(path=path, message=str(context["error"]))
        case "literal_error":
            return Fault(path=path, message=_not_a_choice(detail["input"], context["expected"]))
        case "string_too_long" | "too_long":
            return Fault(path=path, message=f"must have at most {context['max_length']} characters")
        case other:
            plain = detail["msg"].replace("Input should be", "must be").replace("Input should", "must")
            return Fault(path=path, message=_KINDS.get(other, plain))


_KINDS = {
    "string_type": "must be text; put it in quotes",
    "string_pattern_mismatch": "must be lower-case letters, digits and hyphens, at most 64, no hyphen first",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty; leave the key out for what is usual",
    "int_type": "must be a whole number",
    "model_type": "must be a mapping, written {key: value} or as indented lines",
    "dict_type": "must be a mapping, written {key: value} or as indented lines",
    "list_type": "must be a list, written [a, b] or as lines that begin with a hyphen",
}


def _missing(path: Path, root: type[BaseModel]) -> str:
    """What to write: a mapping by its own required keys, anything else by its description."""
    fields = _model_at(path[:-1], root).model_fields
    field = next(info for name, info in fields.items() if path[-1] in (name, info.alias))
    inner = next(_models_in(field.annotation), None)
    if inner is None:
        return f'"{path[-1]}" is missing: {field.description}'.rstrip(".")
    needed = ", ".join(f"{info.alias or name}: …" for name, info in inner.model_fields.items() if info.is_required())
    return f'"{path[-1]}" is missing: write {path[-1]}: {{{needed}}}'


def _unknown_key(path: Path, root: type[BaseModel]) -> str:
    name = str(path[-1])
    known = keys_of(_model_at(path[:-1], root))
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return "unknown key; " + (f'did you mean "{near[0]}"?' if near else f"known here are {', '.join(known)}")


def _model_at(path: Path, model: type[BaseModel]) -> type[BaseModel]:
    """The model that stands at the end of a path."""
    for step in path:
        if step in model.model_fields:
            model = next(_models_in(model.model_fields[str(step)].annotation))
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _not_a_choice(given: Any, expected: str) -> str:
    near = get_close_matches(str(given).lower(), re.findall(r"'([^']+)'", expected), n=1, cutoff=0.4)
    return f"must be {expected}" + (f'; did you mean "{near[0]}"?' if near else "")


def _same_ids(data: dict[str, Any]) -> Iterator[Fault]:
    for section in ("feeds", "channels", "newsletters"):
        first: dict[str, Path] = {}
        for path, name in _each(data, section, "id"):
            if name in first:
                yield Fault(
                    path=path, message=f"{name!r} is the id of {dotted(first[name][:-1])} too,", also=first[name]
                )
            first.setdefault(name, path)


def _same_addresses(data: dict[str, Any]) -> Iterator[Fault]:
    first: dict[str, Path] = {}
    for path, url in _each(data, "feeds", "url"):
        canonical = canonical_url(url)
        if canonical in first:
            yield Fault(
                path=path, message=f"is the address of {dotted(first[canonical][:-1])} too,", also=first[canonical]
            )
        elif canonical:
            first[canonical] = path


def _each(data: dict[str, Any], section: str, key: str) -> Iterator[tuple[Path, str]]:
    items = data.get(section)
    for number, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and isinstance(item.get(key), str):
            yield (section, number, key), item[key]
