"""`aggregator explain`: why a Story carries its tags, and why its entries are one."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from aggregator.cli.output import Json, print_json, print_table, say
from aggregator.cli.session import runtime_of
from aggregator.flows.refold import story_of
from aggregator.model.story import RELATED, Story, StoryLink


def explain(
    context: typer.Context,
    story: Annotated[
        str,
        typer.Argument(metavar="STORY-OR-ENTRY", help="Its id, its page's address, or an entry's number."),
    ],
    as_json: Json = False,
) -> None:
    """Why a story carries each of its tags, and why its entries are one: which rule found it, on what evidence."""
    with runtime_of(context) as runtime:
        found = story_of(runtime.refold_ports(), story)
        links = runtime.folds.links({entry.mark for entry in found.entries})
        others = runtime.folds.related([found]).get(found.id, ())
    related = _related(links, {entry.mark: other for other in others for entry in other.entries})
    folds = _folds(found, [link for link in links if link not in related])
    tags, works = _tags(found), _works(related)
    if as_json:
        print_json({"story": found.id, "title": found.head.title, "tags": tags, "folds": folds, "related": works})
        return
    say(found.head.title or "Untitled")
    print_table(
        ("tag", "given by", "feed", "entry", "where", "matched", "rule", "version"),
        (tuple(tag.values()) for tag in tags),
    )
    if folds:
        print_table(("entry", "and", "rule", "score", "evidence"), (tuple(fold.values()) for fold in folds))
    if works:
        print_table(("related story", "title", "feed", "evidence"), (tuple(work.values()) for work in works))


def _folds(story: Story, links: Sequence[StoryLink]) -> list[dict[str, str | int | float]]:
    """What was found between its entries, and between them and others, which have no number here but a mark."""
    numbers: dict[str, int | str] = {entry.mark: entry.id for entry in story.entries}
    return [
        {
            "one": numbers.get(link.one, link.one),
            "other": numbers.get(link.other, link.other),
            "rule": link.rule,
            "score": round(link.score, 2),
            "evidence": link.evidence,
        }
        for link in links
    ]


def _related(links: Sequence[StoryLink], homes: Mapping[str, Story]) -> dict[StoryLink, Story]:
    """The Stories that belong with this one and are not the same, by the links that say so."""
    ends = [(link, mark) for link in links if link.rule == RELATED for mark in (link.one, link.other)]
    return {link: homes[mark] for link, mark in ends if mark in homes}


def _works(related: Mapping[StoryLink, Story]) -> list[dict[str, str]]:
    return [
        {"story": story.id, "title": story.head.title, "feed": story.head.feed_id, "evidence": link.evidence}
        for link, story in related.items()
    ]


def _tags(story: Story) -> list[dict[str, str | int | None]]:
    return [
        {
            "tag": tag.name,
            "origin": tag.origin,
            "feed": entry.feed_id,
            "entry": entry.id,
            "field": tag.field,
            "matched": tag.matched,
            "rule": tag.rule,
            "version": tag.version,
        }
        for entry in story.entries
        for tag in entry.tags
    ]
