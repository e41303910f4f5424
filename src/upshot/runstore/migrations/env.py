"""Alembic runs this for each command; the transaction is that of `migrations.upgrade`."""

from alembic import context

from upshot.runstore.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
