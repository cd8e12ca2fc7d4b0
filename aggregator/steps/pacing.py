"""How many letters may go now, by what went lately and what feeds.yaml allows.

deliver: deliveries.sent_since > **pacing** > deliveries.exchange

Letters are counted in parts of a limit's span, a sixtieth each, and a part counts until all of it is past: within any
span never more go than are allowed, and what is remembered does not grow with the letters.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate

from aggregator.model.pace import Limits, Pace, Rate, WarmUp
from aggregator.model.sending import Sent

PARTS = 60
SHARE = 10
"""Who has had all waits until a tenth of the letters is free again: for each alone it would be asked too often."""
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DOUBLINGS = 40


class Pacer:
    """What went lately, and how much may go now; `most` letters are asked for at once."""

    def __init__(self, limits: Limits, *, most: int) -> None:
        self.limits = limits
        self._most = most
        self._whole = _Window(limits.whole) if limits.whole else None
        self._warm_up = _Window(Rate(letters=0, span=_DAY)) if limits.warm_up else None
        self._newsletters = {id_: _Window(rate) for id_, rate in limits.newsletters.items()}
        self._domains = {domain: _Window(rate) for domain, rate in limits.domains.items()}
        self._near = {domain for domain, rate in limits.domains.items() if rate.letters < most}
        """Domains that have nearly had their share: only these are looked at each time."""

    def note(self, sent: Sent) -> None:
        """Count a letter that went, or is going."""
        for window in (self._whole, self._warm_up, self._newsletters.get(sent.newsletter_id)):
            if window is not None:
                window.add(sent.at)
        if window := self._window(sent.domain):
            window.add(sent.at)
            if window.left(sent.at) < self._most:
                self._near.add(sent.domain)

    def _window(self, domain: str) -> _Window | None:
        rate = self.limits.domains.get(domain, self.limits.other_domains)
        if rate is not None and domain not in self._domains:
            self._domains[domain] = _Window(rate)
        return self._domains.get(domain)

    def pace(self, now: datetime) -> Pace:
        """How many letters may go now; never more than would exceed the share of one they might all be for."""
        room = self._most
        if self._whole is not None:
            room = min(room, self._whole.left(now))
        if self._warm_up is not None and self.limits.warm_up is not None:
            room = min(room, self._warm_up.left(now, warmed_up(self.limits.warm_up, now)))
        if self.limits.other_domains is not None:
            room = min(room, self.limits.other_domains.letters)
        near = {domain: self._domains[domain] for domain in sorted(self._near)}
        domains, newsletters = _spent(near, now), _spent(self._newsletters, now)
        left = [
            window.left(now)
            for windows, spent in ((near, domains), (self._newsletters, newsletters))
            for name, window in windows.items()
            if name not in spent
        ]
        self._near = {domain for domain, window in near.items() if window.left(now) < self._most}
        return Pace(room=max(0, min([room, *left])), domains=domains, newsletters=newsletters)


def warmed_up(warm_up: WarmUp, now: datetime) -> int:
    """How many letters a day are allowed by now."""
    doublings = max(0, (now - warm_up.begins) // warm_up.doubling)
    return warm_up.letters << min(doublings, _MOST_DOUBLINGS)


def _spent(windows: dict[str, _Window], now: datetime) -> dict[str, datetime]:
    """Those of which none may go now, with the time of the next."""
    return {name: window.free_at(now) for name, window in windows.items() if window.left(now) <= 0}


class _Window:
    """The letters of the last span."""

    def __init__(self, rate: Rate) -> None:
        self._letters, self._span, self._part = rate.letters, rate.span, rate.span / PARTS
        self._counts: dict[int, int] = {}

    def add(self, at: datetime) -> None:
        place = (at - _EPOCH) // self._part
        self._counts[place] = self._counts.get(place, 0) + 1
        if len(self._counts) > 2 * PARTS:
            self._forget(at)

    def left(self, now: datetime, letters: int | None = None) -> int:
        """How many may still go, of the rate's letters or of so many."""
        self._forget(now)
        return (self._letters if letters is None else letters) - sum(self._counts.values())

    def free_at(self, now: datetime) -> datetime:
        """When there is room for a share of them again, of which there is none now."""
        self._forget(now)
        wanted = sum(self._counts.values()) - self._letters + max(1, self._letters // SHARE)
        places = sorted(self._counts)
        gone = accumulate(self._counts[place] for place in places)
        place = next(place for place, count in zip(places, gone, strict=True) if count >= wanted)
        return _EPOCH + (place + 1) * self._part + self._span

    def _forget(self, now: datetime) -> None:
        """What is past, and what was counted by a clock that was ahead."""
        first, last = (now - self._span - _EPOCH) // self._part, (now - _EPOCH) // self._part + 1
        if any(not first <= place <= last for place in self._counts):
            self._counts = {place: count for place, count in self._counts.items() if first <= place <= last}
