from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from aggregator.errors import TemplateError
from aggregator.model.newsletter import PREFERENCES_PLACEHOLDER, UNSUBSCRIBE_PLACEHOLDER, Digest, Section
from aggregator.model.parsed import Link
from aggregator.press.templating import FILTERS
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
from aggregator.steps.rendering import MAX_BRIEF, MAX_HTML, Renderer, for_archive
from tests.rendered import ISOLATES, ROOT, TEMPLATES, links, render, texts, titles, tree
from tests.sample_digest import (
    FEEDS,
    NEWSLETTER,
    NOTE,
    NOW,
    SITE,
    corrected,
    digest_of,
    entry,
    full_digest,
    plain_digest,
    rich_digest,
    story,
)

# --- both parts, and size ---------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "fr", "ar"])
@pytest.mark.parametrize(
    "digest",
    [full_digest(), rich_digest(), plain_digest(500), digest_of([])],
    ids=["full", "rich", "long", "empty"],
)
def test_the_text_part_holds_every_title_and_link_of_the_html_part(digest: Digest, language: str) -> None:
    made = render(digest, replace(NEWSLETTER, language=language), note=NOTE, corrections=corrected())
    text = made.text.translate(ISOLATES)
    lines = {line.removeprefix("- ") for line in text.split("\n")}
    assert set(titles(made)) <= lines
    assert len(titles(made)) >= min(len(digest.stories), 140)
    for link in links(made):
        assert re.search(rf"(?:^|\s){re.escape(link.removeprefix('mailto:'))}(?= \(with|$)", text, re.MULTILINE), link


@pytest.mark.parametrize(
    "digest",
    [
        plain_digest(500),
        plain_digest(5_000),
        digest_of([story(n, entry(f"{n} " + "漢&" * 240)) for n in range(300)]),
        digest_of(
            [story(n, entry(f"Paper {n}", links=(Link(href=f"https://x.example/{'<' * 1900}{n}"),))) for n in range(60)]
        ),
        digest_of([story(1, entry("W" * 200_000)), story(2, entry("Small"))]),
    ],
    ids=["500", "5000", "long titles", "long links", "one huge"],
)
def test_the_html_part_stays_under_100_kb_and_well_formed(digest: Digest) -> None:
    made = render(digest)
    assert len(made.html.encode()) <= MAX_HTML < 100_000
    assert made.html.rstrip().endswith("</body></html>")
    assert tree(made).xpath("//table[@class='foot']//a/@href")[1] == UNSUBSCRIBE_PLACEHOLDER


@pytest.mark.parametrize(("stories", "most", "least"), [(80, 220, 141), (90, 140, 81), (98, 80, 1), (110, 0, 0)])
def test_a_mail_that_would_be_too_long_has_fewer_words_before_fewer_stories(
    stories: int, most: int, least: int
) -> None:
    made = render(plain_digest(stories))
    assert texts(made, "//li") == []
    longest = max(map(len, texts(made, "//p[@class='x']")), default=0)
    assert least <= longest <= most
    assert len(titles(made)) == stories


def test_a_long_digest_shows_the_biggest_in_full_then_titles_then_a_count_and_says_so() -> None:
    made = render(plain_digest(500))
    in_full = texts(made, "//h2[contains(@class, 't')]")
    brief = texts(made, "//li//a")
    left_out = 500 - len(in_full) - len(brief)
    assert [int(re.findall(r"\d+", title)[0]) for title in (*in_full, *brief)] == list(range(500 - left_out))
    assert len(in_full) > 40
    assert len(brief) == MAX_BRIEF
    for part in (made.text, tree(made).text_content()):
        assert "500 stories" in part
        assert "the smaller stories are listed by title only" in " ".join(part.split())
        assert f"And {left_out} more on the web, at Think Tank Wire" in part
    assert "https://wire.example.org/" in links(made)
    assert len(made.html.encode()) > MAX_HTML - 2_000


def test_a_digest_of_forty_is_in_full() -> None:
    made = render(plain_digest(40))
    assert len(titles(made)) == 40
    assert "In brief" not in made.text
    assert len(made.html.encode()) < 70_000


def test_the_overflow_is_named_by_title_and_link_without_an_excuse() -> None:
    made = render(replace(plain_digest(3), overflow=(story(9, entry("Left over")),)))
    assert texts(made, "//li//a") == ["Left over"]
    assert "listed by title only" not in made.text
    assert "4 stories" in made.text


def test_stories_too_long_even_for_a_list_are_counted() -> None:
    made = render(digest_of([story(n, entry(f"{n} {'W' * 30_000}")) for n in range(9)]))
    assert len(titles(made)) == 3
    assert "And 6 more on the web, at Think Tank Wire" in made.text
    none = render(digest_of([story(1, entry("W" * 200_000))]))
    assert titles(none) == []
    assert "And 1 more on the web, at Think Tank Wire" in none.text
    assert "And 1 more on the web, at Think Tank Wire" in tree(none).text_content()


@settings(max_examples=25, deadline=None)
@given(
    placed=st.lists(st.integers(1, 3_000), max_size=40),
    sections=st.integers(1, 4),
    overflow=st.lists(st.integers(1, 9_000), max_size=130),
    lead=st.integers(0, 2),
)
def test_every_story_is_named_or_counted_however_long_they_are(
    placed: list[int], sections: int, overflow: list[int], lead: int
) -> None:
    """The numbers are the lengths of titles."""
    stories = [story(n, entry(f"{n} {'W' * length}")) for n, length in enumerate((*placed, *overflow))]
    first, rest = stories[: len(placed)], stories[len(placed) :]
    parts = [Section(heading=f"H{n}", stories=tuple(first[lead:][n::sections])) for n in range(sections)]
    made = render(
        Digest(sections=tuple(part for part in parts if part.stories), overflow=tuple(rest), lead=tuple(first[:lead]))
    )
    named = titles(made)
    counted = re.search(r"And ([\d,]+) more on the web", made.text)
    assert len(set(named)) == len(named)
    assert len(named) + int(counted[1].replace(",", "") if counted else 0) == len(stories)
    assert len(made.html.encode()) <= MAX_HTML
    assert all(f"\n{title}\n" in made.text or f"\n- {title}\n" in made.text for title in named)


def test_the_same_input_gives_the_same_bytes() -> None:
    assert render(full_digest()) == Renderer(dict(reversed(TEMPLATES.items()))).render_issue(
        full_digest(), NEWSLETTER, site=SITE, feeds=dict(reversed(FEEDS.items())), number=12, created_at=NOW
    )


# --- the frame --------------------------------------------------------------------------------------


def test_nothing_is_loaded_run_or_counted() -> None:
    made = render(full_digest())
    for name in ("img", "script", "link", "iframe", "form", "object", "svg", "video", "input"):
        assert tree(made).xpath(f"//{name}") == []
    assert not re.search(r"url\(|@import|\bsrc=|\bbackground=|@font-face", made.html)


def test_a_mail_program_finds_language_widths_dark_colours_and_roles() -> None:
    made = render(full_digest())
    page = tree(made)
    assert made.html.startswith("<!DOCTYPE html>")
    assert (page.get("lang"), page.xpath("//title/text()")) == ("en", [made.subject])
    assert page.xpath("//meta[@name='color-scheme']/@content") == ["light dark"]
    assert page.xpath("//meta[@name='viewport']/@content") == ["width=device-width, initial-scale=1"]
    assert {table.get("role") for table in page.xpath("//table")} == {"presentation"}
    assert "@media (prefers-color-scheme: dark)" in made.html
    assert "@media (max-width: 480px)" in made.html
    assert all(element.get("style") for element in page.xpath("//h1 | //h2 | //h3 | //td | //p | //a"))
    assert not re.search(r"#fff\b|#ffffff|: white\b", made.html)


def test_the_page_in_the_archive_is_the_mail_without_what_is_for_one_reader() -> None:
    made = render(full_digest())
    page = for_archive(made.html)
    own = {UNSUBSCRIBE_PLACEHOLDER, PREFERENCES_PLACEHOLDER}
    assert not any(address in page for address in own)
    for gone in ('preheader"', "You receive", "View in browser", "mail-only"):
        assert gone in made.html
        assert gone not in page
    kept = lxml_html.document_fromstring(page)
    stories = [link for link in links(made) if "newsletters/" not in link and link not in own]
    assert kept.xpath("//a/@href[not(starts-with(., '#'))]") == stories
    assert "mailto:desk@wire.example.org" in stories


# --- templates that people change -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["issue.html", "issue.txt"])
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda source: source.replace("story.excerpt", "story.exerpt"), r":\d+: .*has no attribute 'exerpt'"),
        (lambda source: source.replace("{{ why", "{{ whi"), r":\d+: 'whi' is not a name that templates are given"),
        (lambda source: source.replace("{{ unsubscribe_url }}", ""), r":1: shows no \{\{ unsubscribe_url \}\}"),
        (lambda source: source + "\n{% if %}", r":\d+: "),
    ],
    ids=["attribute", "name", "no way to leave", "syntax"],
)
def test_a_template_changed_for_the_worse_is_refused_at_start(
    name: str, change: Callable[[str], str], cause: str
) -> None:
    with pytest.raises(TemplateError, match=rf"^{re.escape(name)}{cause}"):
        Renderer({**TEMPLATES, name: change(TEMPLATES[name])})


@pytest.mark.parametrize("name", ["issue.html", "issue.txt"])
def test_a_missing_template_is_named(name: str) -> None:
    with pytest.raises(TemplateError, match=rf"^{re.escape(name)}:1: there is no template"):
        Renderer({other: source for other, source in TEMPLATES.items() if other != name})


def test_a_template_too_long_for_any_story_is_refused_at_start() -> None:
    with pytest.raises(TemplateError, match=r"^issue\.html:1: is over 98,000 bytes"):
        Renderer({**TEMPLATES, "issue.html": TEMPLATES["issue.html"] + "<p>x</p>" * 20_000})


def test_styles_that_cannot_be_read_are_refused_at_start() -> None:
    with pytest.raises(TemplateError, match=r"^issue\.html:1: its styles cannot be read"):
        Renderer({**TEMPLATES, "issue.html": TEMPLATES["issue.html"].replace("<h1>", '<h1 style="color">')})


def test_a_template_of_ones_own_is_enough() -> None:
    sources = {
        "issue.html": "<body>{% for section in sections %}<p>{{ section.stories[0].title }}</p>{% endfor %}"
        "<a href='{{ unsubscribe_url }}'>x</a></body>",
        "issue.txt": "{{ subject }} {{ unsubscribe_url }}",
    }
    made = Renderer(sources).render_issue(plain_digest(1), NEWSLETTER, site=SITE, feeds=FEEDS, number=1, created_at=NOW)
    assert "<p>Paper 0: what the ministers agreed" in made.html
    assert made.text == f"{made.subject} {UNSUBSCRIBE_PLACEHOLDER}\n"


def test_the_documentation_names_all_that_a_template_is_given() -> None:
    page = (ROOT / "docs" / "newsletters.md").read_text(encoding="utf-8")
    views = (IssueView, SectionView, StoryView, PlaceView, CorrectionView, PieceView, NoticeView, LinkView)
    named = {field.name for view in views for field in fields(view)}
    assert {name for name in named | FILTERS if f"`{name}`" not in page} == set()
