"""Regions that follow from countries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from aggregator.model.taxonomy import Region, Taxonomy

Holders = Mapping[str, tuple[str, ...]]
"""The regions that hold a country, by its tag."""


def compile_regions(taxonomy: Taxonomy) -> Holders:
    """For every country the regions it lies in, those of its regions included."""
    regions = {region.id: region for region in taxonomy.regions}
    holders: dict[str, tuple[str, ...]] = {}
    for region in taxonomy.regions:
        for country in dict.fromkeys(_members(region, regions, frozenset())):
            holders[f"country:{country}"] = (*holders.get(f"country:{country}", ()), f"region:{region.id}")
    return holders


def _members(region: Region, regions: Mapping[str, Region], above: frozenset[str]) -> Iterator[str]:
    """Its countries and those of its parts; one that is said to lie in itself lies there once."""
    yield from region.members
    for part in region.regions:
        if part in regions and part not in above:
            yield from _members(regions[part], regions, above | {region.id})


def around(countries: Iterable[str], holders: Holders) -> Iterator[tuple[str, str]]:
    """The regions around countries, each once, with the first country that lies in it."""
    found: dict[str, str] = {}
    for country in countries:
        for region in holders.get(country, ()):
            found.setdefault(region, country)
    yield from found.items()
