"""Edits of a real file, picked up while a thread watches."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from aggregator.adapters import config_watch
from aggregator.adapters.config_watch import ConfigWatcher, stamp_of
from aggregator.errors import ConfigError, StoreError, TemplateError
from aggregator.settings.loading import load_settings
from aggregator.settings.values import Settings

GOOD = "site: {{title: {title}, base_url: 'https://x.example.org'}}\nfeeds:\n"


class Heard:
    """What the watcher told, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.news: list[str] = []
        self.fails: Exception | None = None
        self._more = threading.Condition()

    def change(self, settings: Settings) -> None:
        self.tell(settings.site.title)
        if self.fails:
            raise self.fails

    def error(self, error: Exception) -> None:
        self.tell(error.problems[0].message if isinstance(error, ConfigError) else str(error))

    def tell(self, what: str) -> None:
        with self._more:
            self.news.append(what)
            self._more.notify_all()

    def wait_for(self, done: Callable[[list[str]], bool]) -> list[str]:
        with self._more:
            assert self._more.wait_for(lambda: done(self.news), timeout=10), self.news
            return list(self.news)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "feeds.yaml"
    path.write_text(GOOD.format(title="One"))
    return path


def watching(path: Path, heard: Heard) -> ConfigWatcher:
    return ConfigWatcher(path, lambda: load_settings(path, {}), heard.change, heard.error, seen=stamp_of(path))


@pytest.fixture
def heard(config: Path) -> Iterator[Heard]:
    heard = Heard()
    watcher = watching(config, heard)
    watcher.start()
    yield heard
    begun = monotonic()
    watcher.stop()
    assert monotonic() - begun < 1


def replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.swp")
    fresh.write_text(text)
    os.replace(fresh, path)


def test_a_good_edit_is_handed_on_and_a_bad_one_reported(config: Path, heard: Heard) -> None:
    config.write_text(GOOD.format(title="Two"))
    heard.wait_for(lambda news: news == ["Two"])
    config.write_text(GOOD.format(title="Three") + "nonsense: 1\n")
    heard.wait_for(lambda news: len(news) == 2 and "unknown key" in news[1])
    replace(config, GOOD.format(title="Four"))
    heard.wait_for(lambda news: news[2:] == ["Four"])
    replace(config, GOOD.format(title="Five"))
    heard.wait_for(lambda news: news[3:] == ["Five"])


def test_a_file_written_in_pieces_is_read_once(config: Path, heard: Heard) -> None:
    text = GOOD.format(title="Pieces")
    with config.open("w") as file:
        for character in text:
            file.write(character)
            file.flush()
    assert heard.wait_for(lambda news: "Pieces" in news) == ["Pieces"]


def test_a_removed_file_is_an_error_until_it_is_back(config: Path, heard: Heard) -> None:
    config.unlink()
    heard.wait_for(lambda news: len(news) == 1 and "no such file" in news[0])
    config.write_text(GOOD.format(title="Back"))
    heard.wait_for(lambda news: news[1:] == ["Back"])


def test_a_swapped_link_is_noticed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "feeds.yaml").write_text(GOOD.format(title=name))
    folder = tmp_path / "live"
    folder.mkdir()
    path = folder / "feeds.yaml"
    path.symlink_to(tmp_path / "a" / "feeds.yaml")
    heard = Heard()
    watcher = watching(path, heard)
    watcher.start()
    (folder / "next").symlink_to(tmp_path / "b" / "feeds.yaml")
    os.replace(folder / "next", path)
    heard.wait_for(lambda news: news == ["b"])
    watcher.stop()


@pytest.mark.parametrize("error", [RuntimeError("of ours"), TemplateError("unsound")])
def test_a_change_that_cannot_be_applied_is_told_and_does_not_end_the_watch(
    config: Path, heard: Heard, error: Exception
) -> None:
    heard.fails = error
    config.write_text(GOOD.format(title="Two"))
    heard.wait_for(lambda news: news == ["Two", str(error)])
    heard.fails = None
    config.write_text(GOOD.format(title="Three"))
    heard.wait_for(lambda news: news[2:] == ["Three"])


def test_a_change_that_the_database_did_not_take_is_tried_again(
    config: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_watch, "TRY_AGAIN_SECONDS", 0)
    heard.fails = StoreError("database is locked")
    config.write_text(GOOD.format(title="Two"))
    heard.wait_for(lambda news: news[:4] == ["Two", "database is locked"] * 2)
    heard.fails = None
    heard.wait_for(lambda news: news[-1] == "Two")


def test_an_edit_from_before_the_watch_began_is_noticed(config: Path) -> None:
    heard, seen = Heard(), stamp_of(config)
    config.write_text(GOOD.format(title="Two"))
    watcher = ConfigWatcher(config, lambda: load_settings(config, {}), heard.change, heard.error, seen=seen)
    watcher.start()
    heard.wait_for(lambda news: news == ["Two"])
    watcher.stop()


def test_a_folder_that_is_not_there_is_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "later" / "feeds.yaml"
    heard = Heard()
    watcher = watching(path, heard)
    watcher.start()
    path.parent.mkdir()
    replace(path, GOOD.format(title="Late"))
    heard.wait_for(lambda news: news == ["Late"])
    watcher.stop()


def test_a_watch_that_never_started_stops(config: Path) -> None:
    heard = Heard()
    watching(config, heard).stop()
    assert heard.news == []
