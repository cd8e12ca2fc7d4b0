"""`aggregator bounces`: mail that comes back, read, shown, and undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from aggregator.cli.output import Json, print_json, print_table, say
from aggregator.cli.session import runtime_of
from aggregator.model.bounce import BounceKind, BounceReport
from aggregator.returns import box_of

app = typer.Typer(no_args_is_help=True)

_SAID = {
    "hard": "hard",
    "soft": "soft",
    "complaints": "complaints",
    "unsubscribed": "unsubscribed",
    "answers": "automatic replies",
    "delivered": "delivered",
    "others": "other mail",
    "known": "known already",
    "strangers": "of no letter of ours",
}


@app.command()
def read(
    context: typer.Context,
    place: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|-|MAILDIR]", help="A mail, - for standard input, a Maildir; else as configured."),
    ] = None,
    recipient: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Whom the one mail went to, where no header says it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read mail that came back, and stop mail to who cannot get it; what cannot be read stays and is named."""
    with runtime_of(context) as runtime:
        report = runtime.returns.read(box_of(runtime.settings, place, recipient))
    if as_json:
        print_json(report)
    else:
        for line in _lines(report):
            say(line)
    if report.left:
        raise typer.Exit(1)


def _lines(report: BounceReport) -> Iterator[str]:
    counted = [f"{getattr(report, name)} {words}" for name, words in _SAID.items() if getattr(report, name)]
    yield (
        ", ".join(counted) or "Nothing to read."
        if not report.left
        else ", ".join([*counted, f"{len(report.left)} left"])
    )
    if report.disabled or report.suppressed:
        yield f"Mail stopped: {report.suppressed} addresses suppressed, {report.disabled} readers disabled."
        yield "Next: `aggregator bounces list` gives the reasons, `aggregator bounces undo ID` takes one back."
    for fault in report.faults:
        yield f"Held to be the relay's fault, and counted against nobody: {fault}"
    for key, reason in report.left:
        yield f"  {key}: {reason}"


@app.command("list")
def list_bounces(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, the latest first.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """The latest bounces, with their reasons, and whether they count against the reader."""
    with runtime_of(context) as runtime:
        found = runtime.returns.latest(limit)
    rows: list[dict[str, object]] = [
        {
            "id": bounce.id,
            "email": bounce.email,
            "received_at": bounce.received_at,
            "kind": bounce.kind.value,
            "status": bounce.status,
            "counts": bounce.scored,
            "reason": bounce.reason,
        }
        for bounce in found
    ]
    if as_json:
        print_json(rows)
        return
    headings = ("id", "address", "came (UTC)", "kind", "status", "counts", "reason")
    print_table(headings, ((*row.values(),) for row in _shown(rows)))


def _shown(rows: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    for row in rows:
        counts = "ends all mail" if row["kind"] == BounceKind.COMPLAINT else "yes" if row["counts"] else "no"
        yield row | {"counts": counts}


@app.command()
def undo(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="The bounce's id, as in `bounces list`.")],
    as_json: Json = False,
) -> None:
    """Let one bounce not count, and its reader have mail again."""
    with runtime_of(context) as runtime:
        bounce, enabled = runtime.returns.undo(number)
    if as_json:
        print_json({"id": bounce.id, "email": bounce.email, "enabled": enabled})
    elif enabled:
        say(f"{bounce.email} has mail again from the next issue on; bounce {bounce.id} does not count.")
    else:
        say(f"Bounce {bounce.id} does not count; mail to {bounce.email} was not stopped by bounces.")
