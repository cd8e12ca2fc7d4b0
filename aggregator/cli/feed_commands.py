"""`aggregator feeds`: what is configured and how each feed fares; see `preview_commands.py` for any other source."""

from typing import Annotated

import typer

from aggregator.cli import preview_commands
from aggregator.cli.output import Json, plain, print_facts, print_json, print_table
from aggregator.cli.session import runtime_of
from aggregator.model.feed import FeedState

app = typer.Typer(no_args_is_help=True)
app.command()(preview_commands.preview)


@app.command("list")
def list_feeds(context: typer.Context, as_json: Json = False) -> None:
    """Every feed with its state and next poll."""
    with runtime_of(context) as runtime:
        states, counts = runtime.feed_states(), runtime.feeds.entry_counts()
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
                state.next_check_at or "never",
                state.error,
            )
            for state in states
        ),
    )


@app.command()
def show(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(metavar="FEED", help="Its id, as in feeds.yaml.")],
    as_json: Json = False,
) -> None:
    """All that is known of one feed."""
    with runtime_of(context) as runtime:
        state = runtime.feed_state(feed)
        count = runtime.feeds.entry_counts().get(feed, 0)
    if as_json:
        print_json(plain(state) | {"entries": count})
    else:
        print_facts(_facts(state, count))


def _facts(state: FeedState, entries: int) -> dict[str, object]:
    """In the order in which one would ask; times are in UTC."""
    feed, rhythm = state.feed, state.rhythm
    return {
        "feed": feed.id,
        "name": feed.name,
        "title it gives itself": state.title,
        "address": feed.url,
        "site": feed.site_url,
        "country": feed.country,
        "language": feed.language,
        "tags": feed.options.tags,
        "polled every": feed.options.every or "as often as all",
        "state": state.status,
        "last error": state.error,
        "failures in a row": state.failures,
        "entries": entries,
        "last poll (UTC)": state.checked_at or "never",
        "last success (UTC)": state.succeeded_at or "never",
        "last new (UTC)": state.changed_at or "never",
        "next poll (UTC)": state.next_check_at or "never",
        "asks to be left alone for": rhythm.ttl,
        "asks to be left alone in hours (GMT)": rhythm.skip_hours,
        "asks to be left alone on": rhythm.skip_days,
        "ETag": state.validators.etag,
        "Last-Modified": state.validators.last_modified,
    }
