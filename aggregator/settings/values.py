"""What a person may choose, checked and frozen: feeds.yaml and the environment as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from aggregator.model.channel import Channel, Site, TagRule
from aggregator.model.feed import Feed
from aggregator.model.mailkey import MailKey
from aggregator.model.newsletter import Newsletter
from aggregator.model.pace import Rate, WarmUp
from aggregator.model.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How hard we may lean on other people's servers; `max_body` in decoded octets."""

    every: timedelta = timedelta(hours=1)
    concurrency: int = 64
    per_host: int = 2
    timeout: timedelta = timedelta(seconds=30)
    max_body: int = 10 * 1024 * 1024
    allow_private: tuple[str, ...] = ()
    ports: tuple[int, ...] = (80, 443, 8080, 8443)
    parse_processes: int = 2
    parse_cpu: timedelta = timedelta(seconds=10)
    parse_memory: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """How letters are handed over; `bounce_domain`: where what comes back is addressed, by Delivery."""

    connections: int = 4
    rate: Rate | None = None
    domains: Mapping[str, Rate] = field(default_factory=dict)
    other_domains: Rate | None = None
    warm_up: WarmUp | None = None
    bounce_domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a person may choose: feeds.yaml and the environment, checked and frozen."""

    config_path: str
    database_url: str
    data_dir: str
    site: Site
    feeds: tuple[Feed, ...]
    polling: Polling
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    rules: tuple[TagRule, ...] = ()
    channels: tuple[Channel, ...] = ()
    newsletters: tuple[Newsletter, ...] = ()
    mail: Mail = Mail()
    templates: str | None = None
    """A folder whose templates stand in place of ours of the same names."""
    smtp_url: str | None = field(default=None, repr=False)
    bounces_url: str | None = field(default=None, repr=False)
    """Where mail that comes back is read."""
    bounces_listen: str | None = None
    """Where it is taken in."""
    proxies: tuple[str, ...] = ()
    """Networks of proxies that say for whom they ask."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What links are signed with: the first signs, the others keep older links good. Empty: one made by us does."""

    mail_keys: tuple[MailKey, ...] = ()
    """What letters are signed with, each with all of them. Empty: the mail server signs."""
    key_warnings: tuple[str, ...] = ()
    """What is better changed about these keys."""

    def channel(self, channel_id: str) -> Channel | None:
        return next((channel for channel in self.channels if channel.id == channel_id), None)

    def newsletter(self, newsletter_id: str) -> Newsletter | None:
        return next((letter for letter in self.newsletters if letter.id == newsletter_id), None)
