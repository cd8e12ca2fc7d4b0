"""The tagging benchmark: it counts what a hand would count, on the step that polling uses."""

from typing import Any

import pytest

from aggregator.model.taxonomy import Country, Taxonomy, Topic
from aggregator.steps.tagging.tagger import compile_tagger
from benchmarks.tagging import measure

FRANCE = Country(id="fr", label={"en": "France"}, places=("Paris",))
GERMANY = Country(id="de", label={"en": "Germany"}, places=("Berlin",))
TRADE = Topic(id="trade", label={"en": "Trade"}, words={"en": ("tariff*!",)})
TAGGER = compile_tagger(Taxonomy(countries=(FRANCE, GERMANY), topics=(TRADE,)))


def row(text: str, lang: str = "en", **labels: list[str]) -> dict[str, Any]:
    return {"set": "made-up", "id": text, "lang": lang, "title": "", "text": text, **labels}


@pytest.mark.parametrize(
    ("rows", "label", "language", "expected"),
    [
        ([row("Paris", countries=["FR"])], "countries", "all", (1, 1, 1)),
        ([row("Paris and Berlin", countries=["FR"])], "countries", "all", (0.5, 1, 0.667)),
        ([row("Paris and Berlin", countries=["FR"], countries_optional=["DE"])], "countries", "all", (1, 1, 1)),
        ([row("Paris", countries=["FR", "DE"])], "countries", "en", (1, 0.5, 0.667)),
        ([row("Paris", countries=["FR"]), row("Rome", "it", countries=["IT"])], "countries", "it", (0, 0, 0)),
        ([row("Paris", countries=["FR"]), row("Rome", "it", countries=["IT"])], "countries", "all", (1, 0.5, 0.667)),
        ([row("tariffs", topics=["trade"])], "topics", "all", (1, 1, 1)),
        ([row("tariffs", topics=["energy"], topics_scope=["energy"])], "topics", "all", (0, 0, 0)),
        ([row("tariffs & <b>", topics=[])], "topics", "all", (0, 0, 0)),
    ],
)
def test_it_counts_labels(rows: list[dict[str, Any]], label: str, language: str, expected: tuple[float, ...]) -> None:
    scores = measure(rows, TAGGER)[label]["made-up"][language]
    assert (scores["precision"], scores["recall"], scores["f1"]) == expected


def test_a_text_without_labels_of_a_kind_does_not_count() -> None:
    scores = measure([row("tariffs in Paris", topics=[], topics_scope=["trade"])], TAGGER)
    assert scores["texts"] == 1
    assert not scores.keys() & {"countries", "mentions", "topics"}
