"""What we know of the world to tag by: countries, regions, topics, kinds of publication, and the words for them.

Shipped under `aggregator/taxonomy/`, changed by the `taxonomy:` section of feeds.yaml, read by `settings`, compiled
once by `steps/tagging`. Words are as people write them; `*` at the end of one stands for any ending.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, str]
"""What people call a thing, by language."""
LANGUAGES = ("en", "fr", "de", "es")
"""The languages that the taxonomy speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A country (id: ISO 3166-1, small letters) with everything whose name stands for it."""

    id: str
    label: Labels
    names: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """A person who stands for a country; `alone` is the part of the name that suffices."""

    country: str
    name: str
    alone: str | None = None
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A name that may mean the place whose tag is `means`, or something else.

    It means the place when a sure name of it stands in the text, or more of the words `near` than of the words `far`;
    where none of either does, when it is `alone`. `written`: only in these large and small letters, or in large ones.
    `first_name`: not where, in the text, a word with a large letter always follows.
    """

    name: str
    means: str
    near: tuple[str, ...] = ()
    far: tuple[str, ...] = ()
    alone: bool = False
    written: bool = False
    first_name: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of the world: its own countries, and those of the regions it holds."""

    id: str
    label: Labels
    names: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    m49: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A subject, and the words that say it, by language.

    A word that ends in `!` says it alone, one that ends in `?` only in company.
    """

    id: str
    label: Labels
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationType:
    """A kind of publication, known by the publisher's category, a label in the title, or a part of the address."""

    id: str
    label: Labels
    categories: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    anywhere: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """All of it; `version` differs when anything in it does.

    `bystanders` are phrases that hold the name of a place and mean none; `synonyms` the words of publishers' own
    categories, by the tag they mean.
    """

    countries: tuple[Country, ...] = ()
    leaders: tuple[Leader, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    bystanders: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    topics: tuple[Topic, ...] = ()
    types: tuple[PublicationType, ...] = ()
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: str = ""

    def labels(self) -> Mapping[str, Labels]:
        """What every tag is called, by its name."""
        return {
            **{f"country:{country.id}": country.label for country in self.countries},
            **{f"region:{region.id}": region.label for region in self.regions},
            **{f"topic:{topic.id}": topic.label for topic in self.topics},
            **{f"type:{kind.id}": kind.label for kind in self.types},
        }
