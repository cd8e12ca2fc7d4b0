"""How letters are handed over, as feeds.yaml says it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregator.errors import ConfigError
from aggregator.model.pace import Rate, WarmUp
from aggregator.settings.loading import load_settings
from aggregator.settings.values import Mail

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SITE = 'site: {title: Wire, base_url: "https://wire.example", timezone: Europe/Paris}\n'


def mail(tmp_path: Path, text: str) -> Mail:
    path = tmp_path / "feeds.yaml"
    path.write_text(SITE + text, encoding="utf-8")
    return load_settings(path, {}).mail


def test_without_a_word_four_go_at_once_and_nothing_is_limited(tmp_path: Path) -> None:
    assert mail(tmp_path, "") == Mail(connections=4)


def test_all_that_can_be_said(tmp_path: Path) -> None:
    text = """mail:
  connections: 8
  rate: 600/h
  per_domain: {GMail.com: 100/m, "*": 20000/d}
  warm_up: {from: 2026-12-01, start: 200, doubling: 2d}
  bounce_domain: Bounces.example.org
"""
    assert mail(tmp_path, text) == Mail(
        connections=8,
        rate=Rate(letters=600, span=HOUR),
        domains={"gmail.com": Rate(letters=100, span=timedelta(minutes=1))},
        other_domains=Rate(letters=20_000, span=DAY),
        warm_up=WarmUp(begins=datetime(2026, 11, 30, 23, tzinfo=UTC), letters=200, doubling=2 * DAY),
        bounce_domain="bounces.example.org",
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("connections: 0", "connections"),
        ("rate: 600", "must be a rate such as 5/s, 600/h, 20000/d, not 600"),
        ("rate: 0/h", "must be a rate such as"),
        ("rate: 6/w", "must be a rate such as"),
        ("per_domain: {localhost: 5/h}", "'localhost' is not a domain such as example.org"),
        ("per_domain: {gmail.com: fast}", "must be a rate such as"),
        ("warm_up: {from: soon, start: 5}", "'soon' is not a date such as 2026-12-01"),
        ("warm_up: {from: 2026-12-01}", "start"),
        ("warm_up: {from: 2026-12-01, start: 200/d}", "start"),
        ("bounce_domain: a@b.example", "is not a domain"),
        ("speed: 5", "speed"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        mail(tmp_path, f"mail:\n  {line}\n")
    (problem,) = caught.value.problems
    assert problem.line == 3
    assert words in str(problem)
