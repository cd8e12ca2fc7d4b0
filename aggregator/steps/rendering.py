"""A Digest as mail: subject, HTML and text of one Issue, from templates that people may change.

compose: ... selection > **rendering** > issue. Publishers' words come in as text and go out escaped; markup comes
from the templates alone. What a template is given is `press/views.py`'s `IssueView`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from aggregator.errors import TemplateError
from aggregator.model.channel import Site
from aggregator.model.feed import Feed
from aggregator.model.newsletter import UNSUBSCRIBE_PLACEHOLDER, Correction, Digest, Newsletter, Rendering
from aggregator.press.desk import MAX_EXCERPT
from aggregator.press.forms import MAX_HTML, Forms
from aggregator.press.layout import Layout, Length
from aggregator.press.samples import ISSUES
from aggregator.press.views import IssueView

HTML_TEMPLATE, TEXT_TEMPLATE = "issue.html", "issue.txt"
MAX_BRIEF = 100
EXCERPTS = (MAX_EXCERPT, 140, 80, 0)
"""Characters of an excerpt, the fullest first: a mail that would be too long has fewer words before fewer Stories."""
_FIRST_GUESS = 64
"""Stories; about as many as fit."""

_MAIL_ONLY = re.compile(r"<!--mail-only-->.*?<!--/mail-only-->\s*", re.DOTALL)


class Renderer:
    """Turns Digests into mails with one set of templates (source by file name); raises TemplateError.

    The templates are tried on samples first, so that a misspelt name fails at start and not when a mail is due.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._forms = Forms(sources)
        for sample in ISSUES:
            self._render(sample)

    def render_issue(
        self,
        digest: Digest,
        newsletter: Newsletter,
        *,
        site: Site,
        feeds: Mapping[str, Feed],
        number: int | None,
        created_at: datetime,
        note: str = "",
        corrections: Sequence[Correction] = (),
        browser_url: str = "",
    ) -> Rendering:
        """The mail of one Issue; the same arguments give the same bytes, and the HTML part is under 100 KB.

        When it would be longer, excerpts are shortened and then left out; after that the smallest Stories are named by
        title only, and past `MAX_BRIEF` counted. `note`: an editor's words, plain text. `browser_url`: where it can be
        read, its page in the archive when not given; an Issue that is not in the archive has no `number` to show.
        """
        layout = Layout(
            digest,
            newsletter,
            site=site,
            feeds=feeds,
            number=number,
            created_at=created_at,
            note=note,
            corrections=corrections,
            browser_url=browser_url,
        )
        return self._render(layout.view(self._fitting(layout)))

    def _fitting(self, layout: Layout) -> Length:
        """The fullest length whose HTML is small enough."""

        def fits(length: Length) -> bool:
            return len(self._forms.html(HTML_TEMPLATE, layout.view(length)).encode()) <= MAX_HTML

        fullest, *others = (Length(excerpt=excerpt, full=layout.places, brief=MAX_BRIEF) for excerpt in EXCERPTS)
        if fits(fullest):
            return fullest
        full = _most(layout.places, lambda count: fits(Length(excerpt=0, full=count, brief=MAX_BRIEF)))
        if full == layout.places:
            return next(filter(fits, others))
        brief = MAX_BRIEF if full else _most(MAX_BRIEF, lambda count: fits(Length(excerpt=0, full=0, brief=count)))
        return Length(excerpt=0, full=full, brief=brief)

    def _render(self, view: IssueView) -> Rendering:
        html, text = self._forms.html(HTML_TEMPLATE, view), self._forms.text(TEXT_TEMPLATE, view)
        if len(html.encode()) > MAX_HTML:
            noted = " with this editor's note" if view.note else ""
            raise TemplateError(f"{HTML_TEMPLATE}:1: is over {MAX_HTML:,} bytes even without stories{noted}")
        for name, part in ((HTML_TEMPLATE, html), (TEXT_TEMPLATE, text)):
            if UNSUBSCRIBE_PLACEHOLDER not in part:
                raise TemplateError(f"{name}:1: shows no {{{{ unsubscribe_url }}}}, and no mail may go out without it")
        return Rendering(subject=view.subject, html=html, text=text)


def for_archive(html: str) -> str:
    """The HTML part as a web page: without what is for the mail's recipient alone."""
    return _MAIL_ONLY.sub("", html)


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to the limit that fits, or 0; it is looked for among small ones first, which cost less."""
    high = _FIRST_GUESS
    while high < limit and fits(high):
        high *= 2
    if high >= limit and fits(limit):
        return limit
    return max(0, bisect_left(range(min(high, limit)), True, key=lambda count: not fits(count)) - 1)
