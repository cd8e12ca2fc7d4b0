"""The engine behind every page: `templates/web/`, filled in the site's own addresses, names and times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache, partial
from hashlib import sha256
from itertools import groupby
from operator import methodcaller
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import filters

from aggregator.model.channel import Channel, Site
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Newsletter
from aggregator.model.story import Story
from aggregator.press.prose import excerpt
from aggregator.press.templating import Templates
from aggregator.settings.loading import template_files
from aggregator.settings.values import Settings
from aggregator.urls import host_of
from aggregator.web import showing

PAGE_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"
"""What a page may do (CSP level 3): load our style and icon, send our forms, and nothing else; no script runs."""
EXCERPT = 300
"""Characters of a story's beginning in a list; the style shows two or three lines of them."""
GIVEN = (
    "address back counts countries days error faults finding frequencies fresh given gone here languages letter "
    "message more name newest newsletter_id offline_since own page person preferences related rows site state states "
    "status story tag text ticked title topics wording zones"
).split()
"""What a template may name; each page is given `site`, and those of the others that it is about."""
FILTERS = {name: filters.FILTERS[name] for name in ("list", "rejectattr", "select", "selectattr", "string")} | {
    "excerpt": partial(excerpt, limit=EXCERPT),
    "body": showing.body,
    "host": host_of,
    "href": showing.web_address,
    "foremost": showing.foremost_tags,
    "joined": showing.joined,
    "evidence": showing.evidence,
    "place": showing.query_place,
    "rhythm": showing.rhythm,
    "iso": methodcaller("isoformat"),
}
"""What pages call, besides what letters do."""
ASSETS = {"wire.css": "text/css; charset=utf-8", "favicon.svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file the pages load; its path holds a hash of its bytes, so it may be kept for ever."""

    path: str
    content_type: str
    body: bytes


class SiteView:
    """What a template may ask of the site: made for one rendering, from the Settings of that moment."""

    policy = PAGE_POLICY

    def __init__(self, settings: Settings, assets: Mapping[str, Asset], *, static: bool) -> None:
        self.site: Site = settings.site
        self.channels: tuple[Channel, ...] = settings.channels
        self.newsletters: tuple[Newsletter, ...] = settings.newsletters
        self.static = static
        """True for pages written as files, which lead to no page that needs a server."""
        self._settings, self._assets = settings, assets
        self._root = root_of(settings.site)
        self._zone = ZoneInfo(settings.site.timezone)

    @cached_property
    def _feeds(self) -> Mapping[str, Feed]:
        return {feed.id: feed for feed in self._settings.feeds}

    def link(self, *parts: str, **query: object) -> str:
        """The address of one of our pages, from the root of the host."""
        path = "/".join(quote(part, safe=":") for part in parts)
        return f"{self._root}/{path}" + (f"?{urlencode(query)}" if query else "")

    def absolute(self, *parts: str, **query: object) -> str:
        """The same as others would link to it."""
        return self.site.base_url + self.link(*parts, **query).removeprefix(self._root)

    def asset(self, name: str) -> str:
        return f"{self._root}/{self._assets[name].path}"

    def feed(self, feed_id: str) -> Feed | None:
        return self._feeds.get(feed_id)

    def source(self, feed_id: str) -> str:
        """The publisher's name; of a feed no longer named in feeds.yaml only the id is left."""
        feed = self.feed(feed_id)
        return feed.name if feed else feed_id

    def language(self, entry: Entry) -> str | None:
        feed = self.feed(entry.feed_id)
        return entry.language or (feed.language if feed else None)

    def newsletter(self, newsletter_id: str) -> str:
        """The newsletter's title, or its id when feeds.yaml no longer names it."""
        letter = self._settings.newsletter(newsletter_id)
        return letter.title if letter else newsletter_id

    def day(self, moment: datetime) -> str:
        local = moment.astimezone(self._zone)
        return f"{local.day} {local:%b %Y}"

    def minute(self, moment: datetime) -> str:
        return f"{self.day(moment)}, {moment.astimezone(self._zone):%H:%M %Z}"

    def by_date(self, stories: Iterable[Story]) -> Iterator[tuple[date, list[Story]]]:
        """Stories under the day they are dated, in the order given."""
        for day, group in groupby(stories, lambda story: story.head.date.astimezone(self._zone).date()):
            yield day, list(group)

    def by_day(self, stories: Iterable[Story]) -> Iterator[tuple[date, list[Story]]]:
        """Stories, given in the order of arrival, under the day they came; the newest date first."""
        for day, group in groupby(stories, lambda story: story.first_seen.astimezone(self._zone).date()):
            yield day, sorted(group, key=lambda story: story.head.date, reverse=True)


class View:
    """Fills templates; one for the pages served, one for those written as files (`static`). Raises TemplateError."""

    def __init__(self, settings: Callable[[], Settings], *, static: bool = False) -> None:
        files = template_files("web", settings().templates)
        self.assets = {name: _asset(files[name], kind) for name, kind in ASSETS.items()}
        self._settings, self._static = settings, static
        pages = (name for name in files if name.endswith(".html"))
        self._templates = _compiled(*((name, files[name].read_text(encoding="utf-8")) for name in pages))

    def render(self, template: str, **values: object) -> str:
        site = SiteView(self._settings(), self.assets, static=self._static)
        return self._templates.render(template, {"site": site, **values})


def root_of(site: Site) -> str:
    """The path our pages stand under: "" or such as "/wire"."""
    return urlsplit(site.base_url).path.rstrip("/")


@lru_cache(maxsize=2)
def _compiled(*sources: tuple[str, str]) -> Templates:
    """Templates hold nothing of a site, so that all Views of a process share them."""
    return Templates(dict(sources), given=GIVEN, filters=FILTERS, sandbox=False)


def _asset(file: Path, content_type: str) -> Asset:
    content = file.read_bytes()
    return Asset(
        path=f"static/{file.stem}.{sha256(content).hexdigest()[:12]}{file.suffix}",
        content_type=content_type,
        body=content,
    )
