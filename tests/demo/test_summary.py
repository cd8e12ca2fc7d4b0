"""The summary people read: what differs with the way the demo was started."""

from datetime import UTC, datetime

import pytest

from aggregator.demo.summary import (
    Appearance,
    ComposedIssue,
    DemoSummary,
    Fold,
    FoldedStory,
    Letter,
    Poll,
    PolledFeed,
    PublishedFeed,
    as_lines,
)
from aggregator.model.delivery import DeliveryState
from aggregator.model.entry import Tag
from aggregator.model.poll import Cause, FailedFeed, RefreshReport

PROGRAM = ".venv/bin/aggregator"
FAILURE = FailedFeed(
    feed_id="gulf-review",
    cause=Cause.STATUS,
    message="HTTP 503",
    next_check_at=datetime(2026, 11, 24, 10, 5, tzinfo=UTC),
)
REPORT = RefreshReport(feeds=2, fetched=1, failed=1, entries_new=7, failures=(FAILURE,))
POLL = Poll(report=REPORT, answers={200: 1, 503: 1})
LETTER = Letter(recipient="noor@newsroom.example", file="/tmp/demo/01.eml", octets=41_000)
SUMMARY = DemoSummary(
    feeds=(
        PolledFeed(
            id="gulf-review",
            name="Lantern Gulf Review",
            language="en",
            entries=0,
            error="status: HTTP 503",
        ),
    ),
    first_poll=POLL,
    second_poll=POLL,
    entries=7,
    stories=6,
    folded=(
        FoldedStory(
            id="s",
            entries=tuple(
                Appearance(publisher=name, title="A treaty " * 20, url=None, joined_by=None) for name in ("One", "Two")
            ),
            folds=(
                Fold(rule="same-address", translation=False, evidence="both have this address"),
                Fold(rule="translation", translation=True, evidence="en and fr, names and figures 0.42 " * 9),
            ),
            tags=(
                Tag(name="type:external-publication", origin="rule", rule="treaty OR " * 20),
                Tag(name="category:asia", origin="category", label="Asia"),
                Tag(name="publisher:one", origin="feed"),
                Tag(name="topic:trade", origin="category-map", matched="Commerce"),
                Tag(name="country:jp", origin="gazetteer", field="title", matched="tokyo", rule="tokyo 2"),
                Tag(name="type:note", origin="taxonomy", field="url", matched="notes"),
                Tag(name="region:asia", origin="gazetteer", rule="country:jp lies in it"),
                Tag(name="topic:own", origin="person"),
                Tag(name="mentions:pe", origin="gazetteer"),
            ),
        ),
    ),
    published=(PublishedFeed(path="feed.atom", entries=6, octets=9000),),
    republished=0,
    issue=ComposedIssue(newsletter="Weekly", number=1, subject="Weekly: a treaty", stories=6, path="/newsletters/w/1"),
    deliveries={DeliveryState.ACCEPTED: 1},
    letters=(LETTER,),
    starter_config="/opt/feeds.yaml",
)


def test_a_failed_feed_is_shown_with_its_cause_and_its_next_try() -> None:
    lines = [" ".join(line.split()) for line in as_lines(SUMMARY, port=8000, program=PROGRAM)]
    where = lines.index("Lantern Gulf Review status: HTTP 503")
    assert lines[where + 1] == "next try 2026-11-24 10:05 UTC; the others go on without it"


def test_each_fold_says_by_which_rule_and_whether_it_is_a_translation() -> None:
    lines = [line.strip() for line in as_lines(SUMMARY, port=None, program=PROGRAM)]
    where = lines.index("One; also at Two")
    assert lines[where + 1] == "by the rule same-address: both have this address"
    assert lines[where + 2].startswith("a translation, by the rule translation: en and fr, names and figures 0.42")


def test_each_tag_says_where_it_comes_from() -> None:
    lines = [" ".join(line.split()) for line in as_lines(SUMMARY, port=None, program=PROGRAM)]
    assert "category:asia publisher's category: Asia" in lines
    assert "publisher:one its feed" in lines
    assert any(line.startswith("type:external-publication rule: treaty OR treaty") for line in lines)
    assert "topic:trade meant by the publisher's category “Commerce”" in lines
    assert "country:jp “tokyo” in its title; tokyo 2" in lines
    assert "type:note “notes” in its url" in lines
    assert "region:asia country:jp lies in it" in lines
    assert "topic:own person" in lines
    assert not any("mentions:pe" in line for line in lines)


@pytest.mark.parametrize("port", [None, 8000])
def test_lines_fit_a_terminal_whatever_the_titles(port: int | None) -> None:
    assert max(map(len, as_lines(SUMMARY, port=port, program=PROGRAM))) <= 100


@pytest.mark.parametrize(
    ("port", "shown", "hidden"),
    [
        (None, "without --once", LETTER.file),
        (8123, "http://127.0.0.1:8123/ ", "--once"),
        (8123, "http://127.0.0.1:8123/newsletters/w/1", "--once"),
        (8123, LETTER.file, "--once"),
    ],
)
def test_the_next_steps_are_possible(port: int | None, shown: str, hidden: str) -> None:
    text = "\n".join(as_lines(SUMMARY, port=port, program=PROGRAM))
    assert shown in text
    assert hidden not in text
    assert "cp /opt/feeds.yaml my-feeds.yaml" in text
    assert f" {PROGRAM} --config my-feeds.yaml run" in text
    assert " aggregator" not in text
