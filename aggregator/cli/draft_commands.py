"""`aggregator newsletters draft` and `approve`: a person's word on an issue before it goes."""

from typing import Annotated

import typer

from aggregator.cli.mail_commands import NewsletterId
from aggregator.cli.output import Json, print_json, say, shown
from aggregator.cli.session import runtime_of
from aggregator.errors import NotFoundError
from aggregator.model.edition import Draft
from aggregator.wiring import Runtime

Note = Annotated[str | None, typer.Option("--note", help="The editor's words at the top; plain text, `` for none.")]
Pin = Annotated[list[str] | None, typer.Option("--pin", metavar="STORY", help="Put this story first.")]
Drop = Annotated[list[str] | None, typer.Option("--drop", metavar="STORY", help="Leave this story out, for ever.")]


def draft(
    context: typer.Context,
    newsletter: NewsletterId,
    note: Note = None,
    pin: Pin = None,
    drop: Drop = None,
    as_json: Json = False,
) -> None:
    """Show the issue that waits for approval, and change its note, its first stories, or what it leaves out."""
    with runtime_of(context) as runtime:
        waiting = _waiting(runtime, newsletter)
        if note is not None or pin or drop:
            waiting = runtime.mail.edit_draft(newsletter, note=note, pin=_ids(pin), drop=_ids(drop))
        _show(runtime, newsletter, waiting, as_json=as_json)
    if not as_json:
        say(f"Next: `aggregator newsletters approve {newsletter}`.")


def approve(
    context: typer.Context,
    newsletter: NewsletterId,
    note: Note = None,
    pin: Pin = None,
    drop: Drop = None,
    as_json: Json = False,
) -> None:
    """Let the issue that waits go out; the worker sends it."""
    with runtime_of(context) as runtime:
        waiting = runtime.mail.edit_draft(newsletter, note=note, pin=_ids(pin), drop=_ids(drop), approve=True)
        _show(runtime, newsletter, waiting, as_json=as_json)
    if not as_json:
        say("Approved: a running worker makes the issue and sends it within a minute.")


def _ids(stories: list[str] | None) -> list[str]:
    """Ids as given, or as the last part of a story's address."""
    return [story.rstrip("/").rpartition("/")[2] for story in stories or []]


def _waiting(runtime: Runtime, newsletter: str) -> Draft:
    runtime.mail.demand(newsletter)
    draft = runtime.mail.draft(newsletter)
    if draft is None:
        cure = "only one with `approval:` in feeds.yaml waits, from the time it is due"
        raise NotFoundError(f"no issue of {newsletter!r} waits for approval; {cure}")
    return draft


def _show(runtime: Runtime, newsletter: str, draft: Draft, *, as_json: bool) -> None:
    issue = runtime.mail.preview(newsletter)
    stories = [
        {"id": story_id, "title": title, "pinned": story_id in draft.pinned}
        for story_id, title in zip(issue.story_ids, issue.titles, strict=True)
    ]
    if as_json:
        print_json({"newsletter": newsletter, "draft": draft, "subject": issue.rendering.subject, "stories": stories})
        return
    say(f"Subject: {issue.rendering.subject}")
    say(f"Waits since {shown(draft.made_at)}, until {shown(draft.deadline_at)} UTC")
    if draft.note:
        say(f"Note: {draft.note}")
    for story in stories:
        say(f"  {story['id']}  {'first: ' if story['pinned'] else ''}{story['title']}")
    for story_id in draft.dropped:
        say(f"  {story_id}  left out")
