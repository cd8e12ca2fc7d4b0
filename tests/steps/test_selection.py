from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import get_args, get_type_hints

import pytest

from aggregator.model.entry import Tag
from aggregator.model.newsletter import Newsletter
from aggregator.model.story import Story
from aggregator.query.grammar import parse_query
from aggregator.steps.selection import digest, matching
from tests.sample_digest import NEWSLETTER, NOW, entry, story


def tagged(number: int, *names: str, feed_id: str = "north", age: int = 0, label: str | None = None) -> Story:
    """Story `number`, `age` hours older than the others, with tags of these names."""
    tags = tuple(Tag(name=name, origin="rule", label=label) for name in names)
    return story(number, entry(f"Story {number}", feed_id=feed_id, date=NOW - timedelta(hours=age), tags=tags))


def layout(stories: list[Story], **fields: object) -> list[tuple[str, list[int]]]:
    """Headings with the numbers of the Stories under them."""
    letter = replace(NEWSLETTER, **fields)
    return [(section.heading, [item.seq for item in section.stories]) for section in digest(letter, stories).sections]


def test_only_what_the_query_gives_is_in() -> None:
    stories = [tagged(1, "topic:energy"), tagged(2, "topic:trade"), tagged(3, "topic:energy")]
    query = parse_query("topic:energy")
    assert list(matching(stories, query, NOW)) == [stories[0], stories[2]]


def test_dates_in_a_query_count_from_the_moment_given() -> None:
    stories = [tagged(1, age=1), tagged(2, age=72)]
    assert list(matching(stories, parse_query("since:2d"), NOW)) == [stories[0]]


@pytest.mark.parametrize("group_by", sorted(get_args(get_type_hints(Newsletter)["group_by"])))
def test_no_story_is_lost_or_doubled_however_they_are_grouped(group_by: str) -> None:
    names = ("topic:energy", "country:jp", "region:asia", "type:report", "category:blog")
    stories = [
        tagged(number, *names[number % 6 :], feed_id=f"feed-{number % 3}", age=number % 7) for number in range(60)
    ]
    made = digest(replace(NEWSLETTER, group_by=group_by, max_stories=25), stories)
    assert Counter(item.seq for item in (*made.stories, *made.overflow)) == Counter(range(60))


def test_without_grouping_there_is_one_section_and_no_heading() -> None:
    stories = [tagged(1, "topic:energy", age=3), tagged(2, age=1), tagged(3, age=2)]
    assert layout(stories, group_by="none") == [("", [2, 3, 1])]


def test_nothing_found_is_a_digest_without_sections() -> None:
    made = digest(NEWSLETTER, [])
    assert (made.sections, made.overflow) == ((), ())


def test_big_sections_come_first_then_by_name_and_what_has_no_tag_last() -> None:
    stories = [
        *(tagged(number) for number in (1, 2, 3)),
        tagged(4, "topic:trade"),
        tagged(5, "topic:energy"),
        tagged(6, "topic:migration"),
        tagged(7, "topic:migration"),
    ]
    assert layout(stories) == [("Migration", [7, 6]), ("Energy", [5]), ("Trade", [4]), ("", [3, 2, 1])]


def test_a_story_stands_once_under_its_first_tag_of_the_namespace() -> None:
    assert layout([tagged(1, "country:fr", "topic:trade", "topic:energy")]) == [("Trade", [1])]


def test_inside_a_section_the_newest_date_comes_first_and_late_arrivals_before_early_ones() -> None:
    assert layout([tagged(1, age=2), tagged(2, age=9), tagged(3, age=2), tagged(4)]) == [("", [4, 3, 1, 2])]


@pytest.mark.parametrize(
    ("group_by", "name", "label", "heading"),
    [
        ("topic", "topic:energy", "Energy and climate", "Energy and climate"),
        ("topic", "topic:kuril-islands", None, "Kuril islands"),
        ("country", "country:jp", None, "JP"),
        ("country", "country:jp", "Japan", "Japan"),
        ("type", "type:report", None, "Report"),
    ],
)
def test_a_heading_is_the_label_or_the_slug_in_words(group_by: str, name: str, label: str | None, heading: str) -> None:
    assert layout([tagged(1, name, label=label)], group_by=group_by) == [(heading, [1])]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_one_labelled_tag_names_the_whole_section(order: tuple[int, int]) -> None:
    ages = dict(zip(order, (0, 1), strict=True))
    plain, labelled = tagged(1, "topic:eu", age=ages[1]), tagged(2, "topic:eu", age=ages[2], label="European Union")
    assert [heading for heading, _ in layout([plain, labelled])] == ["European Union"]


def test_the_newest_stories_have_the_places() -> None:
    stories = [tagged(number, feed_id=f"feed-{number}", age=number) for number in range(10)]
    made = digest(replace(NEWSLETTER, max_stories=4), stories)
    assert [item.seq for item in made.stories] == [0, 1, 2, 3]
    assert [item.seq for item in made.overflow] == [4, 5, 6, 7, 8, 9]


def test_a_feed_that_floods_has_a_quarter_of_the_places() -> None:
    flood = [tagged(number, feed_id="flood") for number in range(500)]
    others = [tagged(1000 + number, feed_id=f"feed-{number % 5}", age=20) for number in range(40)]
    made = digest(replace(NEWSLETTER, max_stories=40), flood + others)
    places = Counter(item.head.feed_id for item in made.stories)
    assert len(made.stories) == 40
    assert places["flood"] == 10
    assert all(places[f"feed-{number}"] >= 4 for number in range(5))


def test_a_feed_that_floods_does_not_crowd_the_beginning_of_the_overflow() -> None:
    flood = [tagged(number, feed_id="flood") for number in range(100)]
    others = [tagged(1000 + number, feed_id=f"feed-{number % 2}", age=20 + number) for number in range(20)]
    made = digest(replace(NEWSLETTER, max_stories=8), flood + others)
    assert [item.head.feed_id for item in made.overflow[:6]] == ["flood", "feed-0", "feed-1"] * 2


def test_a_newsletter_of_one_feed_has_all_its_places() -> None:
    stories = [tagged(number, feed_id="only") for number in range(30)]
    made = digest(replace(NEWSLETTER, max_stories=20), stories)
    assert (len(made.stories), len(made.overflow)) == (20, 10)


def test_the_smallest_share_is_one_place() -> None:
    made = digest(replace(NEWSLETTER, max_stories=1), [tagged(1), tagged(2, feed_id="sud", age=1)])
    assert [item.seq for item in made.stories] == [1]


def test_the_order_in_which_stories_are_handed_in_changes_nothing() -> None:
    stories = [tagged(n, f"topic:{'abc'[n % 3]}", feed_id=f"feed-{n % 4}", age=n % 5) for n in range(40)]
    letter = replace(NEWSLETTER, max_stories=15)
    assert digest(letter, stories) == digest(letter, stories[::-1])
