"""What templates are tried on at start, so that a name they are not given is found then: every branch has something."""

from __future__ import annotations

from dataclasses import replace

from aggregator.press.views import (
    CorrectionView,
    IssueView,
    LinkView,
    NoticeView,
    PieceView,
    PlaceView,
    SectionView,
    StoryView,
)
from aggregator.press.wording import words_for

_PLACE = PlaceView(publisher="Publisher", host="example.org", url="https://example.org/")
_STORY = StoryView(
    title="Title",
    at=_PLACE,
    authors=("Author",),
    kind="Report",
    date="1 January 2026",
    reading="in Arabic",
    tags=("Tag",),
    excerpt="Excerpt.",
    also_at=(_PLACE,),
    language="ar",
    direction="rtl",
)
_SECTIONS = tuple(
    SectionView(heading=heading, anchor=f"section-{number}", count="1", stories=(_STORY,))
    for number, heading in enumerate(("Heading", "Other heading"), start=1)
)
_FULL = IssueView(
    words=words_for("en"),
    words_language="en",
    words_direction="ltr",
    language="ar",
    direction="rtl",
    subject="Subject",
    preheader="Title",
    title="Newsletter",
    number="Issue 1",
    date="1 January 2026",
    count="3 stories",
    note=((PieceView(text="A note: "), PieceView(text="https://example.org/", url="https://example.org/")),),
    sections=_SECTIONS,
    corrections=(CorrectionView(story=_STORY, said="In issue 1 this was named “Titel”."),),
    brief=(_STORY,),
    left_out="And 1 more",
    shortened=True,
    why="Why.",
    contact="desk@example.org",
    site_title="Site",
    site_url="https://example.org/",
    browser_url="https://example.org/newsletters/sample/1",
)
_BARE = replace(
    _FULL,
    words_language="",
    words_direction="",
    language="en",
    direction="ltr",
    note=(),
    sections=(),
    corrections=(),
    brief=(),
    left_out="",
    shortened=False,
    contact="",
)
_PLAIN_STORY = replace(
    _STORY,
    at=replace(_PLACE, host="", url=None),
    authors=(),
    kind="",
    reading="",
    tags=(),
    excerpt="",
    also_at=(replace(_PLACE, url=None),),
    language="",
    direction="",
)
_PLAIN = replace(
    _BARE,
    sections=(SectionView(heading="", anchor="section-1", count="1", stories=(_PLAIN_STORY,)),),
    corrections=(CorrectionView(story=_PLAIN_STORY, said="Said."),),
    brief=(_PLAIN_STORY,),
    contact="Room 4",
)
ISSUES = (_FULL, _PLAIN, _BARE)

_NOTICE = NoticeView(
    language="en",
    direction="ltr",
    subject="Subject",
    preheader="Preheader",
    heading="Heading",
    paragraphs=("Paragraph.",),
    button=LinkView(text="Button", url="https://example.org/"),
    after=("After.",),
    lines=("Line.",),
    links=(LinkView(text="Link", url="https://example.org/"),),
    questions="Questions",
    colon=": ",
    contact="desk@example.org",
    site_title="Site",
    site_url="https://example.org/",
)
NOTICES = (
    _NOTICE,
    replace(_NOTICE, direction="rtl", paragraphs=(), button=None, after=(), lines=(), links=(), contact="Room 4"),
    replace(_NOTICE, contact=""),
)
