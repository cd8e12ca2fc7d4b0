"""Whether a worker lives is known of its name, by locks that the system or the server gives free when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.session_places import SessionPlaces
from aggregator.adapters.worker_lock import FilePlaces
from aggregator.errors import StoreError
from aggregator.mail_ports import Places
from tests.real_store import KINDS, database_of

SCRIPT = """
import sys
from pathlib import Path
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.session_places import SessionPlaces
from aggregator.adapters.worker_lock import FilePlaces
kind, where = sys.argv[1:]
places = FilePlaces(Path(where)) if kind == "sqlite" else SessionPlaces(open_database(where))
print(places.mine(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with database_of(request.param) as database:
        yield database


@pytest.fixture
def another(database: Database) -> Iterator[Callable[[], Places]]:
    """Places as a process of their own would have them."""
    made: list[Places] = []

    def make() -> Places:
        path = database.main.url.database
        assert path is not None
        made.append(FilePlaces(Path(path)) if database.dialect == "sqlite" else SessionPlaces(database))
        return made[-1]

    yield make
    for places in made:
        places.leave()


def process(database: Database) -> subprocess.Popen[str]:
    url = database.main.url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql")
    where = database.main.url.database if database.dialect == "sqlite" else url
    command = [sys.executable, "-c", SCRIPT, database.dialect, str(where)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_each_has_a_name_of_its_own_for_as_long_as_it_stays(another: Callable[[], Places]) -> None:
    first, second = another(), another()
    name, other = first.mine(), second.mine()
    assert name != other
    assert (first.mine(), second.mine()) == (name, other)
    assert not any(places.is_gone(worker) for places in (first, second) for worker in (name, other))
    first.leave()
    assert second.is_gone(name)
    assert first.is_gone(name)
    assert first.mine() != name


def test_a_name_that_nobody_ever_had_is_gone(another: Callable[[], Places]) -> None:
    assert [another().is_gone(name) for name in ("0123456789abcdef", "../../etc/passwd", "")] == [True] * 3


def test_who_is_stopped_is_not_gone_and_who_is_killed_is(database: Database, another: Callable[[], Places]) -> None:
    places, victim = another(), process(database)
    assert victim.stdout is not None
    name = victim.stdout.readline().strip()
    try:
        victim.send_signal(signal.SIGSTOP)
        os.waitpid(victim.pid, os.WUNTRACED)
        assert not places.is_gone(name)
    finally:
        victim.kill()
        victim.communicate(timeout=30)
    for _ in range(100):  # a server notices the end of a session when it next looks
        if places.is_gone(name):
            break
    assert places.is_gone(name)


def test_the_file_of_who_is_gone_is_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "wire.db"
    gone = FilePlaces(file)
    name = gone.mine()
    left = tmp_path / f"wire.db.sender-{name}"
    assert left.exists()
    assert not FilePlaces(file).is_gone(name)
    assert left.exists()
    gone.leave()
    left.touch()
    assert FilePlaces(file).is_gone(name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StoreError, match=r"cannot lock .*wire\.db\.sender-.*writable"):
        FilePlaces(tmp_path / "a file" / "wire.db").mine()


def test_a_session_that_was_lost_means_another_name() -> None:
    """What was claimed in the old one is whoever comes next to name, and what is claimed now is not in doubt."""
    with database_of("postgresql") as database:
        places = SessionPlaces(database)
        name = places.mine()
        mine = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database "
        mine += "WHERE datname = current_database())"
        with database.write() as connection:
            pids = set(connection.execute(text(mine)).scalars())
            own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            for pid in pids - {own}:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        again = places.mine()
        assert again != name
        assert SessionPlaces(database).is_gone(name)
        assert not SessionPlaces(database).is_gone(again)
        places.leave()


def test_a_server_that_is_away_is_named() -> None:
    with database_of("postgresql") as database:
        away = open_database("postgresql://nobody@127.0.0.1:1/none")
        places = SessionPlaces(away)
        for act in (places.mine, lambda: places.is_gone("0123456789abcdef")):
            with pytest.raises(StoreError, match="cannot see which workers live"):
                act()
        away.close()
        with suppress(StoreError):
            places.leave()
        assert database.dialect == "postgresql"
