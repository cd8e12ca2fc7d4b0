"""Folding what is stored: a person's word over Stories, and the rules of this version over the last weeks.

    folds.since > sketch > holders > choose > candidates > compare > kin > cluster > folds.rearrange

Polling is to stand still meanwhile. A run that is cut short leaves Stories as they were or as they shall be, and may
be run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, product
from typing import NamedTuple

from aggregator.errors import NotFoundError, UsageError
from aggregator.model.entry import Entry
from aggregator.model.parsed import ParsedFeed
from aggregator.model.story import BY_PERSON, JOINED_BY_PERSON, PARTED_BY_PERSON, Placement, Story, StoryLink
from aggregator.ports import Clock, FoldStore, StoryStore
from aggregator.steps.folding.clustering import cluster, settled
from aggregator.steps.folding.compare import compare, remember
from aggregator.steps.folding.keys import keys_of, with_sketch
from aggregator.steps.folding.lookup import choose
from aggregator.steps.folding.sketching import sketches

BATCH = 500
DOCUMENT = 25
"""Entries of one feed that are read beside each other, as a document would list them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefoldPorts:
    """What folding anew needs of the world."""

    folds: FoldStore
    stories: StoryStore
    clock: Clock


class Moved(NamedTuple):
    """A stored entry that went into another Story."""

    mark: str
    came_from: str
    placement: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Refolding:
    """What changed: of how many entries, the links found and lost, and the entries that moved."""

    entries: int
    found: tuple[StoryLink, ...]
    lost: tuple[StoryLink, ...]
    moved: tuple[Moved, ...]


def story_of(ports: RefoldPorts, name: str) -> Story:
    """The Story of that id or page, or the one that the entry of that number stands in; raises NotFoundError."""
    if not name.isdecimal():
        return _story(ports, name)
    marks = {entry.mark for entry in ports.folds.candidates([int(name)]).values()}
    home = next((member.story_id for member in ports.folds.kin(marks)[0] if member.mark in marks), None)
    if home is None:
        raise NotFoundError(f"no entry {name}; `aggregator explain STORY` numbers those of a story")
    return _story(ports, home)


def merge(ports: RefoldPorts, story_ids: Sequence[str]) -> Story:
    """Make one of these Stories, whatever the rules say; raises UsageError."""
    stories = {story.id: story for story in (_story(ports, id_) for id_ in story_ids)}
    if len(stories) < 2:
        raise UsageError("name two stories at least, that are not one already")
    first, *others = stories.values()
    pairs = [pair for other in others for pair in product(first.entries, other.entries)]
    said = [_say(JOINED_BY_PERSON, one, other) for one, other in pairs]
    _recluster(ports, said)
    return _story(ports, first.id)


def split(ports: RefoldPorts, story_id: str, entry_ids: Collection[int]) -> tuple[Story, ...]:
    """Take these entries out of their Story, into one of their own, for good; raises UsageError."""
    story = _story(ports, story_id)
    leaving = [entry for entry in story.entries if entry.id in entry_ids]
    staying = [entry for entry in story.entries if entry.id not in entry_ids]
    if unknown := set(entry_ids) - {entry.id for entry in leaving}:
        raise NotFoundError(f"no entry {min(unknown)} in story {story.id}; `aggregator explain {story.id}` lists them")
    if not leaving or not staying:
        raise UsageError("name some entries of the story, and not all of them")
    together = [_say(JOINED_BY_PERSON, leaving[0], entry) for entry in leaving[1:]]
    _recluster(ports, [*together, *(_say(PARTED_BY_PERSON, one, other) for one, other in product(leaving, staying))])
    members, _ = ports.folds.kin({entry.mark for entry in story.entries})
    homes = {member.mark: member.story_id or "" for member in members}
    return tuple(_story(ports, homes[entry.mark]) for entry in (leaving[0], staying[0]))


def _story(ports: RefoldPorts, story_id: str) -> Story:
    """By its id, or the address of its page, which ends with it."""
    found = ports.stories.get(story_id.rstrip("/").rpartition("/")[2])
    if found is None:
        raise NotFoundError(f"no story {story_id!r}; its id is the end of its page's address, /stories/ID")
    return found


def _say(rule: str, one: Entry, other: Entry) -> StoryLink:
    a, b = _pair(one.mark, other.mark)
    return StoryLink(one=a, other=b, rule=rule, score=1.0, evidence="an editor said so")


def _recluster(ports: RefoldPorts, said: Sequence[StoryLink]) -> None:
    members, links = ports.folds.kin({mark for link in said for mark in (link.one, link.other)})
    clustering = cluster([], members, settled(links, said))
    ports.folds.rearrange(replace(clustering, links=tuple(said)), ports.clock.now())


# --- the rules, again -----------------------------------------------------------------------------

Pairs = dict[tuple[str, str], StoryLink]


def refold(ports: RefoldPorts, since: datetime, *, progress: Callable[[int], None] = lambda count: None) -> Refolding:
    """Apply the rules of this version to all entries first seen since then; a person's word stays."""
    found: Pairs = {}
    marks: set[str] = set()
    for batch in _batches(ports, since):
        here = {entry.mark for entry in batch}
        marks |= here
        # A pair is judged once for each of its ends; what counts is the last time, when both had their new sketches.
        found = {pair: link for pair, link in found.items() if not (here & set(pair) and marks.issuperset(pair))}
        found |= {(link.one, link.other): link for link in _refolded(ports, batch)}
        progress(len(marks))
    before = {(link.one, link.other): link for link in ports.folds.links(marks)}
    lost = {
        pair: link
        for pair, link in before.items()
        if pair not in found and marks.issuperset(pair) and link.rule not in BY_PERSON
    }
    gained = [link for pair, link in found.items() if pair not in before or _differ(before[pair], link)]
    moved = tuple(chain.from_iterable(_brought_in_line(ports, before.keys() | found.keys(), found, lost)))
    return Refolding(entries=len(marks), found=tuple(gained), lost=tuple(lost.values()), moved=moved)


def _differ(before: StoryLink, link: StoryLink) -> bool:
    return before.rule not in BY_PERSON and before.rule != link.rule


def _batches(ports: RefoldPorts, since: datetime) -> Iterator[Sequence[Entry]]:
    last = 0
    while batch := ports.folds.since(since, after=last, limit=BATCH):
        yield batch
        last = batch[-1].id


def _refolded(ports: RefoldPorts, batch: Sequence[Entry]) -> Sequence[StoryLink]:
    """What each entry is to others; its keys and sketch of this version are stored."""
    before = ports.folds.candidates([entry.id for entry in batch])
    fresh = [remember(entry, before[entry.id]) for entry in _sketched(batch)]
    keys = [keys_of(entry) for entry in fresh]
    choice = choose(fresh, keys, ports.folds.holders({key for own in keys for key in own}))
    links = compare(fresh, choice, ports.folds.candidates(choice.wanted))
    ports.folds.note(fresh, choice.keys)
    return links


def _sketched(batch: Iterable[Entry]) -> Iterator[Entry]:
    by_feed: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in batch:
        by_feed[entry.feed_id].append(entry)
    for listed in by_feed.values():
        for start in range(0, len(listed), DOCUMENT):
            document = tuple(listed[start : start + DOCUMENT])
            for entry, sketch in zip(document, sketches(ParsedFeed(format="", entries=document)), strict=True):
                yield replace(entry, keys=with_sketch(entry.keys, sketch, entry.title))


def _brought_in_line(
    ports: RefoldPorts, pairs: Collection[tuple[str, str]], found: Pairs, lost: Pairs
) -> Iterator[Sequence[Moved]]:
    """Make the Stories what the links say, one family of linked entries after another; yields what moved."""
    ends: defaultdict[str, set[str]] = defaultdict(set)
    for one, other in pairs:
        ends[one].add(other)
        ends[other].add(one)
    for family in _families(ends):
        own = {pair: found[pair] for mark in family for end in ends[mark] if (pair := _pair(mark, end)) in found}
        members, earlier = ports.folds.kin(family)
        gone = [link for link in earlier if (link.one, link.other) in lost]
        clustering = cluster([], members, settled([link for link in earlier if link not in gone], own.values()))
        ports.folds.rearrange(replace(clustering, links=tuple(own.values())), ports.clock.now(), dropped=gone)
        homes = {member.mark: member.story_id or "" for member in members}
        yield [Moved(move.mark, homes[move.mark], move.placement) for move in clustering.moves]


def _families(ends: Mapping[str, Collection[str]]) -> Iterator[set[str]]:
    """The marks that links join, directly or by way of others."""
    left = set(ends)
    while left:
        family, fresh = set[str](), {min(left)}
        while fresh:
            family |= fresh
            fresh = {end for mark in fresh for end in ends[mark]} - family
        left -= family
        yield family


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
