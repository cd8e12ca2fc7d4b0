"""`aggregator` on the command line: errors become one clear message and an exit code (`errors.py`)."""

import sys

from aggregator.cli.commands import app
from aggregator.cli.output import errors
from aggregator.errors import AggregatorError, ConfigError, TemplateError, UsageError


def main() -> None:
    """Run the command named by `sys.argv`; exits 0, 1 (it failed) or 2 (usage or configuration)."""
    try:
        app()
    except (ConfigError, UsageError, TemplateError) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except AggregatorError as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
