"""Polling: due feeds in, entries, tags and Stories out.

    feeds.due > fetch > parse > normalise > identity > sketch > entries.known > decide > language > tag
    > entries.holders > choose > entries.candidates > compare > entries.kin > cluster > feeds.apply

Fetching and parsing run beside this flow and hand over what is ready; each batch is one transaction, so
memory does not grow with the number of feeds, and a kill loses at most the batch at hand, which is still due.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog

from aggregator.errors import ConflictError, StoreError
from aggregator.model.entry import Entry, KnownEntry
from aggregator.model.feed import Feed, FeedState
from aggregator.model.poll import (
    Cause,
    FailedFeed,
    FeedUpdate,
    FetchFailed,
    FetchRequest,
    NotModified,
    PollOutcome,
    Read,
    RefreshReport,
)
from aggregator.model.story import RELATED, Clustering
from aggregator.ports import Clock, EntryStore, FeedStore, Fetcher, FoldStore, Parser
from aggregator.steps.cadence import OFFLINE_WAIT, next_check
from aggregator.steps.decide import decide, failures_after, not_asked
from aggregator.steps.folding.clustering import cluster, member_of, settled
from aggregator.steps.folding.compare import compare, remember
from aggregator.steps.folding.keys import keys_of
from aggregator.steps.folding.lookup import choose
from aggregator.steps.folding.sketch import language_in
from aggregator.steps.language import language_of
from aggregator.steps.tagging.tagger import Tagger, tag_entry

log = structlog.get_logger()

ON_THE_WAY = frozenset({Cause.DNS, Cause.CONNECT, Cause.TIMEOUT})
HOSTS_TO_TELL = 5
"""Fewer hosts than this may all be down while this machine is online."""

Progress = Callable[[RefreshReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPorts:
    """What polling needs of the world."""

    feeds: FeedStore
    entries: EntryStore
    folds: FoldStore
    fetcher: Fetcher
    parser: Parser
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPlan:
    """What feeds.yaml says of polling: the feeds by id, the default interval and what entries are tagged by."""

    feeds: Mapping[str, Feed]
    every: timedelta
    tagger: Tagger


def refresh(
    ports: RefreshPorts,
    plan: RefreshPlan,
    states: Sequence[FeedState],
    *,
    was_offline: bool = False,
    progress: Progress = lambda report: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RefreshReport:
    """Poll the feeds of `states` once; a bad feed is recorded on that feed and disturbs no other.

    Failures of the way (DNS, connect, time) wait until an answer shows that this machine is online. When none comes in
    the round, the fault is taken to be ours: no feed is blamed, and all are asked again soon. Few hosts do not tell,
    unless the round before `was_offline`.
    """
    # A feed whose address was edited since `states` were read would be sent the validators of the old one.
    by_id = {
        state.feed.id: replace(state, feed=plan.feeds[state.feed.id]) for state in states if _is_as_planned(state, plan)
    }
    report, waiting = RefreshReport(feeds=len(by_id)), list[PollOutcome]()
    online = not was_offline and _hosts(by_id.values()) < HOSTS_TO_TELL
    requests = [_request(state) for state in by_id.values()]
    for outcomes in ports.parser.parse(ports.fetcher.fetch(requests)):
        online = online or any(map(_was_answered, outcomes))
        waiting += outcomes
        ready = waiting if online else [outcome for outcome in waiting if not _failed_on_the_way(outcome)]
        waiting = [] if online else [outcome for outcome in waiting if _failed_on_the_way(outcome)]
        report = _absorb(ports, plan, by_id, ready, report) if ready else report
        progress(replace(report, failed=report.failed + len(waiting)))
        if should_stop():
            return report
    if waiting and not was_offline and _hosts(by_id[outcome.feed_id] for outcome in waiting) < HOSTS_TO_TELL:
        return _absorb(ports, plan, by_id, waiting, report)
    return _offline(ports, by_id, waiting, report) if waiting else report


def _hosts(states: Iterable[FeedState]) -> int:
    return len({urlsplit(state.feed.url).hostname for state in states})


def _is_as_planned(state: FeedState, plan: RefreshPlan) -> bool:
    feed = plan.feeds.get(state.feed.id)
    return feed is not None and feed.url == state.feed.url


def _request(state: FeedState) -> FetchRequest:
    feed = state.feed
    return FetchRequest(feed_id=feed.id, url=feed.url, validators=state.validators, headers=feed.options.headers)


def _was_answered(outcome: PollOutcome) -> bool:
    return not isinstance(outcome, FetchFailed) or outcome.cause.was_answered


def _failed_on_the_way(outcome: PollOutcome) -> bool:
    return isinstance(outcome, FetchFailed) and outcome.cause in ON_THE_WAY


def _offline(
    ports: RefreshPorts, states: Mapping[str, FeedState], outcomes: Sequence[PollOutcome], report: RefreshReport
) -> RefreshReport:
    """No feed of the round was reached."""
    now = ports.clock.now()
    log.warning("refresh.offline", feeds=len(outcomes))
    updates = [not_asked(states[outcome.feed_id], now=now, next_check_at=now + OFFLINE_WAIT) for outcome in outcomes]
    founded = ports.feeds.apply(updates, Clustering(placements=()))
    return replace(_added(report, outcomes, updates, founded), offline=True)


def _absorb(
    ports: RefreshPorts,
    plan: RefreshPlan,
    states: Mapping[str, FeedState],
    outcomes: Sequence[PollOutcome],
    report: RefreshReport,
) -> RefreshReport:
    """Store what a batch brought; should our own code fail on one of its feeds, that one fails alone."""
    try:
        updates, founded = _store(ports, plan, states, outcomes)
    except Exception as error:
        if isinstance(error, StoreError) and not isinstance(error, ConflictError):
            raise
        if len(outcomes) > 1:
            for outcome in outcomes:
                report = _absorb(ports, plan, states, [outcome], report)
            return report
        outcomes = [_our_fault(outcomes[0], error)]
        updates, founded = _store(ports, plan, states, outcomes)
    return _added(report, outcomes, updates, founded)


def _our_fault(outcome: PollOutcome, error: Exception) -> FetchFailed:
    log.error("refresh.feed_failed", feed_id=outcome.feed_id, exc_info=error)
    message = f"our own fault ({type(error).__name__}), please report it; the log says where"
    return FetchFailed(feed_id=outcome.feed_id, cause=Cause.INTERNAL, message=message)


def _store(
    ports: RefreshPorts, plan: RefreshPlan, states: Mapping[str, FeedState], outcomes: Sequence[PollOutcome]
) -> tuple[Sequence[FeedUpdate], int]:
    """The line of a poll from `known` to `apply`; returns what was written and the number of Stories founded."""
    now = ports.clock.now()
    reads = [outcome for outcome in outcomes if isinstance(outcome, Read)]
    keys = {key for read in reads for entry in read.reading.keys for key in entry.identity}
    known = ports.entries.known(keys) if keys else {}
    decided = (_decided(plan, states[outcome.feed_id], outcome, known, now) for outcome in outcomes)
    updates = _remembering(ports.folds, [_tagged(update, plan, now) for update in decided])
    new = [entry for update in updates for entry in update.new]
    changed = [entry for update in updates for entry in update.changed]
    clustering = _folded(ports.folds, new, changed) if new or changed else Clustering(placements=())
    return updates, ports.feeds.apply(updates, clustering)


def _remembering(folds: FoldStore, updates: Sequence[FeedUpdate]) -> Sequence[FeedUpdate]:
    """The updates, with edited entries still known by the addresses and DOIs they had."""
    ids = {entry.id for update in updates for entry in update.changed}
    if not ids:
        return updates
    before = folds.candidates(ids)
    return [
        replace(update, changed=tuple(remember(entry, before[entry.id]) for entry in update.changed))
        for update in updates
    ]


def _folded(folds: FoldStore, new: Sequence[Entry], changed: Sequence[Entry]) -> Clustering:
    """Where the entries belong: what they may be the same as, what they are to it, and the Stories that makes."""
    fresh = (*new, *changed)
    keys = [keys_of(entry) for entry in fresh]
    hashes = set[int]().union(*keys)
    choice = choose(fresh, keys, folds.holders(hashes) if hashes else {})
    links = compare(fresh, choice, folds.candidates(choice.wanted) if choice.wanted else {})
    joined = {mark for link in links if link.rule != RELATED for mark in (link.one, link.other)}
    members, earlier = folds.kin(joined) if joined else ((), ())
    clustering = cluster([entry.mark for entry in new], [*members, *map(member_of, new)], settled(earlier, links))
    return replace(clustering, links=links, keys=choice.keys)


def _decided(
    plan: RefreshPlan, state: FeedState, outcome: PollOutcome, known: Mapping[bytes, KnownEntry], now: datetime
) -> FeedUpdate:
    moment = next_check(
        feed_id=outcome.feed_id,
        now=now,
        every=state.feed.options.every or plan.every,
        wishes=outcome.wishes,
        rhythm=outcome.reading.feed.rhythm if isinstance(outcome, Read) else state.rhythm,
        failures=failures_after(state, outcome, now=now),
        cause=outcome.cause if isinstance(outcome, FetchFailed) else None,
    )
    return decide(state, outcome, known, now=now, next_check_at=moment)


def _tagged(update: FeedUpdate, plan: RefreshPlan, now: datetime) -> FeedUpdate:
    if not update.new and not update.changed:
        return update
    feed = plan.feeds[update.feed_id]
    new, changed = (
        tuple(_known(entry, feed, plan.tagger, now) for entry in entries) for entries in (update.new, update.changed)
    )
    return replace(update, new=new, changed=changed)


def _known(entry: Entry, feed: Feed, tagger: Tagger, now: datetime) -> Entry:
    """The entry with its language, and then with the tags that it has in that language."""
    language = language_of(entry, heard=language_in(entry.keys.sketch), prior=feed.language)
    spoken = entry if language == entry.language else replace(entry, language=language)
    return replace(spoken, tags=tag_entry(spoken, feed, tagger, now))


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
