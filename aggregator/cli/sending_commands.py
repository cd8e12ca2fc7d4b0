"""`aggregator newsletters pause`, `resume`, `cancel` and `resend`: a person's word on letters that wait."""

from typing import Annotated

import typer

from aggregator.cli.mail_commands import NewsletterId, Number
from aggregator.cli.output import Json, print_json, print_table, say
from aggregator.cli.session import runtime_of
from aggregator.errors import UsageError

OneIssue = Annotated[int | None, typer.Argument(metavar="[NUMBER]", help="Only this issue; without it, all.")]


def pause(context: typer.Context, newsletter: NewsletterId, number: OneIssue = None, as_json: Json = False) -> None:
    """Hold back the letters of a newsletter, or of one issue, from now on until `resume`; none is lost."""
    with runtime_of(context) as runtime:
        fresh = runtime.mail.pause(newsletter, number)
    if as_json:
        print_json({"newsletter": newsletter, "number": number, "held": True, "changed": fresh})
    else:
        say(f"{_what(newsletter, number)} is held{'' if fresh else ' already'}: no letter of it goes out.")
        say(f"Next: `aggregator newsletters resume {_words(newsletter, number)}`.")


def resume(context: typer.Context, newsletter: NewsletterId, number: OneIssue = None, as_json: Json = False) -> None:
    """Let the letters go that were held back."""
    with runtime_of(context) as runtime:
        changed = runtime.mail.resume(newsletter, number)
        others = [held for held in runtime.mail.held() if held.newsletter_id == newsletter]
    if as_json:
        print_json({"newsletter": newsletter, "number": number, "held": bool(others), "changed": changed})
        return
    say(f"{_what(newsletter, number)} {'goes out again' if changed else 'was not held'}.")
    if others:
        say(f"But {newsletter} is held elsewhere: `aggregator newsletters holds` names it.")


def cancel(context: typer.Context, newsletter: NewsletterId, number: Number, as_json: Json = False) -> None:
    """Let the letters of one issue that wait never be sent; those that went are gone."""
    with runtime_of(context) as runtime:
        count = runtime.mail.cancel(newsletter, number)
    if as_json:
        print_json({"newsletter": newsletter, "number": number, "cancelled": count})
    else:
        say(f"{count} letters of issue {number} of {newsletter} are cancelled.")


def resend(
    context: typer.Context,
    newsletter: NewsletterId,
    number: Number,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Those of which nobody knows whether they came.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send letters in doubt once more, under the same Message-ID; who had one may have two."""
    if not uncertain:
        raise UsageError("resend sends nothing without --uncertain: accepted letters are not sent twice")
    with runtime_of(context) as runtime:
        count = runtime.mail.resend_uncertain(newsletter, number)
    if as_json:
        print_json({"newsletter": newsletter, "number": number, "queued": count})
    else:
        say(f"{count} letters of issue {number} of {newsletter} are queued once more; a running worker sends them.")


def holds(context: typer.Context, as_json: Json = False) -> None:
    """What is held back, and since when."""
    with runtime_of(context) as runtime:
        found = runtime.mail.held()
    if as_json:
        print_json(found)
    else:
        rows = ((held.newsletter_id, "all" if held.number is None else held.number, held.since) for held in found)
        print_table(("newsletter", "issue", "since (UTC)"), rows)


def _what(newsletter: str, number: int | None) -> str:
    return newsletter if number is None else f"Issue {number} of {newsletter}"


def _words(newsletter: str, number: int | None) -> str:
    return newsletter if number is None else f"{newsletter} {number}"
