"""Search goes as far as its bounds, says how far, and can go on from there."""

from math import inf
from pathlib import Path

import pytest

from aggregator.model.story import Clustering, Placement
from aggregator.query import parse_query
from aggregator.web.searching import Finding, search
from tests.fakes import START, MemoryStore
from tests.web.sample_site import ENERGY, IFRI, JAPAN, entry, open_site, poll


@pytest.fixture
def store() -> MemoryStore:
    """250 stories; every fifth is about energy."""
    store = MemoryStore()
    store.sync([IFRI], START)
    entries = [entry("ifri", f"Paper {number}", *([ENERGY] if number % 5 == 0 else [])) for number in range(250)]
    placements = tuple(Placement(story_id=f"s{number}") for number in range(250))
    store.apply([poll("ifri", START, *entries)], Clustering(placements=placements))
    return store


def ask(store: MemoryStore, text: str, **bounds: object) -> Finding:
    return search(store, parse_query(text), START, **({"limit": 50, "seconds": inf} | bounds))  # type: ignore[arg-type]


def titles(finding: Finding) -> list[str]:
    return [story.head.title for story in finding.stories]


def test_all_matches_are_found_newest_first_when_the_bounds_allow(store: MemoryStore) -> None:
    finding = ask(store, "topic:energy")
    assert titles(finding)[:2] == ["Paper 245", "Paper 240"]
    assert (len(finding.stories), finding.searched) == (50, 50)


def test_tags_a_query_demands_narrow_what_is_read(store: MemoryStore) -> None:
    finding = ask(store, 'topic:energy title:"Paper 5"')
    assert (titles(finding), finding.searched, finding.before) == (["Paper 5"], 50, None)


def test_a_page_of_matches_ends_the_search_where_the_next_one_begins(store: MemoryStore) -> None:
    first = ask(store, "paper", limit=3)
    assert (titles(first), first.searched) == (["Paper 249", "Paper 248", "Paper 247"], 3)
    assert titles(ask(store, "paper", limit=1, before=first.before)) == ["Paper 246"]


def test_the_bound_on_stories_ends_the_search(store: MemoryStore) -> None:
    finding = ask(store, 'title:"Paper 5"', stories=120)
    assert (titles(finding), finding.searched) == ([], 120)
    assert finding.oldest is not None
    assert (finding.oldest.head.title, finding.before) == ("Paper 130", finding.oldest.seq)
    rest = ask(store, 'title:"Paper 5"', before=finding.before)
    assert (titles(rest), rest.searched, rest.before) == (["Paper 5"], 130, None)


def test_the_bound_on_time_ends_the_search_after_a_story_at_least(store: MemoryStore) -> None:
    finding = ask(store, "nothing", seconds=-1.0)
    assert (finding.searched, finding.before is None) == (1, False)


def test_an_empty_store_has_been_searched_to_its_end() -> None:
    assert ask(MemoryStore(), "energy") == Finding(stories=(), searched=0, oldest=None, before=None)


def test_a_query_of_very_many_tags_is_one_the_database_can_take(tmp_path: Path) -> None:
    site = open_site(tmp_path)
    site.add([entry("ifri", "One", JAPAN)], [Placement(story_id="one")])
    many = " ".join(f"country:x{number}" for number in range(300))
    finding = search(site.stories, parse_query(f"country:jp {many}"), START, limit=50)
    assert finding.stories == ()
    site.database.close()
