"""Which Stories go out, and in which order: stories, query -> Digest.

publish: stories.newest > **selection** > feedwriter; compose: stories.after > **selection** > rendering
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from aggregator.model.newsletter import Digest, Newsletter, Section
from aggregator.model.story import Story
from aggregator.press.weight import by_weight, sources
from aggregator.query.matching import Query
from aggregator.subject import story_subject

SHARE_OF_ONE_SOURCE = 4
"""A feed fills at most one in this many places of a Digest that has other sources too, however much it publishes."""


def matching(stories: Iterable[Story], query: Query, now: datetime) -> Iterator[Story]:
    """The Stories a query gives, in the order they came."""
    return (story for story in stories if query.matches(story_subject(story), now))


def digest(
    newsletter: Newsletter,
    stories: Iterable[Story],
    *,
    pinned: Collection[str] = (),
    dropped: Collection[str] = (),
) -> Digest:
    """The Stories that a newsletter's query gave, as an editor would lay them out.

    The biggest have the places, then the newest, and no feed has more than its share of them. What has no place is
    the overflow, the feeds in turns, so that its beginning is as varied as the sections are. An editor's word goes
    before all that: `pinned` Stories (ids) lead and always have a place, `dropped` ones are out, also when pinned.
    """
    ranked = sorted((story for story in stories if story.id not in dropped), key=by_weight)
    lead = tuple(story for story in ranked if story.id in pinned)
    others = [story for story in ranked if story.id not in pinned]
    places, overflow = _share_out(others, max(0, newsletter.max_stories - len(lead)))
    return Digest(lead=lead, sections=_sections(places, newsletter.group_by), overflow=_in_turns(overflow))


def _share_out(stories: Sequence[Story], limit: int) -> tuple[list[Story], list[Story]]:
    """The Stories that have a place, and the others."""
    alone = len({story.head.feed_id for story in stories}) == 1
    share = limit if alone else -(-limit // SHARE_OF_ONE_SOURCE)
    taken: Counter[str] = Counter()
    places: list[Story] = []
    overflow: list[Story] = []
    for story in stories:
        if len(places) < limit and taken[story.head.feed_id] < share:
            taken[story.head.feed_id] += 1
            places.append(story)
        else:
            overflow.append(story)
    return places, overflow


def _in_turns(stories: Sequence[Story]) -> tuple[Story, ...]:
    """The first Story of every feed, then the second of every feed, and so on."""
    seen: Counter[str] = Counter()
    turns: list[tuple[int, Story]] = []
    for story in stories:
        turns.append((seen[story.head.feed_id], story))
        seen[story.head.feed_id] += 1
    return tuple(story for _, story in sorted(turns, key=lambda turn: turn[0]))


def _sections(stories: Sequence[Story], group_by: str) -> tuple[Section, ...]:
    """Stories under the first tag each has of the namespace, in the order they came; those without a tag last."""
    groups: dict[str, list[Story]] = {}
    headings = {"": ""}
    for story in stories:
        tag = next((tag for tag in story.tags if tag.namespace == group_by), None)
        groups.setdefault(tag.name if tag else "", []).append(story)
        if tag and (tag.label or tag.name not in headings):
            headings[tag.name] = tag.text
    sections = (Section(heading=headings[name], tag=name, stories=tuple(group)) for name, group in groups.items())
    return tuple(sorted(sections, key=_rank))


def _rank(section: Section) -> tuple[bool, int, int, str, str]:
    """Sorts the section of the biggest Story first, then the one of most Stories, then by name."""
    return (
        not section.heading,
        -sources(section.stories[0]),
        -len(section.stories),
        section.heading.casefold(),
        section.tag,
    )
