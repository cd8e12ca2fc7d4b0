"""How an installation is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aggregator.errors import Problem
from aggregator.model.delivery import DeliveryState
from aggregator.model.feed import FeedStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the installation is doing; `problems` are the faults of a feeds.yaml that is being ignored."""

    worker_tick: datetime | None = None
    """When a worker last said that it is alive."""
    offline_since: datetime | None = None
    """Since when no feed could be reached, as this machine seems to be offline."""
    unsent_since: datetime | None = None
    """Since when the mail server takes no letter."""
    flooded_at: datetime | None = None
    """When more people asked for newsletters than a site of readers has, the last time."""
    out_of_reach: int = 0
    """Suppressed addresses that were hashed with a secret which is not given any more."""
    problems: tuple[Problem, ...] = ()
    sends_mail: bool = True
    """False when no mail server is named, and letters are kept as files."""
    feeds: Mapping[FeedStatus, int] = field(default_factory=dict)
    deliveries: Mapping[DeliveryState, int] = field(default_factory=dict)
