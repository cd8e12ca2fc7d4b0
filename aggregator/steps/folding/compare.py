"""The entries at hand and those chosen for them -> links between Stories-to-be.

refresh: ... entries.candidates > **compare** > cluster > store.apply
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aggregator.model.entry import Entry
from aggregator.model.story import Candidate, StoryLink
from aggregator.steps.folding.lookup import Choice
from aggregator.steps.folding.sketch import pack, remembering, unpack
from aggregator.steps.folding.verify import Witness, judge


def compare(entries: Sequence[Entry], choice: Choice, candidates: Mapping[int, Candidate]) -> tuple[StoryLink, ...]:
    """What each entry is to those chosen for it, as far as it is anything to them."""
    at_hand = [(entry.mark, _witness(entry)) for entry in entries]
    links: dict[tuple[str, str], StoryLink] = {}
    for place, (mark, witness) in enumerate(at_hand):
        others = [at_hand[other] for other in choice.beside[place]]
        stored = (candidates[id_] for id_ in choice.stored[place] if id_ in candidates)
        others += [(candidate.mark, _told(candidate)) for candidate in stored if candidate.mark != mark]
        for other_mark, other in others:
            if found := judge(witness, other):
                one, two = sorted((mark, other_mark))
                link = StoryLink(one=one, other=two, rule=found.rule, score=found.score, evidence=found.evidence)
                links[one, two] = link
    return tuple(links.values())


def remember(entry: Entry, before: Candidate) -> Entry:
    """An edited entry, that is still known by the addresses and DOIs it had."""
    sketch = pack(remembering(unpack(entry.keys.sketch), unpack(before.sketch)))
    return replace(entry, keys=replace(entry.keys, sketch=sketch))


def _witness(entry: Entry) -> Witness:
    return Witness(feed_id=entry.feed_id, title=entry.title, date=entry.date, sketch=unpack(entry.keys.sketch))


def _told(candidate: Candidate) -> Witness:
    return Witness(
        feed_id=candidate.feed_id, title=candidate.title, date=candidate.date, sketch=unpack(candidate.sketch)
    )
