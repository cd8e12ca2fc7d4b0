"""Publishers' own categories, and the tags of ours that they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from aggregator.model.taxonomy import Taxonomy
from aggregator.subject import words_of

CategoryMap = Mapping[str, tuple[str, ...]]
"""Tags by a category's folded words."""
_JOINTS = re.compile(r"\s*(?:[,;/|>+&]|\s(?:and|et|und|y|e)\s|\s[–—-]\s)\s*", re.IGNORECASE)
_MAX_PARTS = 6


def compile_categories(taxonomy: Taxonomy) -> CategoryMap:
    """The words of synonyms, types, and the names of all things in all languages."""
    found: dict[str, dict[str, None]] = {}
    labels = taxonomy.labels()
    for tag, words in _meanings(taxonomy):
        key = " ".join(words_of(words))
        if key and (tag in labels or tag.partition(":")[0] not in _OURS):
            found.setdefault(key, {})[tag] = None
    return {words: tuple(tags) for words, tags in found.items()}


_OURS = ("country", "region", "topic", "type")


def _meanings(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    doubted = {" ".join(words_of(doubt.name)) for doubt in taxonomy.doubts if not doubt.alone}
    for tag, phrases in taxonomy.synonyms.items():
        yield from ((tag, phrase) for phrase in phrases)
    for kind in taxonomy.types:
        yield from ((f"type:{kind.id}", words) for words in kind.categories)
    for tag, label in taxonomy.labels().items():
        yield from ((tag, name) for name in label.values())
    for country in taxonomy.countries:
        names = (name for name in country.names if " ".join(words_of(name)) not in doubted)
        yield from ((f"country:{country.id}", name) for name in names)
    for region in taxonomy.regions:
        yield from ((f"region:{region.id}", name) for name in region.names if "*" not in name)


def meant_by(categories: Iterable[str], table: CategoryMap) -> Iterator[tuple[str, str]]:
    """The tags that categories mean, each with the words that do; one that means none whole may in its parts."""
    for category in categories:
        whole, *parts = _keys(category)
        for key, words in (whole,) if whole[0] in table else parts:
            yield from ((tag, words) for tag in table.get(key, ()))


@lru_cache(maxsize=1024)  # entries of one feed share theirs
def _keys(category: str) -> tuple[tuple[str, str], ...]:
    """A category and its parts, each folded and as it is written."""
    parts = _JOINTS.split(category)
    written = (category, *parts[:_MAX_PARTS]) if len(parts) > 1 else (category,)
    return tuple((" ".join(words_of(words)), words) for words in written)
