"""`aggregator newsletters`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from aggregator.cli.output import Json, print_json, print_table, say
from aggregator.cli.session import runtime_of
from aggregator.errors import NotFoundError, unwritable
from aggregator.model.delivery import DeliveryState

newsletters = typer.Typer(no_args_is_help=True)

NewsletterId = Annotated[str, typer.Argument(metavar="ID", help="The newsletter's id, as in feeds.yaml.")]
NewsletterOption = Annotated[str, typer.Option("--newsletter", help="Id of the newsletter.")]
ConsentOption = Annotated[
    str, typer.Option("--consent-source", help="Where and when these people agreed; kept as evidence.")
]


Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The issue's number, as in `newsletters issues ID`.")]


@newsletters.command("list")
def list_newsletters(context: typer.Context, as_json: Json = False) -> None:
    """Every newsletter with its schedule, readers and issues so far."""
    with runtime_of(context) as runtime:
        rows = [
            {
                "id": letter.id,
                "title": letter.title,
                "schedule": f"{letter.schedule} ({letter.timezone})",
                "subscriptions": len(runtime.mail.subscribers.subscriptions(letter.id)),
                "issues": len(runtime.mail.newsletters.issues(letter.id)),
            }
            for letter in runtime.settings.newsletters
        ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("newsletter", "title", "schedule", "subscriptions", "issues"), (tuple(row.values()) for row in rows)
        )


@newsletters.command()
def preview(
    context: typer.Context,
    newsletter: NewsletterId,
    folder: Annotated[Path, typer.Option("--to", help="Folder for the files; made if missing.")] = Path("preview"),
    as_json: Json = False,
) -> None:
    """Write the next issue as .html and .txt, and as a letter (.eml); sends and stores nothing."""
    with runtime_of(context) as runtime:
        issue = runtime.mail.preview(newsletter)
        letter, polled = runtime.mail.sample_letter(issue), runtime.stories.last_seq() > 0
    parts = {".html": issue.rendering.html.encode(), ".txt": issue.rendering.text.encode(), ".eml": letter}
    files = _write(folder, {f"{newsletter}{suffix}": content for suffix, content in parts.items()})
    if as_json:
        print_json({"subject": issue.rendering.subject, "stories": len(issue.story_ids), "files": files})
        return
    for file in files:
        say(file)
    say(f"Subject: {issue.rendering.subject}")
    if not issue.story_ids:
        say(f"No story is in it. {_why_empty(polled)}")
    say(f"Next: `aggregator newsletters test {newsletter} --to ADDRESS` sends it to one address.")


def _why_empty(polled: bool) -> str:
    """`polled`: there are stories, of which none is for this issue."""
    if polled:
        return "Nothing new came since the last one that its query asks for."
    return "There are no stories at all yet: `aggregator poll` first."


def _write(folder: Path, contents: Mapping[str, bytes]) -> list[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise unwritable(folder, error) from error
    return [str(folder / name) for name in contents]


@newsletters.command("test")
def send_test(
    context: typer.Context,
    newsletter: NewsletterId,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Who gets it.")],
    as_json: Json = False,
) -> None:
    """Send what the next issue would be now to one address, marked as a test; nobody else gets it."""
    with runtime_of(context) as runtime:
        result = runtime.mail.send_test(newsletter, to)
    if as_json:
        print_json({"newsletter": newsletter, "to": to, "state": result.state, "answer": result.reply})
    else:
        say(f"{to}: {result.state}: {result.reply}")
    if result.state is not DeliveryState.ACCEPTED:
        raise typer.Exit(1)


@newsletters.command()
def compose(context: typer.Context, newsletter: NewsletterId, as_json: Json = False) -> None:
    """Close the next issue now and queue it for its subscribers; the worker sends it."""
    with runtime_of(context) as runtime:
        issue, polled = runtime.mail.compose_now(newsletter), runtime.stories.last_seq() > 0
    if as_json:
        print_json({"newsletter": newsletter, "number": issue.number if issue else None})
    elif issue is None:
        say(f"No issue of {newsletter} was made. {_why_empty(polled)}")
    else:
        say(f"Issue {issue.number} of {newsletter}: {len(issue.story_ids)} stories, queued for its subscribers.")
        say(f"Next: a running worker sends it; `aggregator newsletters deliveries {newsletter} {issue.number}` tells.")


@newsletters.command()
def issues(context: typer.Context, newsletter: NewsletterId, as_json: Json = False) -> None:
    """The issues so far, newest first."""
    with runtime_of(context) as runtime:
        runtime.mail.demand(newsletter)
        found = runtime.mail.newsletters.issues(newsletter)
    rows = [{"number": issue.number, "created_at": issue.created_at, "stories": issue.stories} for issue in found]
    if as_json:
        print_json(rows)
    else:
        print_table(("number", "made (UTC)", "stories"), (tuple(row.values()) for row in rows))


@newsletters.command()
def deliveries(context: typer.Context, newsletter: NewsletterId, number: Number, as_json: Json = False) -> None:
    """Every delivery of one issue with its state and the server's words."""
    with runtime_of(context) as runtime:
        runtime.mail.demand(newsletter)
        issue = runtime.mail.newsletters.issue(newsletter, number)
        if issue is None:
            raise NotFoundError(
                f"no issue {number}; `aggregator newsletters issues {newsletter}` numbers those there are"
            )
        found = runtime.mail.deliveries.for_issue(issue.id)
    if as_json:
        print_json(found)
    else:
        print_table(
            ("subscriber", "state", "attempts", "answer"),
            ((item.subscriber.email, item.state, item.attempts, item.reply) for item in found),
        )
