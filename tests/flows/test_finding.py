"""Search: the index names places, the matcher decides, and a page says where to go on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from aggregator.flows.finding import BATCH, FindPorts, find
from aggregator.model.entry import Entry, EntryKeys
from aggregator.model.indexed import Finding, Order, place_of, seq_of
from aggregator.model.story import Story
from aggregator.query.grammar import parse_query
from aggregator.query.matching import Query
from tests.fakes import START, FrozenClock


def story(seq: int, title: str = "Paper") -> Story:
    """The `seq`-th story, a minute later than the one before it."""
    entry = Entry(
        title=f"{title} {seq}",
        feed_id="ifri",
        keys=EntryKeys(identity=(), digest=b""),
        first_seen=START,
        changed_at=START,
        date=START + timedelta(minutes=seq),
    )
    return Story(id=f"s{seq}", seq=seq, first_seen=START, updated=START, entries=(entry,))


class Shelf:
    """Stories, and an index of them that cannot tell one from another; remembers how many it was asked for."""

    def __init__(self, *stories: Story) -> None:
        self.stories = {story.seq: story for story in stories}
        self.indexed = dict(self.stories)
        self.asked: list[int] = []
        self.loaded: list[int] = []

    def find(
        self, query: Query, now: datetime, *, order: Order = Order.DATE, below: int | None = None, limit: int
    ) -> Sequence[int]:
        self.asked.append(limit)
        places = sorted((place_of(story) for story in self.indexed.values()), reverse=order is not Order.RELEVANCE)
        return [place for place in places if below is None or place < below][:limit]

    def numbered(self, seqs: Sequence[int]) -> dict[int, Story]:
        self.loaded.append(len(seqs))
        return {seq: self.stories[seq] for seq in seqs if seq in self.stories}


def ask(shelf: Shelf, text: str, **how: object) -> Finding:
    ports = FindPorts(search=shelf, stories=shelf, clock=FrozenClock())  # type: ignore[arg-type]
    return find(ports, parse_query(text), **({"limit": 3} | how))  # type: ignore[arg-type]


def seqs(finding: Finding) -> list[int]:
    return [story.seq for story in finding.stories]


def test_pages_follow_each_other_without_a_gap_or_a_double() -> None:
    shelf = Shelf(*(story(seq) for seq in range(1, 8)))
    pages, below = [], None
    while True:
        page = ask(shelf, "paper", below=below)
        pages.append(seqs(page))
        below = page.further
        if below is None:
            break
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]


def test_a_page_that_holds_all_leads_nowhere() -> None:
    assert ask(Shelf(*(story(seq) for seq in (1, 2, 3))), "paper").further is None
    assert ask(Shelf(), "paper") == Finding(stories=())


def test_what_the_index_names_and_the_query_does_not_mean_is_left_out() -> None:
    energy = [story(seq, "Energy" if seq % 100 == 7 else "Trade") for seq in range(1, 301)]
    shelf = Shelf(*energy)
    assert seqs(ask(shelf, "energy")) == [207, 107, 7]
    assert shelf.asked == [4, BATCH, BATCH, BATCH]


def test_what_is_gone_or_was_edited_since_it_was_indexed_is_left_out() -> None:
    shelf = Shelf(story(1), story(2), story(3))
    del shelf.stories[2]
    shelf.stories[3] = replace(story(3, "Note"))
    assert seqs(ask(shelf, "paper")) == [1]


def test_a_search_that_takes_too_long_says_where_to_go_on() -> None:
    shelf = Shelf(*(story(seq) for seq in range(1, 8)))
    first = ask(shelf, "nothing", seconds=-1)
    assert (first.stories, first.further) == ((), place_of(story(7)))
    assert seqs(ask(shelf, "paper", below=first.further)) == [6, 5, 4]


def test_by_relevance_there_is_one_page_in_the_order_of_the_index() -> None:
    shelf = Shelf(*(story(seq, "Energy" if seq > 3 else "Trade") for seq in range(1, 9)))
    finding = ask(shelf, "energy", order=Order.RELEVANCE)
    assert (seqs(finding), finding.further) == ([4, 5, 6], None)
    assert shelf.loaded == [4, 4]
    assert seqs(ask(shelf, "energy", order=Order.RELEVANCE, limit=50)) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("moment", [START, START.replace(year=1969), START.replace(year=9999)])
def test_a_place_holds_the_date_and_the_number(moment: datetime) -> None:
    one, two = story(1), story(268_000_000)
    dated = [replace(item, entries=(replace(item.head, date=moment),)) for item in (one, two)]
    places = [place_of(item) for item in dated]
    assert [seq_of(place) for place in places] == [1, 268_000_000]
    assert places == sorted(places)
    assert all(0 <= place < 2**63 for place in places)
