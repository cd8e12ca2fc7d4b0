"""Redirects, walked by hand: each hop is checked like the first, and what is meant for one origin stays with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from yarl import URL

HOPS = 5
PERMANENT = frozenset({301, 308})
REDIRECTS = PERMANENT | {302, 303, 307}


class BadRedirect(Exception):
    """The way ends here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One stop on the way to a feed: where, with which headers of the feed's own, and how we came here."""

    url: URL
    headers: Mapping[str, str]
    count: int = 0
    downgrades: int = 0
    moved_for_good: bool = True
    at_home: bool = True

    def next(self, status: int, location: str, read: Callable[[str], URL]) -> "Hop":
        """The stop that a redirect leads to; raises BadRedirect, and what `read` raises for a forbidden address."""
        url = read(self._target(status, location))
        if url == self.url:
            raise BadRedirect(f"{status} to itself")
        downgrades = self.downgrades + (self.url.scheme == "https" and url.scheme == "http")
        if downgrades > 1:
            raise BadRedirect("redirected from https to http more than once")
        if self.count == HOPS:
            raise BadRedirect(f"more than {HOPS} redirects")
        same_origin = origin(url) == origin(self.url)
        return Hop(
            url=url,
            headers=self.headers if same_origin else {},
            count=self.count + 1,
            downgrades=downgrades,
            moved_for_good=self.moved_for_good and status in PERMANENT,
            at_home=self.at_home and same_origin,
        )

    def _target(self, status: int, location: str) -> str:
        if not location:
            raise BadRedirect(f"{status} to nowhere")
        try:
            target = urljoin(str(self.url), location.replace(" ", "%20"))
        except ValueError as error:
            raise BadRedirect(f"{status} to an address that cannot be read") from error
        return target.partition("#")[0]


def origin(url: URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what RFC 6454 calls an origin."""
    return url.scheme, (url.raw_host or "").lower().removesuffix("."), url.port
