"""Links between entries -> Stories: which entries are one, where each stands, and what the Story is called.

refresh: ... compare > **cluster** > feeds.apply. The outcome depends on the entries and their links alone, not on the
order in which they came: the surest links join first, and a Story bears the mark of the entry that was seen first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from aggregator.model.entry import Entry
from aggregator.model.story import (
    BY_PERSON,
    JOINED_BY_PERSON,
    PARTED_BY_PERSON,
    RELATED,
    Clustering,
    Member,
    Move,
    Placement,
    StoryLink,
)
from aggregator.steps.folding.sketch import language_in

MAX_MEMBERS = 20
_ACROSS = ("translation", "links-to-in-translation", "cites-doi-in-translation")


def cluster(new: Sequence[str], members: Collection[Member], links: Collection[StoryLink]) -> Clustering:
    """Where the new entries, by their marks, belong, and which stored ones move; the outcome bears no links or keys.

    `members` are the new entries and the stored ones that links reach from them, with all that share their Stories.
    """
    by_mark = {member.mark: member for member in members}
    groups = _Groups(members, links)
    for link in _in_order(links):
        if link.one in by_mark and link.other in by_mark:
            groups.join(link)
    placed: dict[str, Placement] = {}
    for group in groups.all():
        founder = min(group, key=lambda mark: (by_mark[mark].first_seen, mark))
        for mark in group:
            rule = None if mark == founder else groups.rules.get(mark, JOINED_BY_PERSON)
            placed[mark] = Placement(story_id=founder, rule=rule)
    return Clustering(
        placements=tuple(placed[mark] for mark in new),
        moves=tuple(
            Move(mark=member.mark, first_seen=member.first_seen, placement=placed[member.mark])
            for member in sorted(members, key=lambda member: (member.first_seen, member.mark))
            if member.story_id not in (None, placed[member.mark].story_id)
        ),
        merges=_merges(members, placed),
    )


def member_of(entry: Entry) -> Member:
    """A new entry, that stands in no Story yet."""
    return Member(mark=entry.mark, feed_id=entry.feed_id, first_seen=entry.first_seen, sketch=entry.keys.sketch)


def settled(earlier: Iterable[StoryLink], found: Iterable[StoryLink]) -> tuple[StoryLink, ...]:
    """The links that stand: what is found anew replaces what was found before; a person's word, a person's only."""
    links = {(link.one, link.other): link for link in earlier}
    for link in found:
        old = links.get((link.one, link.other))
        if old is None or old.rule not in BY_PERSON or link.rule in BY_PERSON:
            links[link.one, link.other] = link
    return tuple(links.values())


def _in_order(links: Iterable[StoryLink]) -> list[StoryLink]:
    """A person's word, then what is surest; translations last, when it is known what is what in each language."""
    joining = [link for link in links if link.rule not in (PARTED_BY_PERSON, RELATED)]
    return sorted(
        joining,
        key=lambda link: (link.rule != JOINED_BY_PERSON, link.rule in _ACROSS, -link.score, link.one, link.other),
    )


def _merges(members: Iterable[Member], placed: dict[str, Placement]) -> tuple[tuple[str, str], ...]:
    """Stories that nobody is left in, and where their founders went."""
    inhabited = {placement.story_id for placement in placed.values()}
    homes: dict[str, str] = {}
    for member in sorted(members, key=lambda member: (member.first_seen, member.mark)):
        if member.story_id and member.story_id not in inhabited:
            homes.setdefault(member.story_id, placed[member.mark].story_id)
    return tuple(homes.items())


@dataclass(frozen=True, slots=True)
class _Kind:
    """What forbids two entries to come together by way of others."""

    feed_id: str
    language: str


class _Groups:
    """Entries that are one, growing link by link."""

    def __init__(self, members: Iterable[Member], links: Iterable[StoryLink]) -> None:
        self._kinds = {member.mark: _Kind(member.feed_id, language_in(member.sketch)) for member in members}
        self._groups = {mark: {mark} for mark in self._kinds}
        self._linked: set[tuple[str, str]] = set()
        self._apart: defaultdict[str, set[str]] = defaultdict(set)
        self.rules: dict[str, str] = {}
        """Of each entry, the first rule that joined it to another."""
        for link in links:
            if link.rule == PARTED_BY_PERSON:
                self._apart[link.one].add(link.other)
                self._apart[link.other].add(link.one)
            elif link.rule != RELATED:
                self._linked |= {(link.one, link.other), (link.other, link.one)}

    def all(self) -> list[set[str]]:
        return list({id(group): group for group in self._groups.values()}.values())

    def join(self, link: StoryLink) -> None:
        """Make one of the groups of both, unless something speaks against it."""
        one, other = self._groups[link.one], self._groups[link.other]
        if one is other or (link.rule != JOINED_BY_PERSON and self._refuses(one, other, link)):
            return
        for mark in (link.one, link.other):
            self.rules.setdefault(mark, link.rule)
        one |= other
        self._groups.update(dict.fromkeys(other, one))

    def _refuses(self, one: Collection[str], other: Collection[str], link: StoryLink) -> bool:
        """Too many, parted by a person, two of one feed that nothing links, or two of one language by translation."""
        if len(one) + len(other) > MAX_MEMBERS or any(self._apart[mark] & set(other) for mark in one):
            return True
        kinds = self._kinds
        if link.rule in _ACROSS and {kinds[a].language for a in one} & {kinds[b].language for b in other}:
            return True
        return any(kinds[a].feed_id == kinds[b].feed_id and (a, b) not in self._linked for a in one for b in other)
