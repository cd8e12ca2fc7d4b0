"""A Runtime and its feeds.yaml: what it does with an edit, what it leaves alone, and who may work beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aggregator import wiring
from aggregator.errors import BusyError, ConfigError, Problem, StoreError, TemplateError
from aggregator.settings.loading import load_settings
from aggregator.settings.values import Settings
from aggregator.wiring import Runtime

DOCUMENT = """\
site: {{title: Wire, base_url: "http://wire.example"}}
feeds:
  - {{id: {feed}, name: Tank, url: "http://tank.example/{feed}"}}
newsletters:
  - {{id: weekly, title: W, schedule: "{schedule}", from: "Wire <wire@wire.example>"}}
"""


def settings_of(folder: Path, feed: str = "tank", schedule: str = "mon 07:30", file: str = "wire.db") -> Settings:
    path = folder / "feeds.yaml"
    path.write_text(DOCUMENT.format(feed=feed, schedule=schedule))
    environ = {"AGGREGATOR_DATABASE": f"sqlite:///{folder}/{file}", "AGGREGATOR_SECRET": "known to tests only"}
    return load_settings(path, environ)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(settings_of(tmp_path)) as runtime:
        runtime.prepare()
        yield runtime


def feeds(runtime: Runtime) -> list[str]:
    return [state.feed.id for state in runtime.feeds.states()]


def test_an_edit_is_followed_whole(tmp_path: Path, runtime: Runtime) -> None:
    runtime.change(settings_of(tmp_path, feed="other"))
    assert (feeds(runtime), list(runtime.plans.publish.feeds)) == (["other"], ["other"])
    assert runtime.tags.tagging().version == runtime.plans.tagging


def test_an_edit_that_the_database_does_not_take_changes_nothing_and_is_told(tmp_path: Path, runtime: Runtime) -> None:
    plans, settings = runtime.plans, runtime.settings
    runtime.database.close()
    runtime.stopping.set()  # in a hurry: it does not wait for the lock
    with closing(sqlite3.connect(tmp_path / "wire.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked") as caught:
            runtime.change(settings_of(tmp_path, feed="other"))
        other.execute("ROLLBACK")
    runtime.refuse(caught.value)
    assert (runtime.plans, runtime.settings, feeds(runtime)) == (plans, settings, ["tank"])
    (problem,) = runtime.health().problems
    assert problem.message.startswith("not applied: database: database is locked")
    runtime.change(settings_of(tmp_path, feed="other"))
    assert (feeds(runtime), runtime.health().problems) == (["other"], ())


FOUND = Problem(file="feeds.yaml", line=3, column=1, key="feads", message="unknown key")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError((FOUND,)), "unknown key"),
        (TemplateError("issue.html: unsound"), "not applied: issue.html: unsound"),
        (ZeroDivisionError("secret"), "not applied: a fault of ours (ZeroDivisionError)"),
    ],
)
def test_why_an_edit_is_refused_is_told_whatever_it_is(runtime: Runtime, error: Exception, message: str) -> None:
    runtime.refuse(error)
    assert [problem.message for problem in runtime.health().problems] == [message]


def test_an_edit_that_does_not_render_leaves_the_database_alone(
    tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsound(*arguments: object) -> None:
        raise TemplateError("issue.html: unsound")

    monkeypatch.setattr(wiring, "Plans", unsound)
    with pytest.raises(TemplateError):
        runtime.change(settings_of(tmp_path, feed="other"))
    assert feeds(runtime) == ["tank"]


def test_who_only_looks_leaves_the_database_alone_through_edits_too(tmp_path: Path, runtime: Runtime) -> None:
    with Runtime(settings_of(tmp_path, feed="draft")) as other:
        other.migrate()
        other.change(settings_of(tmp_path, feed="draft2"))
        assert [state.feed.id for state in other.feed_states()] == ["draft2"]
    assert feeds(runtime) == ["tank"]


def test_a_feed_with_another_address_than_the_one_that_is_followed_is_new(tmp_path: Path, runtime: Runtime) -> None:
    with runtime.database.write() as connection:
        connection.exec_driver_sql("UPDATE feeds SET status = 'ok'")
    assert [state.status for state in runtime.feed_states()] == ["ok"]
    settings_of(tmp_path)
    path = tmp_path / "feeds.yaml"
    path.write_text(path.read_text().replace("http://tank.example/tank", "http://tank.example/moved"))
    with Runtime(load_settings(path, {"AGGREGATOR_DATABASE": runtime.settings.database_url})) as other:
        assert [state.status for state in other.feed_states()] == ["new"]


def test_one_worker_per_database_and_two_for_two_in_one_folder(tmp_path: Path, runtime: Runtime) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "wire.db")
    with (
        runtime.exclusive(),
        Runtime(settings_of(tmp_path)) as same,
        Runtime(settings_of(tmp_path, file="link.db")) as linked,
        Runtime(settings_of(tmp_path, file="other.db")) as other,
    ):
        with pytest.raises(BusyError), same.exclusive():
            raise AssertionError
        with pytest.raises(BusyError), linked.exclusive():
            raise AssertionError
        with other.exclusive():
            pass
    with runtime.exclusive():
        pass


def test_a_lock_that_cannot_be_had_is_one_clear_error(tmp_path: Path, runtime: Runtime) -> None:
    (tmp_path / "wire.db.worker").mkdir()
    with pytest.raises(StoreError, match=r"cannot lock .*wire\.db\.worker.*writable"), runtime.exclusive():
        raise AssertionError


def test_who_needs_no_migration_takes_no_lock(tmp_path: Path, runtime: Runtime) -> None:
    with closing(sqlite3.connect(tmp_path / "wire.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert runtime.migrate() is False
        other.execute("ROLLBACK")
