"""What is remembered of an entry: its own addresses and those it names, its text without what the document repeats."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.entry import Entry, EntryKeys
from aggregator.model.feed import Feed
from aggregator.model.parsed import Link, ParsedEntry, ParsedFeed, SafeHtml
from aggregator.steps.decide import _entry
from aggregator.steps.folding.anchors import names_and_figures, stems
from aggregator.steps.folding.keys import keys_of, with_sketch
from aggregator.steps.folding.reading import MAX_WORDS, text_of, words
from aggregator.steps.folding.shingles import LEAD, RUN, SAMPLE, boilerplate, sampled, shingles
from aggregator.steps.folding.sketch import MAX_OWN, Sketch, language_in, pack, remembering, unpack
from aggregator.steps.folding.sketching import sketches
from tests.fakes import START, parsed

PAGE = Link(href="https://one.example/report?utm_source=x")
LIMIT = 1500
"""Octets; a sketch of anything has fewer."""


def sketch(*entries: ParsedEntry) -> Sketch:
    """Of the first entry of a document."""
    return sketches(ParsedFeed(format="rss20", entries=entries))[0]


def test_address_and_permalink_are_its_own_and_whole_sites_are_nobodys() -> None:
    linked = sketch(parsed("One", links=(PAGE,), guid="https://www.one.example/report"))
    assert linked.urls == sketch(parsed("Two", links=(Link(href="http://one.example/report/"),), guid=None)).urls
    assert len(linked.urls) == 1
    assert sketch(parsed("One", links=(Link(href="https://one.example/"),))).urls == frozenset()


def test_an_address_under_several_titles_is_nobodys_unless_it_is_one_entry_before_and_after_an_edit() -> None:
    first, second = parsed("Week 1", links=(PAGE,)), parsed("Week 2", links=(PAGE,))
    assert sketch(first, second).urls == frozenset()
    assert sketch(first, replace(second, guid=first.guid)).urls == sketch(first).urls != frozenset()


def test_links_lead_out_but_not_to_itself_nor_to_what_every_entry_links() -> None:
    def with_links(title: str, *targets: str) -> ParsedEntry:
        html = "".join(f'<a href="{target}">x</a>' for target in targets)
        return parsed(title, links=(PAGE, Link(href="https://one.example/de", hreflang="de")), content=SafeHtml(html))

    other = parsed("Other", links=(Link(href="https://two.example/a?fbclid=1"),))
    made = sketch(with_links("One", "https://two.example/a", PAGE.href, "https://one.example/"))
    assert sketch(other).urls < made.outs
    assert len(made.outs) == 2
    usual = [with_links(f"No {n}", "https://one.example/subscribe") for n in range(3)]
    assert sketch(*usual).outs == frozenset()
    assert len(sketch(with_links("Many", *(f"https://x.example/{n}" for n in range(50)))).outs) == 6


def test_its_own_doi_is_told_from_those_it_names_and_many_are_a_bibliography() -> None:
    own = sketch(parsed("One", doi="10.5555/ABC"))
    by_address = sketch(parsed("Two", links=(Link(href="http://dx.doi.org/10.5555%2Fabc"),)))
    cites = sketch(parsed("Three", content=SafeHtml("<p>See doi:10.5555/abc.</p>")))
    assert own.dois == by_address.dois == cites.cited != frozenset()
    assert own.cited == cites.dois == frozenset()
    crowd = "&".join(f"10.5555/{number}" for number in range(150))
    assert len(sketch(parsed("Five", links=(Link(href=f"https://one.example/{crowd}"),))).dois) == 2
    many = "".join(f"<p>10.5555/{number}</p>" for number in range(3))
    assert sketch(parsed("Four", content=SafeHtml(many))).cited == frozenset()


def test_what_three_entries_of_a_document_say_alike_counts_for_none() -> None:
    slogan = "Sign up for our letter and tell all of your friends about the institute."
    episodes = [parsed(f"No {n}", content=SafeHtml(f"<p>Number {n} {'abcd'[n] * 4}. {slogan}</p>")) for n in range(4)]
    assert len(sketch(*episodes).lead) < 5
    assert len(sketch(episodes[0]).lead) > 10


def test_a_list_of_works_is_known_as_one() -> None:
    assert sketch(parsed("Letter", content=SafeHtml("<h3>a</h3><h3>b</h3><li>c</li><h2>d</h2>"))).roundup
    assert not sketch(parsed("Paper", content=SafeHtml("<h3>a</h3><p>b</p><h3>c</h3>"))).roundup


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("The council of the city has voted for a bridge that nobody in the hall wanted", "fr", "en"),
        ("Le conseil de la ville a voté pour un pont que les habitants ne voulaient pas", None, "fr"),
        ("Der Rat der Stadt hat für eine Brücke gestimmt, die sich niemand wünscht und die nicht hält", None, "de"),
        ("El consejo de la ciudad ha votado por un puente que no quería nadie en los barrios", None, "es"),
        ("Byrådet har vedtaget det og der er ikke en, som har fortalt, at det er den dyreste bro", "da", "da"),
        ("Brücke", "de-at", "de"),
        ("Tulay", "fil", ""),
        ("1 2 3", None, ""),
    ],
)
def test_the_language_heard_counts_before_the_one_declared(text: str, declared: str | None, language: str) -> None:
    assert sketch(parsed("x", content=SafeHtml(text * 2), language=declared)).language == language


def test_names_figures_and_long_words_are_those_of_the_translation() -> None:
    english = sketch(
        parsed("x", content=SafeHtml("In 2009 the port of Constanta moved 1,234 tonnes for Marta Kowalczyk."))
    )
    german = sketch(
        parsed("x", content=SafeHtml("Im Jahr 2009 bewegte der Hafen Constanta 1.234 Tonnen für Marta Kowalczyk."))
    )
    assert english.figures == german.figures
    assert len(english.names & german.names) == 3


def test_a_text_of_characters_without_spaces_is_cut_into_them() -> None:
    assert words("議会は橋を")[:3] == ["議", "会", "は"]
    assert words("été 議会") == ["ete", "議", "会"]


def test_runs_are_of_four_words_and_shorter_texts_are_one() -> None:
    assert len(shingles("a b c d e".split())) == 2
    assert len(shingles(["a", "b"])) == 1
    assert shingles([]) == []


@given(st.lists(st.sampled_from(["a", "議", "\ud800", "word", "x" * 400]), max_size=MAX_WORDS))
def test_runs_of_all_words_at_once_are_those_of_each_four(found: list[str]) -> None:
    runs = shingles(found)
    assert all(0 <= run < 2**30 for run in runs)
    if len(found) >= RUN:
        assert runs == [run for place in range(len(found) - RUN + 1) for run in shingles(found[place : place + RUN])]


def test_the_order_of_words_counts() -> None:
    assert len({*map(tuple, map(shingles, permutations("abcd")))}) == 24


def test_what_three_texts_have_in_common_is_boilerplate() -> None:
    assert boilerplate([{1, 2}, {2, 3}, {2, 3}]) == {2}


def test_a_sample_is_chosen_by_value_alone() -> None:
    scale, kept = sampled(frozenset(range(10_000)))
    assert kept == {run for run in range(10_000) if run % 2**scale == 0}
    assert len(kept) <= SAMPLE


def test_a_sketch_is_the_same_after_its_way_through_octets() -> None:
    made = sketch(
        parsed("One", doi="10.5555/1", content=SafeHtml("<p>The words of the text, with Riga and 2,000.</p>"))
    )
    assert unpack(pack(made)) == made
    assert language_in(pack(replace(made, language="es"))) == "es"
    assert unpack(b"") == Sketch()
    assert language_in(b"") == ""


def test_an_edited_entry_is_still_known_by_what_it_was() -> None:
    then, now = Sketch(urls=frozenset({1}), dois=frozenset({5})), Sketch(urls=frozenset({2}), length=7)
    assert remembering(now, then) == Sketch(urls=frozenset({1, 2}), dois=frozenset({5}), length=7)
    crowd = Sketch(urls=frozenset(range(100, 200)))
    assert len(remembering(now, crowd).urls) == MAX_OWN
    assert 2 in remembering(now, crowd).urls


HOSTILE = {
    "two megabytes": "The council of Riga has voted. " * 70_000,
    "one word": "word " * 100_000,
    "numbers": " ".join(map(str, range(100_000))),
    "names": " ".join(f"x Name{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}" for n in range(50_000)),
    "no letters": "!?-/ " * 50_000,
    "nothing": "",
    "lone surrogates": "\ud800word \udfff" * 1_000,
    "both directions": "\u202eword\u202c \u2067other\u2069 " * 1_000,
    "marks": "e" + "\u0301" * 100_000,
    "links": "".join(f'<a href="https://x.example/{n}">x</a>' for n in range(20_000)),
    "open tags": "<a " * 100_000,
    "dois": "10.5555/x " * 50_000,
    "no spaces": "議会" * 100_000,
    "entities": "&amp;" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_of_a_hostile_entry_no_more_is_remembered_than_of_another(text: str) -> None:
    item = parsed(text[:500] or "x", content=SafeHtml(text), guid=None)
    made = entry_of(item)
    assert len(made.keys.sketch) <= LIMIT
    assert len(keys_of(made)) <= 64
    assert len(words(text_of(item))) <= MAX_WORDS
    assert len(unpack(made.keys.sketch).lead) <= LEAD


def entry_of(item: ParsedEntry) -> Entry:
    (made,) = sketches(ParsedFeed(format="rss20", entries=(item,)))
    keys = with_sketch(EntryKeys(identity=(b"i",), digest=b""), made, item.title)
    return _entry(Feed(id="a", url="https://a.example/rss", name="a"), item, keys, now=START)


@given(st.text(st.sampled_from("Aébc É1,.;) \u00a0\n'²_-ß27")))
def test_names_and_figures_of_latin_texts_are_found_as_in_any_other(text: str) -> None:
    assert names_and_figures(text) == names_and_figures(f"{text} ā")


@given(st.lists(st.text("abmssst09", min_size=7), max_size=20))
def test_double_letters_are_made_single_as_in_words_of_any_script(long_words: list[str]) -> None:
    other = "я" * 8
    assert stems(long_words) == stems([*long_words, other]) - stems([other])
