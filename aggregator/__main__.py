"""`aggregator` on the command line: errors become one clear message and an exit code (`errors.py`)."""

import os
import sys

from aggregator.adapters.garbage import look_seldom
from aggregator.cli.commands import app
from aggregator.cli.output import errors
from aggregator.errors import AggregatorError, ConfigError, TemplateError, UsageError


def main() -> None:
    """Run the command named by `sys.argv`; exits 0, 1 (it failed) or 2 (usage or configuration)."""
    look_seldom()
    try:
        _run()
    except (ConfigError, UsageError, TemplateError) as error:
        _end(str(error), code=2)
    except AggregatorError as error:
        _end(str(error), code=1)
    except OSError as error:
        if _stdout_is_sound():
            raise
        _end(f"cannot write the result: {error.strerror or error}", code=1)


def _run() -> None:
    """The command, and all it said written: at the interpreter's own end it would be too late to speak of a fault."""
    try:
        app()
    except SystemExit:
        sys.stdout.flush()
        raise


def _end(message: str, *, code: int) -> None:
    errors.print(message, style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def _stdout_is_sound() -> bool:
    """Whether it takes another line; if not, what it still holds is given up."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


if __name__ == "__main__":
    main()
