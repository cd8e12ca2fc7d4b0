"""From a query to spans and conditions: dates are gone, and what the index is unsure of admits more, never less."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.indexed import MAX_SECOND, second_of
from aggregator.query.grammar import parse_query
from aggregator.query.matching import Query
from aggregator.steps.finding.narrowing import (
    MAX_BOUNDS,
    MAX_LEVELS,
    AllOf,
    AnyOf,
    Condition,
    Has,
    Lacks,
    Span,
    narrowed,
    required_tags,
)
from aggregator.steps.finding.tokens import kind_of, name_token
from aggregator.subject import Subject
from tests.test_query import TREES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TEXTS = ("title", "text")
A, B = Has(TEXTS, ("a",)), Has(TEXTS, ("b",))


def spans(text: str, *, phrases: bool = True) -> tuple[Span, ...]:
    return narrowed(parse_query(text), NOW, unsure=lambda has: not phrases and len(has.tokens) > 1)


def condition(text: str, *, phrases: bool = True) -> Condition:
    (span,) = spans(text, phrases=phrases)
    assert (span.first, span.end) == (0, MAX_SECOND + 1)
    return span.condition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("a", A),
        ("a b a", AllOf((A, B))),
        ("a OR b OR a", AnyOf((A, B))),
        ("a *", A),
        ("* OR a", True),
        ("-a", Lacks(A)),
        ("NOT NOT a", A),
        ("a -b", AllOf((A, Lacks(B)))),
        ("title:a*", Has(("title",), ("a",), True)),
        ("text:a author:b", AllOf((Has(("text",), ("a",)), Has(("author",), ("b",))))),
        ('"a b"', Has(TEXTS, ("a", "b"))),
        ("日本*", Has(TEXTS, ("日", "本"))),
        ("country:jp", Has(("names",), (name_token("tags", "country:jp"),))),
        ("country:j*", Has(("names",), (name_token("tags", "country:j"),), True)),
        ("country:*", Has(("names",), (name_token("tags", "country:"),))),
        ("feed:*", Has(("names",), (name_token("feeds", ""),))),
        ("lang:PT_br", Has(("names",), (name_token("languages", "pt-br"),))),
    ],
)
def test_a_query_becomes_a_condition(text: str, expected: Condition) -> None:
    assert condition(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a b"', Has(TEXTS, ("a", "b"))),
        ('-"a b"', True),
        ('a -"a b"', A),
        ('-(b "a b")', True),
        ('-(b OR "a b")', Lacks(B)),
        ('-(b OR -"a b")', Lacks(AnyOf((B, Lacks(Has(TEXTS, ("a", "b"))))))),
    ],
)
def test_what_the_index_is_unsure_of_bars_nothing(text: str, expected: Condition) -> None:
    assert condition(text, phrases=False) == expected


@pytest.mark.parametrize("text", ["-" + "w" * 255, "-" + "w" * 300, "-tag:" + "y" * 250 + ":x"])
def test_tokens_that_were_cut_bar_nothing(text: str) -> None:
    assert condition(text) is True
    assert isinstance(condition(text.removeprefix("-")), Has)


def test_what_lies_too_deep_narrows_nothing() -> None:
    deep = "a (b OR " * MAX_LEVELS + "a" + ")" * MAX_LEVELS
    assert "Lacks" not in str(condition(deep))
    assert condition("-(a -(b OR " * MAX_LEVELS + "a" + "))" * MAX_LEVELS) is not False


# --- dates ----------------------------------------------------------------------------------------

DAY = second_of(datetime(2026, 1, 31, tzinfo=UTC))
LAST = DAY + 86_399


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("since:2026-01-31", [(DAY, MAX_SECOND + 1, True)]),
        ("until:2026-01-31", [(0, LAST + 1, True)]),
        ("since:2026-01-31 until:2026-01-31 a", [(DAY, LAST + 1, A)]),
        ("since:2026-01-31 OR a", [(DAY, MAX_SECOND + 1, True), (0, DAY, A)]),
        ("-since:2026-01-31", [(0, DAY + 1, True)]),
        ("since:2026-01-31 until:2026-01-30", []),
        (
            "(since:2026-01-31 a) OR (until:2026-01-31 b)",
            [(LAST + 1, MAX_SECOND + 1, A), (DAY, LAST + 1, AnyOf((A, B))), (0, DAY, B)],
        ),
        ("since:1950-01-01 a", [(0, MAX_SECOND + 1, A)]),
        ("until:1950-01-01 a", [(0, 1, A)]),
    ],
)
def test_dates_part_a_query_into_spans(text: str, expected: list[tuple[int, int, Condition]]) -> None:
    assert [(span.first, span.end, span.condition) for span in spans(text)] == expected


def test_more_moments_than_are_worth_it_narrow_nothing_by_date() -> None:
    some = " OR ".join(f"(since:{number}d a)" for number in range(1, MAX_BOUNDS + 1))
    assert len(spans(some)) == 1
    assert spans(some)[0].first > 0
    assert spans(f"{some} OR (since:99d a)") == (Span(first=0, end=MAX_SECOND + 1, condition=A),)


def holds(condition: Condition, subject: Subject) -> bool:
    """The meaning of conditions, for texts of single words."""
    match condition:
        case bool():
            return condition
        case Lacks():
            return not holds(condition.part, subject)
        case AllOf():
            return all(holds(part, subject) for part in condition.parts)
        case AnyOf():
            return any(holds(part, subject) for part in condition.parts)
        case Has():
            (token,) = condition.tokens
            fields = {"title": subject.title.words, "text": subject.body.words}
            fields |= {"names": {name_token("tags", name) for name in {*subject.tags, *map(kind_of, subject.tags)}}}
            held = {one for column in condition.columns for one in fields[column]}
            return token in held or (condition.prefix and any(one.startswith(token) for one in held))


@given(
    st.recursive(
        st.sampled_from(["a", "b*", "title:a", "country:jp", "country:*", "since:10d", "until:5d", "since:1d", "*"]),
        lambda inner: st.one_of(
            inner.map("NOT ({})".format),
            st.tuples(inner, inner).map("({0[0]}) ({0[1]})".format),
            st.tuples(inner, inner).map("({0[0]}) OR ({0[1]})".format),
        ),
        max_leaves=10,
    ),
    st.sampled_from(["", "a", "bc", "a bc"]),
    st.sampled_from(["", "a", "bc"]),
    st.sets(st.sampled_from(["country:jp", "country:ru"])),
    st.sampled_from(
        [timedelta(days=days, microseconds=more) for days in (0, 1, 5, 10, 11) for more in (0, 1, 999_999)]
    ),
)
def test_in_its_span_a_condition_means_what_the_query_means(
    text: str, title: str, body: str, tags: set[str], age: timedelta
) -> None:
    query, date = parse_query(text), NOW - age
    subject = Subject(title=title, text=body, tags=tags, date=date)
    in_spans = [span for span in spans(text) if span.first <= second_of(date) < span.end]
    admitted = any(holds(span.condition, subject) for span in in_spans)
    bound_by_the_second = age % timedelta(seconds=1) or age in (timedelta(days=days) for days in (1, 5, 10))
    if bound_by_the_second:
        assert admitted or not query.matches(subject, NOW)
    else:
        assert admitted == query.matches(subject, NOW)


@given(TREES)
def test_any_query_can_be_narrowed_whether_the_index_is_sure_or_not(tree: object) -> None:
    query = Query(tree)  # type: ignore[arg-type]
    for unsure in (True, False):
        for span in narrowed(query, NOW, unsure=lambda has, unsure=unsure: unsure):
            assert 0 <= span.first < span.end <= MAX_SECOND + 1


# --- tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("country:jp country:ru", {"country:jp", "country:ru"}),
        ("country:jp kuril -country:us", {"country:jp"}),
        ("country:jp OR country:ru", set()),
        ("(country:jp topic:x) OR (country:jp type:y)", {"country:jp"}),
        ('tag:topic:Energy region:"East Asia" category:x', {"topic:energy", "region:east-asia"}),
        ("country:j*", set()),
        ("country:*", set()),
        ("feed:ifri lang:fr", set()),
        ("", set()),
    ],
)
def test_required_tags(text: str, tags: set[str]) -> None:
    assert required_tags(parse_query(text)) == tags


@given(TREES, st.sets(st.sampled_from(["country:jp", "topic:x", "country:x"])))
def test_a_match_carries_the_required_tags(tree: object, tags: set[str]) -> None:
    query = Query(tree)  # type: ignore[arg-type]
    if query.matches(Subject(title="x", tags=tags), NOW):
        assert required_tags(query) <= tags
