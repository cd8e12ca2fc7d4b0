"""What the database follows of feeds.yaml: held against an edit before it goes live, and caught up with after."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.model.channel import Channel
from aggregator.model.newsletter import Newsletter


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The channels and newsletters that feeds.yaml named when it was last followed."""

    channels: tuple[Channel, ...] = ()
    newsletters: tuple[Newsletter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagging:
    """How far stored tags are those of `version`: of all entries but those with ids below `below`."""

    version: str = ""
    below: int = 0
