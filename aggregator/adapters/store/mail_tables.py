"""The tables of what is sent, once (see `schema.py`).

newsletters -> editions -> issues -> deliveries <- subscriptions <- subscribers.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from aggregator.adapters.store.schema import UtcDateTime, metadata

newsletters = Table(
    "newsletters",
    metadata,
    Column("id", String, primary_key=True),
    Column("active", Boolean, nullable=False),
)

editions = Table(
    "editions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("newsletter_id", ForeignKey("newsletters.id"), nullable=False),
    Column("key", String, nullable=False),  # "" is the newsletter's own
    Column("base_id", ForeignKey("editions.id"), index=True),  # which one a reader alone in theirs is to catch up with
    Column("choices", JSON, nullable=False),
    Column("schedule", String, nullable=False),  # as it was when the due time was set
    Column("cursor", Integer, nullable=False),
    Column("next_due_at", UtcDateTime, nullable=False),
    UniqueConstraint("newsletter_id", "key"),
)

drafts = Table(
    "drafts",
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("up_to", Integer, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("deadline_at", UtcDateTime, nullable=False),
    Column("approved_at", UtcDateTime),
    Column("note", Text, nullable=False),
    Column("pinned", JSON, nullable=False),
    Column("dropped", JSON, nullable=False),
)

issues = Table(
    "issues",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("newsletter_id", ForeignKey("newsletters.id"), nullable=False),
    Column("edition_id", ForeignKey("editions.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    UniqueConstraint("edition_id", "number"),
    Index(None, "newsletter_id", "number"),
)

issue_stories = Table(
    "issue_stories",
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("story_id", String, primary_key=True),
    Column("issue_id", ForeignKey("issues.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("title", Text, nullable=False),  # as it was last told, to find what was corrected since
    sqlite_with_rowid=False,
)

dropped_stories = Table(
    "dropped_stories",  # by an editor: no Edition of the newsletter tells them
    metadata,
    Column("newsletter_id", ForeignKey("newsletters.id"), primary_key=True),
    Column("story_id", String, primary_key=True),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("newsletter_id", ForeignKey("newsletters.id"), primary_key=True),
    Column("issue_id", Integer, primary_key=True),  # 0 holds all of the newsletter
    Column("since", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", Text, nullable=False),  # "" once the person was erased
    Column("email_key", Text, nullable=False, unique=True),
    Column("name", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("subscriber_id", ForeignKey("subscribers.id"), primary_key=True),
    Column("newsletter_id", ForeignKey("newsletters.id"), primary_key=True),
    Column("edition_id", ForeignKey("editions.id"), nullable=False),
    Column("state", String, nullable=False),
    Column("consent_source", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index(None, "edition_id", "state"),
    Index(None, "newsletter_id", "state"),
)

consents = Table(
    "consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id"), nullable=False, index=True),
    Column("newsletter_id", ForeignKey("newsletters.id"), nullable=False),
    Column("act", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("wording", Text, nullable=False),
    Column("language", String, nullable=False),
    Column("client", String, nullable=False),
    Column("agent", Text, nullable=False),
    Column("message_id", String, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("key", String, primary_key=True),  # a keyed hash of the address: who has no key learns no address
    Column("reason", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("note", Text, nullable=False),
)

sign_ups = Table(
    "sign_ups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("address", String, nullable=False),  # keyed hashes, both
    Column("network", String, nullable=False),
    Index(None, "address", "at"),
    Index(None, "network", "at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("issue_id", ForeignKey("issues.id"), nullable=False),
    Column("subscriber_id", ForeignKey("subscribers.id"), nullable=False, index=True),
    Column("domain", String, nullable=False),
    Column("state", String, nullable=False),
    Column("message_id", String, nullable=False, unique=True),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_attempt_at", UtcDateTime, index=True),
    Column("claimed_at", UtcDateTime),
    Column("claimed_by", String),
    Column("settled_at", UtcDateTime, index=True),
    Column("code", Integer),
    Column("policy", Boolean, nullable=False),
    Column("reply", Text),
    UniqueConstraint("issue_id", "subscriber_id"),
)
_AT_HAND = deliveries.c.state == literal_column("'sending'")
Index(None, deliveries.c.claimed_by, sqlite_where=_AT_HAND, postgresql_where=_AT_HAND)  # as few as are being sent

bounces = Table(
    "bounces",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id"), nullable=False, index=True),
    Column("delivery_id", ForeignKey("deliveries.id"), index=True),
    Column("kind", String, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("scored", Boolean, nullable=False),
    Column("digest", LargeBinary(16), nullable=False, unique=True),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subscriber_id", ForeignKey("subscribers.id"), index=True),
    Column("newsletter_id", String),
    Column("email", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("message_id", String, nullable=False, unique=True),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_attempt_at", UtcDateTime, index=True),
    Column("claimed_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    Column("code", Integer),
    Column("policy", Boolean, nullable=False),
    Column("reply", Text),
)
