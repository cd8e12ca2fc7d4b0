"""A file that cannot be written: whose fault it is, and what to do."""

from __future__ import annotations

import errno
import os

import pytest

from aggregator.errors import OutputError, UsageError, unwritable


@pytest.mark.parametrize(
    ("number", "kind", "cure"),
    [
        (errno.ENOSPC, OutputError, "make room"),
        (errno.EDQUOT, OutputError, "make room"),
        (errno.EIO, OutputError, "make room"),
        (errno.EACCES, UsageError, "name a folder"),
        (errno.ENOTDIR, UsageError, "name a folder"),
    ],
)
def test_a_full_disk_is_no_wrong_use(number: int, kind: type[Exception], cure: str) -> None:
    words = os.strerror(number)
    named = unwritable("public", OSError(number, words, "public/index.html"))
    assert type(named) is kind
    assert str(named).startswith(f"cannot write to public/index.html: {words}; ")
    assert cure in str(named)
    assert str(unwritable("public", OSError(number, words))).startswith(f"cannot write to public: {words}; ")
