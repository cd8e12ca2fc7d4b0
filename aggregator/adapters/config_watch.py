"""Picks up edits of feeds.yaml while the process runs; an edit that does not load changes nothing.

The folder is watched, not the file: editors and deployments replace files, and a replaced file is
another one to the kernel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from watchfiles import watch

from aggregator.errors import ConfigError
from aggregator.settings.values import Settings

QUIET_MS = 300
"""An edit is read when nothing more has been written for this long, so that no half-written file is."""
LOOK_EVERY_MS = 500
"""The file's stamp is looked at this often too: shared folders and swapped links tell the kernel nothing."""
log = structlog.get_logger()


class ConfigWatcher:
    """A thread that loads the file anew after each edit and hands on what came of it; runs until `stop`."""

    def __init__(
        self,
        path: Path,
        load: Callable[[], Settings],
        on_change: Callable[[Settings], None],
        on_error: Callable[[ConfigError], None],
    ) -> None:
        self._path = path.absolute()
        self._load, self._on_change, self._on_error = load, on_change, on_error
        self._stamp = self._look()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, within a second unless it is just handing on a change."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            for _ in watch(
                self._path.parent,
                watch_filter=lambda _, name: Path(name).name == self._path.name,
                debounce=2_000,
                step=QUIET_MS,
                rust_timeout=LOOK_EVERY_MS,
                yield_on_timeout=True,
                stop_event=self._stop,
                recursive=False,
                raise_interrupt=False,
            ):
                self._check()
        except OSError as error:  # no such folder any more, or the kernel's watches are used up: look by ourselves
            log.warning("config.unwatched", folder=str(self._path.parent), error=str(error))
            while not self._stop.wait(LOOK_EVERY_MS / 1000):
                self._check()

    def _check(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            settings = self._load()
            log.info("config.changed", file=str(self._path))
            self._on_change(settings)
        except ConfigError as error:
            log.error("config.refused", file=str(self._path), problems=[str(problem) for problem in error.problems])
            self._on_error(error)
        except Exception:  # whoever takes the change must not end the watch over it
            log.exception("config.not_applied", file=str(self._path))

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
