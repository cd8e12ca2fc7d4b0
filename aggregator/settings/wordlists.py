"""The records of the taxonomy, in the shipped files and under `taxonomy:` in feeds.yaml alike, as pydantic sees them.

Lists of words may be written as lists, or as one text with commas.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from aggregator.model.taxonomy import LANGUAGES, Country, Doubt, Leader, PublicationType, Region, Topic
from aggregator.settings.fields import Language, Line, Slug, TagName
from aggregator.subject import words_of

STEM = 4
"""Letters that a word needs before its `*`: fewer would match half the language."""
_CODE = re.compile(r"[a-z]{2}")


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [] if value is None else value


def _phrases(phrases: list[str]) -> list[str]:
    for phrase in phrases:
        first = phrase.split()[0].rstrip("!?") if phrase.split() else ""
        if not words_of(phrase):
            raise ValueError(f"{phrase!r} needs a letter or a digit")
        if first.endswith("*") and len("".join(words_of(first))) < STEM:
            raise ValueError(f"{phrase!r}: a first word with * needs {STEM} letters before it")
    return phrases


def _code(text: str) -> str:
    if not _CODE.fullmatch(text):
        raise ValueError(f"{text!r} is not a country as it is written here, two small letters such as fr")
    return text


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a day such as 2026-01-31") from None


class Record(BaseModel):
    """A mapping that refuses keys it does not know and values of another kind."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_AS_WRITTEN = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Words = Annotated[list[str], BeforeValidator(_split), AfterValidator(_phrases), WithJsonSchema(_AS_WRITTEN)]
Codes = Annotated[list[Annotated[str, AfterValidator(_code)]], BeforeValidator(_split), WithJsonSchema(_AS_WRITTEN)]
Slugs = Annotated[list[Slug], BeforeValidator(_split), WithJsonSchema(_AS_WRITTEN)]
Code = Annotated[str, AfterValidator(_code)]
Day = Annotated[str, AfterValidator(_day)]
Label = Annotated[dict[Language, Line], Field(description="What people call it, by language.")]


class CountryRecord(Record):
    id: Code = Field(description="ISO 3166-1 alpha-2, in small letters.")
    label: Label = {}
    names: Words = Field(default=[], description="Other names of the country.")
    people: Words = Field(default=[], description="Its people, and adjectives.")
    places: Words = Field(default=[], description="Cities and parts of it.")
    institutions: Words = Field(default=[], description="What stands for it: its parliament, its central bank.")

    def value(self) -> Country:
        return Country(**{name: _frozen(item) for name, item in self})


class LeaderRecord(Record):
    country: Code = Field(description="The country the person stands for.")
    name: Line = Field(description="The whole name.")
    alone: Line | None = Field(default=None, description="The part of the name that suffices.")
    since: Day | None = Field(default=None, description="In office since.")
    until: Day | None = Field(default=None, description="In office until.")

    def value(self) -> Leader:
        return Leader(**dict(self))


class DoubtRecord(Record):
    name: Line = Field(description="A name with two senses.")
    means: TagName = Field(description="The tag of the country or region that it may mean.")
    near: Words = Field(default=[], description="Words that speak for the place.")
    far: Words = Field(default=[], description="Words that speak against it.")
    alone: bool = Field(default=False, description="Whether it means the place when nothing speaks for or against.")
    written: bool = Field(default=False, description="Only in these large and small letters.")
    first_name: bool = Field(default=False, description="Not where a word with a large letter always follows.")

    def value(self) -> Doubt:
        return Doubt(**{name: _frozen(item) for name, item in self})


class RegionRecord(Record):
    id: Slug = Field(description="Its short name: the tag is region:ID.")
    label: Label = {}
    names: Words = Field(default=[], description="Other names, and adjectives.")
    members: Codes = Field(default=[], description="Countries that lie in it.")
    regions: Slugs = Field(default=[], description="Regions that lie in it.")
    m49: Annotated[str, Field(pattern=r"^\d{3}$")] | None = Field(default=None, description="Its UN M49 code.")

    def value(self) -> Region:
        return Region(**{name: _frozen(item) for name, item in self})


_SAYS = 'Words of this language that say it; "!" after a word: alone it says it, "?": only in company.'


class TopicRecord(Record):
    id: Slug = Field(description="Its short name: the tag is topic:ID.")
    label: Label = {}
    en: Words = Field(default=[], description=_SAYS)
    fr: Words = Field(default=[], description=_SAYS)
    de: Words = Field(default=[], description=_SAYS)
    es: Words = Field(default=[], description=_SAYS)

    def value(self) -> Topic:
        said = {language: tuple(getattr(self, language)) for language in LANGUAGES}
        return Topic(id=self.id, label=self.label, words={language: words for language, words in said.items() if words})


class TypeRecord(Record):
    id: Slug = Field(description="Its short name: the tag is type:ID.")
    label: Label = {}
    categories: Words = Field(default=[], description="Publishers' own words for it, as a whole category.")
    titles: Words = Field(default=[], description="Labels at the start or end of a title.")
    anywhere: Words = Field(default=[], description="Words anywhere in a title.")
    paths: Words = Field(default=[], description="Parts of an address.")

    def value(self) -> PublicationType:
        return PublicationType(**{name: _frozen(item) for name, item in self})


Synonyms = dict[TagName, Words]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
