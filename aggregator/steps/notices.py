"""Mails of one purpose to one person: please confirm, welcome, your mail came back; and alerts to the admin.

subscribe, bounce: ... > **notices** > letter. They hold words of ours, the newsletter's title and addresses of ours:
nothing that whoever asked for them could choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from aggregator.model.channel import Site
from aggregator.model.newsletter import Rendering
from aggregator.press.forms import Forms
from aggregator.press.notice_words import LINKS, NOTICES, NoticeKind
from aggregator.press.prose import cut
from aggregator.press.samples import NOTICES as SAMPLES
from aggregator.press.views import LinkView, NoticeView, shown
from aggregator.press.wording import Words, words_for

HTML_TEMPLATE, TEXT_TEMPLATE = "notice.html", "notice.txt"
MAX_SUBJECT = 78
"""Characters (RFC 5322 2.1.1)."""
MAX_PREHEADER = 140
MAX_LINES = 200
"""Lines of an alert that are shown; the last one then counts the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeLinks:
    """Addresses of ours for the one who gets the notice: what the button does, and where else to go."""

    action: str = ""
    preferences: str = ""
    unsubscribe: str = ""
    archive: str = ""


class NoticeRenderer:
    """Turns purposes into mails with one set of templates (source by file name); raises TemplateError.

    The templates are tried on samples first, so that a misspelt name fails at start.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._forms = Forms(sources)
        for sample in SAMPLES:
            self._render(sample)

    def render_notice(
        self,
        kind: NoticeKind,
        *,
        site: Site,
        language: str,
        newsletter: str,
        links: NoticeLinks,
        until: date | None = None,
    ) -> Rendering:
        """The mail about the newsletter of this title; `until`: the last day on which the button works.

        Raises ValueError when a notice with a button is given nothing for it to do.
        """
        words = words_for(language)
        said, title = NOTICES[words.language][kind], shown(newsletter)
        if said.button and not links.action:
            raise ValueError(f"a notice {kind!r} has a button: give it links.action")
        blanks = {"newsletter": title, "site": shown(site.title)}
        term = said.term.format(date=words.tongue.on(until)) if until and said.term else ""
        body = said.body.format(**blanks)
        view = _view(
            words,
            site,
            subject=said.subject.format(**blanks),
            preheader=body,
            heading=said.heading,
            paragraphs=(body,),
            button=LinkView(text=said.button, url=links.action) if said.button else None,
            after=tuple(text for text in (said.after, term) if text),
            links=_links(words, links),
        )
        return self._render(view)

    def render_alert(self, *, site: Site, subject: str, lines: Sequence[str]) -> Rendering:
        """The mail to the admin, in the site's language: a subject, and facts, each on its line."""
        facts = tuple(line for text in lines if (line := shown(text)))
        hidden = len(facts) - MAX_LINES
        if hidden > 0:
            facts = (*facts[: MAX_LINES - 1], f"… (+{hidden + 1})")
        title = shown(subject)
        view = _view(
            words_for(site.language),
            site,
            subject=f"[{shown(site.title)}] {title}",
            preheader=facts[0] if facts else "",
            heading=title,
            lines=facts,
        )
        return self._render(view)

    def _render(self, view: NoticeView) -> Rendering:
        html, text = self._forms.html(HTML_TEMPLATE, view), self._forms.text(TEXT_TEMPLATE, view)
        return Rendering(subject=view.subject, html=html, text=text)


def _links(words: Words, links: NoticeLinks) -> tuple[LinkView, ...]:
    names = LINKS[words.language]
    shown_links = (
        (names.preferences, links.preferences),
        (names.archive, links.archive),
        (names.unsubscribe, links.unsubscribe),
    )
    return tuple(LinkView(text=name, url=url) for name, url in shown_links if url)


def _view(
    words: Words,
    site: Site,
    *,
    subject: str,
    preheader: str,
    heading: str,
    paragraphs: tuple[str, ...] = (),
    button: LinkView | None = None,
    after: tuple[str, ...] = (),
    lines: tuple[str, ...] = (),
    links: tuple[LinkView, ...] = (),
) -> NoticeView:
    return NoticeView(
        language=words.language,
        direction=words.direction,
        subject=cut(subject.replace("=?", "= ?"), MAX_SUBJECT),
        preheader=cut(preheader, MAX_PREHEADER),
        heading=heading,
        paragraphs=paragraphs,
        button=button,
        after=after,
        lines=lines,
        links=links,
        questions=words.questions,
        colon=words.colon,
        contact=shown(site.contact or ""),
        site_title=shown(site.title),
        site_url=f"{site.base_url}/",
    )
