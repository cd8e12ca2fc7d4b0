"""The search index itself: places and pages, orders, and how it follows the stories that change."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.flows.finding import find
from aggregator.flows.indexing import catch_up
from aggregator.model.entry import EntryKeys
from aggregator.model.indexed import Indexed, Order, seq_of
from aggregator.model.story import Clustering, Move, Placement
from aggregator.query.grammar import parse_query
from aggregator.steps.finding.tokens import indexed
from tests.adapters.test_search_contract import NOW, entry, fill, ids, matching, ports
from tests.adapters.test_store_contract import update
from tests.fakes import START
from tests.real_store import KINDS, SqlStore, sql_store


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    with sql_store(request.param) as store:
        yield store


# --- places, pages, orders ------------------------------------------------------------------------


def test_stories_of_one_second_page_by_their_arrival(store: SqlStore) -> None:
    fill(store, [[entry(f"Paper {number}")] for number in range(7)])
    pages, below = [], None
    for _ in range(3):
        finding = find(ports(store), parse_query("paper"), limit=3, below=below)
        pages.append(ids(finding))
        below = finding.further
    assert (pages, below) == ([["s6", "s5", "s4"], ["s3", "s2", "s1"], ["s0"]], None)


@pytest.mark.parametrize("order", [Order.DATE, Order.ARRIVAL])
def test_pages_lead_on_over_the_moments_a_query_names(store: SqlStore, order: Order) -> None:
    dates = [START - timedelta(days=number) for number in (9, 1, 8, 2, 7, 3, 6, 4, 5)]
    fill(store, [[entry("Paper", date=date)] for date in dates])
    query = parse_query("(since:3d paper) OR (until:6d -nothing)")
    whole = ids(find(ports(store), query, limit=20, order=order))
    pages, below = [], None
    while True:
        finding = find(ports(store), query, limit=2, order=order, below=below)
        pages += ids(finding)
        below = finding.further
        if below is None:
            break
    assert pages == whole
    assert sorted(whole) == sorted(matching(store, query))
    assert len(whole) == 7


def test_relevance_puts_the_title_first_and_the_rare_word_before_the_common(store: SqlStore) -> None:
    filler = "Words about grain and gas and ports and cables. " * 5
    fill(
        store,
        [
            [entry("Kuril", filler)],
            [entry("Grain", f"{filler} kuril")],
            *([entry(f"Note {number}", filler)] for number in range(5)),
        ],
    )
    assert ids(find(ports(store), parse_query("kuril"), limit=9)) == ["s1", "s0"]
    assert ids(find(ports(store), parse_query("kuril"), limit=9, order=Order.RELEVANCE)) == ["s0", "s1"]
    assert ids(find(ports(store), parse_query("kuril"), limit=1, order=Order.RELEVANCE)) == ["s0"]


def test_the_index_names_no_more_than_it_must(store: SqlStore) -> None:
    fill(store, [[entry("Kuril islands")], [entry("Islands of the Kuril chain")], [entry("Other")]])
    named = {
        text: store.find(parse_query(text), NOW, limit=9) for text in ('"kuril islands"', "chain OR other", "日本")
    }
    assert [[seq_of(place) for place in places] for places in named.values()] == [[1], [3, 2], []]


def test_of_a_text_too_long_for_its_positions_all_that_has_the_words_is_named_and_looked_at(store: SqlStore) -> None:
    fill(
        store,
        [[entry(text="grain " * 17_000 + "kuril islands")], [entry(text="grain " * 17_000 + "kuril and islands")]],
    )
    assert len(store.find(parse_query("islands"), NOW, limit=9)) == 2
    assert found(store, '"kuril islands"') == ["s0"]
    assert found(store, '-"kuril islands"') == ["s1"]


# --- what is stale --------------------------------------------------------------------------------


def answered(store: SqlStore) -> list[Indexed]:
    return [indexed(stale) for stale in store.stale(100)]


def found(store: SqlStore, text: str) -> list[str]:
    return ids(find(ports(store), parse_query(text), limit=9))


def edit(store: SqlStore, seq: int, title: str) -> None:
    head = store.numbered([seq])[seq].head
    key = head.mark.removeprefix("m").encode().ljust(16)
    edited = replace(head, title=title, keys=EntryKeys(identity=(key,), digest=title.encode().ljust(16)))
    store.apply([replace(update("ifri", changed=(edited,)), url="")], Clustering(placements=()))


def test_an_edited_story_is_found_by_what_it_now_says(store: SqlStore) -> None:
    fill(store, [[entry("Before")], [entry("Other")]])
    edit(store, 1, "After")
    assert [stale.seq for stale in store.stale(9)] == [1]
    catch_up(store, at_most=9)
    assert (found(store, "before"), found(store, "after"), store.stale(9)) == ([], ["s0"], [])


def test_what_changes_while_it_is_read_stays_on_the_list(store: SqlStore) -> None:
    fill(store, [[entry("Before")], [entry("Other")]])
    edit(store, 1, "Between")
    late = answered(store)
    edit(store, 1, "After")
    assert store.put(late) == 0
    assert catch_up(store, at_most=9) == 1
    assert found(store, "after") == ["s0"]


def test_whoever_answers_late_undoes_nothing(store: SqlStore) -> None:
    """Two look at one change; another change comes, is answered, and only then the slower one writes."""
    fill(store, [[entry("Before")]])
    edit(store, 1, "Between")
    late = answered(store)
    catch_up(store, at_most=9)
    edit(store, 1, "After")
    catch_up(store, at_most=9)
    edit(store, 1, "After all")
    assert store.put(late) == 0
    assert found(store, "after") == ["s0"]
    assert [stale.seq for stale in store.stale(9)] == [1]


def test_an_answer_given_twice_counts_once(store: SqlStore) -> None:
    fill(store, [[entry("Before")]])
    edit(store, 1, "After")
    answer = answered(store)
    assert (store.put(answer), store.put(answer), store.put([])) == (1, 0, 0)
    assert found(store, "after") == ["s0"]


def test_a_merged_story_leaves_the_index_and_the_other_has_its_words(store: SqlStore) -> None:
    fill(store, [[entry("One")], [entry("Two")]])
    store.rearrange(
        Clustering(
            placements=(),
            moves=(Move(mark="m1-0", first_seen=START, placement=Placement(story_id="s0", rule="person")),),
            merges=(("s1", "s0"),),
        ),
        START,
    )
    assert found(store, "two") == []
    catch_up(store, at_most=9)
    assert found(store, "one two") == ["s0"]
    assert [seq_of(place) for place in store.find(parse_query("two"), NOW, limit=9)] == [1]


def test_a_story_that_is_split_loses_the_words_that_left(store: SqlStore) -> None:
    fill(store, [[entry("One"), entry("Two")]])
    store.rearrange(
        Clustering(placements=(), moves=(Move(mark="m0-1", first_seen=START, placement=Placement(story_id="new")),)),
        START,
    )
    catch_up(store, at_most=9)
    assert (found(store, "one"), found(store, "two")) == (["s0"], ["new"])


def test_a_new_date_is_a_new_place(store: SqlStore) -> None:
    early, late = entry("Early", date=START - timedelta(days=9)), entry("Late")
    fill(store, [[late], [early]])
    store.rearrange(
        Clustering(
            placements=(),
            moves=(
                Move(mark="m0-0", first_seen=START, placement=Placement(story_id="s1", rule="person")),
                Move(mark="m1-0", first_seen=START, placement=Placement(story_id="s0", rule="person")),
            ),
        ),
        START,
    )
    catch_up(store, at_most=9)
    assert found(store, "early OR late") == ["s1", "s0"]
    assert found(store, "since:2d") == ["s1"]
