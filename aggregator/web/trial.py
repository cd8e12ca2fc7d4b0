"""Every page tried on made-up values, so that a fault in a template is found before a reader meets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from aggregator.errors import QueryError
from aggregator.model.channel import Channel, Site
from aggregator.model.delivery import Subscriber, Subscription, SubscriptionState
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed, FeedState, FeedStatus
from aggregator.model.indexed import Finding
from aggregator.model.newsletter import Issue, Newsletter, Rendering
from aggregator.model.parsed import Link, Person, SafeHtml
from aggregator.model.person import Person as KnownPerson
from aggregator.model.story import Story
from aggregator.settings.values import Polling, Settings
from aggregator.web.pages import Archive, Listing
from aggregator.web.view import View

_THEN = datetime(2026, 1, 1, tzinfo=UTC)
_FEED = Feed(id="feed", url="https://example.org/rss", name="Feed", site_url="https://example.org/", country="FR")
_TAG = Tag(name="country:fr", origin="rule", label="France")
_ENTRY = Entry(
    feed_id="feed",
    guid="1",
    title="Title",
    links=(
        Link(href="https://example.org/1"),
        Link(href="https://example.org/1.pdf", rel="enclosure", type="application/pdf"),
    ),
    summary=SafeHtml("<p>Summary.</p>"),
    authors=(Person(name="Author"),),
    language="ar",
    rights="Rights",
    doi="10.5555/1",
    keys=EntryKeys(identity=(), digest=b""),
    first_seen=_THEN,
    changed_at=_THEN,
    date=_THEN,
    joined_by="same-doi",
    tags=(_TAG,),
)
_BARE_ENTRY = replace(_ENTRY, feed_id="gone", title="", links=(), authors=(), rights=None, doi=None, joined_by=None)
_STORY = Story(
    id="story",
    seq=2,
    first_seen=_THEN,
    updated=_THEN.replace(year=2027),
    entries=(_ENTRY, replace(_ENTRY, title="Another"), _BARE_ENTRY),
)
_BARE_STORY = replace(_STORY, id="bare", updated=_THEN, entries=(replace(_BARE_ENTRY, tags=()),))
_LISTING = Listing(stories=(_STORY, _BARE_STORY), newest=False, older=1)
_NONE = Listing(stories=(), newest=True)
_STATE = FeedState(
    feed=_FEED, status=FeedStatus.FAILING, next_check_at=_THEN, checked_at=_THEN, changed_at=_THEN, error="Error"
)
_BARE_STATE = FeedState(feed=replace(_FEED, site_url=None, country=None), status=FeedStatus.GONE, next_check_at=None)
_COUNTS = {FeedStatus.FAILING: 1, FeedStatus.GONE: 1}
_LETTER = Newsletter(id="letter", title="Letter", schedule="mon 07:30", timezone="UTC", sender="desk@example.org")
_ISSUE = Issue(
    newsletter_id="letter",
    edition_id=1,
    number=1,
    created_at=_THEN,
    rendering=Rendering(subject="Subject", html="", text=""),
    story_ids=("story",),
)
_ISSUES = Archive(issues=(_ISSUE.summary,), newest=False, older=1)
_FINDING = Finding(stories=_LISTING.stories, further=1)
_FAULT = QueryError("no", text="(", position=0)

_FIELDS = "email newsletter frequency language timezone country topic query at day weekdays quiet_from quiet_to".split()
_GIVEN = dict.fromkeys(_FIELDS, "")
_CHOICE = {"frequencies": ("each", "daily"), "languages": ("en", "fr"), "zones": ("Europe/Paris",)}
_SUBSCRIBE: dict[str, object] = {"given": _GIVEN, "ticked": (), "faults": {}, "wording": "Words", **_CHOICE} | {
    "countries": [("fr", "France")],
    "topics": [("energy", "Energy")],
}
_CONFIRM: dict[str, object] = {"title": "Letter", "is_done": False, "is_this": True} | {
    "wording": "Words",
    "address": "/confirm/x",
}
_READER = Subscriber(id=1, email="ana@example.org")
_PERSON = KnownPerson(
    subscriber=_READER,
    since=_THEN,
    subscriptions=(
        Subscription(
            subscriber=_READER,
            newsletter_id="gone",
            state=SubscriptionState.CONFIRMED,
            consent_source="form",
            changed_at=_THEN,
        ),
    ),
)
_ROW: dict[str, object] = {"id": "letter", "letter": _LETTER, "state": "confirmed", "given": _GIVEN} | {
    "faults": dict.fromkeys(_FIELDS, "Fault"),
    "query_fault": _FAULT,
}
_PREFERENCES: dict[str, object] = {"person": _PERSON, "gone": _PERSON.subscriptions, "message": "Saved.", **_CHOICE} | {
    "rows": [_ROW | {"faults": {}, "query_fault": None}],
    "own": "/preferences/x",
    "days": ("mon",),
}

_SITE = Settings(
    config_path="",
    database_url="",
    data_dir="",
    site=Site(
        title="Site", base_url="https://example.org", contact="desk@example.org", source_url="https://example.org/src"
    ),
    feeds=(_FEED,),
    polling=Polling(),
    channels=(Channel(id="channel", title="Channel", query="country:fr", description="Description"),),
    newsletters=(_LETTER,),
)
_SITES = (_SITE, replace(_SITE, site=Site(title="Site", base_url=""), channels=(), newsletters=()))
PAGES: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("asked.html", {}),
    ("broken_link.html", {}),
    ("channels.html", {}),
    ("confirm.html", {"rows": [_CONFIRM, _CONFIRM | {"is_done": True}], "fresh": False, "preferences": None}),
    ("confirm.html", {"rows": [_CONFIRM | {"is_done": True}], "fresh": True, "preferences": "/preferences/x"}),
    ("erase.html", {"person": _PERSON, "back": "/preferences/x"}),
    ("erased.html", {}),
    ("error.html", {"status": 404, "title": "Title", "message": "message", "error": None}),
    ("error.html", {"status": 400, "title": "Title", "message": "", "error": _FAULT}),
    ("feed.html", {"state": _STATE, "address": "https://example.org/rss", "page": _LISTING}),
    ("feed.html", {"state": _BARE_STATE, "address": "https://example.org/rss", "page": _NONE}),
    ("feeds.html", {"states": [_STATE, _BARE_STATE], "counts": _COUNTS, "offline_since": _THEN}),
    ("feeds.html", {"states": [], "counts": {}, "offline_since": None}),
    ("front.html", {"page": _LISTING}),
    ("front.html", {"page": _NONE}),
    ("newsletter.html", {"newsletter_id": "letter", "letter": _LETTER, "page": _ISSUES}),
    ("newsletter.html", {"newsletter_id": "letter", "letter": None, "page": Archive(issues=(), newest=True)}),
    ("newsletters.html", {}),
    ("over.html", {"title": "Letter"}),
    ("preferences.html", _PREFERENCES),
    (
        "preferences.html",
        _PREFERENCES | {"rows": [_ROW, *({**_ROW, "state": state} for state in ("", "pending", "disabled"))]},
    ),
    ("search.html", {"text": "", "finding": None, "newest": True, "error": None}),
    ("search.html", {"text": "fr", "finding": _FINDING, "newest": False, "error": None}),
    ("search.html", {"text": "(", "finding": None, "newest": True, "error": _FAULT}),
    ("story.html", {"story": _STORY, "related": [_BARE_STORY], "more": 1}),
    ("story.html", {"story": _BARE_STORY, "related": [], "more": 0}),
    ("tag.html", {"name": "country:fr", "tag": _TAG, "page": _LISTING}),
    ("tag.html", {"name": "country:fr", "tag": None, "page": _NONE}),
    ("subscribe.html", _SUBSCRIBE),
    ("subscribe.html", _SUBSCRIBE | {"faults": dict.fromkeys(_FIELDS, "Fault"), "ticked": ["letter"]}),
    ("unsubscribe.html", {"title": "Letter"}),
    ("unsubscribed.html", {}),
)
"""Each template with what its page gives it: once with all there can be, and once with none of it."""


def try_pages(templates: str | None) -> None:
    """Fill every template, for pages served and for pages as files; raises TemplateError with file and line.

    `templates`: the folder with a person's own, if there is one."""
    for settings in _SITES:
        for static in (False, True):
            _try_all(replace(settings, templates=templates), static=static)


def _try_all(settings: Settings, *, static: bool) -> None:
    view = View(lambda: settings, static=static)
    for template, values in PAGES:
        view.render(template, **values)
