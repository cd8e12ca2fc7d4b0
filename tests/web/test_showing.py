"""How single values are shown."""

from dataclasses import replace

import pytest

from aggregator.errors import QueryError
from aggregator.model.entry import Entry, Tag
from aggregator.model.parsed import SafeHtml
from aggregator.model.story import Story
from aggregator.web import showing
from tests.fakes import START
from tests.web.sample_site import ENERGY, JAPAN, NOTE, OF_IFRI, WEEKLY, entry


def with_html(html: str) -> Entry:
    return entry("ifri", "One", summary=SafeHtml(html))


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ('<h1>A</h1><h2 lang="fr">B</h2><h6>C</h6>', '<h3>A</h3><h4 lang="fr">B</h4><h6>C</h6>'),
        ('<img src="https://x.example/a.png" alt="A map">', "[image: A map]"),
        (
            '<img alt="x > y &quot;z&quot; <b>" src="https://x.example/a.png">',
            "[image: x &gt; y &quot;z&quot; &lt;b&gt;]",
        ),
        (
            '<a href="https://x.example/"><img src="https://x.example/a.png"></a>',
            '<a href="https://x.example/">[image]</a>',
        ),
        ('<img src="https://x.example/a.png" alt=" ">', "[image]"),
        ("<hr><p>2 &lt; 3</p>", "<hr><p>2 &lt; 3</p>"),
    ],
)
def test_a_body_keeps_its_markup_with_headings_below_ours_and_no_images(html: str, shown: str) -> None:
    assert showing.body(with_html(html)) == shown


def test_an_image_that_never_ends_costs_nothing_much() -> None:
    html = "<img " + "a " * 50_000
    assert showing.body(with_html(html)) == html


@pytest.mark.parametrize(
    "url", [None, "", "javascript:alert(1)", "data:text/html,x", "//x.example", "mailto:a@b.example"]
)
def test_only_web_addresses_are_linked_to(url: str | None) -> None:
    assert showing.web_address(url) == ""


def test_foremost_tags_are_ours_first_each_text_once_without_the_publisher() -> None:
    again = Tag(name="category:energy", origin="category", label="ENERGY")
    assert showing.foremost_tags((NOTE, again, OF_IFRI, JAPAN, ENERGY)) == [JAPAN, ENERGY, NOTE]
    assert showing.foremost_tags((NOTE, JAPAN), 1) == [JAPAN]


def test_countries_only_mentioned_are_no_chips_and_regions_come_after_ours() -> None:
    mention, region = (Tag(name=name, origin="gazetteer", label=name) for name in ("mentions:pe", "region:asia"))
    assert showing.foremost_tags((mention, region, NOTE, JAPAN)) == [JAPAN, region, NOTE]
    told = entry("ifri", "T", mention, JAPAN, region)
    story = Story(id="s", seq=1, first_seen=START, updated=START, entries=(told,))
    assert [tag.name for tag, _, _ in showing.evidence(story)] == ["country:jp", "region:asia", "mentions:pe"]


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (Tag(name="publisher:a", origin="feed", field="feed"), "On every story of"),
        (Tag(name="category:a", origin="category", field="category"), "A category given by"),
        (Tag(name="topic:a", origin="category-map", matched="Power"), "Meant by the category “Power” of"),
        (Tag(name="topic:a", origin="rule", rule="oil"), "A rule matches the words at"),
        (Tag(name="topic:a", origin="person"), "Given by a person at"),
        (Tag(name="country:a", origin="gazetteer", field="lead", matched="lima"), "“lima” in the first words at"),
        (Tag(name="type:a", origin="taxonomy", field="url", matched="events"), "“events” in the address at"),
        (Tag(name="topic:a", origin="taxonomy", field="title", matched="oil"), "“oil” in the title at"),
        (Tag(name="region:a", origin="gazetteer"), "Follows from a country that is the subject at"),
    ],
)
def test_a_tag_says_how_it_came_about(tag: Tag, reason: str) -> None:
    story = Story(id="s", seq=1, first_seen=START, updated=START, entries=(entry("ifri", "T", tag),))
    assert showing.evidence(story) == [(tag, reason, ["ifri"])]


@pytest.mark.parametrize(
    ("text", "position", "shown"),
    [
        ("a (b", 2, "a (b\n  ^"),
        ("<b>\t(", 4, "&lt;b&gt; (\n    ^"),
        ("x" * 100 + "(", 100, "x" * 60 + "(\n" + " " * 60 + "^"),
        ("(" + "x" * 100, 0, "(" + "x" * 59 + "\n^"),
        ("", 0, "\n^"),
    ],
)
def test_the_place_of_a_fault_is_marked_by_a_caret(text: str, position: int, shown: str) -> None:
    assert showing.query_place(QueryError("no", text=text, position=position)) == shown


@pytest.mark.parametrize(
    ("head", "other", "reason"),
    [
        (None, "same-doi", "both have the same DOI"),
        ("same-text", "same-doi", "both have the same DOI"),
        ("same-text", None, "they have the same text"),
        (None, "near-title", "the rule “near-title” found them to be one"),
        (None, None, ""),
    ],
)
def test_why_an_entry_is_in_its_story_is_said_in_words(head: str | None, other: str | None, reason: str) -> None:
    first, second = (replace(entry("ifri", "One"), joined_by=rule) for rule in (head, other))
    story = Story(id="s", seq=1, first_seen=START, updated=START, entries=(first, second))
    assert showing.joined(second, story) == reason


@pytest.mark.parametrize(
    ("schedule", "timezone", "shown"),
    [
        ("mon 07:30", "Europe/Paris", "Mondays at 07:30 (Paris)"),
        ("thu,mon 18:00", "America/Argentina/Buenos_Aires", "Mondays and Thursdays at 18:00 (Buenos Aires)"),
        ("mon,wed,fri 00:05", "UTC", "Mondays, Wednesdays and Fridays at 00:05 (UTC)"),
        ("weekdays 09:00", "UTC", "Monday to Friday at 09:00 (UTC)"),
        ("daily 09:00", "UTC", "Every day at 09:00 (UTC)"),
        ("monthly 1 06:00", "UTC", "On the 1st of every month at 06:00 (UTC)"),
        ("monthly 12 06:00", "UTC", "On the 12th of every month at 06:00 (UTC)"),
        ("monthly 23 06:00", "UTC", "On the 23rd of every month at 06:00 (UTC)"),
        ("monthly 31 06:00", "UTC", "On the last day of every month at 06:00 (UTC)"),
    ],
)
def test_a_schedule_is_said_in_words(schedule: str, timezone: str, shown: str) -> None:
    assert showing.rhythm(replace(WEEKLY, schedule=schedule, timezone=timezone)) == shown
