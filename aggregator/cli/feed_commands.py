"""`aggregator feeds`: what is configured, how each feed fares, and what any source would give."""

import json
from pathlib import Path
from typing import Annotated

import typer

from aggregator.cli.output import plain, print_json, print_table, say
from aggregator.cli.session import config_path, runtime_of, settings_of
from aggregator.errors import NotFoundError, UsageError
from aggregator.model.feed import Validators
from aggregator.model.parsed import ParsedFeed
from aggregator.model.poll import Cause, Fetched, FetchFailed, FetchRequest, NotModified, Read
from aggregator.settings.values import Polling
from aggregator.wiring import look_at

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@app.command("list")
def list_feeds(context: typer.Context, as_json: Json = False) -> None:
    """Every feed with its state and next poll."""
    with runtime_of(context) as runtime:
        states, counts = runtime.feeds.states(), runtime.feeds.entry_counts()
    if as_json:
        print_json([plain(state) | {"entries": counts.get(state.feed.id, 0)} for state in states])
        return
    print_table(
        ("feed", "state", "entries", "next poll (UTC)", "last error"),
        (
            (
                state.feed.id,
                state.status,
                counts.get(state.feed.id, 0),
                f"{state.next_check_at:%Y-%m-%d %H:%M}" if state.next_check_at else "never",
                state.error,
            )
            for state in states
        ),
    )


@app.command()
def show(context: typer.Context, feed: str, as_json: Json = False) -> None:
    """All that is known of one feed."""
    with runtime_of(context) as runtime:
        states = runtime.feeds.states([feed])
        count = runtime.feeds.entry_counts().get(feed, 0)
    if not states:
        raise NotFoundError(f"no feed {feed!r} in feeds.yaml; `aggregator feeds list` names them all")
    facts = plain(states[0]) | {"entries": count}
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        say(f"{name}: {value}")


@app.command()
def preview(context: typer.Context, sources: list[str], as_json: Json = False) -> None:
    """What we would take from any URL or local file, entry by entry; stores nothing."""
    failed = False
    polling = settings_of(context).polling if config_path(context).exists() else Polling()
    requests = [_request(source, polling.max_body) for source in sources]
    for source, outcome in zip(sources, look_at(polling, requests), strict=True):
        found = outcome.reading.feed if isinstance(outcome, Read) else outcome
        failed |= not isinstance(found, ParsedFeed)
        (_print_document if as_json else _print_entries)(source, found)
    if failed:
        raise typer.Exit(1)


def _request(source: str, max_body: int) -> FetchRequest | Fetched | FetchFailed:
    """An address to fetch, or a local file as if it had been fetched."""
    if source.startswith(("http://", "https://")):
        return FetchRequest(feed_id=source, url=source)
    path = Path(source)
    try:
        if path.stat().st_size > max_body:
            return FetchFailed(feed_id=source, cause=Cause.TOO_BIG, message=f"the file is over {max_body:,} octets")
        body = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}; name an http(s) address or a file") from error
    if not body.strip():
        return FetchFailed(feed_id=source, cause=Cause.EMPTY, message="the file is empty")
    return Fetched(feed_id=source, url="", status=200, body=body, content_type=None, validators=Validators())


def _print_document(source: str, found: ParsedFeed | NotModified | FetchFailed) -> None:
    """One document per source and line, as other programs read it."""
    facts = plain(found) if isinstance(found, ParsedFeed) else {"error": plain(found)}
    typer.echo(json.dumps({"source": source} | facts, ensure_ascii=False))


def _print_entries(source: str, outcome: ParsedFeed | NotModified | FetchFailed) -> None:
    if not isinstance(outcome, ParsedFeed):
        say(f"{source}: {outcome.cause}: {outcome.message}" if isinstance(outcome, FetchFailed) else f"{source}: 304")
        return
    say(f"{source}: {outcome.format}, {outcome.title!r}, {len(outcome.entries)} entries")
    for warning in outcome.warnings:
        say(f"  note: {warning}")
    print_table(
        ("date", "title", "address"),
        (
            (f"{moment:%Y-%m-%d}" if (moment := entry.published or entry.updated) else "", entry.title, entry.url)
            for entry in outcome.entries
        ),
    )
