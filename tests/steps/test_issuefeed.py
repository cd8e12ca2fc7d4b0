"""A feed of Issues: read by feedparser as it was meant, the same bytes for the same Issues."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import feedparser
import pytest

from aggregator.model.newsletter import Issue, Rendering
from aggregator.steps.issuefeed import issue_feed
from tests.fakes import START
from tests.mail_fakes import SITE

HTML = '<!doctype html><html><head><title>x</title></head><body class="a"><h1>Énergie &amp; co</h1></body></html>'
ISSUE = Issue(
    newsletter_id="weekly",
    edition_id=1,
    number=7,
    created_at=START,
    rendering=Rendering(subject="The week: <Energy> & co", html=HTML, text=""),
    story_ids=(),
)
OLDER = replace(ISSUE, number=6, created_at=START - timedelta(days=7))


def feed(*issues: Issue) -> bytes:
    return issue_feed("weekly", "The week", "fr", [(issue, issue.rendering.html) for issue in issues], SITE)


def test_a_reader_sees_each_issue_with_its_page_and_its_letter() -> None:
    read = feedparser.parse(BytesIO(feed(ISSUE, OLDER)))
    assert not read.bozo
    assert (read.feed.title, read.feed.language, read.feed.authors) == ("The week", "fr", [{"name": "Think Tank Wire"}])
    assert [link.href for link in read.feed.links] == [
        "https://wire.example.org/newsletters/weekly.atom",
        "https://wire.example.org/newsletters/weekly",
    ]
    assert read.feed.updated == read.entries[0].published == f"{START:%Y-%m-%dT%H:%M:%SZ}"
    assert read.entries[0].title_detail.type == "text/plain"
    assert [entry.link for entry in read.entries] == [
        "https://wire.example.org/newsletters/weekly/7",
        "https://wire.example.org/newsletters/weekly/6",
    ]
    assert read.entries[0].content[0].value == "<h1>Énergie &amp; co</h1>"


def test_ids_are_of_the_newsletter_and_the_number_alone() -> None:
    ids = [entry.id for entry in feedparser.parse(BytesIO(feed(ISSUE, OLDER))).entries]
    moved = replace(SITE, base_url="https://other.example", title="Other")
    same = issue_feed("weekly", "Renamed", "en", [(replace(ISSUE, created_at=START + timedelta(1)), "x")], moved)
    assert feedparser.parse(BytesIO(same)).entries[0].id == ids[0]
    assert len(set(ids)) == 2


def test_the_bytes_are_the_same_for_the_same_issues_and_there_may_be_none() -> None:
    assert feed(ISSUE) == feed(ISSUE)
    assert feedparser.parse(BytesIO(feed())).feed.updated == "2000-01-01T00:00:00Z"


@pytest.mark.parametrize("text", ["a\x00b\x1b[31m", "]]></feed>", "\ud800x", "\u202egnp.exe", "\ufffe"])
def test_no_text_breaks_the_document(text: str) -> None:
    rendering = Rendering(subject=text, html=text, text="")
    read = feedparser.parse(BytesIO(feed(replace(ISSUE, rendering=rendering))))
    assert not read.bozo
    assert len(read.entries) == 1
