"""`aggregator feeds`: what is configured, how each feed fares, and what any source would give."""

import json
from typing import Annotated

import typer

from aggregator.cli.output import plain, print_json, print_table, say
from aggregator.cli.session import runtime_of, settings_of
from aggregator.errors import NotFoundError
from aggregator.model import FetchFailed, ParsedFeed
from aggregator.wiring import Runtime

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
                f"{state.next_check_at:%Y-%m-%d %H:%M}",
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
    with Runtime(settings_of(context)) as runtime:
        for source in sources:
            outcome = runtime.preview(source)
            failed |= isinstance(outcome, FetchFailed)
            (_print_document if as_json else _print_entries)(source, outcome)
    if failed:
        raise typer.Exit(1)


def _print_document(source: str, outcome: ParsedFeed | FetchFailed) -> None:
    """One document per source and line, as other programs read it."""
    found = {"error": plain(outcome)} if isinstance(outcome, FetchFailed) else plain(outcome)
    typer.echo(json.dumps({"source": source} | found, ensure_ascii=False))


def _print_entries(source: str, outcome: ParsedFeed | FetchFailed) -> None:
    if isinstance(outcome, FetchFailed):
        say(f"{source}: {outcome.cause}: {outcome.message}")
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
