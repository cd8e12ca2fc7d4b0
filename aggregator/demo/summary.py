"""What the demo did, as a value and as lines for a terminal, in the order in which data travels."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from textwrap import shorten

from aggregator.model.delivery import DeliveryState
from aggregator.model.entry import Tag
from aggregator.model.poll import RefreshReport

WIDTH = 100
EXTERNAL = "type:external-publication"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledFeed:
    """One sample feed after both polls; `error` is None when the last one went well."""

    id: str
    name: str
    language: str | None
    entries: int
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One round over all feeds: what it brought, and the publishers' answers by HTTP status."""

    report: RefreshReport
    answers: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """One entry of a Story; `joined_by` is the rule that folded it, None for the first."""

    publisher: str
    title: str
    url: str | None
    joined_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A rule that joined entries of a Story, and what it went by; `translation`: it took one for that of the other."""

    rule: str
    translation: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedStory:
    """A Story that several publishers tell, and what says that it is one."""

    id: str
    entries: tuple[Appearance, ...]
    folds: tuple[Fold, ...]
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFeed:
    """A merged feed as served: `entries` were counted by reading it back."""

    path: str
    entries: int
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedIssue:
    """The first issue of the demo's newsletter; `path` is its page."""

    newsletter: str
    number: int
    subject: str
    stories: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as the recipient's mail server kept it."""

    recipient: str
    file: str
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """Everything the demo promises to show."""

    feeds: tuple[PolledFeed, ...]
    first_poll: Poll
    second_poll: Poll
    entries: int
    stories: int
    folded: tuple[FoldedStory, ...]
    published: tuple[PublishedFeed, ...]
    republished: int
    """Merged feeds that the second poll changed."""
    issue: ComposedIssue
    deliveries: Mapping[DeliveryState, int]
    letters: tuple[Letter, ...]
    starter_config: str
    """The feeds.yaml to begin with."""


def as_lines(summary: DemoSummary, *, port: int | None, program: str) -> Iterable[str]:
    """The summary for people; `port` is where the pages are about to be served, None when they are not. `program` is
    what they type to call us."""
    yield "Think Tank Wire: the whole job, offline, on sample feeds. Institutes and findings are invented."
    yield ""
    for step in (_poll, _fold, _tag, _poll_again, _publish, _compose, _deliver):
        yield from step(summary)
        yield ""
    yield "Three things to do next"
    yield from _what_to_run(program) if port is None else _what_to_look_at(summary, port)
    yield f"    Run it     cp {summary.starter_config} my-feeds.yaml, make it yours, then"
    for command in ("check", "run"):
        yield f"               {program} --config my-feeds.yaml {command}"


def _poll(summary: DemoSummary) -> Iterator[str]:
    report = summary.first_poll.report
    yield _heading(
        "Poll", f"{report.feeds} feeds over HTTP: {_answers(summary.first_poll)}; {report.entries_new} entries"
    )
    failures = {failure.feed_id: failure for failure in report.failures}
    for feed in summary.feeds:
        if failure := failures.get(feed.id):
            yield f"    {feed.name:28} {_short(f'{failure.cause}: {failure.message}', WIDTH - 33)}"
            yield f"    {'':28} {_short(f'{failure.next_try}; the others go on without it', WIDTH - 33)}"
        else:
            yield f"    {feed.name:28} {feed.entries:3} entries  {feed.language or ''}"


def _fold(summary: DemoSummary) -> Iterator[str]:
    yield _heading("Fold", f"{summary.entries} entries tell {summary.stories} stories")
    for story in summary.folded:
        first, *others = story.entries
        yield f"    {_short(first.title, 72)}"
        yield f"        {first.publisher}; also at {', '.join(entry.publisher for entry in others)}"
        for fold in story.folds:
            kind = "a translation, by" if fold.translation else "by"
            yield f"        {_short(f'{kind} the rule {fold.rule}: {fold.evidence}', WIDTH - 8)}"


def _tag(summary: DemoSummary) -> Iterator[str]:
    story = next((story for story in summary.folded if _is_external(story)), None)
    if story is None:
        return
    shown = [tag for tag in story.tags if tag.namespace != "mentions"]
    yield _heading("Tag", f"why “{_short(story.entries[0].title, 52)}” has its tags")
    for tag in shown:
        yield f"    {tag.name:32} {_short(_reason(tag), WIDTH - 38)}"


def _reason(tag: Tag) -> str:
    match tag.origin:
        case "feed":
            return "its feed"
        case "rule":
            return f"rule: {tag.rule}"
        case "category":
            return f"publisher's category: {tag.label}"
        case "category-map":
            return f"meant by the publisher's category “{tag.matched}”"
    found = f"“{tag.matched}” in its {tag.field}" if tag.matched else ""
    return f"{found}; {tag.rule}" if found and tag.rule else found or tag.rule or tag.origin


def _is_external(story: FoldedStory) -> bool:
    return any(tag.name == EXTERNAL for tag in story.tags)


def _poll_again(summary: DemoSummary) -> Iterator[str]:
    report = summary.second_poll.report
    yield _heading("Again", f"second poll: {_answers(summary.second_poll)}")
    yield (
        f"    {report.entries_new} new, {report.entries_changed} changed, although Kestrel House re-dated and "
        f"re-ordered all its items"
    )


def _publish(summary: DemoSummary) -> Iterator[str]:
    yield _heading(
        "Publish", f"{len(summary.published)} merged feeds, {summary.republished} changed by the second poll"
    )
    for name, formats in groupby(summary.published, key=lambda feed: feed.path.rpartition(".")[0]):
        feeds = tuple(formats)
        sizes = ", ".join(f"{feed.path.rpartition('.')[2]} {feed.octets / 1000:.0f} kB" for feed in feeds)
        yield f"    /{name:27} {feeds[0].entries:3} entries  {sizes}"


def _compose(summary: DemoSummary) -> Iterator[str]:
    issue = summary.issue
    yield _heading("Compose", f"issue {issue.number} of “{issue.newsletter}”: {issue.stories} stories, by topic")
    yield f"    Subject: {_short(issue.subject, WIDTH - 13)}"


def _deliver(summary: DemoSummary) -> Iterator[str]:
    states = ", ".join(f"{count} {state}" for state, count in summary.deliveries.items())
    yield _heading("Deliver", f"{states} by a real SMTP server")
    for letter in summary.letters:
        yield f"    {letter.recipient:28} {letter.octets / 1000:4.0f} kB"


def _what_to_run(program: str) -> Iterator[str]:
    yield "    Read it    without --once, these stories are served as pages and feeds, until Ctrl-C:"
    yield f"               {program} demo"
    yield "    Get it     it then keeps the letters as files to look at, too"


def _what_to_look_at(summary: DemoSummary, port: int) -> Iterator[str]:
    site = f"http://127.0.0.1:{port}"
    yield f"    Read it    open {site}/ in a browser; /feed.atom there is the merged feed"
    yield f"    Get it     see issue {summary.issue.number} at {site}{summary.issue.path}"
    for letter in summary.letters[:1]:
        yield f"               and the letter as it was sent, until the demo ends, in {letter.file}"


def _heading(name: str, text: str) -> str:
    return f"{name:9} {text}"


def _answers(poll: Poll) -> str:
    words = {200: "fetched", 304: "not modified", 503: "unavailable"}
    return ", ".join(
        f"{count} {words.get(status, 'other')} ({status})" for status, count in sorted(poll.answers.items())
    )


def _short(text: str, width: int) -> str:
    return shorten(text, width, placeholder=" …")
