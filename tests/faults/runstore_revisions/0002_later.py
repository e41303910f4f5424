"""A revision that no upshot has: it rebuilds one table, fills a new column and adds a table."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("task_run") as table:
        table.add_column(sa.Column("colour", sa.Text, nullable=False, server_default="grey"))
    op.execute("UPDATE task_run SET colour = 'blue' WHERE call_index = 1")
    op.create_table("palette", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO palette (id) SELECT id FROM task_run")
