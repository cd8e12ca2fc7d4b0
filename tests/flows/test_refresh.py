"""The polling flow as a whole, on in-memory ports and a frozen clock."""

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.flows.refresh import RefreshPlan, RefreshPorts, refresh
from aggregator.model import (
    Cause,
    Feed,
    Fetched,
    FetchFailed,
    FetchOutcome,
    Link,
    NotModified,
    ParsedEntry,
    RefreshReport,
    TagRule,
    Validators,
)
from aggregator.steps.tagging import compile_rules
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
            rules=compile_rules([TagRule(tag="country:jp", when="Japan")]),
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

    def poll(self) -> RefreshReport:
        ports = RefreshPorts(
            feeds=self.store, entries=self.store, fetcher=self.fetcher, parser=self.parser, clock=self.clock
        )
        return refresh(ports, self.plan, self.store.due(self.clock.now()))

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


def test_progress_is_told_after_each_batch_and_stopping_keeps_the_rest_due() -> None:
    house = House("a", "b", batch=1)
    house.answers("a", parsed("One"))
    house.answers("b", parsed("Two"))
    told: list[int] = []
    ports = RefreshPorts(
        feeds=house.store, entries=house.store, fetcher=house.fetcher, parser=house.parser, clock=house.clock
    )
    due = house.store.due(house.clock.now())
    refresh(ports, house.plan, due, progress=lambda report: told.append(report.fetched), should_stop=lambda: True)
    assert told == [1]
    assert [state.feed.id for state in house.store.due(house.clock.now())] == ["b"]
