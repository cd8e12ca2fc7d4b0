"""From the command line to a Runtime: which configuration, how far back, and a database brought to this version."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import typer

from aggregator.adapters.config_watch import ConfigWatcher, stamp_of
from aggregator.errors import UsageError
from aggregator.settings.loading import load_settings
from aggregator.settings.values import Settings
from aggregator.wiring import Runtime


def settings_of(context: typer.Context) -> Settings:
    """The configuration this command was given; raises ConfigError."""
    return load_settings(config_path(context), os.environ)


def config_path(context: typer.Context) -> Path:
    """The file given before the command (`--config`)."""
    path: Path = context.find_root().obj
    return path


def age_of(text: str) -> timedelta:
    """What is given after `--since`; raises UsageError."""
    found = re.fullmatch(r"(\d{1,4})([dw])", text.strip())
    if not found:
        raise UsageError(f"--since {text!r} is no age: write days or weeks, as 90d or 12w")
    return timedelta(days=int(found[1]) * (7 if found[2] == "w" else 1))


@contextmanager
def runtime_of(context: typer.Context) -> Iterator[Runtime]:
    """A Runtime on this command's configuration, with a database of this version that need not follow it."""
    with Runtime(settings_of(context)) as runtime:
        runtime.migrate()
        yield runtime


@contextmanager
def live_runtime_of(context: typer.Context) -> Iterator[Runtime]:
    """The same, which goes on with every edit of the file until the block ends.

    A bad one changes nothing and is told by log and `/healthz`.
    """
    path = config_path(context)
    seen = stamp_of(path)
    with runtime_of(context) as runtime:
        watcher = ConfigWatcher(path, lambda: settings_of(context), runtime.change, runtime.refuse, seen=seen)
        watcher.start()
        try:
            yield runtime
        finally:
            watcher.stop()
