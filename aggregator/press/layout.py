"""An Issue as its reader sees it: the views that templates are given, made of a Digest, at any length.

compose: ... selection > rendering (**layout**, then templates) > issue
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from aggregator.model.channel import Site
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Correction, Digest, Newsletter, Section
from aggregator.model.story import Story
from aggregator.press.desk import MAX_EXCERPT, Desk
from aggregator.press.note import note_view
from aggregator.press.prose import cut, cut_at_sentence
from aggregator.press.tongues import tongue_of
from aggregator.press.views import CorrectionView, IssueView, SectionView, StoryView, shown
from aggregator.press.weight import by_weight
from aggregator.press.wording import words_for

MAX_SUBJECT = 78
"""Characters; about what a list of mails shows, and what RFC 5322 2.1.1 asks of a header line."""
MAX_PREHEADER = 140
MAX_CORRECTIONS = 20
"""Those shown; the others are counted among what is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How much of an Issue is shown: characters of each excerpt, Stories in full, and others by title."""

    excerpt: int
    full: int
    brief: int


class Layout:
    """One Issue's Stories as views, made once, and the view of the whole at any length."""

    def __init__(
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
    ) -> None:
        self._words = words_for(newsletter.language)
        self._tongue = tongue_of(newsletter.language) or self._words.tongue
        desk = Desk(site, feeds, self._words, self._tongue)
        self._sections = tuple(self._heads(digest, desk))
        self._ranked = tuple(
            story.id
            for story in (
                *digest.lead,
                *sorted((story for section in digest.sections for story in section.stories), key=by_weight),
                *digest.overflow,
            )
        )
        self.places = len(digest.stories)
        self._views = {story.id: desk.story(story, head) for head, stories in self._sections for story in stories}
        self._views |= {story.id: desk.story(story, "") for story in digest.overflow}
        self._corrections = tuple(self._correction(desk, item) for item in corrections)
        self._note = note_view(note)
        self._site = site
        self._title = shown(newsletter.title)
        self._number = self._words.issue.format(number=number) if number else ""
        self._date = self._tongue.on(created_at.astimezone(ZoneInfo(newsletter.timezone)).date())
        self._url = browser_url or f"{site.base_url}/newsletters/{quote(newsletter.id, safe='')}/{number}"

    def view(self, length: Length) -> IssueView:
        """The Issue with its `full` biggest Stories in sections, and up to `brief` of the others by title."""
        sections = self._shown_sections(set(self._ranked[: length.full]), length.excerpt)
        others = [self._views[story_id] for story_id in self._ranked[length.full :]]
        brief, rest = tuple(others[: length.brief]), len(others[length.brief :])
        rest += len(self._corrections[MAX_CORRECTIONS:])
        first = [*(story for section in sections for story in section.stories), *brief]
        words, site = self._words, shown(self._site.title)
        return IssueView(
            words=words,
            words_language=words.language if words.language != self._tongue.family else "",
            words_direction=words.direction if words.direction != self._tongue.direction else "",
            language=self._tongue.code,
            direction=self._tongue.direction,
            subject=self._subject(first[0].title if first else words.nothing),
            preheader=cut(" · ".join(story.title for story in first[1:4]), MAX_PREHEADER),
            title=self._title,
            number=self._number,
            date=self._date,
            count=words.count(len(self._views)),
            note=self._note,
            sections=sections,
            corrections=self._corrections[:MAX_CORRECTIONS],
            brief=brief,
            left_out=words.left_out(rest, site) if rest else "",
            shortened=length.full < self.places,
            why=words.why.format(newsletter=self._title, site=site),
            contact=shown(self._site.contact or ""),
            site_title=site,
            site_url=f"{self._site.base_url}/",
            browser_url=self._url,
        )

    def _shown_sections(self, ids: Collection[str], excerpt: int) -> tuple[SectionView, ...]:
        """The sections with those of their Stories, numbered as they stand."""
        made: list[SectionView] = []
        for heading, stories in self._sections:
            views = tuple(_shortened(self._views[story.id], excerpt) for story in stories if story.id in ids)
            if views:
                count = self._words.tongue.number(len(views))
                anchor = f"section-{len(made) + 1}"
                made.append(SectionView(heading=heading, anchor=anchor, count=count, stories=views))
        return tuple(made)

    def _heads(self, digest: Digest, desk: Desk) -> list[tuple[str, tuple[Story, ...]]]:
        """Headings with their Stories, with one of ours where several stand and one has none."""
        several = len(digest.sections) + bool(digest.lead) > 1
        heads = [(self._words.lead, digest.lead)] if digest.lead else []
        for section in digest.sections:
            heads.append((self._heading(section, desk, several), section.stories))
        return heads

    def _heading(self, section: Section, desk: Desk, several: bool) -> str:
        return desk.heading(section) if section.heading else self._words.other if several else ""

    def _correction(self, desk: Desk, item: Correction) -> CorrectionView:
        said = self._words.corrected.format(number=item.issue_number, title=cut(shown(item.old_title), MAX_EXCERPT))
        return CorrectionView(story=desk.story(item.story, ""), said=said)

    def _subject(self, headline: str) -> str:
        """Title and headline, without what a mail program would take for an encoded word (RFC 2047 2) and decode."""
        beginning = self._title + self._words.colon
        room = MAX_SUBJECT - len(beginning)
        whole = beginning + headline if room > MAX_SUBJECT // 4 else self._title
        return cut(whole.replace("=?", "= ?"), MAX_SUBJECT)


def _shortened(story: StoryView, limit: int) -> StoryView:
    """The Story with fewer words."""
    if len(story.excerpt) <= limit:
        return story
    return replace(story, excerpt=cut_at_sentence(story.excerpt, limit) if limit else "")
