"""What flows need of the world, declared by the flows; adapters and `tests/fakes.py` provide it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from aggregator.model.applied import Applied, Tagging
from aggregator.model.channel import Publication
from aggregator.model.entry import Entry, KnownEntry
from aggregator.model.feed import Feed, FeedState
from aggregator.model.indexed import Indexed, Order, Stale
from aggregator.model.poll import FeedUpdate, FetchOutcome, FetchRequest, PollOutcome
from aggregator.model.story import Candidate, Clustering, FoldKeys, Holder, Member, Story, StoryLink
from aggregator.query.matching import Query


class Clock(Protocol):
    def now(self) -> datetime: ...


class Fetcher(Protocol):
    def fetch(self, requests: Sequence[FetchRequest]) -> Iterator[FetchOutcome]:
        """Yield one outcome per request, as they complete; never raises for a bad feed."""


class Parser(Protocol):
    def parse(self, outcomes: Iterable[FetchOutcome]) -> Iterator[Sequence[PollOutcome]]:
        """Turn each `Fetched` into `Read` or `FetchFailed`, pass the rest on; yields batches as they are ready."""


class FeedStore(Protocol):
    def sync(self, feeds: Sequence[Feed], now: datetime, *, reader: str = "") -> None:
        """Make the table follow feeds.yaml: new feeds are due now, a changed address begins anew without validators,
        feeds no longer named keep their entries and are not polled. With another `reader` of documents than last
        time, no feed has validators."""

    def mend_clock(self, now: datetime) -> int:
        """Let the wait of feeds that were checked in the future begin anew: the clock was wrong; returns how many."""

    def due(self, now: datetime) -> Sequence[FeedState]:
        """Active feeds whose `next_check_at` has come, longest waiting first."""

    def states(self, ids: Collection[str] | None = None) -> Sequence[FeedState]:
        """Active feeds (all, or those named), in the order of their ids."""

    def apply(self, updates: Sequence[FeedUpdate], clustering: Clustering) -> int:
        """Write the updates in one transaction; returns the number of Stories founded.

        `clustering.placements` follow the new entries of all updates in order; the Stories they found get their `seq`
        in the order of the entries' dates.
        """


class EntryStore(Protocol):
    def known(self, identity: Collection[bytes]) -> Mapping[bytes, KnownEntry]:
        """Stored entries by those of these identity keys they hold."""


class TagStore(Protocol):
    def tagging(self) -> Tagging:
        """Under which version tags were last begun to be given anew, and how far that came."""

    def begin(self, version: str) -> Tagging:
        """Have the tags of all entries there are given anew, under this version."""

    def tagged(self, *, below: int, limit: int) -> Sequence[Entry]:
        """Entries with ids below this one, with their tags, the latest first."""

    def retag(self, seen: Tagging, below: int, changed: Sequence[Entry]) -> Collection[int] | None:
        """One transaction: write the tags these entries now have, but of those that were edited since they were read,
        and that all is done but what is below. Their Stories are shown anew and are not `updated`. Returns the ids of
        those written; None, with nothing written, when the tagging no longer stands as in `seen`."""


class AppliedStore(Protocol):
    def applied(self) -> Applied:
        """The channels and newsletters of feeds.yaml that are followed."""


class FoldStore(Protocol):
    def holders(self, keys: Collection[int]) -> Mapping[int, Sequence[Holder]]:
        """The stored entries that hold these fold keys, by the key's hash, in order of arrival."""

    def candidates(self, ids: Collection[int]) -> Mapping[int, Candidate]:
        """What folding compares these entries by, by id."""

    def kin(self, marks: Collection[str]) -> tuple[Sequence[Member], Sequence[StoryLink]]:
        """The stored ones of these entries, all that links or their Stories join to them, and all those links."""

    def links(self, marks: Collection[str]) -> Sequence[StoryLink]:
        """The links that have one of these entries, by mark, for an end."""

    def related(self, stories: Collection[Story]) -> Mapping[str, Sequence[Story]]:
        """By the ids of these Stories, the others that a `related` link joins to one of their entries, newest first."""

    def since(self, moment: datetime, *, after: int, limit: int) -> Sequence[Entry]:
        """Entries first seen since then, with ids above `after`, in order of arrival."""

    def note(self, entries: Sequence[Entry], keys: Mapping[str, FoldKeys]) -> None:
        """Let stored entries be found by these keys, by mark, and compared by the sketches they now have."""

    def rearrange(self, clustering: Clustering, now: datetime, *, dropped: Sequence[StoryLink] = ()) -> None:
        """Write the moves, merges and links of stored entries in one transaction, and forget `dropped` links."""

    def forget(self, before: datetime) -> int:
        """Let keys of entries first seen before then go, but addresses and DOIs; returns how many."""


class StoryStore(Protocol):
    def newest(
        self, *, limit: int, before: int | None = None, tags: Collection[str] = (), feed_id: str | None = None
    ) -> Sequence[Story]:
        """Stories by descending `seq` (below `before`), only those with all of `tags` and an entry of the feed;
        entries and tags loaded."""

    def after(self, seq: int, *, limit: int) -> Sequence[Story]:
        """Stories by ascending `seq`, above `seq`."""

    def get(self, story_id: str) -> Story | None:
        """The Story; an id that was merged away gives the Story it went into."""

    def numbered(self, seqs: Collection[int]) -> Mapping[int, Story]:
        """Those of these Stories that are there, by `seq`."""

    def named(self, story_ids: Collection[str]) -> Mapping[str, Story]:
        """Those of these Stories that are there, by id; one that went into another is not."""

    def last_seq(self) -> int:
        """The highest `seq` given, 0 when there is none."""

    def version(self) -> str:
        """A text that changes whenever any Story, entry or tag changed."""


class SearchStore(Protocol):
    def stale(self, limit: int) -> Sequence[Stale]:
        """Stories that changed since the index took them in, the latest to come first."""

    def put(self, items: Sequence[Indexed]) -> int:
        """Take in those that have not changed again meanwhile; returns how many."""

    def find(
        self, query: Query, now: datetime, *, order: Order = Order.DATE, below: int | None = None, limit: int
    ) -> Sequence[int]:
        """The places (below one) of all Stories in the index that match, in this order, and maybe of some that do not.

        `Order.RELEVANCE` weighs the newest that match, knows no `below`, and may leave others out."""


class PublicationStore(Protocol):
    def put(self, publications: Sequence[Publication]) -> int:
        """Store those whose ETag differs from the stored one; returns how many.

        Their `last_modified` is kept at least a second above the stored one: it moves whenever the bytes do.
        """

    def get(self, path: str) -> Publication | None: ...

    def etags(self) -> Mapping[str, str]:
        """ETag by path, for every stored publication."""

    def prune(self, paths: Collection[str]) -> int:
        """Delete every publication whose path is not one of `paths`; returns how many."""
