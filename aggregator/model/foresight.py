"""What an edited feeds.yaml would change, worked out before anything follows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal["added", "removed", "changed", "same"]
Value = str | int | timedelta | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A key of feeds.yaml with its value as applied and as edited."""

    key: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A feed, channel or newsletter beside what is applied of it; `same`: only what it holds changes."""

    id: str
    name: str
    kind: Kind
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEdit(Edit):
    """Of the Stories looked at, how many would come into the channel and how many would go."""

    come: int = 0
    go: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """When a newsletter's next Issue is due, and how many Stories wait for it now."""

    due_at: datetime
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsletterEdit(Edit):
    """None: it is not there before, or after."""

    before: Outlook | None = None
    after: Outlook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryEdit:
    """A stored entry with the names of the tags it would gain and lose."""

    entry: int
    story: str
    feed: str
    title: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagEdit:
    """How many Stories would gain and lose a tag, and the titles of the latest of them."""

    tag: str
    gain: int
    lose: int
    gaining: tuple[str, ...]
    losing: tuple[str, ...]

    @property
    def stories(self) -> int:
        return self.gain + self.lose


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleUse:
    """A rule of feeds.yaml, and how many Stories it would give its tag."""

    tag: str
    when: str
    stories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """All of it; tags, rules and channels over the `stories` first seen since then, newest first.

    `tags` begins with those of most Stories. `reworded`: entries whose tags keep their names and change in their label,
    evidence or order. `unused` are tags of the taxonomy, `silent` rules, that no Story would have by them, `loud` rules
    that more than a third of the Stories would.
    """

    since: datetime
    stories: int
    feeds: tuple[Edit, ...]
    tags: tuple[TagEdit, ...]
    entries: tuple[EntryEdit, ...]
    reworded: int
    silent: tuple[RuleUse, ...]
    loud: tuple[RuleUse, ...]
    unused: tuple[str, ...]
    channels: tuple[ChannelEdit, ...]
    newsletters: tuple[NewsletterEdit, ...]

    @property
    def changes(self) -> bool:
        """Whether anything would."""
        return any((self.feeds, self.tags, self.reworded, self.channels, self.newsletters))
