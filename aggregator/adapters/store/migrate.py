"""Bringing a database to the schema of this version, step by step, inside one transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from aggregator.adapters.store.engine import Database
from aggregator.errors import StoreError


def migrate(database: Database) -> bool:
    """Apply what is missing; True when anything was. Raises StoreError for a database of a newer version."""
    config = config_on(None)
    with database.read() as connection:  # most have nothing to do, and need not wait for the lock of who writes
        if _is_current(connection, config):
            return False
    with database.write() as connection:
        if _is_current(connection, config):
            return False
        command.upgrade(config_on(connection), "head")
    return True


def demand_current(database: Database) -> None:
    """Change nothing; raises StoreError for a database of another version, older or newer."""
    with database.read() as connection:
        if not _is_current(connection, config_on(None)):
            raise StoreError("database: its schema is of an older version; run `aggregator migrate` first")


def _is_current(connection: Connection, config: Config) -> bool:
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"database: its schema {current} is of a newer version of aggregator; install that version, "
            "or restore a backup made with this one"
        )
    return current == scripts.get_current_head()


def config_on(connection: Connection | None) -> Config:
    """What Alembic needs to know of our steps, and on which connection to take them."""
    config = Config()
    config.attributes["connection"] = connection
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
