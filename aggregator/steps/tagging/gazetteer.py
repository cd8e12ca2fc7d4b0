"""Which countries and regions a text names, which of them it is about, and what names with two senses mean there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from aggregator.model.taxonomy import Doubt, Taxonomy
from aggregator.steps.tagging.lexicon import Lexicon, compile_lexicon, parts_of
from aggregator.steps.tagging.passages import Passages
from aggregator.steps.tagging.scoring import Find, Scale
from aggregator.subject import words_of

FOCUS = Scale(
    points={"title": 2.0, "lead": 2.0, "text": 0.5}, most={"title": 2, "lead": 2, "text": 3}, least=1.5, share=0.34
)
"""A country is what a text is about when its title or its first words name it, or the rest does three times."""
MAX_FOCUS = 8
HOME = 0.5
"""Points that a country has at home: a publisher need not say where it is, nor mean more by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """A `Doubt`, its words folded; `written` finds it as it has to be written, `person` where it begins a name."""

    near: frozenset[str]
    far: frozenset[str]
    alone: bool
    written: re.Pattern[str] | None
    person: re.Pattern[str] | None


class Sense(NamedTuple):
    """The tag that a name gives, and what has to be so for it to give it."""

    tag: str
    doubt: Doubtful | None


def compile_gazetteer(taxonomy: Taxonomy) -> Lexicon[Sense]:
    """All names of countries and regions."""
    return compile_lexicon(_meanings(taxonomy))


def _meanings(taxonomy: Taxonomy) -> Iterator[tuple[str, Sense]]:
    in_doubt = {parts_of(doubt.name) for doubt in taxonomy.doubts}
    known = {tag for tag in taxonomy.labels() if tag.startswith(("country:", "region:"))}
    for tag, names in _sure_names(taxonomy):
        if tag in known:
            sense = Sense(tag, None)
            yield from ((name, sense) for name in names if parts_of(name) not in in_doubt)
    for doubt in taxonomy.doubts:
        if doubt.means in known:
            yield doubt.name, Sense(doubt.means, _doubtful(doubt))
    yield from ((phrase, Sense("", None)) for phrase in taxonomy.bystanders)


def _sure_names(taxonomy: Taxonomy) -> Iterator[tuple[str, tuple[str, ...]]]:
    for country in taxonomy.countries:
        names = (*country.label.values(), *country.names, *country.people, *country.places, *country.institutions)
        yield f"country:{country.id}", names
    for leader in taxonomy.leaders:
        yield f"country:{leader.country}", tuple(filter(None, (leader.name, leader.alone)))
    for region in taxonomy.regions:
        yield f"region:{region.id}", (*region.label.values(), *region.names)


def _doubtful(doubt: Doubt) -> Doubtful:
    near, far = (frozenset(word for text in texts for word in words_of(text)) for texts in (doubt.near, doubt.far))
    name = rf"(?<!\w)(?:{re.escape(doubt.name)}|{re.escape(doubt.name.upper())})(?!\w)"
    written = re.compile(name) if doubt.written else None
    person = re.compile(rf"{name}(?=\s+[A-Z][a-z])") if doubt.first_name else None
    return Doubtful(near=near, far=far, alone=doubt.alone, written=written, person=person)


def places(passages: Passages, gazetteer: Lexicon[Sense]) -> list[Find]:
    """Every naming of a country or region, those in doubt only where the text means them."""
    found = [
        (Find(sense.tag, field, matched), sense)
        for field, matched, hit in passages.find(gazetteer)
        for sense in hit.senses
        if sense.tag
    ]
    if any(sense.doubt for _, sense in found):
        meant = _meant(passages, [sense for _, sense in found])
        return [find for find, sense in found if sense in meant]
    return [find for find, _ in found]


def _meant(passages: Passages, senses: Sequence[Sense]) -> frozenset[Sense]:
    sure = {sense.tag for sense in senses if not sense.doubt}
    words = {*passages.title_words, *passages.text_words}
    return frozenset(
        sense
        for sense, count in Counter(senses).items()
        if sense.doubt is None
        or ((sense.tag in sure or _speaks_for(sense.doubt, words)) and _is_written(sense.doubt, count, passages))
    )


def _speaks_for(doubt: Doubtful, words: Set[str]) -> bool:
    near, far = len(doubt.near & words), len(doubt.far & words)
    return near > far or (doubt.alone and near == far)


def _is_written(doubt: Doubtful, count: int, passages: Passages) -> bool:
    """Whether it stands anywhere as it has to be written, and not each time as a person's first name."""
    if doubt.written and not doubt.written.search(passages.title) and not doubt.written.search(passages.text):
        return False
    return doubt.person is None or count > len(doubt.person.findall(passages.text))
