"""The query language: what it matches, what it refuses, and that nothing else can happen."""

import pickle
from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import QueryError
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import Category, ParsedEntry, Person, SafeHtml
from aggregator.model.story import Story
from aggregator.query.grammar import MAX_DEPTH, MAX_LENGTH, parse_query
from aggregator.query.matching import Query, names_asked_for
from aggregator.query.tree import FIELDS, And, Everything, Node, Not, Or, Term
from aggregator.subject import Subject, entry_subject, story_subject

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ARTICLE = Subject(
    title="Élysée and the Kuril Islands: a U.S. view",
    text="NATO's state-of-the-art missiles. Straße, Wałęsa, œuvre. 日本とNATOの協力について。 러시아의 전략",
    tags=("country:jp", "country:ru", "region:eastern-europe", "topic:energy", "type:report", "publisher:ifri"),
    categories=("External Publications", "Ukraine/Défense"),
    feeds=("ifri-en",),
    languages=("fr-FR",),
    authors=("Jean Dupont", "Anna Kowalska"),
    date=NOW - timedelta(days=10),
)


def matches(text: str, subject: Subject = ARTICLE) -> bool:
    return parse_query(text).matches(subject, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "*",
        "kuril",
        "KURIL islands",
        '"Kuril Islands"',
        "“Kuril Islands”",
        "«kuril islands»",
        "elysee",
        "Élysée",
        "walesa oeuvre strasse STRASSE",
        "isl*",
        '"kuril isl"*',
        "state-of-the-art",
        '"state of the art"',
        "U.S.",
        "nato missiles",
        "日本",
        '"日本と"',
        "text:協力 NATO",
        "러시아",
        "title:kuril text:missiles",
        "title:(kuril AND islands)",
        "title:(nothing OR kuril)",
        "-title:missiles",
        "NOT title:missiles",
        "!nothing",
        "NOT NOT kuril",
        "+kuril -nothing",
        "kuril && nato || nothing",
        "nothing OR kuril nato",
        "(nothing OR kuril) (nato OR nothing)",
        "country:jp country:ru",
        "country:JP",
        "Country:jp",
        "country: jp",
        "country:(jp OR us)",
        "country:*",
        'region:"Eastern Europe"',
        "region:eastern-europe",
        "region:east*",
        "tag:topic:energy",
        "tag:topic:*",
        "publisher:ifri type:report topic:energy",
        "feed:ifri-en",
        "feed:ifri*",
        "lang:fr",
        "lang:FR_fr",
        "author:dupont",
        'author:"Jean Dupont"',
        'category:"external publications"',
        "category:external-publications",
        "category:defense",
        "since:30d",
        "since:2w",
        "since:2026-05-01",
        "since:2026-05-22T11:00:00Z",
        "until:2026-05-22",
        "until:1h",
        r"kuril\ islands",
        r"U\.S\.",
        "and the",
    ],
)
def test_matches(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "kur",
        "island",
        '"islands kuril"',
        "text:kuril",
        "title:missiles",
        "-kuril",
        "kuril -nato",
        "kuril AND NOT nato",
        "nothing OR -kuril",
        "country:(jp us)",
        "country:j",
        "topic:energy-security",
        "feed:ifri",
        "lang:f",
        "lang:en",
        '"Dupont Anna"',
        'author:"Dupont Anna"',
        '"view NATO"',
        "since:9d",
        "since:2026-05-23",
        "until:2026-05-21",
        "until:11d",
        "中国",
    ],
)
def test_does_not_match(text: str) -> None:
    assert not matches(text)


def test_nothing_is_found_by_date_in_what_has_none() -> None:
    assert not matches("since:30d OR until:30d", Subject())


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("cuntry:jp", 0, 'did you mean "country:"? else put the text in quotes)'),
        ("kuril contry:jp", 6, "country"),
        ("https://x.org", 0, "in quotes"),
        ("(a", 0, "never closed"),
        ("a (b (c)", 2, "never closed"),
        ("a)", 1, "closes nothing"),
        ("()", 1, "missing"),
        ("a OR", 4, "missing"),
        ("a AND OR b", 6, "before it"),
        ("OR a", 0, "before it"),
        ("NOT", 3, "missing"),
        ('say "abc', 4, "never closed"),
        ("a*b", 2, "end of a word"),
        ("*a", 1, "end of a word"),
        ("[a TO b]", 0, "quotes"),
        ("word~2", 4, "quotes"),
        ("a -", 2, "letter or a digit"),
        ('"!!"', 0, "letter or a digit"),
        ("title:*", 6, "letter or a digit"),
        ("country:", 8, "missing"),
        ("country:!", 8, "needs a name"),
        ('topic:"--"', 6, "name"),
        ("tag:energy", 4, "namespace:name"),
        ("since:yesterday", 6, "30d"),
        ("since:2026-13-01", 6, "2026-01-31"),
        ("since:30d*", 6, "no *"),
        ("a\\", 1, "quotes"),
        ("x" * (MAX_LENGTH + 1), 0, "4000"),
        ("(" * 5 + "a", 4, "never closed"),
        ("(" * 3000, MAX_DEPTH, "deep"),
        ("!" * 3000 + "a", MAX_DEPTH, "deep"),
        ("title:(" * 400, 700, "deep"),
    ],
)
def test_faults_name_the_place_and_the_cure(text: str, position: int, words: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)
    assert (caught.value.position, words in caught.value.message) == (position, True), str(caught.value)


def test_every_field_is_known() -> None:
    for name in FIELDS:
        value = {"since": "3d", "until": "3d", "tag": "topic:x"}.get(name, "x")
        assert str(parse_query(f"{name}:{value}")) == f"{name}:{value}"


# --- properties -----------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [*'()"“*:-+!~\\ &|^[é日', "AND ", "OR ", "NOT ", "country:", "since:", "30d", "tag:", "jp", "a"]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=40).map("".join)))
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    try:
        query = parse_query(text)
    except QueryError as error:
        place = error.position
    else:
        place = 0
        query.matches(ARTICLE, NOW)
        assert parse_query(str(query)) == query
    assert 0 <= place <= len(text)


VALUES = st.text(min_size=1, max_size=12).map(lambda text: f"x{text}")
TERMS = st.one_of(
    st.just(Everything()),
    st.builds(
        Term, st.sampled_from(["", "title", "country", "feed", "lang", "author", "category"]), VALUES, st.booleans()
    ),
    st.builds(Term, st.just("tag"), VALUES.map(lambda text: f"topic:{text}"), st.booleans()),
    st.builds(Term, st.sampled_from(["since", "until"]), st.sampled_from(["30d", "2026-01-01"])),
    st.builds(Term, st.just("country"), st.just(""), st.just(True)),
)


def _flat(kind: type[And] | type[Or], parts: list[Node]) -> Node:
    inner = [x for part in parts for x in (part.parts if isinstance(part, kind) else (part,))]
    return kind(tuple(inner))


TREES = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: _flat(And, parts)),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: _flat(Or, parts)),
    ),
    max_leaves=12,
)


@given(TREES)
def test_canonical_text_reads_back(tree: Node) -> None:
    query = Query(tree)
    assert parse_query(str(query)) == query


def test_queries_travel_between_processes() -> None:
    query = parse_query('country:jp (kuril OR "northern territories") since:30d')
    assert pickle.loads(pickle.dumps(query)) == query


# --- entries and stories --------------------------------------------------------------------------


def test_an_entry_is_asked_about_its_text_without_markup() -> None:
    feed = Feed(id="ifri", url="https://ifri.example/rss", name="Ifri", language="fr")
    entry = ParsedEntry(
        title="Title",
        summary=SafeHtml("<p>Short</p>"),
        content=SafeHtml(
            '<p>One <b>K</b>uril</p><p>Islands &amp; more</p><a href="https://x.example/?a=hidden">seen</a>'
        ),
        categories=(Category(term="ext", label="External Publications"), Category(term="Asia")),
        authors=(Person(name="Jo March"),),
    )
    subject = entry_subject(entry, feed, ("country:fr",), NOW)
    for text in (
        "short",
        '"kuril islands more"',
        "seen",
        'category:"external publications"',
        "category:asia",
        "lang:fr",
    ):
        assert matches(text, subject), text
    for text in ("hidden", "href", "p", "amp", "category:ext", '"short one"'):
        assert not matches(text, subject), text
    assert matches("feed:ifri author:march country:fr since:1d", subject)


def test_a_story_is_asked_about_all_its_entries() -> None:
    def entry(feed_id: str, title: str, tag: str) -> Entry:
        return Entry(
            feed_id=feed_id,
            title=title,
            language="en",
            keys=EntryKeys(identity=(), digest=b""),
            first_seen=NOW,
            changed_at=NOW,
            date=NOW,
            tags=(Tag(name=tag, origin="rule"),),
        )

    entries = (entry("one", "First words", "topic:x"), entry("two", "Second words", "country:jp"))
    subject = story_subject(Story(id="s", seq=1, first_seen=NOW, updated=NOW, entries=entries))
    assert matches('feed:one feed:two topic:x country:jp first "second words" lang:en since:1h', subject)
    assert not matches('"words second"', subject)


# --- cost -----------------------------------------------------------------------------------------


def test_ninety_rules_cost_little() -> None:
    rules = [
        parse_query(" OR ".join(f'term{rule}x{term} OR "some phrase{term} of{rule}"' for term in range(6)))
        for rule in range(90)
    ]
    text = "Analysis of energy policy in northern Europe, with some words on term9 and phrase3. " * 36

    def once() -> float:
        start = perf_counter()
        subject = Subject(title="A title", text=text)
        assert not any(rule.matches(subject, NOW) for rule in rules)
        return perf_counter() - start

    assert min(once() for _ in range(20)) < 0.0015  # a tenth of it on a quiet machine


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set()),
        ("feed:ifri", {"ifri"}),
        ("Japan (feed:(IFRI OR -csis) OR NOT topic:energy) feed:cs*", {"ifri", "csis"}),
    ],
)
def test_the_names_a_query_asks_for_are_told(text: str, names: set[str]) -> None:
    assert names_asked_for(parse_query(text), "feed") == names
