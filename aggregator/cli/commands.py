"""The commands of `aggregator`, except those of one noun (`bounce_commands.py`, `feed_commands.py`, `mail_commands.py`,
`mailcheck_commands.py`, `people_commands.py`, `story_commands.py`) or with a file of its own (`explain_commands.py`,
`plan_commands.py`, `preview_commands.py`, `search_commands.py`)."""

from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from aggregator.adapters.shelf import Shelf
from aggregator.cli import (
    bounce_commands,
    draft_commands,
    explain_commands,
    feed_commands,
    mail_commands,
    mailcheck_commands,
    people_commands,
    plan_commands,
    search_commands,
    sending_commands,
    story_commands,
)
from aggregator.cli.output import Json, called, configure_logging, counting, errors, print_json, say
from aggregator.cli.session import live_runtime_of, runtime_of, settings_of
from aggregator.demo.script import run_demo
from aggregator.demo.summary import as_lines
from aggregator.model.poll import RefreshReport
from aggregator.plans import read_notices, read_templates
from aggregator.settings.advice import advice
from aggregator.web.export import export
from aggregator.web.serve import context_of, listen, serve, stop_on_signals
from aggregator.web.trial import try_pages
from aggregator.wiring import Runtime
from aggregator.worker import working

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Polls think-tank feeds, folds, tags and republishes them, and mails digests.",
)
app.command()(explain_commands.explain)
app.command()(search_commands.search)
app.command()(plan_commands.plan)
app.command()(plan_commands.retag)
app.add_typer(feed_commands.app, name="feeds", help="Look at feeds and at what they would give.")
app.add_typer(story_commands.app, name="stories", help="Join stories and take them apart, against every rule.")
app.command()(story_commands.refold)
mail_commands.newsletters.command()(draft_commands.draft)
mail_commands.newsletters.command()(draft_commands.approve)
for command in (
    sending_commands.pause,
    sending_commands.resume,
    sending_commands.holds,
    sending_commands.cancel,
    sending_commands.resend,
):
    mail_commands.newsletters.command()(command)
app.add_typer(mail_commands.newsletters, name="newsletters", help="Preview, compose and inspect newsletters.")
app.command("check-mail")(mailcheck_commands.check)
app.add_typer(mailcheck_commands.app, name="mail", help="Keys that sign letters, and what the DNS says of our mail.")
app.add_typer(bounce_commands.app, name="bounces", help="Mail that comes back: read it, look at it, undo it.")
app.add_typer(people_commands.app, name="subscribers", help="Who gets which newsletter, and who gets none.")

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)]


def _tell_version(wanted: bool) -> None:
    if wanted:
        say(f"aggregator {metadata.version('aggregator')}")
        raise typer.Exit


@app.callback()
def configure(
    context: typer.Context,
    config: Annotated[Path, typer.Option(envvar="AGGREGATOR_CONFIG", help="The file that names the feeds.")] = Path(
        "feeds.yaml"
    ),
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = config
    configure_logging()


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Print the summary and end.")] = False,
    port: Port = 8000,
    as_json: Json = False,
) -> None:
    """The whole main job, offline, on sample feeds over real loopback HTTP and SMTP."""
    listener = None if once else listen("127.0.0.1", port)
    errors.print("Polling sample feeds, one of them slow; this takes some seconds …", style="dim", highlight=False)
    taken = listener.getsockname()[1] if listener else None
    with run_demo(port=taken or port) as (runtime, summary):
        if as_json:
            print_json(summary)
        else:
            for line in as_lines(summary, port=taken, program=called()):
                say(line)
        if listener:
            serve(runtime, listener)


@app.command()
def run(context: typer.Context, host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Worker and web pages in one process: the way most people run it."""
    try_pages(settings_of(context).templates)
    with listen(host, port) as listener, live_runtime_of(context) as runtime:
        stop_on_signals(runtime)
        with working(runtime):
            serve(runtime, listener)


@app.command()
def web(context: typer.Context, host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Only the web pages and feeds."""
    try_pages(settings_of(context).templates)
    with listen(host, port) as listener, live_runtime_of(context) as runtime:
        serve(runtime, listener)


@app.command()
def worker(context: typer.Context) -> None:
    """Only the worker: polls, publishes, composes and delivers until it is told to stop."""
    with live_runtime_of(context) as runtime:
        stop_on_signals(runtime)
        with working(runtime):
            runtime.stopping.wait()


@app.command()
def poll(
    context: typer.Context,
    feeds: Annotated[
        list[str] | None, typer.Argument(metavar="FEED…", help="Ids of feeds; none: those due now.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every feed, due or not.")] = False,
    as_json: Json = False,
) -> None:
    """Poll what is due now (or the named feeds, or all) and publish what changed."""
    with runtime_of(context) as runtime, runtime.exclusive():
        runtime.follow()
        states = runtime.feeds_to_poll(feeds or (), everything=everything)
        with counting("Polling", len(states)) as count:

            def advance(report: RefreshReport) -> None:
                count(report.fetched + report.not_modified + report.failed)

            report = runtime.poll(states, progress=advance)
        runtime.publish()
    if as_json:
        print_json(report)
    else:
        for line in _poll_lines(report):
            say(line)
    if report.failed:
        raise typer.Exit(1)


def _poll_lines(report: RefreshReport) -> list[str]:
    if not report.feeds:
        return ["No feed is due. `aggregator poll --all` polls every feed now."]
    if report.offline:
        return [
            f"None of {report.feeds} feeds could be reached: is this machine online? None is blamed for it.",
            f"Next: `aggregator poll --all` once it is; a worker asks again by itself ({report.failures[0].next_try}).",
        ]
    failed = [f"  {item.feed_id}: {item.cause}: {item.message}; {item.next_try}" for item in report.failures]
    return [
        f"feeds {report.feeds}, fetched {report.fetched}, not modified {report.not_modified}, failed {report.failed}",
        f"entries new {report.entries_new}, changed {report.entries_changed}; stories new {report.stories_new}",
        *failed,
        "Next: `aggregator run` serves them, `aggregator publish DIR` writes them as files.",
    ]


@app.command()
def publish(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into; made if missing.")],
    force: Annotated[bool, typer.Option("--force", help="Write over files there that are not of ours.")] = False,
    as_json: Json = False,
) -> None:
    """Write channels and pages as static files for any web host."""
    try_pages(settings_of(context).templates)
    shelf = Shelf()
    with runtime_of(context) as runtime:
        runtime.publish(shelf)
        files = export(replace(context_of(runtime), publications=shelf), folder, force=force)
    if as_json:
        print_json({"folder": str(folder), "files": files})
    else:
        say(f"{files} files in {folder}. Point a web server at that folder.")


@app.command()
def check(context: typer.Context, as_json: Json = False) -> None:
    """Validate feeds.yaml and the templates, and say what has to change before mail goes out; writes nothing."""
    settings = settings_of(context)
    read_templates(settings)
    read_notices(settings)
    try_pages(settings.templates)
    counts = {
        "feeds": len(settings.feeds),
        "tags": len(settings.rules),
        "channels": len(settings.channels),
        "newsletters": len(settings.newsletters),
    }
    warnings = advice(settings)
    if as_json:
        print_json({"file": settings.config_path, **counts, "warnings": warnings})
    else:
        for warning in warnings:
            errors.print(f"warning: {warning}", style="yellow", markup=False, soft_wrap=True)
        say(f"{settings.config_path} is right: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
        say("Next: `aggregator poll` fetches the feeds, `aggregator run` keeps them fresh.")


@app.command()
def migrate(context: typer.Context, as_json: Json = False) -> None:
    """Bring the database to the schema of this version."""
    with Runtime(settings_of(context)) as runtime:
        migrated = runtime.migrate()
    if as_json:
        print_json({"migrated": migrated})
    else:
        say("The database was brought to this version." if migrated else "The database is up to date.")
