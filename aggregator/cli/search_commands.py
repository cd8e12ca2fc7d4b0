"""`aggregator search`: what a query finds, the newest first or the best."""

from collections.abc import Iterator
from typing import Annotated

import typer

from aggregator.cli.output import Json, errors, print_json, say
from aggregator.cli.session import runtime_of
from aggregator.errors import QueryError
from aggregator.model.indexed import Finding, Order
from aggregator.model.story import Story
from aggregator.query.grammar import parse_query

CATCHING_UP = 50_000
"""Stories that a search on the command line waits for until they are indexed: what a first round of polls brings."""


def search(
    context: typer.Context,
    query: Annotated[list[str], typer.Argument(metavar="QUERY", help="Words, phrases and fields: docs/queries.md.")],
    limit: Annotated[int, typer.Option(help="How many stories at most.", min=1, max=1000)] = 20,
    relevance: Annotated[bool, typer.Option("--relevance", help="The best matches first, not the newest.")] = False,
    as_json: Json = False,
) -> None:
    """Find stories by the query language, the newest first."""
    try:
        wanted = parse_query(" ".join(query))
    except QueryError as error:
        for line in (*error.lines(), f"{error.message} (character {error.position + 1})"):
            errors.print(line, style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    order = Order.RELEVANCE if relevance else Order.DATE
    with runtime_of(context) as runtime:
        finding = runtime.find(wanted, limit=limit, order=order, catching_up=CATCHING_UP)
    if as_json:
        found = [_row(story) for story in finding.stories]
        print_json({"query": str(wanted), "stories": found, "more": finding.further is not None})
        return
    for line in _lines(finding):
        say(line)


def _row(story: Story) -> dict[str, object]:
    head = story.head
    return {
        "story": story.id,
        "title": head.title,
        "url": head.url,
        "date": head.date,
        "language": head.language,
        "feeds": [entry.feed_id for entry in story.entries],
        "tags": [tag.name for tag in story.tags],
    }


def _lines(finding: Finding) -> Iterator[str]:
    for story in finding.stories:
        feeds = dict.fromkeys(entry.feed_id for entry in story.entries)
        yield f"{story.head.date:%Y-%m-%d}  {story.head.title or 'Untitled'}"
        yield f"            {', '.join(feeds)}: {story.head.url or 'no address'}  ({story.id})"
    if not finding.stories:
        yield "No story matches. `aggregator poll` brings new ones."
    elif finding.further:
        yield f"The first {len(finding.stories)}; `--limit` shows more. `aggregator explain STORY` tells of one."
    else:
        yield f"{len(finding.stories)} found. `aggregator explain STORY` tells of one."
