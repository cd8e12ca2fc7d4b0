"""Stories with the tags they have beside the same with those they would have, counted: by tag, entry and rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from aggregator.model.entry import Entry
from aggregator.model.foresight import EntryEdit, RuleUse, TagEdit
from aggregator.model.story import Story

TITLES = 3
"""Titles that are kept of the Stories that gain a tag, and of those that lose it."""


@dataclass(slots=True)
class _Shift:
    """One direction of one tag: how many Stories, and the titles of the first of them."""

    count: int = 0
    titles: tuple[str, ...] = ()

    def add(self, title: str) -> None:
        self.count += 1
        self.titles = (*self.titles, title)[:TITLES]


@dataclass(slots=True)
class Tally:
    """What was seen so far; `given` are the names of all tags that Stories would have."""

    stories: int = 0
    reworded: int = 0
    entries: list[EntryEdit] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    _fired: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    _gains: dict[str, _Shift] = field(default_factory=dict)
    _losses: dict[str, _Shift] = field(default_factory=dict)

    def add(self, before: Story, after: Story) -> None:
        """Count one Story; entries that stay as they are are the same objects in both."""
        self.stories += 1
        tags = [tag for entry in after.entries for tag in entry.tags]
        self.given.update(tag.name for tag in tags)
        self._fired.update({(tag.name, tag.rule) for tag in tags if tag.origin == "rule"})
        if after is before:
            return
        had, has = ({tag.name for entry in story.entries for tag in entry.tags} for story in (before, after))
        for shifts, names in ((self._gains, has - had), (self._losses, had - has)):
            for name in names:
                shifts.setdefault(name, _Shift()).add(_title(before.head))
        for old, new in zip(before.entries, after.entries, strict=True):
            if old is not new:
                self._compare(old, new, before.id)

    def _compare(self, before: Entry, after: Entry, story_id: str) -> None:
        had, has = ({tag.name for tag in entry.tags} for entry in (before, after))
        if had == has:
            self.reworded += 1
            return
        self.entries.append(
            EntryEdit(
                entry=before.id,
                story=story_id,
                feed=before.feed_id,
                title=_title(before),
                gained=tuple(sorted(has - had)),
                lost=tuple(sorted(had - has)),
            )
        )

    def tags(self) -> tuple[TagEdit, ...]:
        """The tags that Stories would gain and lose, those of most of them first."""
        nothing = _Shift()
        found = []
        for name in self._gains.keys() | self._losses.keys():
            gain, loss = self._gains.get(name, nothing), self._losses.get(name, nothing)
            found.append(TagEdit(tag=name, gain=gain.count, lose=loss.count, gaining=gain.titles, losing=loss.titles))
        return tuple(sorted(found, key=lambda edit: (-edit.stories, edit.tag)))

    def uses(self, rules: Iterable[tuple[str, str]]) -> list[RuleUse]:
        """How many Stories each rule, by its tag and query, would give its tag."""
        return [RuleUse(tag=tag, when=when, stories=self._fired[tag, when]) for tag, when in dict.fromkeys(rules)]


def _title(entry: Entry) -> str:
    return entry.title or "Untitled"
