"""Bringing a database to the schema of this version, step by step, inside one transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from aggregator.adapters.store.engine import Database
from aggregator.errors import StoreError


def migrate(database: Database) -> bool:
    """Apply what is missing; True when anything was. Raises StoreError for a database of a newer version."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    with database.write() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current == newest:
            return False
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise StoreError(
                f"database: its schema {current} is of a newer version of aggregator; install that version, "
                "or restore a backup made with this one"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True
