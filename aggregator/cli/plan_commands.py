"""`aggregator plan` and `aggregator retag`: what an edit of feeds.yaml would change, and stored tags made to follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Annotated

import typer

from aggregator.cli.output import Json, counting, print_json, say, shown
from aggregator.cli.session import age_of, runtime_of, settings_of
from aggregator.flows.retag import Retagging
from aggregator.looking import look_ahead
from aggregator.model.foresight import ChannelEdit, Edit, Foresight, NewsletterEdit, RuleUse, TagEdit

TAGS, NAMES = 20, 12
"""Tags that are shown with titles, and names that are listed on a line; `--json` has all."""
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "same": "~"}


def plan(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="Over the stories of how many days or weeks: 90d, 12w.")] = "90d",
    as_json: Json = False,
) -> None:
    """What feeds.yaml would change if it were followed now; writes nothing."""
    settings, age = settings_of(context), age_of(since)
    with counting("Looking at stories") as count:
        found = look_ahead(settings, age, progress=count)
    if as_json:
        print_json(found)
        return
    say(f"{settings.config_path} beside what is applied, over the {found.stories:,} stories of the last {since}:")
    for line in _lines(found):
        say(line)
    if found.changes:
        say("Nothing was written. A running aggregator follows the file as soon as it is saved in its place;")
        say("without one, `aggregator poll` does, and `aggregator retag` brings the tags of stored entries along.")


def retag(context: typer.Context, as_json: Json = False) -> None:
    """Give all stored entries the tags of feeds.yaml and of this version, and print what changed."""
    with runtime_of(context) as runtime, runtime.exclusive():
        runtime.follow()
        with counting("Tagging entries") as count:
            report = runtime.retag(anew=True, progress=count)
        runtime.publish()
    if as_json:
        print_json({"entries": report.entries, "changed": report.changed, "tags": _shifts(report)})
        return
    for row in _shifts(report):
        say(f"{row['tag']}  +{row['gained']} -{row['lost']}")
    say(f"entries {report.entries:,}, of which {report.changed:,} have other tags now")


def _shifts(report: Retagging) -> list[dict[str, str | int]]:
    """Tags with how many entries gained and lost them, those of most entries first."""
    gained, lost = report.gained, report.lost
    names = sorted(gained | lost, key=lambda name: (-gained[name] - lost[name], name))
    return [{"tag": name, "gained": gained[name], "lost": lost[name]} for name in names]


# --- what is said of a plan -----------------------------------------------------------------------


def _lines(found: Foresight) -> Iterator[str]:
    if not found.changes:
        yield "It would change nothing."
    yield from _section("Feeds", [line for edit in found.feeds for line in _edit(edit)])
    yield from _section("Tags", [line for edit in found.tags[:TAGS] for line in _tag(edit)])
    if len(found.tags) > TAGS:
        yield f"  and {len(found.tags) - TAGS} tags more; --json has them all"
    if found.reworded:
        yield f"  {found.reworded:,} entries keep their tags, with another label, evidence or order"
    yield from _section("Rules that give nothing", [_rule(use) for use in found.silent])
    yield from _section("Rules that fire on over a third of all stories", [_rule(use) for use in found.loud])
    yield from _section("Tags of the taxonomy that no story has", list(_unused(found.unused)))
    yield from _section("Channels", [line for edit in found.channels for line in _channel(edit)])
    yield from _section("Newsletters", [line for edit in found.newsletters for line in _newsletter(edit)])


def _section(heading: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield heading
        yield from lines


def _edit(edit: Edit) -> Iterator[str]:
    yield f"  {_SIGNS[edit.kind]} {edit.id}  {edit.name}"
    for one in edit.differences:
        yield f"      {one.key}: {shown(one.before) or 'none'} -> {shown(one.after) or 'none'}"


def _tag(edit: TagEdit) -> Iterator[str]:
    yield f"  {edit.tag}  +{edit.gain:,} -{edit.lose:,}"
    yield from (f"      + {title}" for title in edit.gaining)
    yield from (f"      - {title}" for title in edit.losing)


def _rule(use: RuleUse) -> str:
    return f"  {use.tag}  {use.when}" + (f"  ({use.stories:,} stories)" if use.stories else "")


def _channel(edit: ChannelEdit) -> Iterator[str]:
    yield from _edit(edit)
    yield f"      stories: {edit.come:,} come in, {edit.go:,} go"


def _newsletter(edit: NewsletterEdit) -> Iterator[str]:
    yield from _edit(edit)
    outlooks = (edit.before, edit.after)
    yield f"      next issue (UTC): {' -> '.join(shown(it.due_at) if it else 'none' for it in outlooks)}"
    yield f"      stories waiting: {' -> '.join(f'{it.waiting:,}' if it else 'none' for it in outlooks)}"


def _unused(tags: Sequence[str]) -> Iterator[str]:
    """A line for each namespace: how many, and the first of them."""
    for namespace, names in groupby(sorted(tags), lambda tag: tag.partition(":")[0]):
        slugs = [name.partition(":")[2] for name in names]
        yield f"  {namespace} {len(slugs)}: {', '.join(slugs[:NAMES])}" + (", …" if len(slugs) > NAMES else "")
