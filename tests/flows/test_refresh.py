"""The polling flow as a whole, on in-memory ports and a frozen clock."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog

from aggregator.errors import ConflictError, StoreError
from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model.channel import TagRule
from aggregator.model.entry import Tag
from aggregator.model.feed import Feed, FeedStatus, Validators
from aggregator.model.parsed import Link, ParsedEntry
from aggregator.model.poll import Cause, FeedUpdate, Fetched, FetchFailed, FetchOutcome, NotModified, RefreshReport
from aggregator.model.story import Clustering
from aggregator.model.taxonomy import Taxonomy
from aggregator.steps.tagging.tagger import compile_tagger, tag_entry
from tests.fakes import FrozenClock, MemoryStore, ScriptedFetcher, ScriptedParser, parsed, reading

HOUR = timedelta(hours=1)


class House:
    """A flow with everything it needs, and a script of what publishers answer."""

    def __init__(self, *feed_ids: str, batch: int = 100) -> None:
        feeds = [Feed(id=id_, url=f"https://{id_}.example/rss", name=id_.title()) for id_ in feed_ids]
        self.store, self.clock = MemoryStore(), FrozenClock()
        self.fetcher, self.parser = ScriptedFetcher(), ScriptedParser(batch=batch)
        self.plan = RefreshPlan(
            feeds={feed.id: feed for feed in feeds},
            every=HOUR,
            tagger=compile_tagger(Taxonomy(), [TagRule(tag="country:jp", when="Japan")]),
        )
        self.store.sync(feeds, self.clock.now())

    def answers(self, feed_id: str, *entries: ParsedEntry) -> None:
        self.fetcher.outcomes[feed_id] = Fetched(
            feed_id=feed_id,
            url=f"https://{feed_id}.example/rss",
            status=200,
            body=b"",
            content_type=None,
            validators=Validators(etag=f'"{len(entries)}"'),
        )
        self.parser.readings[feed_id] = reading(feed_id, *entries)

    def says(self, outcome: FetchOutcome) -> None:
        self.fetcher.outcomes[outcome.feed_id] = outcome

    def ports(self) -> RefreshPorts:
        return RefreshPorts(
            feeds=self.store,
            entries=self.store,
            folds=self.store,
            fetcher=self.fetcher,
            parser=self.parser,
            clock=self.clock,
        )

    def poll(self) -> RefreshReport:
        return refresh(self.ports(), self.plan, self.store.due(self.clock.now()))

    def titles(self) -> list[list[str]]:
        return [[entry.title for entry in story.entries] for story in self.store.after(0, limit=100)]


def test_first_poll_stores_tags_and_founds() -> None:
    house = House("ifri")
    house.answers("ifri", parsed("Japan and Russia"), parsed("Energy"))
    report = house.poll()
    assert (report.feeds, report.fetched, report.entries_new, report.stories_new) == (1, 1, 2, 2)
    assert house.titles() == [["Energy"], ["Japan and Russia"]]
    (tagged,) = house.store.newest(limit=9, tags=["country:jp"])
    assert tagged.head.title == "Japan and Russia"


def test_the_next_poll_comes_when_it_is_due_and_carries_the_validators() -> None:
    house = House("ifri")
    house.answers("ifri", parsed("One"))
    house.poll()
    assert house.poll().feeds == 0
    house.clock.advance(hours=2)
    house.says(NotModified(feed_id="ifri", validators=Validators(etag='"1"')))
    report = house.poll()
    assert (report.not_modified, report.entries_new) == (1, 0)
    assert house.fetcher.asked[-1].validators.etag == '"1"'


@pytest.mark.parametrize("batch", [1, 100])
def test_cross_posts_become_one_story_in_any_batch_size(batch: int) -> None:
    house = House("apps", "ifri", batch=batch)
    house.answers("apps", parsed("Original"))
    house.answers("ifri", parsed("Retitled", links=(Link(href="http://www.example.org/original?utm_source=ifri"),)))
    report = house.poll()
    assert (report.entries_new, report.stories_new) == (2, 1)
    assert house.titles() == [["Original", "Retitled"]]


def test_a_bad_feed_is_recorded_on_itself_and_disturbs_no_other() -> None:
    house = House("bad", "good")
    house.says(FetchFailed(feed_id="bad", cause=Cause.NOT_A_FEED, message="HTML: '<!doctype html>'"))
    house.answers("good", parsed("One"))
    report = house.poll()
    assert (report.failed, report.entries_new) == (1, 1)
    (failure,) = report.failures
    (state,) = house.store.states(["bad"])
    assert (failure.feed_id, failure.next_check_at) == ("bad", state.next_check_at)
    assert state.error == "not-a-feed: HTML: '<!doctype html>'"
    assert state.next_check_at >= house.clock.now() + HOUR


def test_a_re_dated_re_ordered_tracked_feed_brings_nothing_new() -> None:
    house = House("ifri")
    first, second = parsed("One", guid="http://example.org/one"), parsed("Two")
    house.answers("ifri", first, second)
    house.poll()
    house.clock.advance(hours=2)
    moved = replace(
        first,
        guid="https://example.org/one",
        published=house.clock.now(),
        published_raw="now",
        links=(Link(href="https://example.org/one?utm_source=rss"),),
    )
    house.answers("ifri", second, replace(moved, links=(Link(href="https://example.org/one?utm_source=rss"),)))
    report = house.poll()
    assert report.entries_new == 0
    assert len(house.titles()) == 2


HOSTS = ("a", "b", "c", "d", "e")


def lost(feed_id: str, cause: Cause = Cause.DNS) -> FetchFailed:
    return FetchFailed(feed_id=feed_id, cause=cause, message="no way")


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_when_no_feed_is_reached_none_is_blamed(batch: int) -> None:
    house = House(*HOSTS, batch=batch)
    for feed_id, cause in zip(HOSTS, (Cause.DNS, Cause.CONNECT, Cause.TIMEOUT, Cause.DNS, Cause.DNS), strict=True):
        house.says(lost(feed_id, cause))
    with structlog.testing.capture_logs() as logs:
        report = house.poll()
    assert (report.offline, report.failed, len(report.failures)) == (True, 5, 5)
    assert [(entry["event"], entry["feeds"]) for entry in logs] == [("refresh.offline", 5)]
    states = house.store.states()
    assert {(state.status, state.failures, state.error) for state in states} == {(FeedStatus.NEW, 0, None)}
    house.clock.advance(minutes=5)
    assert len(house.store.due(house.clock.now())) == 5


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("reached", [NotModified(feed_id="e", validators=Validators()), lost("e", Cause.STATUS)])
def test_one_answer_shows_that_the_others_are_to_blame(batch: int, reached: FetchOutcome) -> None:
    house = House(*HOSTS, batch=batch)
    for feed_id in HOSTS[:4]:
        house.says(lost(feed_id))
    house.says(reached)
    assert not house.poll().offline
    assert [state.failures for state in house.store.states(HOSTS[:4])] == [1, 1, 1, 1]


def test_a_few_feeds_may_all_be_down() -> None:
    house = House(*HOSTS[:4])
    for feed_id in HOSTS[:4]:
        house.says(lost(feed_id))
    assert not house.poll().offline
    assert {state.failures for state in house.store.states()} == {1}


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("cause", [Cause.BLOCKED_ADDRESS, Cause.TLS, Cause.INTERNAL])
def test_what_fails_without_an_answer_is_blamed_and_shows_nothing_of_the_others(batch: int, cause: Cause) -> None:
    house = House("f", *HOSTS, batch=batch)
    for feed_id in HOSTS:
        house.says(lost(feed_id))
    house.says(lost("f", cause))
    report = house.poll()
    assert (report.offline, report.online, report.failed) == (True, False, 6)
    assert {state.feed.id: state.failures for state in house.store.states()} == dict.fromkeys(HOSTS, 0) | {"f": 1}


def test_what_fails_by_itself_does_not_make_the_others_many() -> None:
    house = House("f", *HOSTS[:4])
    for feed_id in HOSTS[:4]:
        house.says(lost(feed_id))
    house.says(lost("f", Cause.BLOCKED_ADDRESS))
    assert not house.poll().offline
    assert {state.failures for state in house.store.states()} == {1}


@pytest.mark.parametrize(("reached", "blamed"), [(False, 0), (True, 1)])
def test_few_feeds_that_are_asked_while_nothing_is_reached_are_not_blamed(reached: bool, blamed: int) -> None:
    house = House("a", "b")
    house.says(lost("a"))
    house.says(lost("b", Cause.STATUS) if reached else lost("b"))
    due = house.store.due(house.clock.now())
    report = refresh(house.ports(), house.plan, due, was_offline=True)
    assert (report.offline, report.online) == (not reached, reached)
    assert house.store.states(["a"])[0].failures == blamed


def test_being_stopped_while_nothing_is_reached_leaves_every_feed_due() -> None:
    house = House(*HOSTS, batch=1)
    for feed_id in HOSTS:
        house.says(lost(feed_id))
    due = house.store.due(house.clock.now())
    report = refresh(house.ports(), house.plan, due, should_stop=lambda: True)
    assert (report.failed, report.offline) == (0, False)
    assert len(house.store.due(house.clock.now())) == 5


def test_a_fault_of_ours_costs_its_own_feed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House("bad", "good", "well")
    house.answers("good", parsed("One"))
    house.answers("bad", parsed("Two"))
    house.answers("well", parsed("Three"))

    def tag(entry: ParsedEntry, feed: Feed, *rest: object) -> tuple[Tag, ...]:
        return tag_entry(entry, feed, *rest) if feed.id != "bad" else (_ for _ in ()).throw(KeyError("x"))

    monkeypatch.setattr("aggregator.flows.refresh.tag_entry", tag)
    with structlog.testing.capture_logs() as logs:
        report = house.poll()
    assert (report.fetched, report.failed, report.entries_new) == (2, 1, 2)
    assert [(entry["event"], entry["feed_id"]) for entry in logs] == [("refresh.feed_failed", "bad")]
    (state,) = house.store.states(["bad"])
    assert state.error == "internal: our own fault (KeyError), please report it; the log says where"
    assert house.titles() == [["One"], ["Three"]]


def test_a_row_that_the_tables_refuse_costs_its_own_feed_alone() -> None:
    house = House("bad", "good")
    house.answers("bad", parsed("Two"))
    house.answers("good", parsed("One"))

    class Refusing(MemoryStore):
        def apply(self, updates: Sequence[FeedUpdate], clustering: Clustering) -> int:
            if any(entry.title == "Two" for update in updates for entry in update.new):
                raise ConflictError("database: UNIQUE constraint failed")
            return super().apply(updates, clustering)

    house.store = Refusing()
    house.store.sync([*house.plan.feeds.values()], house.clock.now())
    report = house.poll()
    assert [(failure.feed_id, failure.cause) for failure in report.failures] == [("bad", Cause.INTERNAL)]
    assert house.titles() == [["One"]]


def test_a_database_that_cannot_be_written_stops_the_round() -> None:
    house = House("a", "b")
    house.answers("a", parsed("One"))
    house.answers("b", parsed("Two"))

    class Locked(MemoryStore):
        calls = 0

        def apply(self, updates: Sequence[FeedUpdate], clustering: Clustering) -> int:
            self.calls += 1
            raise StoreError("database: locked")

    house.store = locked = Locked()
    locked.sync([*house.plan.feeds.values()], house.clock.now())
    with pytest.raises(StoreError):
        house.poll()
    assert locked.calls == 1
    assert len(locked.due(house.clock.now())) == 2


def test_a_feed_whose_address_was_edited_meanwhile_is_left_for_the_next_round() -> None:
    house = House("ifri")
    house.answers("ifri", parsed("One"))
    due = house.store.due(house.clock.now())
    moved = replace(house.plan.feeds["ifri"], url="https://new.example/rss")
    house.plan = replace(house.plan, feeds={"ifri": moved})
    assert refresh(house.ports(), house.plan, due).feeds == 0
    assert house.fetcher.asked == []
    house.store.sync([moved], house.clock.now())
    assert house.poll().fetched == 1
    assert house.fetcher.asked[0].url == "https://new.example/rss"


def test_the_rhythm_of_a_document_holds_while_it_is_not_modified() -> None:
    house = House("ifri")
    house.answers("ifri", parsed("One"))
    said = house.parser.readings["ifri"]
    house.parser.readings["ifri"] = replace(said, feed=replace(said.feed, ttl=timedelta(hours=12)))
    house.poll()
    for _ in range(3):
        (state,) = house.store.states()
        assert state.next_check_at is not None
        assert state.next_check_at - house.clock.now() >= timedelta(hours=12)
        house.clock.moment = state.next_check_at
        house.says(NotModified(feed_id="ifri", validators=Validators()))
        assert house.poll().not_modified == 1


def test_a_feed_that_is_gone_on_three_days_is_asked_no_more_and_keeps_its_entries() -> None:
    house = House("ifri")
    house.answers("ifri", parsed("One"))
    house.poll()
    house.says(FetchFailed(feed_id="ifri", cause=Cause.GONE, message="410"))
    report, polls = RefreshReport(), 0
    for _ in range(24 * 10):
        house.clock.advance(hours=1)
        if house.store.due(house.clock.now()):
            report, polls = house.poll(), polls + 1
    assert polls == 3
    assert report.failures[0].next_check_at is None
    assert house.titles() == [["One"]]


def test_progress_is_told_after_each_batch_and_stopping_keeps_the_rest_due() -> None:
    house = House("a", "b", batch=1)
    house.answers("a", parsed("One"))
    house.answers("b", parsed("Two"))
    told: list[int] = []
    due = house.store.due(house.clock.now())
    refresh(
        house.ports(), house.plan, due, progress=lambda report: told.append(report.fetched), should_stop=lambda: True
    )
    assert told == [1]
    assert [state.feed.id for state in house.store.due(house.clock.now())] == ["b"]
