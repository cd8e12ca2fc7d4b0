from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aggregator.model.entry import Tag
from aggregator.model.newsletter import PREFERENCES_PLACEHOLDER, UNSUBSCRIBE_PLACEHOLDER, Section
from aggregator.model.parsed import Link, Person, SafeHtml
from aggregator.press.layout import MAX_CORRECTIONS
from tests.rendered import ISOLATES, links, render, texts, titles, tree
from tests.sample_digest import (
    NEWSLETTER,
    NOTE,
    SITE,
    corrected,
    digest_of,
    entry,
    full_digest,
    plain_digest,
    rich_digest,
    story,
)


def test_a_story_shows_title_publisher_host_authors_date_excerpt_tags_and_where_else_it_is() -> None:
    made = render(full_digest())
    block = " ".join(texts(made, "//td[.//h3//text() = 'Gas storage before the winter']"))
    for words in (
        "Gas storage before the winter",
        "Northern Institute (north.example.net) · Ada Moreau · Jon Li · Report · 23 November 2026",
        "A short account of Gas storage before the winter.",
        "Also at: Observatoire du Sud (sud.example.com)",
        "Netze & Speicher: <Ausbau> vor 2030",
        "Haus für Außenpolitik (north.example.net) · 23 November 2026 · in German",
    ):
        assert words in block
    assert "https://sud.example.com/gaz?a=1&b=2" in links(made)


def test_headings_tell_the_structure_without_a_gap() -> None:
    made = render(full_digest())
    found = [(element.tag, element.text_content()) for element in tree(made).xpath("//h1 | //h2 | //h3")]
    assert found[:4] == [
        ("h1", "The week in think tanks"),
        ("h2", "In this issue"),
        ("h2", "Energy"),
        ("h3", "Gas storage before the winter"),
    ]
    assert [tag for tag, _ in found] == ["h1", "h2", "h2", "h3", "h3", "h2", "h3", "h3", "h3", "h2"]
    alone = render(plain_digest(2))
    assert [element.tag for element in tree(alone).xpath("//h1 | //h2 | //h3")] == ["h1", "h2", "h2"]


def test_stories_without_a_tag_stand_under_a_heading_of_ours_only_beside_others() -> None:
    assert texts(render(full_digest()), "//h2") == ["In this issue", "Energy", "Other subjects", "In brief"]
    assert "Other subjects" not in render(plain_digest(2)).html


def test_the_tag_that_the_heading_says_is_not_repeated() -> None:
    energy, trade = Tag(name="topic:energy", origin="rule", label="Energy"), Tag(name="topic:trade", origin="rule")
    told = story(1, entry("Paper", tags=(energy, trade)))
    made = render(digest_of([told], sections=(Section(heading="Energy", stories=(told,)),)))
    assert "Tags: Trade\n" in made.text


def test_few_tags_are_shown_the_kind_apart_and_never_the_publisher() -> None:
    names = ("publisher:north", "category:blog", "region:asia", "country:jp", "topic:trade", "type:report")
    told = story(1, entry("Paper", tags=tuple(Tag(name=name, origin="rule") for name in names)))
    text = render(digest_of([told])).text
    assert "Tags: Trade, Japan, Asia\n" in text
    assert "(north.example.net) · Report · 23 November 2026\n" in text


def test_a_tag_that_says_the_kind_again_is_not_shown() -> None:
    tags = (Tag(name="type:report", origin="rule"), Tag(name="category:report", origin="category", label="REPORT"))
    text = render(digest_of([story(1, entry("Paper", tags=tags))])).text
    assert " · Report · 23 November 2026\n" in text
    assert "Tags" not in text


def test_a_tag_given_twice_in_other_words_is_shown_once() -> None:
    tags = (Tag(name="topic:energy", origin="rule"), Tag(name="category:energy", origin="category", label="ENERGY"))
    assert "Tags: Energy\n" in render(digest_of([story(1, entry("Paper", tags=tags))])).text


@pytest.mark.parametrize(
    ("title", "summary", "shown", "excerpt"),
    [
        ("Title", "<p>Other words.</p>", "Title", "Other words."),
        ("", "<p>Only words.</p>", "Only words.", None),
        ("", "", "Untitled", None),
        ("Title", "<p>Title</p>", "Title", None),
    ],
)
def test_a_story_without_a_title_is_shown_by_its_beginning(
    title: str, summary: str, shown: str, excerpt: str | None
) -> None:
    made = render(digest_of([story(1, entry(title, summary=SafeHtml(summary)))]))
    assert titles(made) == [shown]
    assert texts(made, "//p[@class='x']") == ([excerpt] if excerpt else [])


@pytest.mark.parametrize(
    ("authors", "shown"),
    [
        ((), ""),
        (("Ada", "Ada", " "), " · Ada"),
        (("northern institute", "Ada"), " · Ada"),
        (("A", "B", "C", "D"), " · A · B · C"),
    ],
)
def test_authors_are_named_once_up_to_three_and_not_when_they_are_the_publisher(
    authors: Sequence[str], shown: str
) -> None:
    told = story(1, entry("Paper", authors=tuple(Person(name=name) for name in authors)))
    assert f"(north.example.net){shown} · 23 November 2026" in render(digest_of([told])).text


def test_also_at_leaves_out_the_same_place_and_is_bounded() -> None:
    head = entry("Paper")
    copies = [entry("Paper", links=(Link(href=f"https://sud.example.com/{n}"),), feed_id="sud") for n in range(20)]
    made = render(digest_of([story(1, head, head, *copies)]))
    assert [link for link in links(made) if "sud.example.com" in link] == [
        f"https://sud.example.com/{number}" for number in range(6)
    ]
    assert links(made).count(head.links[0].href) == 1


def test_a_story_also_at_a_place_without_an_address_names_it() -> None:
    made = render(digest_of([story(1, entry("Paper"), entry("Paper", feed_id="haus", links=()))]))
    assert "Also at: Haus für Außenpolitik" in " ".join(texts(made, "//p"))
    assert "- Haus für Außenpolitik\n" in made.text


def test_a_feed_that_is_no_longer_configured_is_named_by_its_host() -> None:
    made = render(digest_of([story(1, entry("Paper")), story(2, entry("Other", links=()))]), feeds={})
    assert "\nnorth.example.net · 23" in made.text
    assert "\nnorth · " in made.text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ("24 November 2026 · Issue 12 · 6 stories", "View in browser", "Also at: ", "In brief", "Unsubscribe"),
        ),
        ("fr", ("24 novembre 2026 · Numéro 12 · 6 publications", "Également chez\u00a0: ", "En bref", "Se désabonner")),
        ("de", ("24. November 2026 · Ausgabe 12 · 6 Beiträge", "Auch bei: ", "Kurz notiert", "Abbestellen")),
        ("es", ("24 de noviembre de 2026 · Número 12 · 6 publicaciones", "También en: ", "En breve", "Darse de baja")),
        ("it", ("24 novembre 2026 · Issue 12 · 6 stories", "Unsubscribe")),
        ("en-US", ("November 24, 2026 · Issue 12 · 6 stories", "Unsubscribe")),
    ],
)
def test_our_own_words_are_in_the_language_of_the_newsletter(language: str, words: Sequence[str]) -> None:
    made = render(full_digest(), replace(NEWSLETTER, language=language))
    shown = "\n".join(element.text_content() for element in tree(made).xpath("//body"))
    for phrase in words:
        assert phrase in shown
        assert phrase.strip() in made.text
    assert tree(made).get("lang") == language
    ours = {(e.get("lang"), e.get("dir")) for e in tree(made).xpath("//p[a/text() = 'Unsubscribe']")}
    assert ours == ({("en", None)} if language == "it" else {(None, None)} if language[:2] == "en" else set())


def test_texts_in_another_language_say_so_and_run_their_way() -> None:
    made = render(full_digest())
    assert {(e.get("lang"), e.get("dir")) for e in tree(made).xpath("//*[@lang][not(self::html)]")} == {
        ("de", None),
        ("ar", "rtl"),
    }
    british = render(digest_of([story(1, entry("Paper", language="en-gb"))]))
    assert tree(british).xpath("//*[@lang][not(self::html)]") == []
    by_feed = render(digest_of([story(1, entry("Papier", feed_id="haus"))]))
    assert tree(by_feed).xpath("//h2/@lang") == ["de"]


def test_a_translation_into_the_readers_language_is_shown_in_the_place_of_the_original() -> None:
    original, english = entry("Le gaz", language="fr"), entry("Gas", language="en", feed_id="sud")
    unknown = entry("Gaz", feed_id="nowhere")
    told = digest_of([story(1, original, unknown, english)])
    for language, title, links_to in (("en", "Gas", english), ("fr", "Le gaz", original), ("de", "Le gaz", original)):
        made = render(told, replace(NEWSLETTER, language=language))
        assert titles(made) == [title]
        assert links(made).count(links_to.links[0].href) == 1
        assert {original.links[0].href, english.links[0].href} <= set(links(made)), "both can be read"
    assert tree(render(told)).xpath("//h2/@lang") == []


@pytest.mark.parametrize(
    ("zone", "letter_zone", "issue", "paper"),
    [
        ("UTC", "UTC", "23 November 2026", "23 November 2026"),
        ("Asia/Tokyo", "UTC", "23 November 2026", "24 November 2026"),
        ("UTC", "Asia/Tokyo", "24 November 2026", "23 November 2026"),
    ],
)
def test_days_are_those_of_the_place(zone: str, letter_zone: str, issue: str, paper: str) -> None:
    late = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
    made = render(
        digest_of([story(1, entry("Paper", date=late))]),
        replace(NEWSLETTER, timezone=letter_zone),
        site=replace(SITE, timezone=zone),
        created_at=late,
    )
    assert f"\n{issue} · Issue 12" in made.text
    assert f"(north.example.net) · {paper}\n" in made.text


def test_an_empty_digest_says_so() -> None:
    made = render(digest_of([]))
    assert "Nothing new since the last issue." in made.text
    assert "Nothing new since the last issue." in tree(made).text_content()
    assert made.subject == "The week in think tanks: Nothing new since the last issue."


def test_why_how_to_leave_and_whom_to_ask_stand_at_the_end_outside_the_stories() -> None:
    made = render(full_digest())
    foot = tree(made).xpath("//table[@class='foot']")[0]
    own = [PREFERENCES_PLACEHOLDER, UNSUBSCRIBE_PLACEHOLDER]
    assert foot.xpath(".//a/@href") == [*own, "mailto:desk@wire.example.org"]
    assert "You receive The week in think tanks because you subscribed to it at Think Tank Wire." in foot.text_content()
    assert foot.xpath("ancestor::table[@class='card']") == []
    assert links(made).count(UNSUBSCRIBE_PLACEHOLDER) == 1
    assert made.text.count(UNSUBSCRIBE_PLACEHOLDER) == 1


@pytest.mark.parametrize(
    ("contact", "hrefs"), [(None, []), ("desk@example.org", ["mailto:desk@example.org"]), ("Room 4", [])]
)
def test_a_contact_is_a_link_when_it_is_an_address(contact: str | None, hrefs: list[str]) -> None:
    made = render(plain_digest(1), site=replace(SITE, contact=contact))
    assert [href for href in links(made) if href.startswith("mailto:")] == hrefs
    assert ("Questions and corrections" in made.text) is bool(contact)


def test_the_mail_leads_to_its_page_in_the_archive() -> None:
    assert "https://wire.example.org/newsletters/weekly/12" in links(render(plain_digest(1)))
    odd = render(plain_digest(1), replace(NEWSLETTER, id="a/b ü"))
    assert "https://wire.example.org/newsletters/a%2Fb%20%C3%BC/12" in links(odd)


# --- subject ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "headline", "subject"),
    [
        ("Weekly", "Gas storage", "Weekly: Gas storage"),
        ("Weekly", "w" * 70, "Weekly: " + "w" * 70),
        ("Weekly", "word " * 30, "Weekly: " + "word " * 13 + "word…"),
        (
            "A title of its own " * 3,
            "Gas storage before the winter",
            "A title of its own A title of its own A title of its own: Gas storage before…",
        ),
        (
            "A title of its own " * 9,
            "Gas",
            "A title of its own A title of its own A title of its own A title of its own A…",
        ),
        ("Two\r\nlines", "Bcc:\r\nx@example.org", "Two lines: Bcc: x@example.org"),
    ],
)
def test_the_subject_is_one_line_of_at_most_78_characters(title: str, headline: str, subject: str) -> None:
    made = render(digest_of([story(1, entry(headline))]), replace(NEWSLETTER, title=title))
    assert made.subject == subject
    assert len(made.subject) <= 78


def test_the_preheader_goes_on_where_the_subject_ends() -> None:
    made = render(plain_digest(6))
    shown = texts(made, "//div[@class='preheader']")[0]
    assert "Paper 0" in made.subject
    assert shown.startswith("Paper 1: ")
    assert len(shown) <= 140


# --- contents, note, corrections ------------------------------------------------------------------------------------


def test_the_contents_lead_to_each_section_and_count_its_stories() -> None:
    made = render(rich_digest(), corrections=corrected())
    lines = texts(made, "//ul[@class='toc']/li")
    assert lines == [
        "Editor’s choice (1)",
        "Energy (2)",
        "Trade and sanctions (3)",
        "Other subjects (1)",
        "Corrections (2)",
        "In brief (5)",
    ]
    for href, line in zip(tree(made).xpath("//ul[@class='toc']//a/@href"), lines, strict=True):
        (anchor,) = tree(made).xpath(f"//a[@name='{href[1:]}']")
        assert (anchor.text, anchor.get("href")) == (None, None)
        assert anchor.getnext().text_content().translate(ISOLATES) == line.rpartition(" ")[0]
    assert "\nIn this issue\n" + "".join(f"- {line}\n" for line in lines) in made.text


def test_one_section_needs_no_contents() -> None:
    made = render(plain_digest(3), corrections=corrected())
    assert tree(made).xpath("//ul[@class='toc']") == []
    assert "In this issue" not in made.text


def test_what_an_editor_chose_leads_the_issue_and_its_subject() -> None:
    chosen, other = story(1, entry("Chosen")), story(2, entry("Other"))
    made = render(digest_of([other], lead=(chosen,)))
    assert texts(made, "//h2") == ["In this issue", "Editor’s choice", "Other subjects"]
    assert titles(made) == ["Chosen", "Other"]
    assert made.subject == "The week in think tanks: Chosen"


def test_a_note_stands_on_top_of_both_parts_with_its_links() -> None:
    made = render(rich_digest(), note=NOTE)
    assert texts(made, "//p[@class='n']")[0] == "Dear readers,"
    assert tree(made).xpath("//p[@class='n']//a/@href") == ["https://north.example.net/tallinn"]
    body = tree(made).text_content()
    assert body.index("Dear readers") < body.index("In this issue") < body.index("Editor’s choice")
    assert made.text.index("Dear readers") < made.text.index("In this issue")
    assert "https://north.example.net/tallinn (with a map)." in made.text


def test_corrections_say_what_is_right_and_what_was_said_in_which_issue() -> None:
    made = render(plain_digest(1), corrections=corrected())
    assert texts(made, "//h2")[-1] == "Corrections"
    first, second = texts(made, "//li")
    assert first.endswith("In issue 11 this was named “Growth of 15 per cent”.")
    assert second.startswith("Retracted: the cost of the wallHaus für Außenpolitik (north.example.net)")
    assert "https://north.example.net/papers/growth-of-1-5-per-cent-in-2027" in links(made)
    assert "  In issue 11 this was named “Growth of 15 per cent”.\n" in made.text


def test_many_corrections_are_counted_past_the_limit() -> None:
    many = [replace(corrected()[0], story=story(n, entry(f"Paper {n}"))) for n in range(MAX_CORRECTIONS + 7)]
    made = render(plain_digest(1), corrections=many)
    assert len(tree(made).xpath("//li")) == MAX_CORRECTIONS
    assert "And 7 more on the web" in made.text


# --- languages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "reading"),
    [("en", "in German"), ("fr", "en allemand"), ("de", ""), ("es", "en alemán"), ("it", "in German")],
)
def test_the_language_to_read_in_is_named_in_words_when_it_is_another(language: str, reading: str) -> None:
    told = story(1, entry("Netze", feed_id="haus"))
    lines = render(digest_of([told]), replace(NEWSLETTER, language=language)).text.splitlines()
    line = next(line for line in lines if line.startswith("Haus"))
    assert line.split("2026")[1] == (f" · {reading}" if reading else "")


@pytest.mark.parametrize(("language", "heading"), [("en", "Japan"), ("fr", "Japon"), ("it", "Giappone")])
def test_countries_have_their_names_in_the_language_of_the_newsletter(language: str, heading: str) -> None:
    told = story(1, entry("Paper", tags=(Tag(name="country:jp", origin="rule", label="Japan"),)))
    made = render(
        digest_of([told], sections=(Section(heading="Japan", tag="country:jp", stories=(told,)),)),
        replace(NEWSLETTER, language=language),
    )
    assert texts(made, "//h2[@class='s']") == [heading]
    assert "Tags" not in made.text


@pytest.mark.parametrize("language", ["ar", "he", "fa"])
def test_a_newsletter_that_runs_right_to_left_is_mirrored_and_our_words_are_not(language: str) -> None:
    made = render(rich_digest(), replace(NEWSLETTER, language=language), note=NOTE, corrections=corrected())
    page = tree(made)
    assert (page.get("lang"), page.get("dir")) == (language, "rtl")
    assert {table.get("dir") for table in page.xpath("//table")} == {"rtl"}
    assert "text-align: left" not in made.html
    assert "padding-left: 18px;" not in made.html
    for words in ("In this issue", "Corrections", "In brief"):
        (heading,) = page.xpath(f"//h2[.//text() = '{words}']")
        assert (heading.get("lang"), heading.get("dir")) == ("en", "ltr")
    german = page.xpath("//h3[contains(., 'Netze')]")[0]
    assert (german.get("lang"), german.get("dir")) == ("de", "ltr")
    arabic = page.xpath("//h3[contains(., 'أمن')]")[0]
    assert (arabic.get("lang"), arabic.get("dir")) == (None if language == "ar" else "ar", None)


def test_a_language_nobody_knows_is_english() -> None:
    made = render(full_digest(), replace(NEWSLETTER, language="qqq"))
    assert tree(made).get("lang") == "en"
    assert "24 November 2026 · Issue 12 · 6 stories" in made.text


def test_an_issue_outside_the_archive_has_no_number_to_show() -> None:
    made = render(plain_digest(1), number=None, browser_url="https://wire.example.org/letters/abc")
    assert "Issue" not in made.text
    assert "2026 · 1 story" in made.text
    assert "2026 · 1 story" in " ".join(tree(made).text_content().split())
    assert "https://wire.example.org/letters/abc" in links(made)
