"""Polling: due feeds in, entries, tags and Stories out.

    feeds.due > fetch > parse > normalise > identity > entries.known > decide > tag > cluster > store.apply

Fetching and parsing run beside this flow and hand over what is ready; each batch is one transaction, so
memory does not grow with the number of feeds, and a kill loses at most the batch at hand, which is still due.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aggregator.model import (
    FailedFeed,
    Feed,
    FeedState,
    FeedUpdate,
    FetchFailed,
    FetchRequest,
    NotModified,
    PollOutcome,
    Read,
    RefreshReport,
)
from aggregator.ports import Clock, EntryStore, FeedStore, Fetcher, Parser
from aggregator.steps.cadence import next_check
from aggregator.steps.clustering import cluster
from aggregator.steps.decide import decide
from aggregator.steps.tagging import CompiledRule, tag_entry

Progress = Callable[[RefreshReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPorts:
    """What polling needs of the world."""

    feeds: FeedStore
    entries: EntryStore
    fetcher: Fetcher
    parser: Parser
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPlan:
    """What feeds.yaml says of polling: the feeds by id, the default interval and the tag rules."""

    feeds: Mapping[str, Feed]
    every: timedelta
    rules: tuple[CompiledRule, ...]


def refresh(
    ports: RefreshPorts,
    plan: RefreshPlan,
    states: Sequence[FeedState],
    *,
    progress: Progress = lambda report: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RefreshReport:
    """Poll the feeds of `states` once; a bad feed is recorded on that feed and disturbs no other."""
    by_id = {state.feed.id: state for state in states if state.feed.id in plan.feeds}
    report = RefreshReport(feeds=len(by_id))
    requests = [_request(state, plan.feeds[feed_id]) for feed_id, state in by_id.items()]
    for outcomes in ports.parser.parse(ports.fetcher.fetch(requests)):
        report = _absorb(ports, plan, by_id, outcomes, report)
        progress(report)
        if should_stop():
            break
    return report


def _request(state: FeedState, feed: Feed) -> FetchRequest:
    return FetchRequest(feed_id=feed.id, url=feed.url, validators=state.validators, headers=feed.options.headers)


def _absorb(
    ports: RefreshPorts,
    plan: RefreshPlan,
    states: Mapping[str, FeedState],
    outcomes: Sequence[PollOutcome],
    report: RefreshReport,
) -> RefreshReport:
    now = ports.clock.now()
    reads = [outcome for outcome in outcomes if isinstance(outcome, Read)]
    keys = {key for read in reads for entry in read.reading.keys for key in entry.identity}
    known = ports.entries.known(keys) if keys else {}
    updates = [
        _tagged(
            decide(
                states[outcome.feed_id],
                outcome,
                known,
                now=now,
                next_check_at=_next_check(plan, states[outcome.feed_id], outcome, now),
            ),
            plan,
            now,
        )
        for outcome in outcomes
    ]
    new = [entry for update in updates for entry in update.new]
    changed = [entry for update in updates for entry in update.changed]
    folds = {key for entry in (*new, *changed) for key in entry.keys.fold}
    clustering = cluster(new, ports.entries.candidates(folds) if folds else (), changed, known.values())
    founded = ports.feeds.apply(updates, clustering)
    return _added(report, outcomes, updates, founded)


def _next_check(plan: RefreshPlan, state: FeedState, outcome: PollOutcome, now: datetime) -> datetime:
    failed = isinstance(outcome, FetchFailed)
    feed = outcome.reading.feed if isinstance(outcome, Read) else None
    return next_check(
        feed_id=outcome.feed_id,
        now=now,
        every=plan.feeds[outcome.feed_id].options.every or plan.every,
        wishes=outcome.wishes,
        ttl=feed.ttl if feed else None,
        skip_hours=feed.skip_hours if feed else (),
        skip_days=feed.skip_days if feed else (),
        failures=state.failures + 1 if failed else 0,
        cause=outcome.cause if isinstance(outcome, FetchFailed) else None,
    )


def _tagged(update: FeedUpdate, plan: RefreshPlan, now: datetime) -> FeedUpdate:
    if not update.new and not update.changed:
        return update
    feed = plan.feeds[update.feed_id]
    new, changed = (
        tuple(replace(entry, tags=tag_entry(entry, feed, plan.rules, now)) for entry in entries)
        for entries in (update.new, update.changed)
    )
    return replace(update, new=new, changed=changed)


def _added(
    report: RefreshReport, outcomes: Iterable[PollOutcome], updates: Sequence[FeedUpdate], founded: int
) -> RefreshReport:
    failures = tuple(
        FailedFeed(
            feed_id=outcome.feed_id,
            cause=outcome.cause,
            message=outcome.message,
            next_check_at=update.next_check_at,
        )
        for outcome, update in zip(outcomes, updates, strict=True)
        if isinstance(outcome, FetchFailed)
    )
    unmodified = sum(isinstance(outcome, NotModified) for outcome in outcomes)
    return replace(
        report,
        fetched=report.fetched + len(updates) - unmodified - len(failures),
        not_modified=report.not_modified + unmodified,
        failed=report.failed + len(failures),
        entries_new=report.entries_new + sum(len(update.new) for update in updates),
        entries_changed=report.entries_changed + sum(len(update.changed) for update in updates),
        stories_new=report.stories_new + founded,
        failures=report.failures + failures,
    )
