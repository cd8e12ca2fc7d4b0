"""Editions, drafts, evidence of consent, suppressions, bounces, notices, and a ledger for several workers."""

# ruff: noqa: S608  (tables and columns named here, nothing of anybody else)

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

REMADE = ("issue_stories", "deliveries", "subscriptions", "issues")
"""Tables that are made anew, those first that others do not name: SQLite changes no key of a table that is there."""


def upgrade() -> None:
    op.create_table(
        "editions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("newsletter_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("base_id", sa.Integer(), nullable=True),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("schedule", sa.String(), nullable=False),
        sa.Column("cursor", sa.Integer(), nullable=False),
        sa.Column("next_due_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["base_id"], ["editions.id"], name=op.f("fk_editions_base_id")),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_editions_newsletter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editions")),
        sa.UniqueConstraint("newsletter_id", "key", name=op.f("uq_editions_newsletter_id_key")),
    )
    op.create_index(op.f("ix_editions_base_id"), "editions", ["base_id"])
    op.execute(
        "INSERT INTO editions (newsletter_id, key, choices, schedule, cursor, next_due_at) "
        "SELECT id, '', '{}', schedule || ' ' || timezone, cursor, next_due_at FROM newsletters"
    )
    for table in REMADE:
        op.execute(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")
        op.drop_table(table)
    _make_anew()
    _fill()
    for table in REMADE:
        op.drop_table(f"old_{table}")
    for column in ("schedule", "timezone", "cursor", "next_due_at"):
        op.drop_column("newsletters", column)
    _make()


def _make_anew() -> None:
    op.create_table(
        "issues",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("newsletter_id", sa.String(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_issues_edition_id")),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_issues_newsletter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issues")),
        sa.UniqueConstraint("edition_id", "number", name=op.f("uq_issues_edition_id_number")),
    )
    op.create_index(op.f("ix_issues_newsletter_id_number"), "issues", ["newsletter_id", "number"])
    op.create_table(
        "issue_stories",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("story_id", sa.String(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_issue_stories_edition_id")),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_issue_stories_issue_id")),
        sa.PrimaryKeyConstraint("edition_id", "story_id", name=op.f("pk_issue_stories")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_issue_stories_issue_id"), "issue_stories", ["issue_id"])
    op.create_table(
        "subscriptions",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("newsletter_id", sa.String(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("consent_source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_subscriptions_edition_id")),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_subscriptions_newsletter_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_subscriptions_subscriber_id")),
        sa.PrimaryKeyConstraint("subscriber_id", "newsletter_id", name=op.f("pk_subscriptions")),
    )
    op.create_index(op.f("ix_subscriptions_edition_id_state"), "subscriptions", ["edition_id", "state"])
    op.create_index(op.f("ix_subscriptions_newsletter_id_state"), "subscriptions", ["newsletter_id", "state"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(), nullable=True),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("settled_at", sa.DateTime(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("policy", sa.Boolean(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_deliveries_issue_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_deliveries_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("issue_id", "subscriber_id", name=op.f("uq_deliveries_issue_id_subscriber_id")),
        sa.UniqueConstraint("message_id", name=op.f("uq_deliveries_message_id")),
    )
    at_hand = sa.text("state = 'sending'")
    op.create_index(
        op.f("ix_deliveries_claimed_by"), "deliveries", ["claimed_by"], sqlite_where=at_hand, postgresql_where=at_hand
    )
    op.create_index(op.f("ix_deliveries_next_attempt_at"), "deliveries", ["next_attempt_at"])
    op.create_index(op.f("ix_deliveries_settled_at"), "deliveries", ["settled_at"])
    op.create_index(op.f("ix_deliveries_subscriber_id"), "deliveries", ["subscriber_id"])


def _fill() -> None:
    own = "JOIN editions ON editions.newsletter_id = old.newsletter_id"
    op.execute(
        "INSERT INTO issues (id, newsletter_id, edition_id, number, created_at, subject, html, text) "
        "SELECT old.id, old.newsletter_id, editions.id, number, created_at, subject, html, text "
        f"FROM old_issues AS old {own}"
    )
    op.execute(
        "INSERT INTO issue_stories (edition_id, story_id, issue_id, position, title) "
        "SELECT editions.id, old.story_id, old.issue_id, old.position, '' "
        f"FROM old_issue_stories AS old {own}"
    )
    op.execute(
        "INSERT INTO subscriptions "
        "(subscriber_id, newsletter_id, edition_id, state, consent_source, created_at, changed_at) "
        "SELECT subscriber_id, old.newsletter_id, editions.id, state, consent_source, created_at, changed_at "
        f"FROM old_subscriptions AS old {own}"
    )
    kept = (
        "issue_id, subscriber_id, state, message_id, attempts, created_at, next_attempt_at, claimed_at, settled_at, "
        "code, policy, reply"
    )
    domain = {
        "sqlite": "lower(substr(email, instr(email, '@') + 1))",
        "postgresql": "lower(substr(email, position('@' in email) + 1))",
    }[op.get_bind().dialect.name]
    op.execute(
        f"INSERT INTO deliveries (id, domain, {kept}) SELECT old.id, {domain}, "
        + ", ".join(f"old.{name.strip()}" for name in kept.split(","))
        + " FROM old_deliveries AS old JOIN subscribers ON subscribers.id = old.subscriber_id"
    )
    if op.get_bind().dialect.name == "postgresql":  # ids that were given are not counted there
        for table in ("issues", "deliveries"):
            op.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table} HAVING max(id) > 0"
            )


def _make() -> None:
    op.create_table(
        "drafts",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("up_to", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("deadline_at", sa.DateTime(), nullable=False),
        sa.Column("approved_at", sa.DateTime(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("pinned", sa.JSON(), nullable=False),
        sa.Column("dropped", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_drafts_edition_id")),
        sa.PrimaryKeyConstraint("edition_id", name=op.f("pk_drafts")),
    )
    op.create_table(
        "dropped_stories",
        sa.Column("newsletter_id", sa.String(), nullable=False),
        sa.Column("story_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_dropped_stories_newsletter_id")),
        sa.PrimaryKeyConstraint("newsletter_id", "story_id", name=op.f("pk_dropped_stories")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "holds",
        sa.Column("newsletter_id", sa.String(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_holds_newsletter_id")),
        sa.PrimaryKeyConstraint("newsletter_id", "issue_id", name=op.f("pk_holds")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("newsletter_id", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_consents_newsletter_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_consents_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_subscriber_id"), "consents", ["subscriber_id"])
    op.create_table(
        "suppressions",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "sign_ups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("network", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ups")),
    )
    op.create_index(op.f("ix_sign_ups_address_at"), "sign_ups", ["address", "at"])
    op.create_index(op.f("ix_sign_ups_at"), "sign_ups", ["at"])
    op.create_index(op.f("ix_sign_ups_network_at"), "sign_ups", ["network", "at"])
    op.create_table(
        "bounces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("scored", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_bounces_delivery_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_bounces_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bounces")),
        sa.UniqueConstraint("digest", name=op.f("uq_bounces_digest")),
    )
    op.create_index(op.f("ix_bounces_delivery_id"), "bounces", ["delivery_id"])
    op.create_index(op.f("ix_bounces_subscriber_id"), "bounces", ["subscriber_id"])
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=True),
        sa.Column("newsletter_id", sa.String(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(), nullable=True),
        sa.Column("settled_at", sa.DateTime(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("policy", sa.Boolean(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_notices_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("message_id", name=op.f("uq_notices_message_id")),
    )
    op.create_index(op.f("ix_notices_next_attempt_at"), "notices", ["next_attempt_at"])
    op.create_index(op.f("ix_notices_subscriber_id"), "notices", ["subscriber_id"])
