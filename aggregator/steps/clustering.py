"""Entries of several feeds that are one publication become one Story.

refresh: ... decide > tag > **cluster** > store.apply. This first form joins on equal fold keys
(canonical URL, DOI); further rules join the same way, by naming candidates.
"""

from base64 import b32encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from aggregator.model import Candidate, Clustering, Entry, KnownEntry, Placement

SAME_ADDRESS = "same-address"


def cluster(
    new: Sequence[Entry],
    candidates: Iterable[Candidate],
    changed: Sequence[Entry] = (),
    known: Iterable[KnownEntry] = (),
) -> Clustering:
    """Where each new entry belongs, and which Stories a new or changed one shows to be the same.

    `candidates` are stored entries that share a fold key with any of them; `known` says where the changed ones are.
    An id never changes when a Story grows; of two Stories that are one, the older keeps its id and the younger is
    merged into it. Two entries of one feed are joined only under the same title, and no third joins them either:
    a publisher who lists one address twice under two titles means two things.
    """
    stories = _Stories(candidates)
    homes = {old.id: old for old in known}
    for entry in changed:
        home = homes[entry.id]
        stories.remember(home.story_id, home.story_seq)
        stories.join(entry, home.story_id)
    founders = [stories.place(entry) for entry in new]
    return Clustering(
        placements=tuple(map(stories.settled, founders)),
        merges=tuple((young, stories.home(young)) for young in stories.merged if young not in stories.founded),
    )


def story_id_for(entry: Entry) -> str:
    """The id of the Story that `entry` founds: 16 characters of base32, the same on every replay."""
    name = b"\0".join((entry.feed_id.encode(), entry.keys.identity[0]))
    return b32encode(blake2b(name, digest_size=10).digest()).decode().lower()


@dataclass(frozen=True, slots=True)
class _Member:
    """An entry of a Story, as far as joining asks."""

    feed_id: str
    title: str
    story_id: str

    def goes_with(self, others: Iterable["_Member"]) -> bool:
        return all(self.feed_id != other.feed_id or self.title == other.title for other in others)


class _Stories:
    """The Stories at hand: who holds which fold key, and what was merged into what."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.merged: dict[str, str] = {}
        self.founded: set[str] = set()
        self._ages: dict[str, tuple[bool, int]] = {}
        """Order of arrival, those founded here last."""
        self._holders: dict[bytes, set[_Member]] = {}
        for item in candidates:
            self.remember(item.story_id, item.story_seq)
            self._holders.setdefault(item.key, set()).add(_Member(item.feed_id, item.title, item.story_id))

    def remember(self, story_id: str, seq: int) -> None:
        """A Story that was stored before."""
        self._ages[story_id] = (False, seq)

    def home(self, story_id: str) -> str:
        """The Story that this one is by now."""
        while story_id in self.merged:
            story_id = self.merged[story_id]
        return story_id

    def place(self, entry: Entry) -> Placement:
        """Put a new entry into the Stories it joins, else found one for it."""
        if home := self.join(entry, None):
            return Placement(story_id=home, rule=SAME_ADDRESS)
        story_id = story_id_for(entry)
        self._ages[story_id] = (True, len(self.founded))
        self.founded.add(story_id)
        self._hold(entry, story_id)
        return Placement(story_id=story_id)

    def settled(self, placement: Placement) -> Placement:
        """A placement as it stands in the end: a Story founded and merged in one batch was never founded."""
        home = self.home(placement.story_id)
        return placement if home == placement.story_id else Placement(story_id=home, rule=SAME_ADDRESS)

    def join(self, entry: Entry, own: str | None) -> str | None:
        """Make one of all the Stories that share a key with `entry`, its own among them; returns the oldest."""
        groups = self._sharing(entry)
        one = [self.home(own)] if own else []
        members = {_Member(entry.feed_id, entry.title, ""), *(groups.pop(one[0], ()) if one else ())}
        for story_id in sorted(groups, key=self._ages.__getitem__):
            if all(member.goes_with(members) for member in groups[story_id]):
                members |= groups[story_id]
                one.append(story_id)
        if not one:
            return None
        oldest = min(one, key=self._ages.__getitem__)
        self.merged |= {story_id: oldest for story_id in one if story_id != oldest}
        self._hold(entry, oldest)
        return oldest

    def _sharing(self, entry: Entry) -> dict[str, set[_Member]]:
        """The members that share a key with `entry` and go with it, by Story."""
        me = _Member(entry.feed_id, entry.title, "")
        groups: dict[str, set[_Member]] = {}
        for key in entry.keys.fold:
            for member in self._holders.get(key, ()):
                if member.goes_with((me,)):
                    groups.setdefault(self.home(member.story_id), set()).add(member)
        return groups

    def _hold(self, entry: Entry, story_id: str) -> None:
        for key in entry.keys.fold:
            self._holders.setdefault(key, set()).add(_Member(entry.feed_id, entry.title, story_id))
