"""Equal addresses and DOIs make one Story; ids are stable, replays give the same."""

from dataclasses import replace

from aggregator.model import Candidate, Entry, Feed, KnownEntry, Link, ParsedEntry
from aggregator.steps.clustering import cluster, story_id_for
from aggregator.steps.decide import _entry
from tests.fakes import START, parsed, reading


def entry(feed_id: str, item: ParsedEntry) -> Entry:
    feed = Feed(id=feed_id, url=f"https://{feed_id}.example/rss", name=feed_id)
    return _entry(feed, item, reading(feed_id, item).keys[0], now=START)


def candidate(known: Entry, seq: int, story_id: str) -> list[Candidate]:
    return [
        Candidate(key=key, entry_id=seq, feed_id=known.feed_id, title=known.title, story_id=story_id, story_seq=seq)
        for key in known.keys.fold
    ]


REPORT = parsed("A report")
CROSS_POST = parsed("The same, retitled", links=(Link(href="http://www.example.org/a-report/?utm_source=x"),))


def test_an_entry_alone_founds_a_story_with_a_replayable_id() -> None:
    one = entry("a", REPORT)
    assert cluster([one], []).placements[0].rule is None
    assert cluster([one], []) == cluster([one], [])
    assert len(story_id_for(one)) == 16


def test_a_cross_post_in_the_same_batch_joins() -> None:
    first, second = cluster([entry("a", REPORT), entry("b", CROSS_POST)], []).placements
    assert first.story_id == second.story_id
    assert (first.rule, second.rule) == (None, "same-address")


def test_a_cross_post_joins_the_stored_story() -> None:
    known = entry("a", REPORT)
    (placement,) = cluster([entry("b", CROSS_POST)], candidate(known, 5, "old")).placements
    assert (placement.story_id, placement.rule) == ("old", "same-address")


def test_one_feed_naming_an_address_twice_means_two_things() -> None:
    first, second = cluster([entry("a", REPORT), entry("a", CROSS_POST)], []).placements
    assert first.story_id != second.story_id


def test_a_bridge_merges_the_younger_story_into_the_older() -> None:
    by_url, by_doi = entry("a", REPORT), entry("b", parsed("By DOI", doi="10.5555/1"))
    bridge = entry("c", parsed("Bridge", links=REPORT.links, doi="10.5555/1"))
    result = cluster([bridge], [*candidate(by_url, 9, "younger"), *candidate(by_doi, 4, "older")])
    assert result.placements[0].story_id == "older"
    assert result.merges == (("younger", "older"),)


def test_a_story_founded_and_merged_in_one_batch_was_never_founded() -> None:
    stored = entry("a", parsed("Stored", doi="10.5555/1"))
    lone = entry("b", REPORT)
    bridge = entry("c", parsed("Bridge", links=REPORT.links, doi="10.5555/1"))
    result = cluster([lone, bridge], candidate(stored, 3, "stored"))
    assert {placement.story_id for placement in result.placements} == {"stored"}
    assert result.merges == ()
    assert all(placement.rule for placement in result.placements)


def known(entry_id: int, seq: int, story_id: str) -> KnownEntry:
    return KnownEntry(id=entry_id, digest=b"", first_seen=START, date=START, story_id=story_id, story_seq=seq)


def test_the_oldest_of_three_keeps_its_id_whatever_was_merged_before() -> None:
    by_url, by_doi = entry("a", REPORT), entry("b", parsed("By DOI", doi="10.5555/1"))
    other = entry("d", parsed("Elsewhere"))
    stored = [*candidate(by_url, 9, "young"), *candidate(by_doi, 4, "old"), *candidate(other, 6, "middle")]
    first = entry("c", parsed("Bridge", links=REPORT.links, doi="10.5555/1"))
    second = entry("e", parsed("Second bridge", links=parsed("Elsewhere").links, doi="10.5555/1"))
    result = cluster([first, second], stored)
    assert {placement.story_id for placement in result.placements} == {"old"}
    assert set(result.merges) == {("young", "old"), ("middle", "old")}


def test_an_entry_that_lives_on_in_a_merged_story_does_not_make_it_young() -> None:
    members = candidate(entry("a", REPORT), 9, "young"), candidate(entry("b", parsed("Six", doi="10.5555/6")), 6, "six")
    old = candidate(entry("c", parsed("Four", doi="10.5555/4")), 4, "four")
    bridges = [
        entry("d", parsed("One", links=REPORT.links, doi="10.5555/4")),
        entry("e", parsed("Two", links=REPORT.links, doi="10.5555/6")),
    ]
    result = cluster(bridges, [*members[0], *members[1], *old])
    assert dict(result.merges) == {"young": "four", "six": "four"}


def test_no_third_feed_joins_two_publications_of_one_publisher() -> None:
    one, two = entry("a", REPORT), entry("a", parsed("Another report", doi="10.5555/1"))
    both = entry("b", parsed("Both", links=REPORT.links, doi="10.5555/1"))
    result = cluster([both], [*candidate(one, 1, "one"), *candidate(two, 2, "two")])
    assert (result.placements[0].story_id, result.merges) == ("one", ())


def test_a_changed_entry_joins_what_it_has_come_to_share() -> None:
    stored = entry("b", CROSS_POST)
    corrected = replace(entry("a", REPORT), id=3)
    younger = cluster([], candidate(stored, 2, "theirs"), [corrected], [known(3, 5, "ours")])
    assert younger.merges == (("ours", "theirs"),)
    older = cluster([], candidate(stored, 5, "theirs"), [corrected], [known(3, 2, "ours")])
    assert older.merges == (("theirs", "ours"),)


def test_a_new_entry_joins_one_that_changed_in_the_same_batch() -> None:
    corrected = replace(entry("a", REPORT), id=3)
    result = cluster([entry("b", CROSS_POST)], [], [corrected], [known(3, 5, "ours")])
    assert (result.placements[0].story_id, result.placements[0].rule) == ("ours", "same-address")


def test_two_changes_of_one_story_merge_it_once() -> None:
    ours, theirs = replace(entry("a", REPORT), id=3), replace(entry("b", parsed("By DOI", doi="10.5555/1")), id=4)
    stored = [
        *candidate(entry("c", CROSS_POST), 1, "one"),
        *candidate(entry("d", parsed("X", doi="10.5555/1")), 2, "two"),
    ]
    result = cluster([], stored, [ours, theirs], [known(3, 5, "both"), known(4, 5, "both")])
    assert dict(result.merges) == {"both": "one", "two": "one"}
