"""Picks up edits of feeds.yaml while the process runs; an edit that does not load changes nothing.

The folder is watched, not the file: editors and deployments replace files, and a replaced file is
another one to the kernel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import structlog
from watchfiles import watch

from aggregator.errors import AggregatorError, ConfigError, StoreError
from aggregator.settings.values import Settings

QUIET_MS = 300
"""An edit is read when nothing more has been written for this long, so that no half-written file is."""
LOOK_EVERY_MS = 500
"""The file's stamp is looked at this often too: shared folders and swapped links tell the kernel nothing."""
TRY_AGAIN_SECONDS = 10
"""An edit that the database did not take is handed on again this much later."""
log = structlog.get_logger()

Stamp = tuple[int, int, int] | None
"""What tells one state of a file from another; None: there is none."""


def stamp_of(path: Path) -> Stamp:
    """The state of the file now; taken before it is read, it tells every edit that came after."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class ConfigWatcher:
    """A thread that loads the file anew after each edit and hands on what came of it; runs until `stop`.

    `seen` is the file's stamp from before it was last loaded. A change that is refused, for whatever reason, is told
    to `on_error`; one that the database did not take is tried again.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[], Settings],
        on_change: Callable[[Settings], None],
        on_error: Callable[[Exception], None],
        *,
        seen: Stamp,
    ) -> None:
        self._path = path.absolute()
        self._load, self._on_change, self._on_error = load, on_change, on_error
        self._stamp = seen
        self._again_at: float | None = None
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
        stamp = stamp_of(self._path)
        if stamp == self._stamp and (self._again_at is None or monotonic() < self._again_at):
            return
        self._stamp, self._again_at = stamp, None
        file = str(self._path)
        try:
            self._on_change(self._load())
            log.info("config.changed", file=file)
        except ConfigError as error:
            log.error("config.refused", file=file, problems=[str(problem) for problem in error.problems])
            self._on_error(error)
        except StoreError as error:
            log.error("config.not_applied_yet", file=file, error=str(error))
            self._on_error(error)
            self._again_at = monotonic() + TRY_AGAIN_SECONDS
        except AggregatorError as error:
            log.error("config.refused", file=file, problems=[str(error)])
            self._on_error(error)
        except Exception as error:  # whoever takes the change must not end the watch over it
            log.exception("config.not_applied", file=file)
            self._on_error(error)
