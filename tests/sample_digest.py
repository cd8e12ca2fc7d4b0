"""Digests for the tests of mail: a plain one of any size, and one with everything a reader may meet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from aggregator.model.channel import Site
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Correction, Digest, Newsletter, Section
from aggregator.model.parsed import Link, Person, SafeHtml
from aggregator.model.story import Story

NOW = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
SITE = Site(
    title="Think Tank Wire",
    base_url="https://wire.example.org",
    timezone="Europe/Paris",
    contact="desk@wire.example.org",
)
NEWSLETTER = Newsletter(
    id="weekly",
    title="The week in think tanks",
    schedule="mon 07:30",
    timezone="Europe/Paris",
    sender="Think Tank Wire <wire@example.org>",
    group_by="topic",
)
FEEDS = {
    feed.id: feed
    for feed in (
        Feed(id="north", url="https://north.example.net/rss.xml", name="Northern Institute", language="en"),
        Feed(id="sud", url="https://sud.example.com/flux", name="Observatoire du Sud", language="fr"),
        Feed(id="haus", url="https://haus.example.de/feed", name="Haus für Außenpolitik", language="de"),
    )
}


def entry(title: str, **fields: object) -> Entry:
    """An entry of the feed `north`, a day old, unless told otherwise."""
    slug = "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:60] or "paper"
    values: dict[str, object] = {
        "feed_id": "north",
        "keys": EntryKeys(identity=(), digest=b""),
        "title": title,
        "links": (Link(href=f"https://north.example.net/papers/{slug}"),),
        "summary": SafeHtml(f"<p>A short account of {escape(title)}.</p>"),
        "first_seen": NOW - timedelta(hours=1),
        "changed_at": NOW - timedelta(hours=1),
        "date": NOW - timedelta(days=1),
    }
    return Entry(**(values | fields))


def story(number: int, *entries: Entry) -> Story:
    """A Story of these entries, the number `number` in the order of arrival."""
    seen = entries[0].first_seen
    return Story(id=f"story-{number}", seq=number, first_seen=seen, updated=seen, entries=entries)


def digest_of(stories: Sequence[Story], **fields: object) -> Digest:
    """These Stories in one section without a heading, unless told otherwise."""
    values: dict[str, object] = {
        "sections": (Section(heading="", stories=tuple(stories)),) if stories else (),
    }
    return Digest(**(values | fields))


def plain_digest(count: int) -> Digest:
    """`count` Stories of the usual length, the newest first."""
    return digest_of(
        [
            story(
                count - number,
                entry(
                    f"Paper {number}: what the ministers agreed and what remains to be done next year",
                    date=NOW - timedelta(hours=number),
                    authors=(Person(name="Ada Moreau"),),
                    summary=SafeHtml(
                        f"<p>Finding {number} is new. {'The evidence comes from nine countries. ' * 9}</p>"
                    ),
                    tags=(Tag(name="type:report", origin="rule"), Tag(name="topic:trade", origin="rule")),
                ),
            )
            for number in range(count)
        ]
    )


def full_digest() -> Digest:
    """Two sections and an overflow, with everything a Story may have: also-at, authors, tags, scripts, gaps."""
    energy, report = Tag(name="topic:energy", origin="rule", label="Energy"), Tag(name="type:report", origin="rule")
    storage = story(
        9,
        entry(
            "Gas storage before the winter", authors=(Person(name="Ada Moreau"), Person(name="Jon Li")), tags=(report,)
        ),
        entry(
            "Le stockage de gaz avant l’hiver",
            feed_id="sud",
            links=(Link(href="https://sud.example.com/gaz?a=1&b=2"),),
            language="fr",
        ),
    )
    grid = story(8, entry("Netze & Speicher: <Ausbau> vor 2030", feed_id="haus", language="de", tags=(energy,)))
    untitled = story(7, entry("", summary=SafeHtml("<p>A note that its publisher gave no title.</p>")))
    arabic = story(6, entry("أمن الطاقة في الخليج", language="ar", summary=SafeHtml("")))
    homeless = story(5, entry("A paper without an address", links=()))
    brief = story(4, entry("A title for the overflow"))
    return Digest(
        sections=(
            Section(heading="Energy", stories=(storage, grid)),
            Section(heading="", stories=(untitled, arabic, homeless)),
        ),
        overflow=(brief,),
    )


NOTE = """Dear readers,

this week the ministers met in Tallinn; what they decided is at https://north.example.net/tallinn (with a map).
We have changed how the topics are sorted & hope you like it.
"""


def rich_digest() -> Digest:
    """An Issue of a busy day: an editor's choice, four sections, one story told by six houses, an overflow."""
    report, brief = Tag(name="type:report", origin="rule", label="Report"), Tag(name="type:policy-brief", origin="rule")
    japan = Tag(name="country:jp", origin="rule", label="Japan")
    houses = [
        entry("Gas storage", feed_id=f"house-{place}", links=(Link(href=f"https://house-{place}.example/gas"),))
        for place in range(4)
    ]
    gas = story(
        20,
        entry(
            "Gas storage before the winter: who pays for the last ten per cent?",
            authors=(Person(name="Ada Moreau"), Person(name="Jon Li")),
            tags=(report, Tag(name="topic:energy", origin="rule", label="Energy"), japan),
            summary=SafeHtml(
                "<p>Storage is full in eleven countries and half empty in four. The paper follows the money through "
                "three winters and finds that those who paid least were served first. It proposes a common fee.</p>"
            ),
        ),
        *houses,
        entry("Le gaz", feed_id="sud", links=(Link(href="https://sud.example.com/gaz?a=1&b=2"),), language="fr"),
    )
    arabic = story(
        19,
        entry(
            "أمن الطاقة في الخليج بعد قمة الرياض",
            language="ar",
            links=(Link(href="https://gulf.example.org/report/7"),),
            summary=SafeHtml(
                "<p>تبحث هذه الورقة في أسعار الغاز وفي أثرها على دول الخليج العربي خلال العام المقبل.</p>"
            ),
            tags=(brief,),
        ),
    )
    german = story(
        18,
        entry(
            "Netze & Speicher: <Ausbau> vor 2030",
            feed_id="haus",
            language="de",
            links=(Link(href="https://haus.example.de/netze"),),
            summary=SafeHtml("<p>Der Ausbau der Netze bleibt hinter dem Plan zurück. Drei Länder sind weiter.</p>"),
            tags=(report,),
        ),
    )
    trade = [
        story(
            10 + number,
            entry(
                f"Tariffs, part {number}: what a customs union of the willing would change for small exporters",
                tags=(Tag(name="type:commentary", origin="rule", label="Commentary"), japan),
            ),
        )
        for number in range(3)
    ]
    long = story(
        9, entry("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", language="de")
    )
    overflow = tuple(story(number, entry(f"A title for the overflow, number {number}")) for number in range(1, 6))
    return Digest(
        lead=(german,),
        sections=(
            Section(heading="Energy", tag="topic:energy", stories=(gas, arabic)),
            Section(heading="Trade and sanctions", tag="topic:trade", stories=tuple(trade)),
            Section(heading="", stories=(long,)),
        ),
        overflow=overflow,
    )


def corrected() -> tuple[Correction, ...]:
    """Two Stories that earlier Issues told under other titles."""
    return (
        Correction(
            story=story(30, entry("Growth of 1.5 per cent in 2027")), issue_number=11, old_title="Growth of 15 per cent"
        ),
        Correction(
            story=story(31, entry("Retracted: the cost of the wall", feed_id="haus")),
            issue_number=9,
            old_title="The cost of the wall",
        ),
    )
