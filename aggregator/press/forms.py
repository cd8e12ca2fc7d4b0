"""The templates of our mails, read and checked: a view in, HTML with its styles in the elements, or text, out.

compose: ... rendering (layout, then **forms**) > issue; notices go the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields

from css_inline import CSSInliner, InlineError

from aggregator.errors import TemplateError
from aggregator.press.templating import Templates
from aggregator.press.views import IssueView, NoticeView

MAX_HTML = 98_000
"""Bytes; Gmail cuts a mail near 102,000, and each recipient's own address is longer than its placeholder."""

_GIVEN = {
    "issue": frozenset(field.name for field in fields(IssueView)),
    "notice": frozenset(field.name for field in fields(NoticeView)),
}
"""What the templates of each kind of mail may name; parts that they include or import may name all of it."""


class Forms:
    """The templates of mails (source by file name); raises TemplateError for one that is unsound."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._templates = Templates(sources, given=_given_to)
        self._inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)

    def html(self, name: str, view: IssueView | NoticeView) -> str:
        """The view in this template, the styles written into the elements; `@media` rules stay at the top."""
        html = self._templates.render(name, _values(view))
        try:
            return self._inliner.inline(html)
        except InlineError as error:
            raise TemplateError(f"{name}:1: its styles cannot be read: {error}") from error

    def text(self, name: str, view: IssueView | NoticeView) -> str:
        """The view in this template, without spaces at line ends and with one empty line at most between others."""
        text = self._templates.render(name, _values(view))
        return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"


def _given_to(name: str) -> frozenset[str]:
    return _GIVEN.get(name.partition(".")[0]) or frozenset().union(*_GIVEN.values())


def _values(view: IssueView | NoticeView) -> dict[str, object]:
    return {field.name: getattr(view, field.name) for field in fields(view)}
