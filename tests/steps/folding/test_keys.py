"""The keys of an entry: of every kind few, each with its note, the same after their way through octets."""

from collections import Counter

import pytest

from aggregator.model.entry import EntryKeys
from aggregator.model.story import FOLD_KINDS, FoldKey
from aggregator.steps.folding.keys import RUNS, RUNS_OF_LEAD, fold_keys, keys_of, with_sketch
from aggregator.steps.folding.sketch import Sketch, unpack
from tests.fakes import parsed
from tests.steps.folding.test_sketching import entry_of

HIGH, LOW = 2**64 - 1, 8
TALKING = Sketch(
    language="fr",
    length=200,
    names=frozenset(range(40)),
    figures=frozenset(range(100, 116)),
    stems=frozenset(range(200, 240)),
)
FRENCH = int.from_bytes(b"fr")


def kinds(sketch: Sketch, title: str = "") -> Counter[FoldKey]:
    return Counter(FoldKey(key % FOLD_KINDS) for key in fold_keys(sketch, title))


def test_every_kind_has_its_keys() -> None:
    whole = Sketch(
        urls=frozenset({1 << 4}),
        outs=frozenset({2 << 4}),
        dois=frozenset({3 << 4}),
        cited=frozenset({4 << 4}),
        lead=frozenset(range(90)),
        sample=frozenset(range(1000, 1080)),
    )
    assert kinds(whole, "Commentary: a bridge for Riga") == {
        FoldKey.ADDRESS: 2,
        FoldKey.DOI: 2,
        FoldKey.TITLE: 2,
        FoldKey.TEXT: RUNS_OF_LEAD + RUNS,
    }
    assert kinds(Sketch(), "Riga") == {}


def test_what_is_named_is_told_from_what_is_its_own() -> None:
    keys = fold_keys(Sketch(urls=frozenset({HIGH, LOW}), outs=frozenset({LOW, 16})), "")
    assert keys == {-8 | FoldKey.ADDRESS: 0, 8 | FoldKey.ADDRESS: 0, 16 | FoldKey.ADDRESS: 1}


def test_a_text_in_a_language_has_the_smallest_of_its_anchors_noted_with_it() -> None:
    keys = fold_keys(TALKING, "")
    assert set(keys.values()) == {FRENCH}
    assert sorted(key // FOLD_KINDS for key in keys) == [*range(12), *range(100, 104), *range(200, 208)]


@pytest.mark.parametrize(
    "sketch",
    [
        Sketch(language="", length=200, names=TALKING.names),
        Sketch(language="fr", length=39, names=TALKING.names),
        Sketch(language="fr", length=200, names=frozenset(range(3)), stems=frozenset(range(3))),
    ],
)
def test_a_text_that_is_seen_as_no_translation_has_no_anchors_for_keys(sketch: Sketch) -> None:
    assert kinds(sketch) == {}


def test_keys_and_sketch_are_the_same_after_their_way_through_octets() -> None:
    keys = with_sketch(EntryKeys(identity=(b"i",), digest=b"d"), TALKING, "A bridge for Riga")
    assert (keys.identity, keys.digest, unpack(keys.sketch)) == ((b"i",), b"d", TALKING)
    made = entry_of(parsed("A bridge for Riga", doi="10.5555/1"))
    assert keys_of(made) == fold_keys(unpack(made.keys.sketch), made.title) != {}
