"""A text is never a formula in a spreadsheet, and comes back as it was."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.steps.sheets import csv_lines, defused, restored


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+33 1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", "'=1", "''=1"],
)
def test_what_could_be_a_formula_begins_with_a_mark(cell: str) -> None:
    assert defused(cell) == f"'{cell}"
    assert restored(defused(cell)) == cell


@pytest.mark.parametrize("cell", ["", "Ana", "a=1", "'Ana'", "O'Neill", "2026-03-01"])
def test_everything_else_stays_as_it_is(cell: str) -> None:
    assert (defused(cell), restored(cell)) == (cell, cell)


@given(st.text())
def test_any_cell_comes_back(cell: str) -> None:
    assert restored(defused(cell)) == cell
    assert defused(cell)[:1] not in tuple("=+-@\t\r＝＋－＠")


def test_lines_are_csv_as_rows_come() -> None:
    lines = csv_lines(("email", "name"), iter([("ana@example.org", 'Ana "A", Ruiz\nx'), ("b@example.org", "=1")]))
    assert next(lines) == "email,name\r\n"
    rows = list(csv.reader(io.StringIO("".join(lines), newline="")))
    assert rows == [["ana@example.org", 'Ana "A", Ruiz\nx'], ["b@example.org", "'=1"]]
