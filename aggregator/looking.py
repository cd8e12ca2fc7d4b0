"""Looking without a Runtime: at what any source would give, and ahead at what an edited feeds.yaml would change, and at
what the DNS says of our mail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import timedelta

from aggregator.adapters.parser_pool import ParserPool
from aggregator.adapters.store.engine import open_existing
from aggregator.adapters.store.facts import SqlFactStore
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.migrate import demand_current
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.flows.foresee import ForeseePlan, ForeseePorts, foresee
from aggregator.flows.ingest import ingest
from aggregator.flows.inspect_mail import InspectPorts, inspect_mail
from aggregator.model.foresight import Foresight
from aggregator.model.mailfacts import MailSetup, Sending, Verdict
from aggregator.model.poll import FetchOutcome, FetchRequest, PollOutcome
from aggregator.plans import tagger_of
from aggregator.settings.relay import parse_relays
from aggregator.settings.values import Polling, Settings
from aggregator.wiring import SystemClock, fetcher_of


def look_ahead(
    settings: Settings, age: timedelta, *, progress: Callable[[int], None] = lambda count: None
) -> Foresight:
    """What would change if this feeds.yaml were followed; reads the database and writes nothing. Raises StoreError."""
    with closing(open_existing(settings.database_url)) as database:
        demand_current(database)
        ports = ForeseePorts(
            feeds=SqlFeedStore(database),
            stories=SqlStoryStore(database),
            newsletters=SqlNewsletterStore(database),
            applied=SqlFactStore(database),
            clock=SystemClock(),
        )
        plan = ForeseePlan(
            feeds=settings.feeds,
            tagger=tagger_of(settings),
            channels=settings.channels,
            newsletters=settings.newsletters,
        )
        return foresee(ports, plan, ports.clock.now() - age, progress=progress)


def look_at(polling: Polling, sources: Iterable[FetchRequest | FetchOutcome]) -> Iterator[PollOutcome]:
    """What each address, or document at hand, would give, in order; stores nothing and needs no database."""
    with ParserPool(polling, read=ingest) as parser:
        for source in sources:
            fetched = (
                fetcher_of(polling, "preview").fetch([source]) if isinstance(source, FetchRequest) else iter([source])
            )
            yield from (outcome for batch in parser.parse(fetched) for outcome in batch)


def look_at_mail(settings: Settings, *, resolver: str | None = None) -> tuple[Verdict, ...]:
    """Whether the DNS and the mail server agree with how these newsletters are sent; raises UsageError."""
    from aggregator.adapters.mail_dns import DnsNames, look_at_relay  # dnspython, which nothing else needs

    senders = dict.fromkeys(letter.domain.lower() for letter in settings.newsletters)
    setup = MailSetup(
        sendings=tuple(Sending(sender=domain, envelope=domain) for domain in senders), keys=settings.mail_keys
    )
    ports = InspectPorts(names=DnsNames(resolver))
    return inspect_mail(ports, setup, look_at_relay(parse_relays(settings.smtp_url)[0]) if settings.smtp_url else None)
