"""The entries at hand and those chosen for them -> links between Stories-to-be.

refresh: ... entries.candidates > **compare** > cluster > feeds.apply
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aggregator.model.entry import Entry
from aggregator.model.story import Candidate, StoryLink
from aggregator.steps.folding.keys import with_sketch
from aggregator.steps.folding.lookup import Choice
from aggregator.steps.folding.sketch import remembering, unpack
from aggregator.steps.folding.verify import Witness, judge


def compare(entries: Sequence[Entry], choice: Choice, candidates: Mapping[int, Candidate]) -> tuple[StoryLink, ...]:
    """What each entry is to those chosen for it, as far as it is anything to them."""
    links: dict[tuple[str, str], StoryLink] = {}
    for entry, beside, stored in zip(entries, choice.beside, choice.stored, strict=True):
        others = [(entries[place].mark, _witness(entries[place])) for place in beside]
        known = (candidates[id_] for id_ in stored if id_ in candidates)
        others += [(candidate.mark, _told(candidate)) for candidate in known if candidate.mark != entry.mark]
        for other_mark, other in others:
            if found := judge(_witness(entry), other):
                one, two = sorted((entry.mark, other_mark))
                link = StoryLink(one=one, other=two, rule=found.rule, score=found.score, evidence=found.evidence)
                links[one, two] = link
    return tuple(links.values())


def remember(entry: Entry, before: Candidate) -> Entry:
    """An edited entry, that is still known by the addresses and DOIs it had."""
    sketch = remembering(unpack(entry.keys.sketch), unpack(before.sketch))
    return replace(entry, keys=with_sketch(entry.keys, sketch, entry.title))


def _witness(entry: Entry) -> Witness:
    return Witness(feed_id=entry.feed_id, title=entry.title, date=entry.date, sketch=unpack(entry.keys.sketch))


def _told(candidate: Candidate) -> Witness:
    return Witness(
        feed_id=candidate.feed_id, title=candidate.title, date=candidate.date, sketch=unpack(candidate.sketch)
    )
