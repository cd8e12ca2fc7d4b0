"""An Issue as its reader sees it: the views that templates are given, made of a Digest, all of it text.

compose: ... selection > rendering (**layout**, then templates) > issue
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from aggregator.model.channel import Site
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.newsletter import UNSUBSCRIBE_PLACEHOLDER, Digest, Newsletter
from aggregator.model.story import Story
from aggregator.press.prose import cut, excerpt, one_line
from aggregator.press.wording import Words, words_for
from aggregator.urls import absolute_http, ascii_url, canonical_url, host_of

MAX_SUBJECT = 78
"""Characters; about what a list of mails shows, and what RFC 5322 2.1.1 asks of a header line."""
MAX_PREHEADER = 140
MAX_EXCERPT = 220
MAX_TAGS = 3
MAX_NAMES = 3
MAX_ALSO_AT = 6
SHOWN_NAMESPACES = ("type", "topic", "country", "region", "category")
_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ps", "ur", "yi"))

# --- what a template is given ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceView:
    """One place where a Story can be read; no `url` when there is none that we may link to."""

    publisher: str
    host: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryView:
    """A Story as a reader sees it; all of it is text."""

    title: str
    at: PlaceView
    authors: tuple[str, ...]
    date: str
    tags: tuple[str, ...]
    excerpt: str
    also_at: tuple[PlaceView, ...]
    language: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionView:
    heading: str
    stories: tuple[StoryView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueView:
    """Everything a template may name."""

    words: Words
    subject: str
    preheader: str
    title: str
    number: str
    date: str
    count: str
    sections: tuple[SectionView, ...]
    brief: tuple[StoryView, ...]
    left_out: str
    shortened: bool
    why: str
    contact: str
    site_title: str
    site_url: str
    browser_url: str
    unsubscribe_url: str = UNSUBSCRIBE_PLACEHOLDER


# --- how it is made -------------------------------------------------------------------------------


class Layout:
    """One Issue's Stories as views, made once, and the view of the whole at any length."""

    def __init__(
        self,
        digest: Digest,
        newsletter: Newsletter,
        *,
        site: Site,
        feeds: Mapping[str, Feed],
        number: int,
        created_at: datetime,
    ) -> None:
        self.stories = tuple(sorted(digest.stories, key=lambda story: (-story.head.date.timestamp(), -story.seq)))
        self._digest = digest
        self._words = words_for(newsletter.language)
        self._site = site
        self._title = _shown(newsletter.title)
        self._number = number
        self._date = self._words.on(created_at.astimezone(ZoneInfo(newsletter.timezone)).date())
        self._path = f"/newsletters/{quote(newsletter.id, safe='')}/{number}"
        desk = _Desk(site, feeds, self._words)
        self._views = {
            story.id: desk.story(story, section.heading) for section in digest.sections for story in section.stories
        } | {story.id: desk.story(story, "") for story in digest.overflow}

    def view(self, full: int, brief: int) -> IssueView:
        """The Issue with its `full` newest Stories in sections, and up to `brief` of the others by title."""
        sections = self._sections({story.id for story in self.stories[:full]})
        others = [self._views[story.id] for story in (*self.stories[full:], *self._digest.overflow)]
        shown = [*(story for section in sections for story in section.stories), *others[:brief]]
        words, site = self._words, _shown(self._site.title)
        return IssueView(
            words=words,
            subject=self._subject(shown[0].title if shown else words.nothing),
            preheader=cut(" · ".join(story.title for story in shown[1:4]), MAX_PREHEADER),
            title=self._title,
            number=words.issue.format(number=self._number),
            date=self._date,
            count=words.count(len(self._views)),
            sections=sections,
            brief=tuple(others[:brief]),
            left_out=words.more.format(count=len(others) - brief, site=site) if len(others) > brief else "",
            shortened=full < len(self.stories),
            why=words.why.format(newsletter=self._title, site=site),
            contact=_shown(self._site.contact or ""),
            site_title=site,
            site_url=f"{self._site.base_url}/",
            browser_url=f"{self._site.base_url}{self._path}",
        )

    def _sections(self, ids: Collection[str]) -> tuple[SectionView, ...]:
        """The sections with those of their Stories, under a heading of ours where several stand and one has none."""
        sections = []
        for section in self._digest.sections:
            stories = tuple(self._views[story.id] for story in section.stories if story.id in ids)
            unnamed = self._words.other if len(self._digest.sections) > 1 else ""
            if stories:
                sections.append(SectionView(heading=_shown(section.heading) or unnamed, stories=stories))
        return tuple(sections)

    def _subject(self, headline: str) -> str:
        """Title and headline, without what a mail program would take for an encoded word (RFC 2047 2) and decode."""
        beginning = self._title + self._words.colon
        room = MAX_SUBJECT - len(beginning)
        whole = beginning + headline if room > MAX_SUBJECT // 4 else self._title
        return cut(whole.replace("=?", "= ?"), MAX_SUBJECT)


class _Desk:
    """Turns Stories into what a reader sees, for one site and language."""

    def __init__(self, site: Site, feeds: Mapping[str, Feed], words: Words) -> None:
        self._feeds = feeds
        self._words = words
        self._zone = ZoneInfo(site.timezone)
        self._own = _origin(site.base_url)

    def story(self, story: Story, heading: str) -> StoryView:
        """The Story by its head; the tag that the heading already says is not repeated."""
        head, at = story.head, self._place(story.head)
        feed = self._feeds.get(head.feed_id)
        language = head.language or (feed and feed.language) or self._words.language
        family = language.partition("-")[0]
        text = _shown(excerpt(head, MAX_EXCERPT))
        title = _shown(head.title) or cut(text, MAX_SUBJECT) or self._words.untitled
        return StoryView(
            title=title,
            at=at,
            authors=_names(head, at.publisher),
            date=self._words.on(head.date.astimezone(self._zone).date()),
            tags=_tags(story, heading),
            excerpt=text if text != title else "",
            also_at=self._also_at(story, at),
            language=language if family != self._words.language else "",
            direction="rtl" if family in _RIGHT_TO_LEFT else "",
        )

    def _also_at(self, story: Story, at: PlaceView) -> tuple[PlaceView, ...]:
        places = dict.fromkeys(self._place(entry) for entry in story.also_at)
        return tuple(place for place in places if place != at)[:MAX_ALSO_AT]

    def _place(self, entry: Entry) -> PlaceView:
        url = self._address(entry.url)
        host = host_of(url) if url else ""
        feed = self._feeds.get(entry.feed_id)
        return PlaceView(publisher=_shown(feed.name) if feed else host or entry.feed_id, host=host, url=url)

    def _address(self, url: str | None) -> str | None:
        """A link we may print: to the web, in ASCII, and to none of our own pages, which only our words point at."""
        address = absolute_http(url) if url else None
        address = ascii_url(address) if address else None
        if address is None or UNSUBSCRIBE_PLACEHOLDER in address or _origin(address) == self._own:
            return None
        return address


def _shown(text: str) -> str:
    """One line, in which the placeholder for a recipient's own address is no longer one."""
    return one_line(text).replace(UNSUBSCRIBE_PLACEHOLDER, "unsubscribe.invalid")


def _names(entry: Entry, publisher: str) -> tuple[str, ...]:
    names = dict.fromkeys(_shown(person.name) for person in entry.authors)
    return tuple(name for name in names if name and name.casefold() != publisher.casefold())[:MAX_NAMES]


def _tags(story: Story, heading: str) -> tuple[str, ...]:
    tags = sorted(
        (tag for tag in story.tags if tag.namespace in SHOWN_NAMESPACES),
        key=lambda tag: SHOWN_NAMESPACES.index(tag.namespace),
    )
    texts = {text.casefold(): text for tag in reversed(tags) if (text := _shown(tag.text)) != _shown(heading)}
    return tuple(reversed(texts.values()))[:MAX_TAGS]


def _origin(url: str) -> tuple[str, int | None]:
    """Where an address leads in the end, to compare: host and port, without `www.`, default ports and redirectors."""
    parts = urlsplit(canonical_url(url) or url)
    return parts.hostname or "", parts.port
