"""Each row: what was stored, what came, what must be written."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.model.entry import KnownEntry, Reading
from aggregator.model.feed import Feed, FeedState, FeedStatus, Rhythm, Validators
from aggregator.model.parsed import Link, ParsedEntry, ParsedFeed, SafeHtml
from aggregator.model.poll import Cause, FeedUpdate, FetchFailed, NotModified, Read, ServerWishes
from aggregator.steps.decide import decide, failures_after, left_out, not_asked
from tests.fakes import START, parsed, reading

NEXT = START + timedelta(hours=1)
STATE = FeedState(
    feed=Feed(id="ifri", url="https://example.org/rss", name="Ifri"),
    status=FeedStatus.FAILING,
    validators=Validators(etag='"old"'),
    next_check_at=START,
    failures=3,
)


def read(*entries: ParsedEntry) -> Read:
    return Read(
        feed_id="ifri",
        url="https://example.org/rss",
        validators=Validators(etag='"new"'),
        wishes=ServerWishes(),
        reading=reading("ifri", *entries),
    )


def decided(outcome: Read | NotModified | FetchFailed, known: dict[bytes, KnownEntry] | None = None) -> FeedUpdate:
    return decide(STATE, outcome, known or {}, now=START, next_check_at=NEXT)


def stored(entry: ParsedEntry, id_: int = 7) -> dict[bytes, KnownEntry]:
    keys = reading("ifri", entry).keys[0]
    seen = START - timedelta(days=30)
    old = KnownEntry(id=id_, mark=f"mark-{id_}", digest=keys.digest, first_seen=seen, date=seen)
    return dict.fromkeys(keys.identity, old)


def test_a_failure_keeps_validators_and_counts() -> None:
    update = decided(FetchFailed(feed_id="ifri", cause=Cause.TIMEOUT, message="no answer in 30 s"))
    assert update.status is FeedStatus.FAILING
    assert update.validators == STATE.validators
    assert (update.failures, update.error, update.succeeded) == (4, "timeout: no answer in 30 s", False)
    assert update.next_check_at == NEXT


GONE = FetchFailed(feed_id="ifri", cause=Cause.GONE, message="410")


def test_gone_is_a_state_of_its_own() -> None:
    assert decided(GONE).status is FeedStatus.GONE


@pytest.mark.parametrize(
    ("status", "checked", "failures"),
    [
        (FeedStatus.FAILING, START - timedelta(days=1), 1),
        (FeedStatus.GONE, None, 1),
        (FeedStatus.GONE, START - timedelta(days=1), 4),
        (FeedStatus.GONE, START - timedelta(hours=1), 3),
    ],
    ids=["failing till now", "never checked", "on another day", "twice a day"],
)
def test_a_feed_that_is_gone_counts_the_days(status: FeedStatus, checked: datetime | None, failures: int) -> None:
    state = replace(STATE, status=status, checked_at=checked)
    assert failures_after(state, GONE, now=START) == failures
    assert decide(state, GONE, {}, now=START, next_check_at=None).failures == failures


def test_what_a_document_says_of_its_rhythm_is_kept_until_another_does() -> None:
    rhythm = Rhythm(ttl=timedelta(hours=6), skip_hours=(3,))
    said = replace(read(), reading=Reading(feed=ParsedFeed(format="rss20", ttl=rhythm.ttl, skip_hours=(3,)), keys=()))
    assert decided(said).rhythm == rhythm
    state = replace(STATE, rhythm=rhythm)
    for outcome in (NotModified(feed_id="ifri", validators=Validators()), GONE):
        assert decide(state, outcome, {}, now=START, next_check_at=NEXT).rhythm == rhythm


def test_a_poll_that_failed_for_our_own_fault_writes_the_time_alone() -> None:
    state = replace(STATE, error="timeout: no answer", rhythm=Rhythm(skip_hours=(3,)))
    update = not_asked(state, now=START, next_check_at=NEXT)
    assert (update.checked_at, update.next_check_at) == (START, NEXT)
    kept = ("status", "validators", "rhythm", "failures", "error")
    assert [getattr(update, name) for name in kept] == [getattr(state, name) for name in kept]
    assert not update.succeeded


def test_not_modified_clears_the_error_and_takes_new_validators() -> None:
    update = decided(NotModified(feed_id="ifri", validators=Validators(etag='"new"')))
    assert (update.status, update.failures, update.error) == (FeedStatus.OK, 0, None)
    assert update.validators.etag == '"new"'


def test_new_entries_come_oldest_first_with_first_sight() -> None:
    update = decided(read(parsed("Newest"), parsed("Oldest")))
    assert [entry.title for entry in update.new] == ["Oldest", "Newest"]
    assert {entry.first_seen for entry in update.new} == {START}
    assert update.title == "Feed ifri"


def test_a_known_entry_is_unchanged_whatever_its_date_says() -> None:
    entry = parsed("A report")
    redated = replace(entry, published=START + timedelta(days=400), published_raw="much later")
    update = decided(read(redated), stored(entry))
    assert (update.new, update.changed, update.unchanged) == ((), (), 1)


def test_an_edited_entry_keeps_id_first_sight_and_date() -> None:
    entry = parsed("A report")
    update = decided(read(replace(entry, summary=SafeHtml("<p>Corrected.</p>"))), stored(entry))
    (changed,) = update.changed
    assert (changed.id, changed.first_seen) == (7, START - timedelta(days=30))
    assert changed.date == START - timedelta(days=30)
    assert changed.changed_at == START


def test_the_same_item_twice_in_one_document_counts_once() -> None:
    entry = parsed("A report")
    assert len(decided(read(entry, entry)).new) == 1
    assert decided(read(entry, entry), stored(entry)).unchanged == 1


REPORT = parsed("A report")
RENEWED = replace(REPORT, guid="urn:renewed")


@pytest.mark.parametrize(
    ("href", "at_home"),
    [
        ("https://example.org/a", True),
        ("http://www.example.org/a", True),
        ("https://institute.example/a", True),
        ("https://elsewhere.example/a", False),
        (None, False),
    ],
)
def test_an_entry_is_at_home_on_the_site_that_feeds_yaml_names(href: str | None, at_home: bool) -> None:
    state = replace(STATE, feed=replace(STATE.feed, site_url="https://institute.example/"))
    item = replace(parsed("A report"), links=(Link(href=href),) if href else ())
    (entry,) = decide(state, read(item), {}, now=START, next_check_at=NEXT).new
    assert entry.at_home is at_home


def test_a_renewed_guid_is_noted_without_a_change() -> None:
    update = decided(read(RENEWED), stored(REPORT))
    assert (update.new, update.changed, update.unchanged) == ((), (), 1)
    ((entry_id, keys),) = update.renewed
    assert (entry_id, keys) == (7, reading("ifri", RENEWED).keys[0])
    assert decided(read(RENEWED), stored(REPORT) | stored(RENEWED)).renewed == ()


def test_an_entry_that_takes_the_page_and_title_of_one_that_moved_is_new() -> None:
    moved = replace(REPORT, title="A report (archived)", links=(Link(href="https://example.org/archive"),))
    update = decided(read(RENEWED, moved), stored(REPORT))
    assert [(entry.id, entry.title) for entry in update.changed] == [(7, "A report (archived)")]
    assert [entry.title for entry in update.new] == ["A report"]


def test_a_story_is_never_named_after_a_key_that_was_another_entrys() -> None:
    known = stored(REPORT) | stored(RENEWED)  # one entry that has had two guids
    other = replace(REPORT, title="Another", links=(Link(href="https://example.org/another"),))
    update = decided(read(RENEWED, other), known)
    (entry,) = update.new
    assert entry.keys.identity[0] not in known
    assert set(entry.keys.identity) == set(reading("ifri", other).keys[0].identity)


def test_an_item_that_has_nothing_of_its_own_is_no_entry() -> None:
    nameless = replace(REPORT, links=())
    known = stored(replace(nameless, guid="urn:1")) | stored(replace(nameless, guid="urn:2"))
    update = decided(read(replace(nameless, guid="urn:1"), replace(nameless, guid="urn:2")), known)
    assert (update.new, update.unchanged) == ((), 1)


def test_an_item_that_shows_nothing_or_stands_there_twice_is_left_out_with_the_reason() -> None:
    empty, again = ParsedEntry(guid="urn:empty"), replace(REPORT, title="A report, again")
    document = read(empty, REPORT, again)
    assert left_out(document.reading) == {
        0: "it has no title, no link and no text",
        2: "it is item 2 once more",
    }
    assert [entry.title for entry in decided(document).new] == ["A report"]


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [
        (START - timedelta(days=3000), START - timedelta(days=3000)),
        (START + timedelta(hours=23), START + timedelta(hours=23)),
        (START + timedelta(hours=25), START),
        (datetime(9999, 12, 31, tzinfo=UTC), START),
        (None, START),
    ],
)
def test_a_date_far_ahead_of_first_sight_is_not_shown(claimed: datetime | None, shown: datetime) -> None:
    (entry,) = decided(read(parsed("A report", published=claimed))).new
    assert entry.date == shown
    assert entry.published == claimed
