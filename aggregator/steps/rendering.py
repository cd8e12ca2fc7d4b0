"""A Digest as mail: subject, HTML and text of one Issue, from templates that people may change.

compose: ... selection > **rendering** > issue. Publishers' words come in as text and go out escaped; markup comes
from the templates alone. What a template is given is `press/layout.py`'s `IssueView`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime

from css_inline import CSSInliner, InlineError

from aggregator.errors import TemplateError
from aggregator.model.channel import Site
from aggregator.model.feed import Feed
from aggregator.model.newsletter import UNSUBSCRIBE_PLACEHOLDER, Digest, Newsletter, Rendering
from aggregator.press.layout import IssueView, Layout, PlaceView, SectionView, StoryView
from aggregator.press.templating import Templates
from aggregator.press.wording import words_for

HTML_TEMPLATE, TEXT_TEMPLATE = "issue.html", "issue.txt"
MAX_HTML = 98_000
"""Bytes; Gmail cuts a mail near 102,000, and each recipient's own address is longer than its placeholder."""
MAX_BRIEF = 100

_MAIL_ONLY = re.compile(r"<!--mail-only-->.*?<!--/mail-only-->\s*", re.DOTALL)
_GIVEN = tuple(field.name for field in fields(IssueView))


class Renderer:
    """Turns Digests into mails with one set of templates (source by file name); raises TemplateError.

    The templates are tried on a sample first, so that a misspelt name fails at start and not when a mail is due.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._templates = Templates(sources, given=_GIVEN)
        self._inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
        self._render(_SAMPLE)

    def render_issue(
        self,
        digest: Digest,
        newsletter: Newsletter,
        *,
        site: Site,
        feeds: Mapping[str, Feed],
        number: int,
        created_at: datetime,
    ) -> Rendering:
        """The mail of one Issue; the same arguments give the same bytes, and the HTML part is under 100 KB.

        When it would be longer, the oldest Stories are named by title only, and past `MAX_BRIEF` counted.
        """
        layout = Layout(digest, newsletter, site=site, feeds=feeds, number=number, created_at=created_at)
        return self._render(self._fitted(layout))

    def _fitted(self, layout: Layout) -> IssueView:
        """The fullest view whose HTML is small enough."""

        def fits(view: IssueView) -> bool:
            return len(self._html(view).encode()) <= MAX_HTML

        full = _most(len(layout.stories), lambda count: fits(layout.view(count, MAX_BRIEF)))
        brief = MAX_BRIEF if full else _most(MAX_BRIEF, lambda count: fits(layout.view(0, count)))
        return layout.view(full, brief)

    def _render(self, view: IssueView) -> Rendering:
        html = self._html(view)
        text = self._templates.render(TEXT_TEMPLATE, _values(view))
        if len(html.encode()) > MAX_HTML:
            raise TemplateError(f"{HTML_TEMPLATE}:1: is over {MAX_HTML:,} bytes even without stories")
        for name, part in ((HTML_TEMPLATE, html), (TEXT_TEMPLATE, text)):
            if UNSUBSCRIBE_PLACEHOLDER not in part:
                raise TemplateError(f"{name}:1: shows no {{{{ unsubscribe_url }}}}, and no mail may go out without it")
        return Rendering(subject=view.subject, html=html, text=_tidy(text))

    def _html(self, view: IssueView) -> str:
        html = self._templates.render(HTML_TEMPLATE, _values(view))
        try:
            return self._inliner.inline(html)
        except InlineError as error:
            raise TemplateError(f"{HTML_TEMPLATE}:1: its styles cannot be read: {error}") from error


def for_archive(html: str) -> str:
    """The HTML part as a web page: without what is for the mail's recipient alone."""
    return _MAIL_ONLY.sub("", html)


def _values(view: IssueView) -> dict[str, object]:
    return {name: getattr(view, name) for name in _GIVEN}


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to the limit that fits, or 0."""
    return limit if fits(limit) else max(0, bisect_left(range(limit), True, key=lambda count: not fits(count)) - 1)


def _tidy(text: str) -> str:
    """Without spaces at line ends, and with one empty line at most between two others."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"


_PLACE = PlaceView(publisher="Publisher", host="example.org", url="https://example.org/")
_STORY = StoryView(
    title="Title",
    at=_PLACE,
    authors=("Author",),
    date="1 January 2026",
    tags=("Tag",),
    excerpt="Excerpt.",
    also_at=(_PLACE,),
    language="ar",
    direction="rtl",
)
_SAMPLE = IssueView(
    words=words_for("en"),
    subject="Subject",
    preheader="Title",
    title="Newsletter",
    number="Issue 1",
    date="1 January 2026",
    count="3 stories",
    sections=(SectionView(heading="Heading", stories=(_STORY,)),),
    brief=(_STORY,),
    left_out="And 1 more",
    shortened=True,
    why="Why.",
    contact="desk@example.org",
    site_title="Site",
    site_url="https://example.org/",
    browser_url="https://example.org/newsletters/sample/1",
)
