"""Links make Stories: the surest first, whatever the order they come in; ids are those of the first seen."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, permutations

import pytest

from aggregator.model.story import Clustering, Member, Move, Placement, StoryLink
from aggregator.steps.folding.clustering import MAX_MEMBERS, cluster, settled
from aggregator.steps.folding.sketch import Sketch, pack
from tests.fakes import START


def member(
    mark: str, *, minute: int = 0, story: str | None = None, feed: str | None = None, language: str = ""
) -> Member:
    return Member(
        mark=mark,
        feed_id=feed or f"feed of {mark}",
        first_seen=START + timedelta(minutes=minute),
        sketch=pack(Sketch(language=language)),
        story_id=story,
    )


def link(one: str, other: str, rule: str = "same-text", score: float = 0.85) -> StoryLink:
    one, other = sorted((one, other))
    return StoryLink(one=one, other=other, rule=rule, score=score, evidence="")


def stories(members: list[Member], links: list[StoryLink]) -> list[str]:
    """The Stories of new entries, as words of their marks."""
    placed = cluster([item.mark for item in members], members, links).placements
    groups: dict[str, list[str]] = {}
    for item, placement in zip(members, placed, strict=True):
        groups.setdefault(placement.story_id, []).append(item.mark)
    return sorted("".join(sorted(group)) for group in groups.values())


def test_an_entry_alone_founds_a_story() -> None:
    assert cluster(["a"], [member("a")], []) == Clustering(placements=(Placement(story_id="a"),))


def test_a_story_is_called_after_the_entry_seen_first() -> None:
    members = [member("a", minute=5), member("b", minute=3), member("c", minute=3)]
    placed = cluster(["a", "b", "c"], members, [link("a", "b"), link("b", "c", "same-doi", 1.0)]).placements
    assert placed == (
        Placement(story_id="b", rule="same-text"),
        Placement(story_id="b"),
        Placement(story_id="b", rule="same-doi"),
    )


def test_a_new_entry_joins_the_stored_story() -> None:
    outcome = cluster(["b"], [member("a", story="a"), member("b", minute=9)], [link("a", "b")])
    assert outcome == Clustering(placements=(Placement(story_id="a", rule="same-text"),))


def test_a_bridge_merges_the_younger_story_into_the_older() -> None:
    members = [member("a", story="a"), member("b", minute=1, story="b"), member("c", minute=2)]
    outcome = cluster(["c"], members, [link("a", "c"), link("b", "c")])
    assert outcome.placements == (Placement(story_id="a", rule="same-text"),)
    assert outcome.merges == (("b", "a"),)
    assert [move.placement.story_id for move in outcome.moves] == ["a"]
    assert outcome.founded == 0


def test_what_comes_late_but_was_seen_first_gives_the_name() -> None:
    members = [member("b", minute=5, story="b"), member("a", minute=1)]
    outcome = cluster(["a"], members, [link("a", "b")])
    assert outcome.placements == (Placement(story_id="a"),)
    assert (outcome.merges, outcome.founded) == ((("b", "a"),), 0)


def test_a_story_that_falls_apart_founds_another_and_keeps_its_own_id() -> None:
    members = [member("a", story="a"), member("b", minute=1, story="a"), member("c", minute=2, story="a")]
    outcome = cluster([], members, [link("a", "b", "person-apart", 1.0), link("b", "c")])
    assert outcome.moves == (
        Move(mark="b", first_seen=START + timedelta(minutes=1), placement=Placement(story_id="b")),
        Move(mark="c", first_seen=START + timedelta(minutes=2), placement=Placement(story_id="b", rule="same-text")),
    )
    assert (outcome.merges, outcome.founded) == ((), 1)


def test_the_order_of_entries_and_links_changes_nothing() -> None:
    members = [member("a", feed="x"), member("b", feed="y"), member("c", feed="x"), member("d", language="fr")]
    links = [link("a", "b", score=0.8), link("b", "c", score=0.9), link("b", "d", "translation", 0.3), link("a", "d")]
    outcomes = {
        tuple(stories([members[place] for place in order], [links[place] for place in order]))
        for order in permutations(range(4))
    }
    assert outcomes == {("ad", "bc")}


def test_no_third_feed_joins_two_publications_of_one_publisher() -> None:
    members = [member("a", feed="x"), member("b", feed="x"), member("c")]
    assert stories(members, [link("a", "c", score=0.9), link("b", "c", score=0.8)]) == ["ac", "b"]
    assert stories(members, [link("a", "c"), link("b", "c"), link("a", "b")]) == ["abc"]


def test_the_best_translation_wins_and_no_translation_joins_two_texts_of_one_language() -> None:
    members = [member("a", language="en"), member("b", language="en"), member("c", language="fr")]
    links = [link("a", "c", "translation", 0.3), link("b", "c", "translation", 0.4)]
    assert stories(members, links) == ["a", "bc"]
    assert stories(members, [*links, link("a", "b")]) == ["abc"]


def test_a_person_wins_over_every_rule() -> None:
    members = [member(mark, feed="x") for mark in "abc"]
    assert stories(members, [link("a", "b", "person", 1.0)]) == ["ab", "c"]
    assert stories(members, [link("a", "b", "person-apart", 1.0), link("a", "c"), link("b", "c")]) == ["ac", "b"]


def test_related_works_are_not_the_same() -> None:
    assert stories([member("a"), member("b")], [link("a", "b", "related")]) == ["a", "b"]


def test_a_story_has_twenty_members_at_most() -> None:
    marks = [f"{number:02}" for number in range(MAX_MEMBERS + 5)]
    chain = [link(one, other) for one, other in pairwise(marks)]
    outcome = cluster(marks, [member(mark) for mark in marks], chain)
    sizes = [sum(placement.story_id == mark for placement in outcome.placements) for mark in marks]
    assert max(sizes) == MAX_MEMBERS
    assert sum(sizes) == len(marks)


def test_a_link_to_nobody_is_left_alone() -> None:
    assert stories([member("a")], [link("a", "gone")]) == ["a"]


@pytest.mark.parametrize(
    ("before", "found", "stands"),
    [
        ("related", "same-text", "same-text"),
        ("person", "same-text", "person"),
        ("person-apart", "related", "person-apart"),
        ("person-apart", "person", "person"),
    ],
)
def test_what_is_found_anew_replaces_all_but_a_persons_word(before: str, found: str, stands: str) -> None:
    (kept,) = settled([link("a", "b", before)], [link("a", "b", found)])
    assert kept.rule == stands


def test_a_story_whose_entries_went_different_ways_leads_to_where_its_founder_is() -> None:
    members = [member("a", story="old"), member("b", minute=1, story="old")]
    outcome = cluster([], members, [])
    assert outcome.merges == (("old", "a"),)
    assert {move.mark: move.placement for move in outcome.moves} == {
        "a": Placement(story_id="a"),
        "b": Placement(story_id="b"),
    }
    assert replace(outcome, moves=()).founded == 0
