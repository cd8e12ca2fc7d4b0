"""Each rule on its own ground; what they make of whole entries is in `test_hard_cases.py`."""

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.steps.folding.sketch import Sketch
from aggregator.steps.folding.titles import contains, differ_in_figures, likeness, read_title
from aggregator.steps.folding.verify import Witness, judge
from tests.fakes import START

RUNS = frozenset(range(0, 800, 8))
LONG = "A long title of seven words here"


def witness(title: str = LONG, *, feed: str = "a", days: int = 0, **sketch: object) -> Witness:
    values = {"length": 200, "lead": RUNS, "sample": RUNS, "language": "en"} | sketch
    return Witness(feed_id=feed, title=title, date=START - timedelta(days=days), sketch=Sketch(**values))


BARE = {"length": 0, "lead": frozenset[int](), "sample": frozenset[int]()}
OTHER = {"lead": frozenset(range(1, 801, 8)), "sample": frozenset(range(1, 801, 8))}
HALF = {"lead": frozenset(sorted(RUNS)[:50]), "sample": frozenset(sorted(RUNS)[:50])}
PAGE, PAPER = frozenset({1}), frozenset({2})
ANCHORS = {"names": frozenset(range(20)), "figures": frozenset(range(4)), "stems": frozenset(range(20))}

CASES = [
    (witness(urls=PAGE, **BARE), witness("Other words", feed="b", urls=PAGE, **BARE), "same-address"),
    (witness(urls=PAGE, **BARE), witness("Other words", urls=PAGE, **BARE), None),
    (witness(urls=PAGE), witness("Quite another", urls=PAGE), "same-address"),
    (witness(dois=PAPER, **BARE), witness("Other words", feed="b", dois=PAPER, **BARE), "same-doi"),
    (witness(dois=PAPER, **BARE), witness("Other words", dois=PAPER, **OTHER), None),
    (witness(urls=PAGE, **OTHER), witness(feed="b", outs=PAGE), "links-to"),
    (witness(dois=PAPER, **OTHER), witness(feed="b", cited=PAPER), "cites-doi"),
    (witness(urls=PAGE), witness("Unlike", feed="b", outs=PAGE, **HALF), "links-to"),
    (witness(urls=PAGE, **ANCHORS, **OTHER), witness("Unlike", feed="b", outs=PAGE, **ANCHORS), "related"),
    (witness(urls=PAGE, **OTHER), witness("Unlike", feed="b", outs=PAGE), None),
    (
        witness(urls=PAGE, **ANCHORS, **OTHER),
        witness("Unlike", feed="b", outs=PAGE, **ANCHORS | {"language": "fr"}),
        "links-to-in-translation",
    ),
    (witness(), witness("Unlike", feed="b"), "same-text"),
    (witness(), witness("Unlike", feed="b", length=50), "lead-reused"),
    (witness(), witness("Unlike"), "same-text"),
    (witness(length=100), witness("Unlike", length=100), None),
    (witness(), witness("Unlike", feed="b", days=61), None),
    (witness(), witness(feed="b", length=20, lead=frozenset(sorted(RUNS)[:10]), sample=RUNS), "same-title-and-lead"),
    (
        witness("A long title of seven"),
        witness(feed="b", length=20, lead=frozenset([*sorted(RUNS)[:12], 1, 3, 5]), sample=frozenset([1, 3, 5])),
        "title-part-and-text",
    ),
    (witness(**BARE), witness(feed="b"), "same-title"),
    (witness(**BARE), witness(feed="b", days=15), None),
    (witness(**BARE), witness(), None),
    (witness("Two words", **BARE), witness("Two words", feed="b"), None),
    (witness(**ANCHORS), witness("Titre", feed="b", **ANCHORS | OTHER | {"language": "fr"}), "translation"),
    (witness(**ANCHORS), witness("Titre", feed="b", **ANCHORS | OTHER), None),
    (witness(**ANCHORS), witness("Titre", feed="b", days=13, **ANCHORS | OTHER | {"language": "fr"}), None),
    (witness(**ANCHORS), witness("Titre", feed="b", **ANCHORS | OTHER | {"language": "fr", "length": 90}), None),
    (witness(), witness("Titre", feed="b", **OTHER | {"language": "fr"}), None),
    (witness(roundup=True), witness(feed="b"), None),
    (witness(roundup=True, urls=PAGE), witness("Unlike", feed="b", outs=PAGE), None),
    (witness("Annual report 2025"), witness("Annual report 2026", feed="b"), None),
    (witness("Quarter 1"), witness("Nothing alike 2", feed="b"), "same-text"),
    (
        witness(length=40, figures=frozenset({1})),
        witness(feed="b", length=40, figures=frozenset({2})),
        None,
    ),
]


@pytest.mark.parametrize(("one", "other", "rule"), CASES)
def test_the_first_rule_that_speaks_decides_whichever_came_first(
    one: Witness, other: Witness, rule: str | None
) -> None:
    found, back = judge(one, other), judge(other, one)
    assert (found and found.rule) == rule
    assert found == back


def test_of_two_texts_of_one_length_each_may_be_the_one_that_is_quoted() -> None:
    page = witness("A note", urls=PAGE, lead=RUNS, sample=frozenset(range(1, 100, 2)))
    quoting = witness("Elsewhere", feed="b", outs=PAGE, lead=frozenset(range(1001, 1100, 2)), sample=RUNS)
    found, back = judge(page, quoting), judge(quoting, page)
    assert found == back
    assert found is not None
    assert found.rule == "links-to"


def test_the_evidence_says_what_the_rule_went_by() -> None:
    found = judge(witness(), witness("Unlike", feed="b"))
    assert found is not None
    assert found.evidence == "titles 0.00, text 1.00, length 1.00"
    one, other = witness(**ANCHORS), witness("Titre", feed="b", **ANCHORS | OTHER | {"language": "fr"})
    translated = judge(one, other)
    assert translated is not None
    assert translated.evidence == "en and fr, names and figures 1.00, length 1.00"


def test_texts_sampled_at_two_scales_are_compared_at_the_coarser() -> None:
    coarse = witness(
        "Unlike", feed="b", scale=4, sample=frozenset(run for run in RUNS if not run % 16), lead=frozenset()
    )
    found = judge(replace(witness(), sketch=replace(witness().sketch, scale=3)), coarse)
    assert found is not None
    assert found.rule == "same-text"


def test_in_german_all_nouns_are_large_and_count_for_little() -> None:
    names = frozenset(range(8))
    german = {"language": "de", "names": names | frozenset(range(100, 132)), **OTHER}
    one, other = witness(names=names), witness("Titel", feed="b", **german)
    assert judge(one, other) is not None
    assert judge(one, replace(other, sketch=replace(other.sketch, language="es"))) is not None
    many = witness(names=names, stems=frozenset(range(40)))
    assert judge(many, replace(other, sketch=replace(other.sketch, language="es"))) is None


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("Report, part 1", "Report, part 2", True),
        ("Report, Part I", "Report, Part II", True),
        ("Teil eins", "Teil zwei", True),
        ("Outlook, March 2026", "Outlook, April 2026", True),
        ("May we come in", "March on", False),
        ("Report", "Report 2026", False),
        ("Report 07", "Report 7", False),
        ("Debian 12.4", "Debian 12.5", True),
    ],
)
def test_titles_that_count_differently_are_of_two_works(one: str, other: str, apart: bool) -> None:
    assert differ_in_figures(read_title(one), read_title(other)) is apart


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A bridge for Riga", "A bridge for Riga | The Institute"),
        ("A bridge for Riga", "Commentary: A bridge for Riga"),
        ("A bridge for Riga", "A BRIDGE FOR RIGA (South House)"),
        ("Étude", "ETUDE"),
    ],
)
def test_labels_and_names_of_sites_make_no_other_title(one: str, other: str) -> None:
    assert likeness(read_title(one), read_title(other)) == 1.0


def test_no_title_is_like_nothing_and_a_word_is_part_of_no_title() -> None:
    assert likeness(read_title(""), read_title("A")) == 0.0
    assert not contains(read_title("Riga"), read_title("A bridge for Riga"))
    assert contains(read_title("bridge for Riga"), read_title("A bridge for Riga, at last"))
