"""The tables of what is read, once: what `migrations/` builds step by step is shown whole here and in `mail_tables.py`.

feeds -> entries -> stories, with the keys that find them again.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC: SQLite would drop the zone without converting."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

feeds = Table(
    "feeds",
    metadata,
    Column("id", String, primary_key=True),
    Column("url", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("site_url", Text),
    Column("country", String(2)),
    Column("language", String),
    Column("options", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("status", String, nullable=False),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body_sha256", String),
    Column("given_by", Text),
    Column("rhythm", JSON, nullable=False),
    Column("next_check_at", UtcDateTime),
    Column("checked_at", UtcDateTime),
    Column("succeeded_at", UtcDateTime),
    Column("changed_at", UtcDateTime),
    Column("failures", Integer, nullable=False),
    Column("error", Text),
    Column("title", Text),
    Index(None, "active", "next_check_at"),
)

stories = Table(
    "stories",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("updated", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

story_redirects = Table(
    "story_redirects",
    metadata,
    Column("old_id", String, primary_key=True),
    Column("story_id", String, nullable=False, index=True),
)

stale_stories = Table(
    "stale_stories",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("turn", BigInteger, nullable=False),
)

story_places = Table(
    "story_places",  # where `story_words` has each Story; that table is the index of each database: see `wordindex.py`
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("place", BigInteger, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("feed_id", ForeignKey("feeds.id"), nullable=False),
    Column("story_seq", ForeignKey("stories.seq"), nullable=False, index=True),
    Column("mark", String, nullable=False, unique=True),
    Column("joined_by", String),
    Column("digest", LargeBinary(16), nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("date", UtcDateTime, nullable=False),
    Column("at_home", Boolean, nullable=False),
    Column("guid", Text),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("published", UtcDateTime),
    Column("published_raw", Text),
    Column("updated", UtcDateTime),
    Column("updated_raw", Text),
    Column("language", String),
    Column("rights", Text),
    Column("doi", Text),
    Column("comments", Text),
    Column("links", JSON, nullable=False),
    Column("authors", JSON, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("thumbnails", JSON, nullable=False),
    Column("source", JSON(none_as_null=True)),
    Index(None, "feed_id", "story_seq"),
    Index(None, "first_seen"),
)

entry_identities = Table(
    "entry_identities",
    metadata,
    Column("hash", LargeBinary(16), primary_key=True),
    Column("entry_id", ForeignKey("entries.id"), nullable=False),
    sqlite_with_rowid=False,
)

fold_keys = Table(
    "fold_keys",
    metadata,
    Column("hash", BigInteger, primary_key=True),
    Column("entry_id", Integer, primary_key=True),  # entries never go: to look each up would cost a fifth of the write
    Column("note", Integer, nullable=False),
    sqlite_with_rowid=False,
)

entry_sketches = Table(
    "entry_sketches",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("sketch", LargeBinary, nullable=False),
)

story_links = Table(
    "story_links",
    metadata,
    Column("one", String, primary_key=True),
    Column("other", String, primary_key=True, index=True),
    Column("rule", String, nullable=False),
    Column("score", Float, nullable=False),
    Column("evidence", Text, nullable=False),
    sqlite_with_rowid=False,
)

entry_tags = Table(
    "entry_tags",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("story_seq", Integer, nullable=False),  # its entry's, so that an index gives a tag's newest Stories
    Column("name", String, nullable=False),
    Column("origin", String, nullable=False),
    Column("label", Text),
    Column("field", String),
    Column("matched", Text),
    Column("rule", Text),
    Column("version", String),
    Index(None, "name", "story_seq"),
    sqlite_with_rowid=False,
)

publications = Table(
    "publications",
    metadata,
    Column("path", String, primary_key=True),
    Column("content_type", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("etag", String, nullable=False),
    Column("last_modified", UtcDateTime, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)
