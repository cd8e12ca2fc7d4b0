"""Locks, full disks, strangers' files and newer schemas: one clear error, nothing written."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.schema import facts, metadata
from aggregator.errors import StoreError


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/wire.db"


def test_migrating_gives_the_schema_of_the_code_and_is_idempotent(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    assert migrate(database) is True
    assert migrate(database) is False
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    migrate(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"9999 is of a newer version.*install that version"):
        migrate(database)
    database.close()


def test_the_ledger_is_synchronous_and_the_rest_is_not(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    with database.write() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 1
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    with database.write_ledger() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2
    database.close()


def test_a_lock_held_elsewhere_is_one_clear_error_and_reading_goes_on(tmp_path: Path) -> None:
    database = open_database(url(tmp_path), busy_timeout=0)
    migrate(database)
    other = sqlite3.connect(tmp_path / "wire.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked; another process holds it"), database.write():
        raise AssertionError("the write must not begin")
    with database.read() as connection:
        assert connection.execute(select(facts)).all() == []
    other.execute("ROLLBACK")
    other.close()
    database.close()


def test_a_full_disk_writes_nothing_and_work_resumes(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    migrate(database)
    with database.write() as connection:
        pages = connection.scalar(text("PRAGMA page_count"))
        connection.execute(text(f"PRAGMA max_page_count = {pages + 1}"))
    with pytest.raises(StoreError, match="full; make room"), database.write() as connection:
        connection.execute(insert(facts), [{"name": str(n), "value": "x" * 4000} for n in range(50)])
    with database.write() as connection:
        assert connection.execute(select(facts)).all() == []
        connection.execute(text("PRAGMA max_page_count = 100000"))
        connection.execute(insert(facts).values(name="room", value="again"))
    with database.read() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert len(connection.execute(select(facts)).all()) == 1
    database.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "wire.db").write_bytes(b"not a database, only words" * 100)
    database = open_database(url(tmp_path))
    with pytest.raises(StoreError, match="not a database; name another file"):
        migrate(database)
    database.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the database folder"):
        open_database(f"sqlite:///{tmp_path}/file/sub/wire.db")
