"""`aggregator subscribers`: who gets what, who does not, and what is kept about them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aggregator.cli.output import Json, plain, print_facts, print_json, print_table, say, shown
from aggregator.cli.session import runtime_of
from aggregator.errors import NotFoundError, UsageError
from aggregator.flows.import_people import encoding_of
from aggregator.flows.people import EXPORTED
from aggregator.model.delivery import Subscription, SubscriptionState
from aggregator.model.newcomer import ImportReport
from aggregator.model.person import PersonalData
from aggregator.steps.sheets import csv_lines

app = typer.Typer(no_args_is_help=True)

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="Where they read mail.")]
NewsletterOption = Annotated[str, typer.Option("--newsletter", help="Id of the newsletter.")]
OneNewsletter = Annotated[str | None, typer.Option("--newsletter", help="Id of one newsletter.")]
ConsentOption = Annotated[
    str, typer.Option("--consent-source", help="Where and when these people agreed; kept as evidence.")
]
_STANDS = {
    SubscriptionState.UNSUBSCRIBED: "{email} unsubscribed from {letter} on {since} UTC and stays so: nothing changed.",
    SubscriptionState.DISABLED: "Mail to {email} came back, so {letter} stopped on {since} UTC: nothing changed.",
    SubscriptionState.CONFIRMED: "{email} gets {letter} already, since {since} UTC: nothing changed.",
}


class ListFormat(StrEnum):
    """How a list of people is written."""

    CSV = "csv"
    JSON = "json"


@app.command("list")
def list_subscribers(context: typer.Context, newsletter: OneNewsletter = None, as_json: Json = False) -> None:
    """Who is subscribed to what, and since when."""
    with runtime_of(context) as runtime:
        if newsletter is not None:
            runtime.mail.demand(newsletter)
        found = runtime.readers.subscribers.subscriptions(newsletter)
    if as_json:
        print_json(found)
    else:
        print_table(
            ("address", "newsletter", "state", "since (UTC)", "consent"),
            (
                (item.subscriber.email, item.newsletter_id, item.state, item.changed_at, item.consent_source)
                for item in found
            ),
        )


@app.command()
def add(
    context: typer.Context,
    email: Address,
    newsletter: NewsletterOption,
    consent_source: ConsentOption,
    name: Annotated[str | None, typer.Option(help="How to address them.")] = None,
    as_json: Json = False,
) -> None:
    """Subscribe one person who has agreed."""
    with runtime_of(context) as runtime:
        stood = runtime.readers.add(email, name, newsletter, consent_source)
    if as_json:
        print_json({"email": email, "newsletter": newsletter, "added": stood is None, "stood": stood})
    elif stood is None:
        say(f"{email} gets {newsletter} from its next issue on.")
    else:
        say(_STANDS[stood.state].format(email=email, letter=newsletter, since=shown(stood.changed_at)))


@app.command("import")
def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A header line; `email` is required.")],
    newsletter: NewsletterOption,
    consent_source: ConsentOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report.")] = False,
    as_json: Json = False,
) -> None:
    """Subscribe the people of a CSV file; bad lines are named and skipped."""
    with runtime_of(context) as runtime:
        try:
            with file.open("rb") as start:
                encoding = encoding_of(start.read(4))
            errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
            with file.open(encoding=encoding, errors=errors, newline="") as lines:
                report = runtime.readers.import_csv(lines, str(file), newsletter, consent_source, dry_run=dry_run)
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}; name a CSV file that this user may read") from error
    if as_json:
        print_json(report)
    else:
        for line in _import_lines(report, dry_run=dry_run):
            say(line)
    if report.skipped and not report.people:
        raise typer.Exit(1)


def _import_lines(report: ImportReport, *, dry_run: bool) -> Iterator[str]:
    for line in report.problems:
        yield f"  line {line.number}: {line.reason}"
    if hidden := report.skipped + report.suppressed - len(report.problems):
        yield f"  and {hidden} lines more"
    if report.windows_1252:
        yield f"{report.windows_1252} lines were not UTF-8 and were read as Windows-1252"
    verb, stays = ("would be added", "would stay") if dry_run else ("added", "stay")
    left = f", {report.unsubscribed} have unsubscribed and {stays} so" if report.unsubscribed else ""
    kept_out = f", {report.suppressed} are suppressed and {stays} so" if report.suppressed else ""
    yield f"{report.added} {verb}, {report.known} known already{left}{kept_out}, {report.skipped} lines skipped"


@app.command("export")
def export_people(
    context: typer.Context,
    newsletter: OneNewsletter = None,
    form: Annotated[ListFormat, typer.Option("--format", help="How the list is written.")] = ListFormat.CSV,
) -> None:
    """Everybody with what they chose, on stdout; as CSV, `subscribers import` reads it back."""
    with runtime_of(context) as runtime:
        if newsletter is not None:
            runtime.mail.demand(newsletter)
        rows = runtime.readers.exported(newsletter)
        lines = csv_lines(EXPORTED, ([*row.values()] for row in rows)) if form is ListFormat.CSV else _objects(rows)
        for line in lines:
            sys.stdout.write(line)


def _objects(rows: Iterator[dict[str, str]]) -> Iterator[str]:
    """One JSON document, a person a line, written as they come."""
    before = "["
    for row in rows:
        yield f"{before}\n{json.dumps(row, ensure_ascii=False)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


@app.command("show")
def show_person(context: typer.Context, email: Address, as_json: Json = False) -> None:
    """All that is kept about one person."""
    with runtime_of(context) as runtime:
        data, suppression = runtime.readers.show(email)
    if data is None and suppression is None:
        raise NotFoundError(f"nobody here has the address {email!r}")
    if as_json:
        print_json({"data": data, "suppression": suppression})
        return
    held = f"{suppression.reason}, since {shown(suppression.since)} UTC" if suppression else "no"
    print_facts({"address": email, "suppressed": held})
    if data is not None:
        _print_person(data)


def _print_person(data: PersonalData) -> None:
    print_facts({"name": data.person.subscriber.name, "known since (UTC)": data.person.since})
    print_table(
        ("newsletter", "state", "since (UTC)", "chose"),
        ((item.newsletter_id, item.state, item.changed_at, _chosen(item)) for item in data.person.subscriptions),
    )
    print_table(
        ("consent", "newsletter", "when (UTC)", "through", "from"),
        ((item.act, item.newsletter_id, item.at, item.evidence.source, item.evidence.client) for item in data.consents),
    )
    print_table(
        ("issue", "state", "queued (UTC)", "settled (UTC)", "answer"),
        (
            (f"{item.newsletter_id} {item.number}", item.state, item.created_at, item.settled_at, item.reply)
            for item in data.deliveries
        ),
    )


def _chosen(item: Subscription) -> str:
    return ", ".join(f"{name}: {value}" for name, value in plain(item.choices).items() if value)


@app.command("suppress")
def suppress_address(
    context: typer.Context,
    email: Address,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record; without their name or address.")] = "",
    as_json: Json = False,
) -> None:
    """Send nothing to an address any more, whoever asks, until its reader confirms a subscription."""
    with runtime_of(context) as runtime:
        is_new, ended = runtime.readers.suppress(email, reason)
    if as_json:
        print_json({"email": email, "new": is_new, "ended": ended})
    else:
        stood = "" if is_new else " already"
        say(f"{email} is suppressed{stood}; {ended} subscriptions ended.")


@app.command("forget")
def forget_person(context: typer.Context, email: Address, as_json: Json = False) -> None:
    """Erase a person for good; only a keyed hash stays, which keeps their address out."""
    with runtime_of(context) as runtime:
        runtime.readers.forget(email)
    if as_json:
        print_json({"email": email, "forgotten": True})
    else:
        say(f"{email} is forgotten, and gets no mail unless its reader subscribes anew.")
