"""How much of a document is taken, and the words for what is not."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from aggregator.model.poll import Cause

MAX_BODY = 10 * 1024 * 1024
MAX_ENTRIES = 500
SNIPPET = 80

Item = TypeVar("Item")


class NotAFeedError(Exception):
    """The document gives no feed; `cause` and `message` say why."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause, self.message = cause, message


def newest(items: Sequence[Item], dates: Sequence[datetime | None], limit: int) -> Sequence[Item]:
    """The newest `limit` items in their own order: by date where each has one, else the first ones.

    Publishers list the newest first; those who list the oldest first give dates.
    """
    known = [date for date in dates if date]
    if len(items) <= limit or len(known) < len(items):
        return items[:limit]
    ranked = sorted(range(len(items)), key=known.__getitem__, reverse=True)
    return [items[place] for place in sorted(ranked[:limit])]


def snippet(body: bytes) -> str:
    """The first characters of a document, on one line and between quotes."""
    return repr(" ".join(body[:400].decode("utf-8", "replace").split())[:SNIPPET])


def left_out(kept: int, dropped: int) -> tuple[str, ...]:
    """The warnings that the numbers of a document call for."""
    many = f"{dropped} entries were left out: only the newest {kept} of a document are read" if dropped else ""
    none = "" if kept else "the feed holds no entries"
    return tuple(filter(None, (many, none)))
