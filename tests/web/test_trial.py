"""A fault in a template of ours is found at start, with its file and line."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aggregator.cli import commands
from aggregator.errors import TemplateError
from aggregator.settings.loading import find_shipped
from aggregator.web.trial import PAGES, try_pages


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A copy of the templates for pages, in a folder of one's own."""
    copy = tmp_path / "templates"
    shutil.copytree(find_shipped("templates"), copy)
    return copy / "web"


def test_the_shipped_templates_are_all_tried_and_sound(templates: Path) -> None:
    try_pages(None)
    parts = {"base.html", "_fields.html", "_stories.html"}
    assert {file.name for file in templates.glob("*.html")} == {name for name, _ in PAGES} | parts


@pytest.mark.parametrize(
    ("file", "old", "new", "cause"),
    [
        ("front.html", "</aside>", "</aside>{% if %}", "Expected an expression, got 'end of statement block'"),
        ("front.html", "<aside", "{{ pgae }}<aside", "'pgae' is not a name that templates are given"),
        ("front.html", "<aside", "{{ story }}<aside", "'story' is undefined"),
        ("story.html", "{{ head.doi }}", "{{ head.dio }}", "'Entry object' has no attribute 'dio'"),
        ("story.html", "{{ head.doi }}", "{{ head.doi | sfae }}", "No filter named 'sfae'"),
        ("story.html", "{{ head.doi }}", "{{ head.doi | safe }}", "No filter named 'safe'"),
        (
            "_stories.html",
            "{{ excerpt }}",
            "{{ site.excerpt }}",
            "'aggregator.web.view.SiteView object' has no attribut",
        ),
        ("feeds.html", '{% set here = "Feeds" %}', '{% include "foot.html" %}', "there is no template 'foot.html'"),
        ("newsletters.html", "{{ letter | rhythm }}", "{{ letter.frequency }}", "'Newsletter object' has no attribute"),
    ],
)
def test_a_fault_is_refused_with_file_and_line(templates: Path, file: str, old: str, new: str, cause: str) -> None:
    source = (templates / file).read_text(encoding="utf-8")
    assert old in source
    (templates / file).write_text(source.replace(old, new, 1), encoding="utf-8")
    line = source[: source.index(old)].count("\n") + 1
    with pytest.raises(TemplateError) as refusal:
        try_pages(str(templates.parent))
    found_cause = str(refusal.value).replace("aggregator.model.entry.", "").replace("aggregator.model.newsletter.", "")
    assert found_cause.startswith(f"{file}:{line}: {cause}")


@pytest.mark.parametrize("command", [["check"], ["run", "--port", "0"], ["web", "--port", "0"], ["publish", "site"]])
def test_commands_that_show_pages_try_them_first(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (templates / "front.html").write_text("{% if %}", encoding="utf-8")
    (tmp_path / "feeds.yaml").write_text(
        "site: {title: Wire, base_url: http://localhost:8000}\nfeeds: [{id: a, url: https://a.example/rss, name: A}]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGGREGATOR_TEMPLATES", str(templates.parent))
    monkeypatch.setattr(commands, "configure_logging", lambda: None)  # it would outlive this test
    result = CliRunner().invoke(commands.app, command)
    assert isinstance(result.exception, TemplateError)
    assert str(result.exception).startswith("front.html:1: ")
    assert not (tmp_path / "data").exists()
