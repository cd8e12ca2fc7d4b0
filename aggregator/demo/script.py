"""The demo: the whole main job once, on sample publishers and a mailbox of our own, over real sockets.

poll > fold and tag > publish > poll again > publish > compose > deliver
"""

import secrets
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from types import FrameType

from aggregator.demo.mailbox import Mailbox
from aggregator.demo.server import SampleServer
from aggregator.demo.summary import (
    Appearance,
    ComposedIssue,
    DemoSummary,
    Fold,
    FoldedStory,
    Letter,
    Poll,
    PolledFeed,
    PublishedFeed,
)
from aggregator.flows.ingest import ingest
from aggregator.model.channel import Publication
from aggregator.model.feed import Validators
from aggregator.model.newsletter import Issue
from aggregator.model.poll import Fetched, Read
from aggregator.model.story import RELATED, Story, StoryLink
from aggregator.settings.loading import find_shipped, load_settings
from aggregator.settings.values import Settings
from aggregator.wiring import Runtime

CONFIG = Path(__file__).with_name("feeds.yaml")
NEWSLETTER = "weekly"
READERS = (("noor@newsroom.example", "Noor Achterhuis"), ("ines.falk@ministry.example", "Ines Falk"))
CONSENT = "the demo's sign-up sheet"


@contextmanager
def run_demo(*, port: int) -> Iterator[tuple[Runtime, DemoSummary]]:
    """Do the whole job in a temporary folder; it and the servers are gone when the block ends, however it ends.

    `port` is where the pages will be served: the letters link there. For the main thread, which gets the signals.
    """
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _end))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="aggregator-demo-")))
        publishers = stack.enter_context(SampleServer(today=datetime.now(UTC).date()))
        mailbox = stack.enter_context(Mailbox(folder / "mailbox"))
        site = f"http://127.0.0.1:{port}"
        settings = demo_settings(folder, publishers=publishers.url, smtp_url=mailbox.url, site=site)
        runtime = stack.enter_context(Runtime(settings))
        yield runtime, _whole_job(runtime, publishers, mailbox)


def _end(number: int, frame: FrameType | None) -> None:
    """A polite signal ends the block as an exception does, so that nothing is left behind."""
    raise SystemExit(128 + number)


def demo_settings(folder: Path, *, publishers: str, smtp_url: str, site: str) -> Settings:
    """The demo's feeds.yaml, filled in and kept in `folder` with the database."""
    config = folder / "feeds.yaml"
    template = Template(CONFIG.read_text(encoding="utf-8"))
    config.write_text(template.substitute(publishers=publishers, site=site), encoding="utf-8")
    environ = {
        "AGGREGATOR_DATABASE": f"sqlite:///{folder}/data/aggregator.db",
        "AGGREGATOR_SMTP_URL": smtp_url,
        "AGGREGATOR_SECRET": secrets.token_urlsafe(32),
    }
    return load_settings(config, environ)


def _whole_job(runtime: Runtime, publishers: SampleServer, mailbox: Mailbox) -> DemoSummary:
    runtime.prepare()
    for email, name in READERS:
        runtime.readers.add(email, name, NEWSLETTER, CONSENT)
    first = _poll(runtime, publishers)
    runtime.publish()
    publishers.publish_second_edition()
    second = _poll(runtime, publishers)
    republished = runtime.publish()
    issue = runtime.mail.compose_now(NEWSLETTER)
    assert issue is not None  # noqa: S101 (a first issue after a first poll is never empty)
    runtime.mail.deliver()
    feeds, stories = _feeds(runtime), runtime.stories.newest(limit=1000)
    return DemoSummary(
        feeds=feeds,
        first_poll=first,
        second_poll=second,
        entries=sum(feed.entries for feed in feeds),
        stories=len(stories),
        folded=_folded(runtime, stories),
        published=_published(runtime),
        republished=republished,
        issue=_issue(runtime.settings, issue),
        deliveries=Counter(delivery.state for delivery in runtime.mail.deliveries.for_issue(issue.id)),
        letters=tuple(
            Letter(recipient=recipient, file=str(path), octets=path.stat().st_size)
            for recipient, path in mailbox.received
        ),
        starter_config=str(find_shipped("feeds.yaml")),
    )


def _poll(runtime: Runtime, publishers: SampleServer) -> Poll:
    before = publishers.answers.copy()
    report = runtime.poll(runtime.feeds_to_poll((), everything=True))
    return Poll(report=report, answers=publishers.answers - before)


def _feeds(runtime: Runtime) -> tuple[PolledFeed, ...]:
    """In the order of feeds.yaml."""
    counts = runtime.feeds.entry_counts()
    states = {state.feed.id: state for state in runtime.feeds.states()}
    return tuple(
        PolledFeed(
            id=feed.id,
            name=feed.name,
            language=feed.language,
            entries=counts.get(feed.id, 0),
            error=states[feed.id].error,
        )
        for feed in runtime.settings.feeds
    )


def _folded(runtime: Runtime, stories: Sequence[Story]) -> tuple[FoldedStory, ...]:
    names = {feed.id: feed.name for feed in runtime.settings.feeds}
    told = [story for story in stories if story.also_at]
    links = runtime.folds.links({entry.mark for story in told for entry in story.entries})
    return tuple(
        FoldedStory(
            id=story.id,
            entries=tuple(
                Appearance(publisher=names[entry.feed_id], title=entry.title, url=entry.url, joined_by=entry.joined_by)
                for entry in story.entries
            ),
            folds=_folds(story, links),
            tags=story.tags,
        )
        for story in told
    )


def _folds(story: Story, links: Sequence[StoryLink]) -> tuple[Fold, ...]:
    """The rules that joined its entries, each once."""
    marks = {entry.mark for entry in story.entries}
    inside = [link for link in links if link.rule != RELATED and marks.issuperset((link.one, link.other))]
    evidence = {link.rule: link.evidence for link in inside}
    return tuple(
        Fold(rule=rule, translation=rule.endswith("translation"), evidence=words) for rule, words in evidence.items()
    )


def _published(runtime: Runtime) -> tuple[PublishedFeed, ...]:
    found = (runtime.publications.get(path) for path in sorted(runtime.publications.etags()))
    return tuple(
        PublishedFeed(path=item.path, entries=_entries_in(item), octets=len(item.body)) for item in found if item
    )


def _entries_in(item: Publication) -> int:
    """How many entries a reader finds in a published feed, by our own parser."""
    outcome = ingest(
        Fetched(
            feed_id="published",
            url=f"http://127.0.0.1/{item.path}",
            status=200,
            body=item.body,
            content_type=item.content_type,
            validators=Validators(),
        )
    )
    return len(outcome.reading.feed.entries) if isinstance(outcome, Read) else 0


def _issue(settings: Settings, issue: Issue) -> ComposedIssue:
    letter = settings.newsletter(issue.newsletter_id)
    return ComposedIssue(
        newsletter=letter.title if letter else issue.newsletter_id,
        number=issue.number,
        subject=issue.rendering.subject,
        stories=len(issue.story_ids),
        path=f"/newsletters/{issue.newsletter_id}/{issue.number}",
    )
