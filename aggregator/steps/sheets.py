"""Rows for spreadsheets: a text that would be a formula there is told from one, and read back as it was (CWE-1236).

export: subscribers > **rows** > bytes; import: lines > **cells** > subscribers
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
"""What a spreadsheet may run, with any marks that say it is text: the full-width forms count in some."""


def defused(cell: str) -> str:
    """The cell with `'` before it where a spreadsheet could take it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restored(cell: str) -> str:
    """What `defused` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a CSV file (RFC 4180), each with its end, as rows come."""
    yield _line(header)
    for row in rows:
        yield _line([defused(cell) for cell in row])


def _line(row: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue()
