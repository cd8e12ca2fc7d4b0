from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.entry import Tag
from aggregator.model.newsletter import Newsletter
from aggregator.model.parsed import Link
from aggregator.model.story import Story
from aggregator.press import weight
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


def told_by(number: int, sources: int, *names: str, age: int = 0) -> Story:
    """Story `number` as this many publishers tell it, the head's first."""
    head = tagged(number, *names, age=age).head
    others = [
        replace(head, feed_id=f"other-{place}", links=(Link(href=f"https://other-{place}.example/{number}"),))
        for place in range(1, sources)
    ]
    return story(number, head, *others)


def test_what_more_publishers_tell_stands_before_what_is_newer() -> None:
    stories = [tagged(1), told_by(2, 2, age=9), told_by(3, 3, age=20), told_by(4, 2, age=5)]
    assert layout(stories) == [("", [3, 4, 2, 1])]


def test_the_section_of_the_biggest_story_comes_before_that_of_most_stories() -> None:
    stories = [*(tagged(number, "topic:trade") for number in (1, 2, 3)), told_by(4, 2, "topic:energy", age=30)]
    assert layout(stories) == [("Energy", [4]), ("Trade", [3, 2, 1])]


def test_the_biggest_stories_have_the_places() -> None:
    stories = [*(tagged(number, feed_id=f"feed-{number}") for number in range(9)), told_by(9, 2, age=90)]
    assert digest(replace(NEWSLETTER, max_stories=4), stories).stories[0].seq == 9


@pytest.mark.parametrize(
    ("others", "sources"),
    [
        ((), 1),
        ((("sud", "https://sud.example.com/a"),), 2),
        ((("sud", "https://sud.example.com/a"), ("haus", "https://haus.example.de/a")), 3),
        ((("north-2", "https://www.north.example.net/other"),), 1),
        ((("north-2", "https://m.north.example.net/other"),), 1),
        ((("north", "https://elsewhere.example/a"),), 1),
        ((("sud", None),), 2),
    ],
    ids=["alone", "two", "three", "one host", "one site", "one feed", "no address"],
)
def test_a_story_counts_its_publishers(others: tuple[tuple[str, str | None], ...], sources: int) -> None:
    entries = [entry("Paper", feed_id=feed, links=(Link(href=url),) if url else ()) for feed, url in others]
    assert weight.sources(story(1, entry("Paper"), *entries)) == sources


def test_feeds_with_one_publisher_tag_are_one_source() -> None:
    tag = Tag(name="publisher:csis", origin="feed")
    amti = entry("Paper", feed_id="amti", links=(Link(href="https://amti.example/a"),), tags=(tag,))
    china = entry("Paper", feed_id="china", links=(Link(href="https://china.example/a"),), tags=(tag,))
    assert weight.sources(story(1, amti, china)) == 1


def test_pinned_stories_lead_whatever_their_size_and_always_have_a_place() -> None:
    stories = [told_by(number, 2, "topic:trade", age=number) for number in range(10)]
    last, old = tagged(20, age=500), tagged(21, "topic:trade", age=600)
    made = digest(
        replace(NEWSLETTER, max_stories=3), [*stories, last, old], pinned=("story-21", "story-20", "story-77")
    )
    assert [item.seq for item in made.lead] == [20, 21]
    assert [item.seq for item in made.stories] == [20, 21, 0]
    assert {item.seq for item in made.overflow} == set(range(1, 10))
    crowded = digest(replace(NEWSLETTER, max_stories=1), stories, pinned=("story-3", "story-4", "story-5"))
    assert ([item.seq for item in crowded.stories], len(crowded.overflow)) == ([3, 4, 5], 7)


def test_dropped_stories_are_out_also_when_pinned() -> None:
    made = digest(NEWSLETTER, [tagged(1), tagged(2), tagged(3)], pinned={"story-1"}, dropped={"story-1", "story-2"})
    assert ([item.seq for item in made.stories], made.lead, made.overflow) == ([3], (), ())


@st.composite
def piles(draw: st.DrawFn) -> list[Story]:
    """Stories of a few feeds, topics, ages and sizes."""
    facts = st.tuples(st.integers(1, 4), st.sampled_from("abc"), st.integers(0, 5), st.sampled_from(["x", "y", ""]))
    made = []
    for number, (size, feed, age, topic) in enumerate(draw(st.lists(facts, max_size=40))):
        told = told_by(number, size, *([f"topic:{topic}"] if topic else []), age=age)
        made.append(story(number, replace(told.head, feed_id=feed), *told.also_at))
    return made


@given(
    pile=piles(),
    limit=st.integers(1, 20),
    group_by=st.sampled_from(sorted(get_args(get_type_hints(Newsletter)["group_by"]))),
    pinned=st.sets(st.integers(0, 45).map("story-{}".format), max_size=4),
    dropped=st.sets(st.integers(0, 45).map("story-{}".format), max_size=4),
    mixed=st.randoms(use_true_random=False),
)
def test_every_story_once_none_over_its_share_and_the_same_whatever_came_first(
    pile: list[Story], limit: int, group_by: str, pinned: set[str], dropped: set[str], mixed: Random
) -> None:
    letter = replace(NEWSLETTER, max_stories=limit, group_by=group_by)
    made = digest(letter, pile, pinned=pinned, dropped=dropped)
    kept = [item for item in pile if item.id not in dropped]
    assert Counter(item.id for item in (*made.stories, *made.overflow)) == Counter(item.id for item in kept)
    assert {item.id for item in made.lead} == {item.id for item in kept} & pinned
    placed = [item for section in made.sections for item in section.stories]
    assert len(placed) <= max(0, limit - len(made.lead))
    feeds = Counter(item.head.feed_id for item in placed)
    if len({item.head.feed_id for item in kept if item.id not in pinned}) > 1:
        assert max(feeds.values(), default=0) <= -(-max(0, limit - len(made.lead)) // 4)
    for section in made.sections:
        assert list(section.stories) == sorted(section.stories, key=weight.by_weight)
    shuffled = list(pile)
    mixed.shuffle(shuffled)
    assert digest(letter, shuffled, pinned=pinned, dropped=dropped) == made


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
