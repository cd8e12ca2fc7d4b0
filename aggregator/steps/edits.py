"""Feeds, channels and newsletters as feeds.yaml has them, beside what is applied of them: added, removed or changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import chain
from typing import TypeVar

from aggregator.model.channel import Channel
from aggregator.model.feed import Feed
from aggregator.model.foresight import Difference, Edit, Kind, Value
from aggregator.model.newsletter import Newsletter

Item = TypeVar("Item", Feed, Channel, Newsletter)


def edits(before: Sequence[Item], after: Sequence[Item]) -> Iterator[Edit]:
    """Every item of either, in the order of the file, those it no longer has last; `same` where no key differs."""
    old, new = ({item.id: item for item in items} for items in (before, after))
    for id_ in dict.fromkeys(chain(new, old)):
        yield _edit(id_, old.get(id_), new.get(id_))


def _edit(id_: str, before: Item | None, after: Item | None) -> Edit:
    old, new = ({} if item is None else _keys(item) for item in (before, after))
    pairs = ((key, old[key], new[key]) for key in old.keys() & new.keys())
    differences = [Difference(key=key, before=was, after=will) for key, was, will in pairs if was != will]
    kind: Kind = "added" if not old else "removed" if not new else "changed" if differences else "same"
    item = after or before
    name = item.name if isinstance(item, Feed) else item.title if item else id_
    return Edit(id=id_, name=name, kind=kind, differences=tuple(sorted(differences, key=lambda one: one.key)))


def _keys(item: Feed | Channel | Newsletter) -> Mapping[str, Value]:
    """The keys of feeds.yaml with their values; of a feed, those that the database keeps."""
    if isinstance(item, Feed):
        own = {name: getattr(item, name) for name in ("url", "name", "country", "language")}
        return own | {"every": item.options.every, "tags": item.options.tags}
    return {
        "from" if it.name == "sender" else it.name: getattr(item, it.name) for it in fields(item) if it.name != "id"
    }
