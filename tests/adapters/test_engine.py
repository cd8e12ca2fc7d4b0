"""Locks, full disks, strangers' files and newer schemas: one clear error, nothing written."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.schema import facts, metadata
from aggregator.errors import ConfigError, ConflictError, StoreError


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/wire.db"


def test_migrating_gives_the_schema_of_the_code_and_is_idempotent(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    assert migrate(database) is True
    assert migrate(database) is False
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"include_name": _is_ours}), metadata) == []
    database.close()


def _is_ours(name: str | None, kind: str, parents: object) -> bool:
    """The search index is each database's own, with tables behind it that SQLite makes."""
    return not (kind == "table" and str(name).startswith("story_words"))


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


def test_who_is_in_a_hurry_does_not_wait_for_the_lock(tmp_path: Path) -> None:
    hurry = threading.Event()
    database = open_database(url(tmp_path), hurried=hurry.is_set)
    migrate(database)
    with sqlite3.connect(tmp_path / "wire.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        told: list[str] = []

        def write() -> None:
            try:
                with database.write():
                    told.append("written")
            except StoreError as error:
                told.append(str(error))

        waiting = threading.Thread(target=write)
        waiting.start()
        waiting.join(timeout=2)
        assert waiting.is_alive()
        hurry.set()
        waiting.join(timeout=10)
        assert "locked" in told[0]
    other.close()
    with database.write() as connection:
        assert connection.scalar(text("PRAGMA busy_timeout")) == 60_000
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


def test_a_file_size_limit_stops_writing_and_pages_go_on(tmp_path: Path) -> None:
    """The limit is the process's own, so the writer is another process; SIGXFSZ ignored, a write fails with EFBIG."""
    database = open_database(url(tmp_path))
    migrate(database)
    program = """
import resource, signal, sys
from sqlalchemy import insert
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.schema import facts
from aggregator.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = open_database(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    with database.write() as connection:
        connection.execute(insert(facts), [{"name": str(n), "value": "x" * 40_000} for n in range(100)])
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with database.write() as connection:
    connection.execute(insert(facts).values(name="room", value="again"))
database.close()
"""
    done = subprocess.run([sys.executable, "-c", program, url(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing was written and the work resumes by itself" in done.stdout
    with database.read() as connection:
        assert connection.execute(select(facts.c.name)).scalars().all() == ["room"]
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    database.close()


def test_a_damaged_page_is_told_and_not_repaired(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    migrate(database)
    with database.write() as connection:
        connection.execute(insert(facts), [{"name": str(n), "value": "x" * 4000} for n in range(50)])
        root = connection.scalar(text("SELECT rootpage FROM sqlite_schema WHERE name = 'facts'"))
        size = connection.scalar(text("PRAGMA page_size"))
    database.close()
    file = tmp_path / "wire.db"
    whole = file.read_bytes()
    damaged = whole[: (root - 1) * size] + b"\xff" * size + whole[root * size :]
    file.write_bytes(damaged)
    database = open_database(url(tmp_path))
    with pytest.raises(StoreError, match="malformed; restore a backup"), database.read() as connection:
        connection.execute(select(facts)).all()
    database.close()
    assert file.read_bytes() == damaged


def test_a_database_that_may_not_be_written_is_told_and_can_be_read(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    migrate(database)
    with database.write() as connection:
        connection.execute(text("PRAGMA query_only = 1"))  # file modes do not stop root
    with pytest.raises(StoreError, match="readonly database; make the file"), database.write() as connection:
        connection.execute(insert(facts).values(name="a", value="b"))
    with database.read() as connection:
        assert connection.execute(select(facts)).all() == []
    database.close()


def test_a_row_that_the_tables_refuse_is_told_apart_from_a_database_that_does_not_work(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    migrate(database)
    with (
        pytest.raises(ConflictError, match="UNIQUE constraint failed"),
        database.write() as connection,
    ):
        connection.execute(insert(facts), [{"name": "same", "value": "x"}] * 2)
    with database.read() as connection:
        assert connection.execute(select(facts)).all() == []
    database.close()


def test_writers_that_wait_keep_no_reader_waiting(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    migrate(database)
    other = sqlite3.connect(tmp_path / "wire.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting, written = threading.Semaphore(0), []

    def write(number: int) -> None:
        waiting.release()
        with database.write() as connection:
            connection.execute(insert(facts).values(name=str(number), value="x"))
            written.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for _ in threads:
        waiting.acquire()
    with (
        database.read() as connection
    ):  # as many writers wait as a pool of SQLAlchemy's usual size has places, and more
        assert connection.execute(select(facts)).all() == []
    other.execute("COMMIT")
    other.close()
    for thread in threads:
        thread.join()
    assert sorted(written) == list(range(20))
    database.close()


def test_a_sqlite_without_its_search_module_is_told(tmp_path: Path) -> None:
    database = open_database(url(tmp_path))
    with pytest.raises(StoreError, match="built without FTS5"), database.write() as connection:
        connection.execute(text("CREATE VIRTUAL TABLE words USING fts0(title)"))
    database.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "wire.db").write_bytes(b"not a database, only words" * 100)
    with pytest.raises(ConfigError, match=r"/wire\.db: is not an SQLite database; name another file"):
        open_database(url(tmp_path))
    assert (tmp_path / "wire.db").read_bytes().startswith(b"not a database")


def test_an_empty_file_is_made_a_database(tmp_path: Path) -> None:
    (tmp_path / "wire.db").touch()
    database = open_database(url(tmp_path))
    assert migrate(database)
    database.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the database folder"):
        open_database(f"sqlite:///{tmp_path}/file/sub/wire.db")
