"""Entries of several feeds that are one publication become one Story.

refresh: ... decide > tag > **cluster** > store.apply. This first form joins on equal fold keys
(canonical URL, DOI); further rules join the same way, by naming candidates.
"""

from base64 import b32encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from aggregator.model import Candidate, Clustering, Entry, Placement


@dataclass(frozen=True, slots=True)
class _Member:
    feed_id: str
    title: str
    story_id: str
    age: int
    """Order of arrival of the Story: the lower one keeps its id when two turn out to be one."""


def cluster(new: Sequence[Entry], candidates: Iterable[Candidate]) -> Clustering:
    """Where each new entry belongs; `candidates` are stored entries that share a fold key with any of them.

    An id never changes when a Story grows; when an entry joins two Stories, the older keeps its id and
    the younger is merged into it. Two entries of one feed are joined only under the same title: a publisher
    who lists one address twice under two titles means two things.
    """
    by_key: dict[bytes, list[_Member]] = {}
    for candidate in candidates:
        member = _Member(candidate.feed_id, candidate.title, candidate.story_id, candidate.story_seq)
        by_key.setdefault(candidate.key, []).append(member)
    merged: dict[str, str] = {}
    stored = {member.story_id for members in by_key.values() for member in members}
    placements = []
    founding = 1 + max((member.age for members in by_key.values() for member in members), default=0)
    for age, entry in enumerate(new, start=founding):
        joined = sorted(_matches(entry, by_key, merged), key=lambda member: member.age)
        home = joined[0] if joined else _Member(entry.feed_id, entry.title, story_id_for(entry), age)
        for other in joined:
            if other.story_id != home.story_id:
                merged[other.story_id] = home.story_id
        placements.append(Placement(story_id=home.story_id, rule="same-address" if joined else None))
        for key in entry.keys.fold:
            by_key.setdefault(key, []).append(_Member(entry.feed_id, entry.title, home.story_id, home.age))
    return Clustering(
        placements=tuple(
            Placement(story_id=_home(placement.story_id, merged), rule=_rule(placement, merged))
            for placement in placements
        ),
        merges=tuple((young, _home(young, merged)) for young in merged if young in stored),
    )


def story_id_for(entry: Entry) -> str:
    """The id of the Story that `entry` founds: 16 characters of base32, the same on every replay."""
    name = b"\0".join((entry.feed_id.encode(), entry.keys.identity[0]))
    return b32encode(blake2b(name, digest_size=10).digest()).decode().lower()


def _matches(entry: Entry, by_key: dict[bytes, list[_Member]], merged: dict[str, str]) -> Iterator[_Member]:
    for key in entry.keys.fold:
        for member in by_key.get(key, ()):
            if member.feed_id != entry.feed_id or member.title == entry.title:
                yield _Member(member.feed_id, member.title, _home(member.story_id, merged), member.age)


def _home(story_id: str, merged: dict[str, str]) -> str:
    while story_id in merged:
        story_id = merged[story_id]
    return story_id


def _rule(placement: Placement, merged: dict[str, str]) -> str | None:
    """A Story founded in this very batch and merged away again was never founded."""
    return placement.rule or ("same-address" if placement.story_id in merged else None)
