"""Every page for readers, as a text of HTML.

What is not there raises NotFoundError, what is no query raises QueryError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import NotFoundError, QueryError
from aggregator.mail_ports import NewsletterStore
from aggregator.model.feed import FeedState
from aggregator.model.newsletter import IssueSummary
from aggregator.model.story import Story
from aggregator.ports import StoryStore
from aggregator.query.grammar import parse_query
from aggregator.urls import without_secrets
from aggregator.web.context import WebContext
from aggregator.web.view import View

PAGE_SIZE = 50
RELATED_SHOWN = 20
"""Related stories named on a story's page, the newest."""
NOT_FOUND = "The address may be mistyped, or what stood here may be gone."


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of stories; `older` is the seq to go on below, None on the last page."""

    stories: tuple[Story, ...]
    newest: bool
    older: int | None = None


def listing(store: StoryStore, before: int | None, *, tag: str | None = None, feed_id: str | None = None) -> Listing:
    """The newest stories below the seq `before`, of a tag or a feed when one is named."""
    found = store.newest(limit=PAGE_SIZE + 1, before=before, tags=[tag] if tag else (), feed_id=feed_id)
    page = tuple(found[:PAGE_SIZE])
    return Listing(stories=page, newest=before is None, older=page[-1].seq if len(found) > PAGE_SIZE else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One page of issues; `older` is the number to go on below, None on the last page."""

    issues: tuple[IssueSummary, ...]
    newest: bool
    older: int | None = None


def archive(store: NewsletterStore, newsletter_id: str, before: int | None) -> Archive:
    """The newest issues below the number `before`."""
    found = store.issues(newsletter_id, before=before, limit=PAGE_SIZE + 1)
    page = tuple(found[:PAGE_SIZE])
    return Archive(issues=page, newest=before is None, older=page[-1].number if len(found) > PAGE_SIZE else None)


class Pages:
    """The pages of one site, through the templates of one View."""

    def __init__(self, context: WebContext, view: View) -> None:
        self._context, self._view = context, view

    def front(self, page: Listing) -> str:
        return self._view.render("front.html", page=page)

    def story(self, story: Story, related: Sequence[Story]) -> str:
        shown, more = related[:RELATED_SHOWN], len(related[RELATED_SHOWN:])
        return self._view.render("story.html", story=story, related=shown, more=more)

    def tag(self, name: str, page: Listing) -> str:
        if page.newest and not page.stories:
            raise NotFoundError(f"no story carries the tag {name!r}")
        tag = next((tag for story in page.stories for tag in story.tags if tag.name == name), None)
        return self._view.render("tag.html", name=name, tag=tag, page=page)

    def feeds(self) -> str:
        states = sorted(self._context.feeds.states(), key=lambda state: state.feed.name.casefold())
        counts = Counter(state.status for state in states)
        offline_since = self._context.health().offline_since
        return self._view.render("feeds.html", states=states, counts=counts, offline_since=offline_since)

    def feed(self, feed_id: str, page: Listing) -> str:
        state = self._state(feed_id)
        return self._view.render("feed.html", state=state, address=without_secrets(state.feed.url), page=page)

    def channels(self) -> str:
        return self._view.render("channels.html")

    def search(self, text: str, before: int | None) -> str:
        """The box alone for an empty text; raises QueryError."""
        query = parse_query(text)
        finding = self._context.find(query, before) if text.strip() else None
        return self._view.render("search.html", text=text, finding=finding, newest=before is None, error=None)

    def search_fault(self, text: str, error: QueryError) -> str:
        return self._view.render("search.html", text=text, finding=None, newest=True, error=error)

    def newsletters(self) -> str:
        return self._view.render("newsletters.html")

    def newsletter(self, newsletter_id: str, page: Archive) -> str:
        letter = self._context.settings().newsletter(newsletter_id)
        if not page.issues and letter is None:
            raise NotFoundError(f"there is no newsletter {newsletter_id!r}")
        return self._view.render("newsletter.html", newsletter_id=newsletter_id, letter=letter, page=page)

    def missing(self) -> str:
        """The page a web host shows for files that are not there."""
        return self._view.render("error.html", status=404, title="Not Found", message=NOT_FOUND, error=None)

    def _state(self, feed_id: str) -> FeedState:
        states = self._context.feeds.states([feed_id])
        if not states:
            raise NotFoundError(f"there is no feed {feed_id!r}")
        return states[0]
