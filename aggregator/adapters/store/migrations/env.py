"""Runs the scripts of `versions/` on the connection that `migrate.py` hands over."""

from alembic import context

from aggregator.adapters.store.mail_tables import deliveries

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=deliveries.metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction holds it all
)
context.run_migrations()
