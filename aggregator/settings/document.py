"""The sections of feeds.yaml, as pydantic sees them.

`python -m aggregator.settings.document [FILE]` writes the JSON Schema, by default the one that ships with the package.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from aggregator.model.channel import Channel, Site, TagRule
from aggregator.model.feed import Feed, FeedOptions
from aggregator.model.newsletter import Newsletter
from aggregator.model.pace import Rate, WarmUp
from aggregator.settings.fields import (
    Address,
    AnyDomain,
    BaseUrl,
    Country,
    Day,
    Domain,
    Duration,
    Holiday,
    Language,
    Line,
    Mailbox,
    PerTime,
    Port,
    PrivateHost,
    QueryText,
    QuietText,
    ScheduleText,
    Size,
    Slug,
    TagName,
    TimeZone,
    WebAddress,
    distinct,
)
from aggregator.settings.values import Mail, Polling
from aggregator.settings.wordlists import (
    CountryRecord,
    DoubtRecord,
    LeaderRecord,
    RegionRecord,
    Synonyms,
    TopicRecord,
    TypeRecord,
    Words,
)

HOUR = timedelta(hours=1)
SCHEMA_FILE = Path(__file__).with_name("feeds.schema.json")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OURS = {"host", "connection", "content-length", "transfer-encoding", "if-none-match", "if-modified-since"}
_SECRET = {"authorization", "cookie", "proxy-authorization", "x-api-key"}


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
            raise _at(name, "is not a header that can be set here")
        if not value.isprintable() or not value.isascii() or len(value) > 4000:
            raise _at(name, "the value must be one line of ASCII")
        if name.lower() in _SECRET and not value.startswith("env:"):
            raise _at(name, 'is a secret: write "env:NAME" and set the environment variable NAME')
    return headers


def _at(key: str, message: str) -> PydanticCustomError:
    """A fault of one key of a mapping, found while the whole mapping is looked at."""
    return PydanticCustomError("at", "{message}", {"message": message, "key": key})


class Section(BaseModel):
    """A mapping that refuses keys it does not know and values of another kind."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Headers = Annotated[dict[str, str], AfterValidator(_headers)]
Every = Annotated[timedelta, Duration("30m", "30d")]
Empty = BeforeValidator(lambda value: [] if value is None else value)
"""A key with nothing after it means an empty list."""


class SiteSection(Section):
    title: Line = Field(description="The name of the site, shown on pages, feeds and letters.")
    base_url: BaseUrl = Field(description="Where the site is reached; every link we write starts with it.")
    timezone: TimeZone = Field(default="UTC", description="The time zone of schedules and of dates shown.")
    contact: Address | None = Field(default=None, description="Whom readers and publishers may write to.")
    language: Language = Field(default="en", description="The language of the site's own words.")
    source_url: WebAddress | None = Field(default=None, description="Where readers get the source of this program.")

    def value(self) -> Site:
        return Site(**dict(self))


class PollingSection(Section):
    every: Annotated[timedelta, Duration("1h", "30d")] = Field(
        default=timedelta(hours=1), json_schema_extra={"default": "1h"}, description="How often feeds are polled."
    )
    concurrency: int = Field(default=64, ge=1, le=1000, description="Polls at the same time.")
    per_host: int = Field(default=2, ge=1, le=16, description="Polls of one host at the same time.")
    timeout: Annotated[timedelta, Duration("1s", "10m")] = Field(
        default=timedelta(seconds=30), json_schema_extra={"default": "30s"}, description="The longest a poll may take."
    )
    max_body: Annotated[int, Size("16KB", "200MB")] = Field(
        default=10 * 1024**2, json_schema_extra={"default": "10MB"}, description="The largest document taken, unpacked."
    )
    allow_private: Annotated[list[PrivateHost], Empty] = Field(
        default=[], description="Private networks, addresses or hosts that may be polled; none by default."
    )
    ports: Annotated[list[Port], Empty] = Field(
        default=[80, 443, 8080, 8443], min_length=1, description="Ports that may be polled."
    )
    parse_processes: int = Field(default=2, ge=1, le=64, description="Processes that read documents.")
    parse_cpu: Annotated[timedelta, Duration("1s", "10m")] = Field(
        default=timedelta(seconds=10), json_schema_extra={"default": "10s"}, description="CPU time a document may take."
    )
    parse_memory: Annotated[int, Size("128MB", "8GB")] = Field(
        default=512 * 1024**2, json_schema_extra={"default": "512MB"}, description="Memory of a reading process."
    )

    def value(self) -> Polling:
        lists = {"allow_private": tuple(self.allow_private), "ports": tuple(self.ports)}
        return Polling(**{**dict(self), **lists})


class WarmUpSection(Section):
    begins: Day = Field(alias="from", description="The first day, in the site's time zone.")
    start: int = Field(ge=1, le=10_000_000, description="Letters on the first day.")
    doubling: Annotated[timedelta, Duration("12h", "30d")] = Field(
        default=timedelta(days=3), json_schema_extra={"default": "3d"}, description="After this, twice as many a day."
    )

    def value(self, site: Site) -> WarmUp:
        begins = datetime.combine(date.fromisoformat(str(self.begins)), time(), ZoneInfo(site.timezone))
        return WarmUp(begins=begins.astimezone(UTC), letters=self.start, doubling=self.doubling)


class MailSection(Section):
    connections: int = Field(default=4, ge=1, le=100, description="Letters handed over at the same time.")
    rate: Annotated[Rate, PerTime()] | None = Field(default=None, description="The most letters in all.")
    per_domain: dict[AnyDomain, Annotated[Rate, PerTime()]] = Field(
        default={}, description='The most letters to a domain; "*" is each that is not named.'
    )
    warm_up: WarmUpSection | None = Field(default=None, description="The most letters a day while a relay is new.")
    bounce_domain: Domain | None = Field(
        default=None, description="Where mail that comes back is sent; without it, to the sender of the newsletter."
    )

    def value(self, site: Site) -> Mail:
        domains = dict(self.per_domain)
        return Mail(
            connections=self.connections,
            rate=self.rate,
            other_domains=domains.pop("*", None),
            domains=domains,
            warm_up=self.warm_up.value(site) if self.warm_up else None,
            bounce_domain=self.bounce_domain,
        )


class FeedSection(Section):
    model_config = ConfigDict(json_schema_extra={"required": ["id", "name", "url"]})

    id: Slug = Field(description="Its short name: in addresses, in queries, on the command line.")
    name: Line = Field(description="The publisher's name, as shown.")
    url: WebAddress | None = Field(default=None, description="The address of the RSS, Atom or JSON feed.")
    page: WebAddress | None = Field(default=None, description="A page of a site without a feed; not supported yet.")
    site_url: WebAddress | None = Field(default=None, description="The publisher's home page.")
    country: Country | None = Field(default=None, description="The publisher's country (ISO 3166-1 alpha-2).")
    language: Language | None = Field(default=None, description="The language of entries that name none.")
    every: Every | None = Field(default=None, description="How often this feed is polled.")
    tags: Annotated[list[TagName], Empty, AfterValidator(distinct)] = Field(
        default=[], description="Tags for every entry of this feed."
    )
    headers: Headers = Field(default={}, description='Request headers; a value "env:NAME" comes from the environment.')

    @model_validator(mode="after")
    def has_one_address(self) -> Self:
        if self.page and self.url:
            raise _at("page", "url and page exclude each other")
        if self.page:
            raise _at("page", "pages without a feed are not supported yet; give a feed as url:, or remove this entry")
        if not self.url:
            raise ValueError('"url" is missing: the address of the feed')
        return self

    def value(self, headers: Mapping[str, str]) -> Feed:
        """The feed, with the headers as resolved from the environment."""
        options = FeedOptions(every=self.every, tags=tuple(self.tags), headers=tuple(headers.items()))
        return Feed(
            id=self.id,
            url=self.url or "",
            name=self.name,
            site_url=self.site_url,
            country=self.country,
            language=self.language,
            options=options,
        )


class RuleSection(Section):
    tag: TagName = Field(description="The tag given to every entry that `when` matches.")
    when: QueryText = Field(min_length=1, description="A query.")
    label: Line | None = Field(default=None, description="The tag's name for people.")

    def value(self) -> TagRule:
        return TagRule(**dict(self))


class ChannelSection(Section):
    id: Slug = Field(description="Its short name: the feed is at /channels/ID.atom.")
    title: Line = Field(description="Its title.")
    query: QueryText = Field(default="", description="What it holds; everything when empty.")
    formats: list[Literal["atom", "rss", "json"]] = Field(
        default=["atom", "rss", "json"], min_length=1, description="The formats it is published in."
    )
    description: Line | None = Field(default=None, description="One sentence about it.")
    size: int = Field(default=50, ge=1, le=1000, description="The most stories it holds.")

    def value(self) -> Channel:
        return Channel(**{**dict(self), "formats": tuple(dict.fromkeys(self.formats))})


class NewsletterSection(Section):
    id: Slug = Field(description="Its short name.")
    title: Line = Field(description="Its title, and the start of every subject.")
    schedule: ScheduleText = Field(description="When it goes out, in its time zone.")
    sender: Mailbox = Field(alias="from", description="Who it comes from.")
    timezone: TimeZone | None = Field(default=None, description="Its time zone; the site's when not given.")
    query: QueryText = Field(default="", description="Which stories it brings; all when empty.")
    group_by: Literal["topic", "country", "region", "type", "none"] = Field(default="none", description="Its headings.")
    max_stories: int = Field(default=40, ge=1, le=500, description="Stories in full; further ones are named briefly.")
    when_empty: Literal["skip", "send"] = Field(default="skip", description="What happens when there is nothing new.")
    reply_to: Mailbox | None = Field(default=None, description="Where answers go.")
    language: Language | None = Field(default=None, description="Its language; the site's when not given.")
    local: bool = Field(default=False, description="It comes by each reader's clock, where they told their time zone.")
    quiet: QuietText | None = Field(default=None, description="Hours in which none goes out; it waits for their end.")
    holidays: Annotated[list[Holiday], Empty, AfterValidator(distinct)] = Field(
        default=[], description="Days on which none goes out, of every year or of one."
    )
    approval: Annotated[timedelta, Duration("1m", "30d")] | None = Field(
        default=None, description="How long an issue waits for a person to approve it."
    )
    at_deadline: Literal["send", "hold"] = Field(default="send", description="What becomes of one nobody approved.")
    uncertain: Literal["leave", "resend"] = Field(
        default="leave", description="What becomes of a letter that the server may have or not."
    )
    rate: Annotated[Rate, PerTime()] | None = Field(default=None, description="The most of its letters.")

    def value(self, site: Site) -> Newsletter:
        own = {
            "timezone": self.timezone or site.timezone,
            "language": self.language or site.language,
            "holidays": tuple(self.holidays),
            "approval": int(self.approval.total_seconds()) if self.approval else None,
            "rate": max(1, int(self.rate.letters * HOUR / self.rate.span)) if self.rate else None,
        }
        return Newsletter(**{**dict(self), **own})


class TaxonomySection(Section):
    countries: Annotated[list[CountryRecord], Empty] = Field(default=[], description="Words added to countries.")
    leaders: Annotated[list[LeaderRecord], Empty] = Field(default=[], description="People who stand for countries.")
    doubts: Annotated[list[DoubtRecord], Empty] = Field(default=[], description="Names with two senses.")
    bystanders: Words = Field(default=[], description="Phrases that hold the name of a place and mean none.")
    regions: Annotated[list[RegionRecord], Empty] = Field(default=[], description="Regions, new or with more words.")
    topics: Annotated[list[TopicRecord], Empty] = Field(default=[], description="Topics, new or with more words.")
    types: Annotated[list[TypeRecord], Empty] = Field(default=[], description="Kinds of publication, new or enlarged.")
    categories: Synonyms = Field(default={}, description="Publishers' own categories, by the tag that they mean.")
    without: Annotated[list[TagName], Empty] = Field(default=[], description="Tags of the taxonomy to leave out.")


class Document(Section):
    """A whole feeds.yaml."""

    site: SiteSection = Field(description="The site that publishes channels and newsletters.")
    polling: PollingSection = Field(
        default_factory=lambda: PollingSection.model_validate({}), description="How feeds are polled."
    )
    mail: MailSection = Field(
        default_factory=lambda: MailSection.model_validate({}), description="How letters are handed over."
    )
    feeds: Annotated[list[FeedSection], Empty] = Field(default=[], description="The feeds to poll.")
    taxonomy: TaxonomySection = Field(
        default_factory=lambda: TaxonomySection.model_validate({}), description="Changes to what the package tags by."
    )
    tags: Annotated[list[RuleSection], Empty] = Field(default=[], description="Rules that give tags, in order.")
    channels: Annotated[list[ChannelSection], Empty] = Field(default=[], description="Merged feeds to publish.")
    newsletters: Annotated[list[NewsletterSection], Empty] = Field(default=[], description="Newsletters to send.")


SECTIONS: dict[str, type[Section]] = {
    "site": SiteSection,
    "polling": PollingSection,
    "mail": MailSection,
    "feeds": FeedSection,
    "taxonomy": TaxonomySection,
    "tags": RuleSection,
    "channels": ChannelSection,
    "newsletters": NewsletterSection,
}


def keys_of(section: type[BaseModel]) -> list[str]:
    """The keys people may write in a section."""
    return [info.alias or name for name, info in section.model_fields.items()]


def json_schema() -> str:
    """The JSON Schema (2020-12) that editors complete and check feeds.yaml with."""
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= Document.model_json_schema(mode="validation")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if sys.argv[1:] else SCHEMA_FILE).write_text(json_schema(), encoding="utf-8")
