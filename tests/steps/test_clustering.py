"""Equal addresses and DOIs make one Story; ids are stable, replays give the same."""

from aggregator.model import Candidate, Entry, Link, ParsedEntry
from aggregator.steps.clustering import cluster, story_id_for
from aggregator.steps.decide import _entry
from tests.fakes import START, parsed, reading


def entry(feed_id: str, item: ParsedEntry) -> Entry:
    return _entry(feed_id, item, reading(feed_id, item).keys[0], now=START)


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
