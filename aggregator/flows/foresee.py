"""An edited feeds.yaml held against what is applied: what would change, while nothing is written.

    feeds.states, applied > edits; stories.newest > tag > queries > Foresight

Each Story is looked at twice, with the tags it has and with those that `retag` would give it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from aggregator.errors import NotFoundError, QueryError
from aggregator.mail_ports import NewsletterStore
from aggregator.model.channel import Channel
from aggregator.model.edition import Edition, Slot
from aggregator.model.feed import Feed
from aggregator.model.foresight import ChannelEdit, Edit, Foresight, NewsletterEdit, Outlook
from aggregator.model.newsletter import Newsletter
from aggregator.model.story import Story
from aggregator.ports import AppliedStore, Clock, FeedStore, StoryStore
from aggregator.query.grammar import parse_query
from aggregator.query.matching import Query
from aggregator.schedule import next_run
from aggregator.steps.edits import edits
from aggregator.steps.tagging.renewing import renewed
from aggregator.steps.tagging.tagger import Tagger
from aggregator.steps.tally import Tally
from aggregator.subject import story_subject

PAGE = 200
LOUD = 3
"""A rule that more than one in this many Stories has tells little of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseePorts:
    """What looking ahead needs of the world."""

    feeds: FeedStore
    stories: StoryStore
    newsletters: NewsletterStore
    applied: AppliedStore
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseePlan:
    """What the edited feeds.yaml says."""

    feeds: tuple[Feed, ...]
    tagger: Tagger
    channels: tuple[Channel, ...]
    newsletters: tuple[Newsletter, ...]


def foresee(
    ports: ForeseePorts,
    plan: ForeseePlan,
    since: datetime,
    *,
    progress: Callable[[int], None] = lambda count: None,
) -> Foresight:
    """What would change if this feeds.yaml were followed now; tags and channels over Stories first seen since then."""
    now, applied = ports.clock.now(), ports.applied.applied()
    channels = _watched(applied.channels, plan.channels)
    edited = [watch for watch in channels.values() if watch.before != watch.after]
    letters = _watched(applied.newsletters, plan.newsletters)
    last = ports.stories.last_seq()
    cursors = {id_: slot.cursor if (slot := _slot(ports.newsletters, id_)) else last for id_ in letters}
    by_id, tally = {feed.id: feed for feed in plan.feeds}, Tally()
    for story in _stories(ports.stories, since, min(cursors.values(), default=last)):
        look = _Look(story, _renewed(story, by_id, plan.tagger), now)
        if story.first_seen >= since:
            tally.add(story, look.after)
            progress(tally.stories)
            look.at(edited if look.after is story else channels.values())
        look.at(watch for id_, watch in letters.items() if story.seq > cursors[id_])
    uses = tally.uses((rule.tag.name, rule.tag.rule or "") for rule in plan.tagger.rules)
    feeds = edits([state.feed for state in ports.feeds.states()], plan.feeds)
    return Foresight(
        since=since,
        stories=tally.stories,
        feeds=tuple(edit for edit in feeds if edit.kind != "same"),
        tags=tally.tags(),
        entries=tuple(tally.entries),
        reworded=tally.reworded,
        silent=tuple(use for use in uses if not use.stories),
        loud=tuple(use for use in uses if use.stories * LOUD > tally.stories),
        unused=tuple(sorted(plan.tagger.labels.keys() - tally.given)),
        channels=tuple(_channels(edits(applied.channels, plan.channels), channels)),
        newsletters=tuple(_newsletters(ports, applied.newsletters, plan.newsletters, letters)),
    )


def _stories(stories: StoryStore, since: datetime, cursor: int) -> Iterator[Story]:
    """The newest down to those that neither came since then nor lie above the cursor; some that do neither are among
    them, as a Story that was split off is as old as its entries."""
    before = None
    while page := stories.newest(limit=PAGE, before=before):
        yield from page
        before = page[-1].seq
        if before <= cursor and all(story.first_seen < since for story in page):
            return


def _renewed(story: Story, feeds: Mapping[str, Feed], tagger: Tagger) -> Story:
    """The Story as `retag` would leave it; itself when that leaves it alone."""
    entries = tuple(
        entry if (tags := renewed(entry, feeds, tagger)) is entry.tags else replace(entry, tags=tags)
        for entry in story.entries
    )
    return story if entries == story.entries else replace(story, entries=entries)


# --- queries --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Watch:
    """A query as applied and as edited (None: it is not there), and the Stories, by id, that it gave and would give."""

    before: Query | None
    after: Query | None
    gave: set[str] = field(default_factory=set)
    gives: set[str] = field(default_factory=set)


class _Look:
    """A Story before and after; its texts, the same in both, are folded once."""

    def __init__(self, before: Story, after: Story, now: datetime) -> None:
        self.after = after
        self._subject, self._now = story_subject(before), now
        self._tags = {tag.name for tag in after.tags}

    def at(self, watches: Iterable[_Watch]) -> None:
        """Ask every query of it."""
        watching = list(watches)
        for watch in watching:
            if self._gives(watch.before):
                watch.gave.add(self.after.id)
        own, self._subject.tags = self._subject.tags, self._tags
        for watch in watching:
            if self._gives(watch.after):
                watch.gives.add(self.after.id)
        self._subject.tags = own

    def _gives(self, query: Query | None) -> bool:
        return query is not None and query.matches(self._subject, self._now)


def _watched(
    before: Sequence[Channel] | Sequence[Newsletter], after: Sequence[Channel] | Sequence[Newsletter]
) -> dict[str, _Watch]:
    old, new = ({item.id: _query(item.query) for item in items} for items in (before, after))
    return {id_: _Watch(old.get(id_), new.get(id_)) for id_ in {**new, **old}}


def _query(text: str) -> Query | None:
    """None for a query of another version, that this one cannot read: it gives nothing any more."""
    with suppress(QueryError):
        return parse_query(text)
    return None


# --- what it comes to -----------------------------------------------------------------------------


def _channels(found: Iterable[Edit], watches: Mapping[str, _Watch]) -> Iterator[ChannelEdit]:
    for edit in found:
        watch = watches[edit.id]
        come, go = len(watch.gives - watch.gave), len(watch.gave - watch.gives)
        if edit.kind != "same" or come or go:
            yield ChannelEdit(
                id=edit.id, name=edit.name, kind=edit.kind, differences=edit.differences, come=come, go=go
            )


def _newsletters(
    ports: ForeseePorts, before: Sequence[Newsletter], after: Sequence[Newsletter], watches: Mapping[str, _Watch]
) -> Iterator[NewsletterEdit]:
    old, new = ({letter.id: letter for letter in letters} for letters in (before, after))
    now = ports.clock.now()
    for edit in edits(before, after):
        was = will = None
        letter, slot, watch = new.get(edit.id), _slot(ports.newsletters, edit.id), watches[edit.id]
        edition = slot.edition if slot else Edition(id=0, newsletter_id=edit.id)
        told = set(ports.newsletters.told(edition, watch.gave | watch.gives))
        if slot and edit.id in old:
            was = Outlook(due_at=slot.due_at, waiting=len(watch.gave - told))
        if letter:
            due_at = _due(old.get(edit.id), letter, slot, now)
            will = Outlook(due_at=due_at, waiting=len(watch.gives - told))
        if edit.kind != "same" or was != will:
            yield NewsletterEdit(
                id=edit.id, name=edit.name, kind=edit.kind, differences=edit.differences, before=was, after=will
            )


def _due(before: Newsletter | None, after: Newsletter, slot: Slot | None, now: datetime) -> datetime:
    """When its next Issue would be due: as before, also after it was away, unless what decides it is another."""
    if slot and (before is None or _times(before) == _times(after)):
        return slot.due_at
    return next_run(after, now)


def _times(letter: Newsletter) -> tuple[object, ...]:
    return letter.schedule, letter.timezone, letter.quiet, letter.holidays


def _slot(newsletters: NewsletterStore, newsletter_id: str) -> Slot | None:
    with suppress(NotFoundError):
        return newsletters.slot(newsletter_id)
    return None
