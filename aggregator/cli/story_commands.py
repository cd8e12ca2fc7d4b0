"""`aggregator stories` and `aggregator refold`: a person's word over the folding, and the rules anew."""

from collections.abc import Iterator
from typing import Annotated

import typer

from aggregator.cli.output import Json, print_json, say
from aggregator.cli.session import age_of, runtime_of
from aggregator.flows import refold as flows
from aggregator.flows.refold import Refolding
from aggregator.model.story import Story
from aggregator.wiring import Runtime

app = typer.Typer(no_args_is_help=True)


@app.command()
def merge(
    context: typer.Context,
    stories: Annotated[list[str], typer.Argument(metavar="STORY…", help="Their ids, or the addresses of their pages.")],
    as_json: Json = False,
) -> None:
    """Make one story of several, for good; the oldest id stays, the others lead to it."""
    with runtime_of(context) as runtime, runtime.exclusive():
        merged = flows.merge(runtime.refold_ports(), stories)
        runtime.publish()
    _report(as_json, merged)


@app.command()
def split(
    context: typer.Context,
    story: Annotated[str, typer.Argument(metavar="STORY", help="Its id, or the address of its page.")],
    entries: Annotated[list[int], typer.Argument(metavar="ENTRY…", help="Numbers of the entries that leave it.")],
    as_json: Json = False,
) -> None:
    """Take entries out of a story, into one of their own, for good; `aggregator explain STORY` numbers them."""
    with runtime_of(context) as runtime, runtime.exclusive():
        parted = flows.split(runtime.refold_ports(), story, entries)
        runtime.publish()
    _report(as_json, *parted)


def _report(as_json: bool, *stories: Story) -> None:
    if as_json:
        found = [{"story": story.id, "entries": [entry.id for entry in story.entries]} for story in stories]
        print_json({"stories": found})
        return
    for story in stories:
        say(f"{story.id}  {story.head.title or 'Untitled'}")
        for entry in story.entries:
            say(f"    {entry.id}  {entry.feed_id}: {entry.title or 'Untitled'}")
    say("This holds against every rule. `aggregator explain STORY` says what joins a story.")


def refold(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="How far back, in days or weeks: 90d, 12w.")] = "90d",
    as_json: Json = False,
) -> None:
    """Apply the rules of this version to what is stored, and print what changed; a person's word stays."""
    with runtime_of(context) as runtime, runtime.exclusive():
        report = flows.refold(runtime.refold_ports(), runtime.clock.now() - age_of(since))
        runtime.publish()
        if as_json:
            print_json({"entries": report.entries, "found": report.found, "lost": report.lost, "moved": _moves(report)})
            return
        for line in _lines(runtime, report):
            say(line)


def _moves(report: Refolding) -> list[dict[str, str | None]]:
    return [
        {"entry": move.mark, "from": move.came_from, "to": move.placement.story_id, "rule": move.placement.rule}
        for move in report.moved
    ]


def _lines(runtime: Runtime, report: Refolding) -> Iterator[str]:
    for move in report.moved:
        story = runtime.stories.get(move.placement.story_id)
        entry = next((entry for entry in story.entries if entry.mark == move.mark), None) if story else None
        title = entry.title if entry else move.mark
        yield f"{move.came_from} -> {move.placement.story_id}  {move.placement.rule or 'founds it'}: {title}"
    yield (
        f"entries {report.entries}, links found {len(report.found)}, links lost {len(report.lost)}, "
        f"entries moved {len(report.moved)}"
    )
