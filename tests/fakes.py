"""In-memory ports for flow tests; `tests/adapters/test_store_contract.py` holds them to the real stores' behaviour."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

from aggregator.adapters.shelf import Shelf
from aggregator.flows.ingest import keyed
from aggregator.model.applied import Tagging
from aggregator.model.channel import Publication
from aggregator.model.entry import Entry, EntryKeys, KnownEntry, Reading
from aggregator.model.feed import Feed, FeedState, FeedStatus, Rhythm, Validators
from aggregator.model.parsed import Link, ParsedEntry, ParsedFeed, SafeHtml
from aggregator.model.poll import FeedUpdate, FetchOutcome, FetchRequest, PollOutcome, Read
from aggregator.model.story import (
    BY_PERSON,
    RELATED,
    Candidate,
    Clustering,
    FoldKey,
    FoldKeys,
    Holder,
    Member,
    Move,
    Story,
    StoryLink,
)
from aggregator.model.taxonomy import Taxonomy
from aggregator.steps.tagging.tagger import compile_tagger

NO_TAGS = compile_tagger(Taxonomy())
"""A tagger that knows nothing: it names publishers, and keeps their categories."""
START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


MADE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FrozenClock:
    """A clock that moves only when told."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def advance(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


@dataclass
class ScriptedFetcher:
    """Answers each feed with the outcome set for it, and remembers what was asked."""

    outcomes: dict[str, FetchOutcome] = field(default_factory=dict)
    asked: list[FetchRequest] = field(default_factory=list)

    def fetch(self, requests: Sequence[FetchRequest]) -> Iterator[FetchOutcome]:
        for request in requests:
            self.asked.append(request)
            yield self.outcomes[request.feed_id]


@dataclass
class ScriptedParser:
    """Passes outcomes on, with the reading set for a feed in the place of a fetched body; one batch for all."""

    readings: dict[str, Reading] = field(default_factory=dict)
    batch: int = 100

    def parse(self, outcomes: Iterable[FetchOutcome]) -> Iterator[Sequence[PollOutcome]]:
        ready: list[PollOutcome] = []
        for outcome in outcomes:
            if outcome.feed_id in self.readings and hasattr(outcome, "body"):
                outcome = Read(
                    feed_id=outcome.feed_id,
                    url=outcome.url,
                    validators=outcome.validators,
                    wishes=outcome.wishes,
                    reading=self.readings[outcome.feed_id],
                )
            ready.append(outcome)
            if len(ready) == self.batch:
                yield ready
                ready = []
        if ready:
            yield ready


class MemoryStore:
    """`FeedStore`, `EntryStore`, `TagStore`, `FoldStore` and `StoryStore` in dictionaries."""

    def __init__(self) -> None:
        self._states: dict[str, FeedState] = {}
        self._active: set[str] = set()
        self._entries: dict[int, Entry] = {}
        self._story_of: dict[int, str] = {}
        self._stories: dict[str, Story] = {}
        self._redirects: dict[str, str] = {}
        self._identities: dict[bytes, int] = {}
        self._folds: dict[int, list[Holder]] = {}
        self._sketches: dict[int, bytes] = {}
        self._links: dict[tuple[str, str], StoryLink] = {}
        self._reader = ""
        self._seq = 0
        self._version = 0
        self._tagging = Tagging()

    def sync(self, feeds: Sequence[Feed], now: datetime, *, reader: str = "") -> None:
        self._active = {feed.id for feed in feeds}
        for feed in feeds:
            feed = replace(feed, options=replace(feed.options, headers=()))
            old = self._states.get(feed.id, FeedState(feed=feed, next_check_at=now))
            moved = replace(
                old,
                status=FeedStatus.NEW,
                validators=Validators(),
                rhythm=Rhythm(),
                next_check_at=now,
                failures=0,
                error=None,
            )
            state = old if old.feed.url == feed.url else moved
            self._states[feed.id] = replace(state, feed=replace(feed, site_url=feed.site_url or old.feed.site_url))
        if self._reader != reader:
            for id_, state in self._states.items():
                self._states[id_] = replace(state, validators=Validators())
            self._reader = reader

    def mend_clock(self, now: datetime) -> int:
        ahead = [state for state in self._states.values() if state.checked_at and state.checked_at > now >= MADE]
        for state in ahead:
            wait = state.next_check_at and state.checked_at and state.next_check_at - state.checked_at
            due = None if wait is None else now + wait
            self._states[state.feed.id] = replace(state, checked_at=now, next_check_at=due)
        return len(ahead)

    def due(self, now: datetime) -> Sequence[FeedState]:
        waiting = [(state.next_check_at, state.feed.id, state) for state in self.states() if state.next_check_at]
        return [state for moment, _, state in sorted(waiting, key=lambda row: row[:2]) if moment <= now]

    def states(self, ids: Collection[str] | None = None) -> Sequence[FeedState]:
        wanted = self._active if ids is None else self._active & set(ids)
        return [self._states[id_] for id_ in sorted(wanted)]

    def apply(self, updates: Sequence[FeedUpdate], clustering: Clustering) -> int:
        for update in updates:
            self._apply_state(update)
        new = [entry for update in updates for entry in update.new]
        changed = [entry for update in updates for entry in update.changed]
        placed = list(zip(new, clustering.placements, strict=True))
        for entry, placement in sorted(placed, key=lambda pair: pair[0].date):
            if placement.rule is None:
                self._found(placement.story_id, entry.first_seen)
        for entry, placement in placed:
            id_ = len(self._entries) + 1
            self._story_of[id_] = placement.story_id
            self._keep(replace(entry, id=id_, joined_by=placement.rule))
        for entry in changed:
            self._keep(replace(entry, joined_by=self._entries[entry.id].joined_by))
        for entry_id, keys in (renewed for update in updates for renewed in update.renewed):
            self._keep_keys(entry_id, keys)
        self._keep_links([*range(len(self._entries) - len(new) + 1, len(self._entries) + 1)], changed, clustering)
        self._move(clustering.moves)
        self._merge(clustering.merges)
        if new or changed:
            grown = {placement.story_id for placement in clustering.placements if placement.rule}
            grown |= {move.placement.story_id for move in clustering.moves}
            self._touch(grown | {self._story_of[entry.id] for entry in changed}, updates)
        return clustering.founded

    def _found(self, story_id: str, now: datetime) -> None:
        self._seq += 1
        self._stories[story_id] = Story(id=story_id, seq=self._seq, first_seen=now, updated=now, entries=())

    def _keep_links(self, new_ids: Sequence[int], changed: Sequence[Entry], clustering: Clustering) -> None:
        for id_ in [*new_ids, *(entry.id for entry in changed)]:
            self._hold(id_, clustering.keys.get(self._entries[id_].mark, {}))
        self._write_links(clustering.links)

    def _write_links(self, links: Sequence[StoryLink]) -> None:
        for link in links:
            old = self._links.get((link.one, link.other))
            if old is None or old.rule not in BY_PERSON or link.rule in BY_PERSON:
                self._links[link.one, link.other] = link

    def _hold(self, entry_id: int, keys: FoldKeys) -> None:
        for key, note in keys.items():
            holders = self._folds.setdefault(key, [])
            if all(held != entry_id for held, _ in holders):
                holders.append((entry_id, note))

    def _move(self, moves: Sequence[Move]) -> None:
        by_mark = {entry.mark: id_ for id_, entry in self._entries.items()}
        for move in moves:
            if move.placement.rule is None:
                self._found(move.placement.story_id, move.first_seen)
                self._redirects.pop(move.placement.story_id, None)
        for move in moves:
            id_ = by_mark[move.mark]
            self._story_of[id_] = move.placement.story_id
            self._entries[id_] = replace(self._entries[id_], joined_by=move.placement.rule)

    def _merge(self, merges: Sequence[tuple[str, str]]) -> None:
        for young, old in merges:
            self._story_of = {id_: old if story == young else story for id_, story in self._story_of.items()}
            self._redirects = {key: old if story == young else story for key, story in self._redirects.items()}
            self._redirects[young] = old
            del self._stories[young]

    def _apply_state(self, update: FeedUpdate) -> None:
        old = self._states[update.feed_id]
        if old.feed.url != update.url:
            return
        self._states[update.feed_id] = replace(
            old,
            feed=replace(old.feed, site_url=old.feed.site_url or update.site_url),
            status=update.status,
            validators=update.validators,
            rhythm=update.rhythm,
            checked_at=update.checked_at,
            next_check_at=update.next_check_at,
            failures=update.failures,
            error=update.error,
            title=update.title or old.title,
            succeeded_at=update.checked_at if update.succeeded else old.succeeded_at,
            changed_at=update.checked_at if update.new else old.changed_at,
        )

    def _keep(self, entry: Entry) -> None:
        self._keep_keys(entry.id, entry.keys)
        self._sketches[entry.id] = entry.keys.sketch
        self._entries[entry.id] = replace(entry, keys=EntryKeys(identity=(), digest=entry.keys.digest))

    def _keep_keys(self, entry_id: int, keys: EntryKeys) -> None:
        for key in keys.identity:
            self._identities[key] = entry_id

    def _touch(self, story_ids: Collection[str], updates: Sequence[FeedUpdate]) -> None:
        self._touch_at(story_ids, max(update.checked_at for update in updates))

    def _touch_at(self, story_ids: Collection[str], now: datetime) -> None:
        for story_id in story_ids:
            self._stories[story_id] = replace(self._stories[story_id], updated=now)
        self._version += 1

    def known(self, identity: Collection[bytes]) -> Mapping[bytes, KnownEntry]:
        found = {key: self._entries[self._identities[key]] for key in identity if key in self._identities}
        return {
            key: KnownEntry(
                id=entry.id,
                mark=entry.mark,
                digest=entry.keys.digest,
                first_seen=entry.first_seen,
                date=entry.date,
            )
            for key, entry in found.items()
        }

    def tagging(self) -> Tagging:
        return self._tagging

    def begin(self, version: str) -> Tagging:
        self._tagging = Tagging(version=version, below=max(self._entries, default=-1) + 1)
        return self._tagging

    def tagged(self, *, below: int, limit: int) -> Sequence[Entry]:
        return [self._entries[id_] for id_ in sorted(self._entries, reverse=True) if id_ < below][:limit]

    def retag(self, seen: Tagging, below: int, changed: Sequence[Entry]) -> Collection[int] | None:
        if self._tagging != seen:
            return None
        kept = [entry for entry in changed if self._entries[entry.id].keys.digest == entry.keys.digest]
        for entry in kept:
            self._entries[entry.id] = replace(self._entries[entry.id], tags=entry.tags)
        self._version += bool(kept)
        self._tagging = replace(seen, below=below)
        return {entry.id for entry in kept}

    def holders(self, keys: Collection[int]) -> Mapping[int, Sequence[Holder]]:
        return {key: sorted(self._folds[key]) for key in keys if self._folds.get(key)}

    def candidates(self, ids: Collection[int]) -> Mapping[int, Candidate]:
        return {
            entry.id: Candidate(
                entry_id=entry.id,
                mark=entry.mark,
                feed_id=entry.feed_id,
                title=entry.title,
                date=entry.date,
                sketch=self._sketches[entry.id],
            )
            for entry in (self._entries[id_] for id_ in ids if id_ in self._entries)
        }

    def kin(self, marks: Collection[str]) -> tuple[Sequence[Member], Sequence[StoryLink]]:
        by_mark = {entry.mark: entry for entry in self._entries.values()}
        found: set[str] = set()
        wanted = set(marks) & by_mark.keys()
        while wanted:
            found |= wanted
            stories = {self._story_of[by_mark[mark].id] for mark in wanted}
            wanted = {entry.mark for entry in by_mark.values() if self._story_of[entry.id] in stories}
            wanted |= {mark for pair in self._links if found & set(pair) for mark in pair}
            wanted -= found
        members = [
            Member(
                mark=mark,
                feed_id=by_mark[mark].feed_id,
                first_seen=by_mark[mark].first_seen,
                sketch=self._sketches[by_mark[mark].id],
                story_id=self._story_of[by_mark[mark].id],
            )
            for mark in found
        ]
        return members, [link for pair, link in self._links.items() if found & set(pair)]

    def links(self, marks: Collection[str]) -> Sequence[StoryLink]:
        return [link for pair, link in sorted(self._links.items()) if set(pair) & set(marks)]

    def related(self, stories: Collection[Story]) -> Mapping[str, Sequence[Story]]:
        homes = {entry.mark: self._story_of[entry.id] for entry in self._entries.values()}
        found: dict[str, set[str]] = {story.id: set() for story in stories}
        for link in self._links.values():
            ends = homes.get(link.one), homes.get(link.other)
            if link.rule == RELATED and None not in ends and ends[0] != ends[1]:
                for near, far in permutations(ends):
                    found.get(near, set()).add(far)
        return {
            id_: sorted((self._whole(self._stories[other]) for other in others), key=lambda story: -story.seq)
            for id_, others in found.items()
            if others
        }

    def since(self, moment: datetime, *, after: int, limit: int) -> Sequence[Entry]:
        found = [entry for id_, entry in sorted(self._entries.items()) if id_ > after and entry.first_seen >= moment]
        return [replace(entry, tags=(), joined_by=entry.joined_by) for entry in found[:limit]]

    def note(self, entries: Sequence[Entry], keys: Mapping[str, FoldKeys]) -> None:
        for entry in entries:
            self._sketches[entry.id] = entry.keys.sketch
            self._hold(entry.id, keys.get(entry.mark, {}))

    def rearrange(self, clustering: Clustering, now: datetime, *, dropped: Sequence[StoryLink] = ()) -> None:
        for link in dropped:
            self._links.pop((link.one, link.other), None)
        self._write_links(clustering.links)
        if clustering.moves:
            self._move(clustering.moves)
            self._merge(clustering.merges)
            self._touch_at({move.placement.story_id for move in clustering.moves}, now)

    def forget(self, before: datetime) -> int:
        lasting = (FoldKey.ADDRESS, FoldKey.DOI)
        rows = [(key, held) for key, holders in self._folds.items() for held in holders if key & 7 not in lasting]
        old = [(key, held) for key, held in rows if self._entries[held[0]].first_seen < before]
        for key, held in old:
            self._folds[key].remove(held)
        return len(old)

    def _whole(self, story: Story) -> Story:
        members = [self._entries[id_] for id_, story_id in self._story_of.items() if story_id == story.id]
        return replace(story, entries=tuple(sorted(members, key=lambda entry: (not entry.at_home, entry.id))))

    def newest(
        self, *, limit: int, before: int | None = None, tags: Collection[str] = (), feed_id: str | None = None
    ) -> Sequence[Story]:
        stories = sorted(map(self._whole, self._stories.values()), key=lambda story: -story.seq)
        fitting = [
            story
            for story in stories
            if (before is None or story.seq < before)
            and set(tags) <= {tag.name for tag in story.tags}
            and (feed_id is None or feed_id in {entry.feed_id for entry in story.entries})
        ]
        return fitting[:limit]

    def after(self, seq: int, *, limit: int) -> Sequence[Story]:
        stories = sorted(map(self._whole, self._stories.values()), key=lambda story: story.seq)
        return [story for story in stories if story.seq > seq][:limit]

    def get(self, story_id: str) -> Story | None:
        story = self._stories.get(self._redirects.get(story_id, story_id))
        return self._whole(story) if story else None

    def numbered(self, seqs: Collection[int]) -> Mapping[int, Story]:
        return {story.seq: self._whole(story) for story in self._stories.values() if story.seq in seqs}

    def named(self, story_ids: Collection[str]) -> Mapping[str, Story]:
        return {story.id: self._whole(story) for story in self._stories.values() if story.id in story_ids}

    def last_seq(self) -> int:
        return self._seq

    def version(self) -> str:
        return str(self._version)


def parsed(title: str, **fields: object) -> ParsedEntry:
    """A clean entry with a link and a guid of its own, unless told otherwise."""
    slug = title.lower().replace(" ", "-")
    values: dict[str, object] = {
        "guid": f"urn:{slug}",
        "title": title,
        "links": (Link(href=f"https://example.org/{slug}"),),
        "summary": SafeHtml(f"<p>About {title}.</p>"),
        "published": START - timedelta(days=1),
        "published_raw": "Mon, 23 Nov 2026 08:00:00 GMT",
    }
    return ParsedEntry(**(values | fields))


def reading(feed_id: str, *entries: ParsedEntry) -> Reading:
    """A parsed document of these entries, with their keys."""
    feed = ParsedFeed(format="rss20", title=f"Feed {feed_id}", entries=entries)
    return keyed(feed_id, feed)


class MemoryPublications(Shelf):
    """A shelf that counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def get(self, path: str) -> Publication | None:
        self.reads += 1
        return super().get(path)

    def etags(self) -> Mapping[str, str]:
        self.reads += 1
        return super().etags()
