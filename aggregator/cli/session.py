"""From the command line to a Runtime: which configuration, and a database brought to this version."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

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


@contextmanager
def runtime_of(context: typer.Context) -> Iterator[Runtime]:
    """A Runtime on this command's configuration; the database is migrated and follows feeds.yaml."""
    with Runtime(settings_of(context)) as runtime:
        runtime.prepare()
        yield runtime
