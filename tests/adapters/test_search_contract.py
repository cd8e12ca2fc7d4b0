"""The search index against the matcher: whatever the stories and the query, both give the same."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import QueryError
from aggregator.flows.finding import FindPorts, find
from aggregator.flows.indexing import catch_up
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed
from aggregator.model.indexed import Finding, Order, place_of
from aggregator.model.parsed import Category, Person, SafeHtml
from aggregator.model.story import Clustering, Placement, Story
from aggregator.query.grammar import MAX_DEPTH, MAX_LENGTH, parse_query
from aggregator.query.matching import Query
from aggregator.subject import story_subject
from tests.adapters.test_store_contract import update
from tests.fakes import START, FrozenClock
from tests.real_store import KINDS, SqlStore, sql_store

NOW = START
FEEDS = tuple(Feed(id=name, url=f"https://{name}.example/rss", name=name) for name in ("ifri", "Apps_2", "日本"))


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    with sql_store(request.param) as store:
        yield store


def fill(store: SqlStore, stories: Sequence[Sequence[Entry]]) -> None:
    """Store each list of entries as a story, the first founding it, and index them all."""
    store.sync(FEEDS, START)
    updates, placements = [], []
    for number, entries in enumerate(stories):
        for place, entry in enumerate(entries):
            key = f"{number}-{place}".encode().ljust(16)
            named = replace(entry, mark=f"m{number}-{place}", keys=EntryKeys(identity=(key,), digest=key))
            updates.append(replace(update(entry.feed_id), url="", new=(named,)))
            placements.append(Placement(story_id=f"s{number}", rule="same-address" if place else None))
    store.apply(updates, Clustering(placements=tuple(placements)))
    catch_up(store, at_most=10_000)


def ports(store: SqlStore) -> FindPorts:
    return FindPorts(search=store, stories=store, clock=FrozenClock(NOW))


def everything(store: SqlStore) -> list[Story]:
    return sorted(store.newest(limit=1000), key=place_of, reverse=True)


def matching(store: SqlStore, query: Query) -> list[str]:
    return [story.id for story in everything(store) if query.matches(story_subject(story), NOW)]


def ids(finding: Finding) -> list[str]:
    return [story.id for story in finding.stories]


def entry(title: str = "", text: str = "", **fields: object) -> Entry:
    values: dict[str, object] = {
        "feed_id": "ifri",
        "title": title,
        "content": SafeHtml(text),
        "keys": EntryKeys(identity=(), digest=b""),
        "first_seen": START,
        "changed_at": START,
        "date": START - timedelta(days=1),
    }
    return Entry(**(values | fields))  # type: ignore[arg-type]


# --- random stories, random queries ---------------------------------------------------------------

WORDS = (
    *(
        "nato",
        "Kuril",
        "kur",
        "islands",
        "a",
        "U.S.",
        "x_y",
        "c++",
        "Élysée",
        "Straße",
        "œuvre",
        "٣",
        "Россия",
        "росси",
    ),
    *(
        "日本",
        "日本と協力",
        "本",
        "日",
        "러시아의",
        "러시아",
        "전략",
        "ไทย",
        "ประเทศไทย",
        "العربية",
        "हिन्दी",
        "nato日本",
        "İstanbul",
    ),
)
JOINTS = (" ", " ", " ", ", ", "-", "。", "")
TAGS = (
    "country:jp",
    "country:j",
    "topic:energy",
    "topic:energy-security",
    "category:日本",
    "tag with:SPACE",
    "a:b'\"*_",
)
MOMENTS = (
    *(START, START - timedelta(days=1), START - timedelta(days=30), START - timedelta(days=30, microseconds=1)),
    *(
        datetime(2026, 1, 31, tzinfo=UTC),
        datetime(2026, 1, 31, 23, 59, 59, 999999, UTC),
        datetime(2026, 2, 1, tzinfo=UTC),
    ),
    *(datetime(1969, 7, 20, tzinfo=UTC), datetime(2026, 1, 31, 12, 0, 0, 400000, UTC)),
)
TEXTS = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(JOINTS)), max_size=6).map(
    lambda pairs: "".join(word + joint for word, joint in pairs)
)
ENTRIES = st.builds(
    entry,
    title=TEXTS,
    text=TEXTS.map(lambda text: f"<p>{text.replace('-', '</p><p>')}</p>"),
    feed_id=st.sampled_from([feed.id for feed in FEEDS]),
    language=st.sampled_from([None, "en", "pt-BR", "PT_br"]),
    date=st.sampled_from(MOMENTS),
    tags=st.lists(st.sampled_from(TAGS), max_size=3).map(
        lambda names: tuple(Tag(name=n, origin="rule") for n in names)
    ),
    authors=st.lists(TEXTS.map(lambda name: Person(name=name)), max_size=2).map(tuple),
    categories=st.lists(TEXTS.map(lambda term: Category(term=term)), max_size=2).map(tuple),
)
STORIES = st.lists(st.lists(ENTRIES, min_size=1, max_size=2), min_size=1, max_size=5)
DATES = ("30d", "1d", "0m", "2026-01-31", "2026-02-01", '"2026-01-31T12:00:00.4Z"', "1969-07-20", "9999w", "0001-01-01")
FIELDS_OF_WORDS = ("", "", "title:", "text:", "author:", "category:")
TERMS = st.one_of(
    st.builds(
        "{}{}{}".format, st.sampled_from(FIELDS_OF_WORDS), st.sampled_from(WORDS), st.sampled_from(["", "", "*"])
    ),
    st.builds('{}"{}"{}'.format, st.sampled_from(FIELDS_OF_WORDS), TEXTS, st.sampled_from(["", "*"])),
    st.builds("{}:{}".format, st.sampled_from(["since", "until"]), st.sampled_from(DATES)),
    st.sampled_from(
        ["country:jp", "country:j*", "country:*", "topic:energy", "topic:energy*", "tag:category:日*", "*"]
    ),
    st.sampled_from(
        [
            "feed:ifri",
            "feed:APPS_2",
            "feed:a*",
            "feed:日本",
            "lang:pt",
            "lang:pt-br",
            "lang:e*",
            "lang:fr",
            "lang:*",
            "feed:*",
            "tag:a:*",
        ]
    ),
)
QUERIES = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        inner.map("NOT ({})".format),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: " ".join(f"({part})" for part in parts)),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: " OR ".join(f"({part})" for part in parts)),
    ),
    max_leaves=8,
)


def read(text: str) -> Query | None:
    """The query, unless a random word made it none."""
    try:
        return parse_query(text)
    except QueryError:
        return None


@pytest.mark.parametrize("kind", KINDS)
@given(stories=STORIES, texts=st.lists(QUERIES, min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_the_index_finds_what_the_matcher_matches_newest_first(
    kind: str, stories: Sequence[Sequence[Entry]], texts: Sequence[str]
) -> None:
    with sql_store(kind) as store:
        fill(store, stories)
        for query in filter(None, map(read, texts)):
            expected = matching(store, query)
            assert ids(find(ports(store), query, limit=10)) == expected, str(query)
            arrival = ids(find(ports(store), query, limit=10, order=Order.ARRIVAL))
            assert arrival == [story.id for story in store.newest(limit=10) if story.id in expected], str(query)
            relevance = ids(find(ports(store), query, limit=10, order=Order.RELEVANCE))
            assert sorted(relevance) == sorted(expected), str(query)


PIECES = st.sampled_from(
    [*"()\"“*:-+!~\\ &|^[é日'%;", "AND ", "OR ", "NOT ", "title:", "since:", "30d", "tag:", "jp", "nato"]
)


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=20).map("".join)), min_size=20))
@settings(deadline=None, max_examples=25)
def test_any_text_is_a_query_error_or_finds_what_the_matcher_matches(kind: str, texts: Sequence[str]) -> None:
    with sql_store(kind) as store:
        fill(store, [[entry("NATO 日本 %'; é jp")], [entry("Other")]])
        for query in filter(None, map(read, texts)):
            for order in Order:
                found = ids(find(ports(store), query, limit=10, order=order))
                assert sorted(found) == sorted(matching(store, query)), str(query)


# --- queries at their limits ----------------------------------------------------------------------


def longest(joint: str, *terms: str) -> str:
    """These terms again and again, as many as a query takes."""
    text = joint.join(terms)
    return joint.join([text] * ((MAX_LENGTH + len(joint)) // (len(text) + len(joint))))


DEEP = MAX_DEPTH // 2 - 1
EXTREMES = {
    "two thousand words": longest(" ", "a"),
    "two thousand words and one that is nowhere": longest(" ", "a")[:-10] + " nowhere",
    "a thousand alternatives": longest(" OR ", "b", "a"),
    "a thousand different alternatives": " OR ".join(f"{number}" for number in range(560)),
    "a thousand that must not be": longest(" ", "-b"),
    "phrases of many words": f'"{longest(" ", "a", "b")[:-100]}"',
    "a very long word": "a" * (MAX_LENGTH - 1) + "*",
    "a word as long as the longest token": "w" * 255,
    "a word longer than the longest token": "w" * 300,
    "no such word": "NOT " + "w" * 299,
    "the beginning of a long word": "w" * 290 + "*",
    "long runs of a script without spaces": "日本" * 1900,
    "parentheses to the limit": "(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1),
    "not not not": "NOT " * (MAX_DEPTH - 2) + "a",
    "and, or, and, or": "(a OR (b " * DEEP + "a" + "))" * DEEP,
    "and, or, and, or of what is not": "-(a -(b OR " * (DEEP // 2) + "a" + "))" * (DEEP // 2),
    "hundreds of moments": " OR ".join(f"since:{number}h" for number in range(280)) + " a",
    "ages beyond the calendar": "since:99999w until:99999w OR a",
    "the ends of the calendar": 'since:"0001-01-01T00:00+14:00" until:"9999-12-31T23:59-14:00" a',
    "hundreds of tags": " OR ".join(f"country:x{number}" for number in range(250)) + " OR country:jp",
    "a tag of the longest name": "topic:" + "x" * 300,
}


@pytest.fixture(scope="module", params=KINDS)
def extremes(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    with sql_store(request.param) as store:
        jp = Tag(name="country:jp", origin="rule")
        texts = ("a b a b 7 559", "a", "w" * 255, "w" * 300, "w" * 299 + "v", "日本" * 2000, "", "a " * 30_000 + "b")
        fill(store, [[entry(text=text, tags=(jp,))] for text in texts])
        yield store


@pytest.mark.parametrize("name", EXTREMES)
def test_queries_at_the_limits_are_answered_alike(extremes: SqlStore, name: str) -> None:
    query = parse_query(EXTREMES[name])
    expected = matching(extremes, query)
    for order in Order:
        assert sorted(ids(find(ports(extremes), query, limit=10, order=order))) == sorted(expected), order


@pytest.mark.parametrize(
    "text",
    [
        *("word " * 400_000, "word", " ".join(f"w{number}" for number in range(200_000)), "x" * 2_000_000),
        *("日" * 500_000, "!?" * 100_000, "\u202e\u200b\ufdd0", "a\u0301" * 50_000, "\x02".join("abc")),
    ],
    ids=["one word", "short", "many words", "one long word", "one run", "no letters", "controls", "marks", "breaks"],
)
def test_a_text_of_any_kind_is_indexed(store: SqlStore, text: str) -> None:
    fill(store, [[entry("Needle", text)], [entry("Other")]])
    assert ids(find(ports(store), parse_query("needle"), limit=5)) == ["s0"]
    assert ids(find(ports(store), parse_query("NOT needle"), limit=5)) == ["s1"]
    assert store.stale(5) == []
