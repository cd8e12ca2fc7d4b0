"""The index catches up with the stories, batch after batch, as far as it is let."""

from collections.abc import Sequence

import pytest

from aggregator.flows.indexing import BATCH, catch_up
from aggregator.model.indexed import Indexed, Stale, seq_of
from tests.flows.test_finding import Shelf, story


class Waiting(Shelf):
    """An index with a list of what is stale."""

    def __init__(self, *stale: Stale) -> None:
        super().__init__()
        self.waiting = list(stale)
        self.held: dict[int, Indexed] = {}
        self.batches: list[int] = []

    def stale(self, limit: int) -> Sequence[Stale]:
        return self.waiting[:limit]

    def put(self, items: Sequence[Indexed]) -> int:
        answered = {(item.seq, item.turn) for item in items}
        self.waiting = [item for item in self.waiting if (item.seq, item.turn) not in answered]
        self.held |= {item.seq: item for item in items}
        self.batches.append(len(items))
        return len(items)


def waiting(count: int) -> Waiting:
    return Waiting(*(Stale(seq=seq, turn=1, story=story(seq)) for seq in range(1, count + 1)))


def test_everything_is_taken_in_a_batch_at_a_time() -> None:
    index = waiting(2 * BATCH + 5)
    assert catch_up(index, at_most=10_000) == 2 * BATCH + 5
    assert index.batches == [BATCH, BATCH, 5]
    words = index.held[7].words
    assert words
    assert (seq_of(words.place), words.title) == (7, "paper 7")
    assert catch_up(index, at_most=10_000) == 0


def test_a_story_that_is_gone_is_answered_with_nothing() -> None:
    index = Waiting(Stale(seq=3, turn=9, story=None))
    assert catch_up(index, at_most=1) == 1
    assert index.held[3].words is None


@pytest.mark.parametrize(("at_most", "batches"), [(0, []), (1, [BATCH]), (BATCH, [BATCH]), (BATCH + 1, [BATCH, BATCH])])
def test_it_ends_at_a_bound(at_most: int, batches: list[int]) -> None:
    index = waiting(5 * BATCH)
    catch_up(index, at_most=at_most)
    assert index.batches == batches


def test_it_ends_when_it_is_told_to_stop_and_leaves_the_rest_on_the_list() -> None:
    index = waiting(5 * BATCH)
    assert catch_up(index, at_most=10_000, should_stop=lambda: len(index.batches) == 2) == 2 * BATCH
    assert len(index.waiting) == 3 * BATCH


def test_a_story_that_changes_all_the_time_holds_nobody_up() -> None:
    """Its list never empties, so the bound counts what was looked at."""
    index = waiting(3)
    index.put = lambda items: 0  # type: ignore[method-assign]
    assert catch_up(index, at_most=10) == 12
