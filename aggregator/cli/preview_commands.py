"""`aggregator feeds preview`: what we would take from any address or file, entry by entry, and what is left out."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from aggregator.cli.output import plain, say, shown
from aggregator.cli.session import config_path, settings_of
from aggregator.errors import UsageError
from aggregator.looking import look_at
from aggregator.model.entry import Reading
from aggregator.model.feed import Validators
from aggregator.model.poll import Cause, Fetched, FetchFailed, FetchRequest, PollOutcome, Read
from aggregator.press.prose import cut
from aggregator.settings.values import Polling
from aggregator.steps.decide import left_out

LONGEST = 200
"""Characters of a text that are shown; `--json` has all of it."""


def preview(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="Addresses (http, https) or local files.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per source, each on a line.")] = False,
) -> None:
    """What we would take from any address or local file, entry by entry, and what is left out; stores nothing."""
    failed = False
    polling = settings_of(context).polling if config_path(context).exists() else Polling()
    requests = [_request(source, polling.max_body) for source in sources]
    for source, outcome in zip(sources, look_at(polling, requests), strict=True):
        failed |= not isinstance(outcome, Read)
        if as_json:
            typer.echo(_document(source, outcome))
        else:
            for line in _lines(source, outcome):
                say(line)
    if failed:
        raise typer.Exit(1)


def _request(source: str, max_body: int) -> FetchRequest | Fetched | FetchFailed:
    """An address to fetch, or a local file as if it had been fetched."""
    if source.startswith(("http://", "https://")):
        return FetchRequest(feed_id=source, url=source)
    if "://" in source:
        raise UsageError(f"{source}: only http:// and https:// can be fetched; name such an address or a local file")
    path = Path(source)
    try:
        if path.stat().st_size > max_body:
            return FetchFailed(feed_id=source, cause=Cause.TOO_BIG, message=f"the file is over {max_body:,} octets")
        body = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}; name an http(s) address or a file") from error
    if not body.strip():
        return FetchFailed(feed_id=source, cause=Cause.EMPTY, message="the file is empty")
    return Fetched(feed_id=source, url="", status=200, body=body, content_type=None, validators=Validators())


def _document(source: str, outcome: PollOutcome) -> str:
    """One line of JSON, as other programs read it."""
    facts = {"error": plain(outcome)}
    if isinstance(outcome, Read):
        facts, reasons = plain(outcome.reading.feed), left_out(outcome.reading)
        for place, entry in enumerate(facts["entries"]):
            entry["left_out"] = reasons.get(place)
    return json.dumps({"source": source} | facts, ensure_ascii=False)


def _lines(source: str, outcome: PollOutcome) -> Iterator[str]:
    match outcome:
        case Read():
            yield from _reading(source, outcome.reading)
        case FetchFailed():
            yield f"{source}: {outcome.cause}: {outcome.message}"
        case _:
            yield f"{source}: not modified"


def _reading(source: str, reading: Reading) -> Iterator[str]:
    feed, reasons = reading.feed, left_out(reading)
    gone = f", {len(reasons)} of them left out" if reasons else ""
    yield f"{source}: {feed.format}, {len(feed.entries)} items{gone}"
    yield from _facts(feed, leave=("format", "entries"))
    for place, entry in enumerate(feed.entries):
        yield ""
        yield f"item {place + 1}" + (f", left out: {reasons[place]}" if place in reasons else "")
        yield from _facts(entry)


def _facts(thing: object, *, leave: tuple[str, ...] = ()) -> Iterator[str]:
    """A labelled line for each thing that is known of it; of several links, authors or categories, one each."""
    for name, value in _fields(thing):
        if name not in leave:
            for item in value if isinstance(value, tuple) else (value,):
                yield f"  {name.replace('_', ' ')}: {_fact(item)}"


def _fact(value: object) -> str:
    if is_dataclass(value):
        return ", ".join(f"{name} {_fact(inner)}" for name, inner in _fields(value))
    if isinstance(value, datetime):
        return f"{shown(value)} UTC"
    text = " ".join(shown(value).split())
    return text if len(text) <= LONGEST else f"{cut(text, LONGEST)} ({len(text):,} characters)"


def _fields(thing: object) -> Iterator[tuple[str, object]]:
    """Fields that hold something."""
    for field in fields(thing):  # type: ignore[arg-type]
        if value := getattr(thing, field.name):
            yield field.name, value
