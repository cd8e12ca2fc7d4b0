"""How many letters may go, and how many may go now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many letters within any span of so long."""

    letters: int
    span: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """A relay whose name is new: so many letters a day on the first, twice as many after each `doubling`, and so on."""

    begins: datetime
    letters: int
    doubling: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What feeds.yaml says of the pace of sending: over all (`whole`, `warm_up`), of each newsletter by its id, of each
    domain by its name, and of each other domain."""

    whole: Rate | None = None
    warm_up: WarmUp | None = None
    newsletters: Mapping[str, Rate] = field(default_factory=dict)
    domains: Mapping[str, Rate] = field(default_factory=dict)
    other_domains: Rate | None = None

    @property
    def longest(self) -> timedelta:
        """The longest span that any of them looks back; none without limits."""
        rates = [self.whole, self.other_domains, *self.newsletters.values(), *self.domains.values()]
        spans = [rate.span for rate in rates if rate is not None]
        return max([*spans, *([timedelta(days=1)] if self.warm_up else [])], default=timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many letters may go now, and to whom none: domains and newsletters that have had their share, each with the
    time at which there is a next one for them."""

    room: int
    domains: Mapping[str, datetime] = field(default_factory=dict)
    newsletters: Mapping[str, datetime] = field(default_factory=dict)
