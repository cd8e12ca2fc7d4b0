"""Every error that may stop a command, in one tree.

    AggregatorError
    ├── ConfigError          feeds.yaml or the environment is wrong       exit 2
    ├── UsageError           a name or address on the command line        exit 2
    │   ├── NotFoundError    no such feed, story, newsletter, issue       exit 2, HTTP 404
    │   └── QueryError       text outside the query language, with place  exit 2, HTTP 400
    ├── StoreError           the database is locked, full, newer, broken  exit 1, HTTP 503
    │   └── ConflictError    its tables refuse a row: a fault of ours   exit 1, HTTP 503
    ├── BusyError            another worker holds the place               exit 1
    ├── OutputError          no room for a file, or a broken disk         exit 1
    ├── BoxError             a mailbox for bounces cannot be read         exit 1
    ├── ChildError           no process to read documents in              exit 1
    ├── TokenError           a signed token is forged or of another kind  HTTP 400
    └── TemplateError        a template does not render                   exit 2

Expected outcomes of polling and sending are values (see `model/`), never exceptions.
"""

import errno
from dataclasses import dataclass


class AggregatorError(Exception):
    """The root: `str(error)` is one line that names the input and the cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in a configuration file; `line` and `column` count from 1, 0 means the whole file.

    `excerpt`: lines that show a spot within a long value.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    excerpt: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(AggregatorError):
    """The configuration cannot be used; `problems` holds every fault found, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        shown = ((str(problem), *(f"    {line}" for line in problem.excerpt)) for problem in problems)
        super().__init__("\n".join(line for lines in shown for line in lines))
        self.problems = problems


class UsageError(AggregatorError):
    """The command or request names something that cannot be."""


class NotFoundError(UsageError):
    """Nothing is stored under that name."""


_WINDOW = 60
"""Characters that are shown on either side of a fault."""


class QueryError(UsageError):
    """The text is not a query; `position` counts characters from 0."""

    def __init__(self, message: str, *, text: str, position: int) -> None:
        super().__init__(f"{message} at character {position + 1} of {text!r}")
        self.message = message
        self.text = text
        self.position = position

    def lines(self) -> tuple[str, str]:
        """The text around the fault on one line, and a line with a caret under the place."""
        start = max(0, self.position - _WINDOW)
        text = "".join(" " if sign.isspace() else sign for sign in self.text[start : self.position + _WINDOW])
        return text, " " * (self.position - start) + "^"


class StoreError(AggregatorError):
    """The database could not do what was asked; nothing was written."""


class ConflictError(StoreError):
    """A rule of the tables stood against what was to be written: our fault, and that row's; nothing was written."""


class BusyError(AggregatorError):
    """Another process already does this work on the same database."""


class OutputError(AggregatorError):
    """A file could not be written, through no fault of its name."""


_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def unwritable(place: object, error: OSError) -> UsageError | OutputError:
    """What to raise when writing to a place named by a person failed: its fault, or that of the disk."""
    message = f"cannot write to {error.filename or place}: {error.strerror or error}"
    if error.errno in _OF_THE_DISK:
        return OutputError(f"{message}; what is there already is whole: make room, then run the command again")
    return UsageError(f"{message}; name a folder that this user may write to")


class BoxError(AggregatorError):
    """The mailbox for bounces cannot be opened or read; what was read of it so far is stored."""


class ChildError(AggregatorError):
    """A process of ours does not start: limits of this machine, or a broken installation."""


class TokenError(AggregatorError):
    """A token was not made by us, or was made for another purpose."""


class TemplateError(AggregatorError):
    """A template is missing, unsound, or uses a name it is not given."""
