"""An entry stays itself whatever a publisher does to its dates, addresses and order."""

from dataclasses import replace

import pytest

from aggregator.model.parsed import Category, Link, ParsedEntry, Person, SafeHtml
from tests.fakes import parsed, reading


def keys(*entries: ParsedEntry, feed_id: str = "ifri") -> list:
    return list(reading(feed_id, *entries).keys)


REPORT = parsed("A report")


@pytest.mark.parametrize(
    "again",
    [
        replace(REPORT, published_raw="Tue, 24 Nov 2026 08:00:00 GMT"),
        replace(REPORT, links=(Link(href="http://www.example.org/a-report/?utm_source=rss"),)),
        replace(REPORT, title="A report, corrected"),
        replace(REPORT, guid="urn:renewed"),
    ],
    ids=["re-dated", "tracked link over http", "retitled", "new guid for the same page"],
)
def test_the_same_entry_shares_an_identity_key(again: ParsedEntry) -> None:
    first, second = keys(REPORT)[0], keys(again)[0]
    assert set(first.identity) & set(second.identity)


@pytest.mark.parametrize(
    "other",
    [
        replace(REPORT, guid="urn:other", title="Another report"),
        parsed("Another report"),
        replace(REPORT, guid=None, title="Other", links=(Link(href="https://example.org/b"),)),
    ],
    ids=["same page, other guid and title", "all else", "no guid, other page"],
)
def test_another_entry_shares_none(other: ParsedEntry) -> None:
    first, second = keys(REPORT)[0], keys(other)[0]
    assert not set(first.identity) & set(second.identity)


def test_identity_is_bound_to_the_feed() -> None:
    mine, theirs = keys(REPORT, feed_id="a")[0], keys(REPORT, feed_id="b")[0]
    assert not set(mine.identity) & set(theirs.identity)


def test_a_permalink_guid_is_compared_as_an_address_but_keeps_its_fragment() -> None:
    def guid(value: str) -> bytes:
        return keys(replace(REPORT, guid=value))[0].identity[0]

    assert guid("http://example.org/x?utm_medium=feed") == guid("https://www.example.org/x/")
    assert guid("https://example.org/x#1") != guid("https://example.org/x#2")


def test_one_guid_for_all_counts_for_none() -> None:
    first, second = keys(parsed("One", guid="same"), parsed("Two", guid="same"))
    assert not set(first.identity) & set(second.identity)


def site(*entries: ParsedEntry) -> list[ParsedEntry]:
    """These entries with the site itself as their address."""
    return [replace(entry, links=(Link(href="https://example.org/"),)) for entry in entries]


@pytest.mark.parametrize(
    "entries",
    [
        site(parsed("One", guid="same"), parsed("Two", guid="same")),
        site(parsed("One", guid="https://example.org"), parsed("Two", guid="http://www.example.org/")),
        [parsed("One", guid="same", links=()), parsed("Two", guid="same", links=())],
        [replace(parsed(title, guid=f"https://example.org/?ito={title}"), links=()) for title in ("1", "2")],
        [replace(parsed("Note", guid=None, links=()), summary=SafeHtml(text)) for text in ("One", "Two")],
    ],
    ids=[
        "one guid, one site",
        "the site as guid",
        "one guid, no links",
        "ids named like trackers",
        "one date and title",
    ],
)
def test_what_stands_for_several_entries_makes_none_of_them_vanish(entries: list[ParsedEntry]) -> None:
    first, second = keys(*entries)
    assert first.identity
    assert second.identity
    assert not set(first.identity) & set(second.identity)


def test_the_site_as_guid_names_no_entry_even_alone() -> None:
    one, two = (keys(parsed(title, guid="https://example.org/"))[0] for title in ("One", "Two"))
    assert not set(one.identity) & set(two.identity)


def test_an_entry_listed_twice_is_found_again_as_if_it_were_listed_once() -> None:
    again = replace(REPORT, title="A report, before an edit")
    alone, repeated, edited = keys(REPORT)[0], keys(REPORT, REPORT)[0], keys(REPORT, again)[0]
    assert alone == repeated
    assert edited.identity == alone.identity


def test_two_guids_on_one_page_are_known_by_their_guids_alone() -> None:
    first, second = keys(replace(REPORT, guid="urn:1"), replace(REPORT, guid="urn:2"))
    assert len(first.identity) == len(second.identity) == 1
    assert first.identity != second.identity


def test_an_entry_of_nothing_but_a_title_has_a_key() -> None:
    bare = ParsedEntry(title="Note")
    assert keys(bare)[0].identity == keys(bare)[0].identity != keys(ParsedEntry(title="Other"))[0].identity
    dated = ParsedEntry(title="Note", published_raw="today")
    texts = [replace(dated, summary=SafeHtml("One")), dated]
    assert all(item.identity for item in keys(*texts))


def test_without_guid_the_link_is_the_identity() -> None:
    bare = replace(REPORT, guid=None)
    moved = replace(bare, links=(Link(href="http://example.org/a-report#top"),), title="New title")
    assert keys(bare)[0].identity[0] == keys(moved)[0].identity[0]


def test_without_guid_and_link_title_and_date_are_and_the_text_finds_a_re_dated_one() -> None:
    bare = replace(REPORT, guid=None, links=())
    redated = replace(bare, published_raw="later")
    assert keys(bare)[0].identity[0] != keys(redated)[0].identity[0]
    assert set(keys(bare)[0].identity) & set(keys(redated)[0].identity)
    reworded = replace(bare, summary=SafeHtml("<p>Other words.</p>"))
    assert keys(bare)[0].identity[0] == keys(reworded)[0].identity[0]


def test_the_digest_sees_words_and_enclosures_but_no_dates() -> None:
    digest = keys(REPORT)[0].digest
    pdf = (*REPORT.links, Link(href="https://example.org/a.pdf", rel="enclosure"))
    assert keys(replace(REPORT, published_raw="later", published=None))[0].digest == digest
    assert keys(replace(REPORT, summary=SafeHtml("<p>Corrected.</p>")))[0].digest != digest
    assert keys(replace(REPORT, links=pdf))[0].digest != digest
    assert keys(replace(REPORT, doi="10.5555/1"))[0].digest != digest


def test_the_digest_tells_an_author_from_a_category() -> None:
    author = replace(REPORT, authors=(Person(name="Energy"),))
    category = replace(REPORT, categories=(Category(term="Energy"),))
    assert keys(author)[0].digest != keys(category)[0].digest
