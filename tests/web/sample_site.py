"""A whole site on a real SQLite file: feeds, stories of four publishers, an issue, two subscribers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import select

from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.kinship import SqlFoldStore
from aggregator.adapters.store.mail_tables import notices
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.notices import read_notice
from aggregator.adapters.store.publications import SqlPublicationStore
from aggregator.adapters.store.search import SqlSearchStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.flows.finding import FindPorts, find
from aggregator.flows.indexing import catch_up
from aggregator.flows.publish import PublishPlan, PublishPorts, build, publish
from aggregator.model.channel import Channel, Format, Publication, Site
from aggregator.model.delivery import Subscriber, SubscriptionState
from aggregator.model.entry import Entry, Tag
from aggregator.model.feed import Feed, FeedStatus, Validators
from aggregator.model.indexed import Finding, Order
from aggregator.model.newsletter import Issue, Newsletter, Rendering
from aggregator.model.parsed import Link, Person, SafeHtml
from aggregator.model.poll import FeedUpdate
from aggregator.model.story import RELATED, Clustering, Placement, StoryLink
from aggregator.model.vitals import Health
from aggregator.query.grammar import parse_query
from aggregator.query.matching import Query
from aggregator.readers import Readers
from aggregator.settings.values import Polling, Settings
from aggregator.steps.decide import mark_of
from aggregator.steps.pseudonyms import Pseudonyms
from aggregator.steps.signing import Signer
from aggregator.web.context import WebContext
from aggregator.web.pages import PAGE_SIZE
from tests.fakes import START, FrozenClock, parsed, reading

BASE = "https://wire.example.org"
SITE = Site(title="Think Tank Wire", base_url=BASE, timezone="Europe/Paris", contact="desk@wire.example.org")
IFRI = Feed(id="ifri", url="https://ifri.example/rss", name="Ifri", site_url="https://ifri.example/", language="fr")
APPS = Feed(id="apps", url="https://apps.example/feed?token=s3cret", name="APPS", country="AU", language="en")
QUIET = Feed(id="quiet", url="https://quiet.example/atom", name="Quiet House", country="NO")
WEEKLY = Newsletter(
    id="weekly", title="The week", schedule="mon 07:30", timezone="Europe/Paris", sender="Wire <wire@wire.example.org>"
)
LETTER = (
    '<!doctype html><html><head><meta charset="utf-8"><title>The week</title></head><body><p>Issue one</p>'
    '<!--mail-only--><p>For you alone <a href="https://unsubscribe.invalid/">Unsubscribe</a></p><!--/mail-only-->'
    '<p><a href="https://unsubscribe.invalid/">leave</a></p></body></html>'
)
JAPAN = Tag(name="country:jp", origin="rule", label="Japan", rule="Japan OR Tokyo")
ENERGY = Tag(name="topic:energy", origin="rule", rule="energy OR gas")
NOTE = Tag(name="category:note", origin="category", label="Note", rule="https://ifri.example/types")
OF_IFRI = Tag(name="publisher:ifri", origin="feed", label="Ifri")
LONG = "Deterrence depends on ports, cables and patience. " * 40


@dataclass
class SampleSite:
    """The stores of one database file, and the context made of them."""

    database: Database
    file: Path
    settings: Settings
    clock: FrozenClock = field(default_factory=FrozenClock)
    health: Health = field(default_factory=lambda: Health(worker_tick=START))
    signer: Signer = field(default_factory=lambda: Signer(["a secret of the tests"]))

    def __post_init__(self) -> None:
        self.feeds = SqlFeedStore(self.database)
        self.stories = SqlStoryStore(self.database)
        self.search = SqlSearchStore(self.database)
        self.folds = SqlFoldStore(self.database)
        self.newsletters = SqlNewsletterStore(self.database)
        self.subscribers = SqlSubscriberStore(self.database)
        self.publications = SqlPublicationStore(self.database)
        self.readers = Readers(
            self.database,
            pseudonyms=Pseudonyms(["a secret of the tests"]),
            clock=self.clock,
            settings=lambda: self.settings,
            begin=self._begin,
        )

    def _begin(self, newsletter_id: str) -> None:
        if letter := self.settings.newsletter(newsletter_id):
            self.newsletters.begin(letter, START, self.stories.last_seq())

    @property
    def context(self) -> WebContext:
        return WebContext(
            settings=lambda: self.settings,
            stories=self.stories,
            folds=self.folds,
            feeds=self.feeds,
            newsletters=self.newsletters,
            readers=self.readers,
            publications=self.publications,
            find=self._find,
            build=self._build,
            signer=self.signer,
            health=lambda: self.health,
            now=self.clock.now,
        )

    def _build(self, query: str, format: Format) -> Publication:
        channel = Channel(id="", title=self.settings.site.title, query=query)
        finding = self._find_with(parse_query(query), limit=channel.size, order=Order.ARRIVAL)
        return build(self._publish_plan, channel, format, finding.stories)

    def _find(self, query: Query, below: int | None) -> Finding:
        return self._find_with(query, limit=PAGE_SIZE, below=below)

    def _find_with(self, query: Query, **how: Any) -> Finding:
        catch_up(self.search, at_most=1000)
        return find(FindPorts(search=self.search, stories=self.stories, clock=self.clock), query, **how)

    def publish(self) -> None:
        publish(self._publish_ports, self._publish_plan)

    @property
    def _publish_ports(self) -> PublishPorts:
        return PublishPorts(stories=self.stories, publications=self.publications, clock=self.clock)

    @property
    def _publish_plan(self) -> PublishPlan:
        channels = (Channel(id="", title=self.settings.site.title), *self.settings.channels)
        feeds = {feed.id: feed for feed in self.settings.feeds}
        return PublishPlan(site=self.settings.site, channels=channels, feeds=feeds)

    def add(self, entries: Sequence[Entry], placements: Sequence[Placement], **more: object) -> None:
        """Store entries as one poll each would have brought them."""
        self.feeds.apply(
            [poll(entry.feed_id, self.clock.now(), entry) for entry in entries],
            Clustering(placements=tuple(placements), **more),  # type: ignore[arg-type]
        )

    def compose(self, *story_ids: str) -> None:
        """Store the next issue of the newsletter."""
        slot = self.newsletters.slot("weekly")
        issue = Issue(
            newsletter_id="weekly",
            edition_id=slot.edition.id,
            number=slot.next_number,
            created_at=self.clock.now(),
            rendering=Rendering(subject="The week: Gaz & grain", html=LETTER, text="Issue one"),
            story_ids=story_ids,
        )
        up_to = slot.cursor + len(story_ids)
        assert self.newsletters.record(slot, up_to=up_to, next_due=None, issue=issue, domain="wire.example.org")

    def rows(self) -> str:
        """A hash of every row of every table."""
        with sqlite3.connect(self.file) as connection:
            dump = "\n".join(connection.iterdump())
        connection.close()
        return sha256(dump.encode()).hexdigest()

    def unsubscribe_path(self) -> str:
        person = self.subscribers.subscriptions("weekly")[0].subscriber
        return f"/unsubscribe/{self.signer.unsubscribe_token(person.id, 'weekly')}"

    def preferences_path(self) -> str:
        person = self.subscribers.subscriptions("weekly")[0].subscriber
        return f"/preferences/{self.signer.preferences_token(person.id)}"

    def confirm_path(self) -> str:
        """Where the last mail that asks to confirm leads."""
        with self.database.read() as connection:
            newest = select(notices).where(notices.c.kind == "confirm").order_by(notices.c.id.desc())
            mail = read_notice(connection.execute(newest.limit(1)).one())
        assert mail.subscriber_id is not None
        token = self.signer.confirm_token(mail.subscriber_id, mail.newsletter_ids[0], mail.nonce, mail.created_at)
        return f"/confirm/{token}"

    def states(self) -> list[SubscriptionState]:
        return [item.state for item in self.subscribers.subscriptions("weekly")]


def settings(*, feeds: Sequence[Feed] = (IFRI, APPS, QUIET), site: Site = SITE) -> Settings:
    return Settings(
        config_path="feeds.yaml",
        database_url="",
        data_dir="",
        site=site,
        feeds=tuple(feeds),
        polling=Polling(),
        channels=(Channel(id="japan", title="Japan", query="country:jp", description="All of Japan."),),
        newsletters=(WEEKLY,),
    )


def entry(feed_id: str, title: str, *tags: Tag, **fields: object) -> Entry:
    """An entry of this feed with a paragraph and an author, unless told otherwise."""
    slug = title.lower().replace(" ", "-")
    item = parsed(title, **({"links": (Link(href=f"https://{feed_id}.example/{slug}"),)} | fields))
    values = {name: getattr(item, name) for name in item.__dataclass_fields__}
    keys = reading(feed_id, item).keys[0]
    return Entry(
        **values,
        feed_id=feed_id,
        mark=mark_of(feed_id, keys),
        keys=keys,
        first_seen=START,
        changed_at=START,
        date=START - timedelta(days=1),
        tags=tags,
    )


def poll(feed_id: str, now: datetime, *new: Entry) -> FeedUpdate:
    return FeedUpdate(
        feed_id=feed_id,
        url={feed.id: feed.url for feed in (IFRI, APPS, QUIET)}.get(feed_id, ""),
        status=FeedStatus.OK,
        validators=Validators(),
        checked_at=now,
        next_check_at=now + timedelta(hours=1),
        failures=0,
        succeeded=True,
        new=new,
    )


def open_site(folder: Path, values: Settings | None = None) -> SampleSite:
    """An empty site on a database of its own."""
    file = folder / "wire.db"
    database = open_database(f"sqlite:///{file}")
    migrate(database)
    site = SampleSite(database, file, values or settings())
    site.feeds.sync(site.settings.feeds, START)
    return site


def fill(site: SampleSite) -> SampleSite:
    """Three stories: one at two publishers, one merged into it, one long; an issue; two subscribers."""
    gas = entry("ifri", "Gaz naturel", ENERGY, NOTE, OF_IFRI, authors=(Person(name="Ana Ruiz"),))
    grain = entry("apps", "Grain routes", JAPAN, content=SafeHtml(f"<h1>Part one</h1><p>{LONG}</p>"))
    lone = entry("ifri", "Bridge paper", OF_IFRI)
    site.add([gas, grain, lone], [Placement(story_id=name) for name in ("gas", "grain", "lone")])
    site.clock.advance(hours=3)
    cross = entry("apps", "Natural gas", JAPAN, summary=SafeHtml("<p>See <b>Ifri</b>.</p>"))
    site.add([cross], [Placement(story_id="gas", rule="same-address")], merges=(("lone", "gas"),))
    failed = replace(poll("quiet", START), succeeded=False, status=FeedStatus.FAILING, failures=2, error="dns: no host")
    site.feeds.apply([failed], Clustering(placements=()))
    people = [Subscriber(email="ana@reader.example"), Subscriber(email="bo@reader.example")]
    site.newsletters.sync([WEEKLY], lambda newsletter: (START, START), 0)
    site.subscribers.put(people, "weekly", SubscriptionState.CONFIRMED, "by hand", START)
    site.compose("gas", "grain")
    site.publish()
    catch_up(site.search, at_most=1000)
    return site


def relate(site: SampleSite, *others: Entry) -> None:
    """Store these works, each named by the story of gas."""
    gas = site.stories.get("gas")
    assert gas is not None
    links = [
        StoryLink(one=one, other=other, rule=RELATED, score=0.5, evidence="one names the other")
        for one, other in (sorted((gas.head.mark, made.mark)) for made in others)
    ]
    site.add(others, [Placement(story_id=made.title.lower().replace(" ", "-")) for made in others], links=tuple(links))
