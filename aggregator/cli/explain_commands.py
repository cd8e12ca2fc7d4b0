"""`aggregator explain`: why a Story carries its tags."""

from typing import Annotated

import typer

from aggregator.cli.output import print_json, print_table, say
from aggregator.cli.session import runtime_of
from aggregator.errors import NotFoundError
from aggregator.model import Story

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def explain(
    context: typer.Context,
    story: Annotated[str, typer.Argument(metavar="STORY", help="Its id, as in the address of its page.")],
    as_json: Json = False,
) -> None:
    """Why a story carries each of its tags: who gave it, at which feed, on what evidence."""
    with runtime_of(context) as runtime:
        found = runtime.stories.get(story)
    if found is None:
        raise NotFoundError(f"no story {story!r}; its id is the end of its page's address, /stories/ID")
    tags = _tags(found)
    if as_json:
        print_json({"story": found.id, "title": found.head.title, "tags": tags})
        return
    say(found.head.title or "Untitled")
    print_table(("tag", "given by", "feed", "entry", "evidence"), (tuple(tag.values()) for tag in tags))


def _tags(story: Story) -> list[dict[str, str | int | None]]:
    return [
        {"tag": tag.name, "origin": tag.origin, "feed": entry.feed_id, "entry": entry.id, "evidence": tag.evidence}
        for entry in story.entries
        for tag in entry.tags
    ]
