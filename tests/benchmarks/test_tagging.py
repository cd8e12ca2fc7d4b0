"""The tagging benchmark: it counts what a hand would count, on the step that polling uses."""

from typing import Any

import pytest

from aggregator.model.channel import TagRule
from aggregator.steps.tagging import compile_rules
from benchmarks.tagging import measure

RULES = compile_rules(
    [
        TagRule(tag="country:fr", when="Paris"),
        TagRule(tag="country:de", when="Berlin"),
        TagRule(tag="topic:trade", when="tariff*"),
    ]
)


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
    scores = measure(rows, RULES)[label]["made-up"][language]
    assert (scores["precision"], scores["recall"], scores["f1"]) == expected


def test_a_text_without_labels_of_a_kind_does_not_count() -> None:
    scores = measure([row("tariffs in Paris", topics=[], topics_scope=["trade"])], RULES)
    assert scores["texts"] == 1
    assert not scores.keys() & {"countries", "topics"}
