"""The taxonomy that ships with the package, changed as feeds.yaml says.

Each file is read the quick way and checked like feeds.yaml; a fault names file, line and key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from functools import cache
from hashlib import blake2b
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from aggregator.errors import ConfigError
from aggregator.model.taxonomy import Country, PublicationType, Region, Taxonomy, Topic
from aggregator.settings.checking import Fault, faults_of
from aggregator.settings.document import TaxonomySection
from aggregator.settings.wordlists import (
    CountryRecord,
    DoubtRecord,
    LeaderRecord,
    Record,
    RegionRecord,
    Synonyms,
    TopicRecord,
    TypeRecord,
    Words,
)
from aggregator.settings.yamltext import Path, YamlText, decode

FOLDER = FilePath(__file__).resolve().parents[1] / "taxonomy"

Named = TypeVar("Named", Country, Region, Topic, PublicationType)
Kind = TypeVar("Kind", bound=Record)
Value = TypeVar("Value")


class _Doubts(Record):
    doubts: list[DoubtRecord] = Field(default=[])
    bystanders: Words = Field(default=[])


@cache
def shipped_taxonomy(folder: FilePath = FOLDER) -> Taxonomy:
    """The taxonomy as the files of a folder have it; raises ConfigError."""
    doubts = _read(folder / "doubts.yaml", _Doubts, TypeAdapter(_Doubts))
    taxonomy = Taxonomy(
        countries=_values(folder / "countries.yaml", CountryRecord, CountryRecord.value),
        leaders=_values(folder / "leaders.yaml", LeaderRecord, LeaderRecord.value),
        doubts=tuple(doubt.value() for doubt in doubts.doubts),
        bystanders=tuple(doubts.bystanders),
        regions=_values(folder / "regions.yaml", RegionRecord, RegionRecord.value),
        topics=_values(folder / "topics.yaml", TopicRecord, TopicRecord.value),
        types=_values(folder / "types.yaml", TypeRecord, TypeRecord.value),
        synonyms=_tuples(_read(folder / "synonyms.yaml", Record, TypeAdapter(Synonyms))),
    )
    return _stamped(taxonomy)


def changed(taxonomy: Taxonomy, section: TaxonomySection) -> Taxonomy:
    """The taxonomy with what feeds.yaml adds to it and without what it leaves out."""
    if not section.model_fields_set:
        return taxonomy
    left_out = frozenset(section.without)
    synonyms = {tag: taxonomy.synonyms.get(tag, ()) + words for tag, words in _tuples(section.categories).items()}
    return _stamped(
        Taxonomy(
            countries=_joined("country", taxonomy.countries, (item.value() for item in section.countries), left_out),
            leaders=taxonomy.leaders + tuple(item.value() for item in section.leaders),
            doubts=tuple(item.value() for item in section.doubts) + taxonomy.doubts,
            bystanders=taxonomy.bystanders + tuple(section.bystanders),
            regions=_joined("region", taxonomy.regions, (item.value() for item in section.regions), left_out),
            topics=_joined("topic", taxonomy.topics, (item.value() for item in section.topics), left_out),
            types=_joined("type", taxonomy.types, (item.value() for item in section.types), left_out),
            synonyms={tag: words for tag, words in {**taxonomy.synonyms, **synonyms}.items() if tag not in left_out},
        )
    )


def unknown_tags(section: TaxonomySection) -> Iterator[Fault]:
    """Where feeds.yaml speaks of places and tags that neither the package nor itself knows."""
    if not section.model_fields_set:
        return
    known = changed(shipped_taxonomy(), section.model_copy(update={"without": []})).labels()
    for path, tag in _named(section):
        if tag not in known:
            near = get_close_matches(tag, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield Fault(path=("taxonomy", *path), message=f"the taxonomy knows no {tag}{hint}")


def _named(section: TaxonomySection) -> Iterator[tuple[Path, str]]:
    yield from ((("without", number), tag) for number, tag in enumerate(section.without))
    yield from ((("doubts", number, "means"), doubt.means) for number, doubt in enumerate(section.doubts))
    for number, leader in enumerate(section.leaders):
        yield ("leaders", number, "country"), f"country:{leader.country}"
    for number, region in enumerate(section.regions):
        yield from ((("regions", number, "members"), f"country:{country}") for country in region.members)
        yield from ((("regions", number, "regions"), f"region:{part}") for part in region.regions)


def _values(path: FilePath, record: type[Kind], value: Callable[[Kind], Value]) -> tuple[Value, ...]:
    found = _read(path, record, TypeAdapter(list[record]))  # type: ignore[valid-type]
    return tuple(map(value, found))


def _read(path: FilePath, model: type[BaseModel], kind: TypeAdapter[Any]) -> Any:
    source = YamlText(decode(path.read_bytes(), str(path)), str(path))
    try:
        return kind.validate_python(source.data)
    except ValidationError as error:
        raise ConfigError(tuple(fault.problem(source) for fault in faults_of(error, model))) from error


def _joined(kind: str, known: Sequence[Named], added: Iterable[Named], left_out: frozenset[str]) -> tuple[Named, ...]:
    """Things by id: of one that is known already, the words are joined and the labels replaced."""
    things = {thing.id: thing for thing in known}
    for thing in added:
        things[thing.id] = _enlarged(things[thing.id], thing) if thing.id in things else thing
    return tuple(thing for thing in things.values() if f"{kind}:{thing.id}" not in left_out)


def _enlarged(known: Named, added: Named) -> Named:
    values: dict[str, Any] = {}
    for field in fields(known):
        old, new = getattr(known, field.name), getattr(added, field.name)
        if isinstance(old, tuple):
            values[field.name] = old + new
        elif isinstance(old, dict):
            values[field.name] = {**old, **{key: _more(old.get(key), value) for key, value in new.items()}}
    return replace(known, **values)


def _more(old: Any, new: Any) -> Any:
    return old + new if isinstance(old, tuple) else new


def _tuples(words: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {tag: tuple(found) for tag, found in words.items()}


def _stamped(taxonomy: Taxonomy) -> Taxonomy:
    """The taxonomy with a version that is the same wherever its words are the same."""
    return replace(taxonomy, version=blake2b(repr(replace(taxonomy, version="")).encode(), digest_size=4).hexdigest())
