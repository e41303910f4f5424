"""Flow runs, task runs, cached results, storages, limits."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From nothing."""
    _create_runs()
    _create_cache_and_blocks()
    _create_limits()
    _create_indexes()


def _create_runs() -> None:
    op.create_table(
        "flow_run",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uid", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("parent_task_run_id", sa.Integer, _reference("task_run.id")),
        sa.Column("flow_name", sa.Text, nullable=False),
        sa.Column("flow_version", sa.Text),
        *_progress(),
        sa.Column("parameters", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("expected_start_time", sa.REAL),
        sa.Column("owner_expires", sa.REAL),
        sa.Column("input_digest", sa.LargeBinary),
    )
    op.create_table(
        "task_run",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uid", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("flow_run_id", sa.Integer, _reference("flow_run.id")),
        sa.Column("task_key", sa.Text, nullable=False),
        sa.Column("task_name", sa.Text, nullable=False),
        sa.Column("task_version", sa.Text),
        sa.Column("call_index", sa.Integer, nullable=False),
        sa.Column("own_key", sa.Text),
        *_progress(),
        sa.Column("cache_key", sa.Text),
        sa.Column("child_uid", sa.LargeBinary(16)),
        sa.Column("inputs", sa.Text),
        sa.Column("parameters", sa.Text),
        sa.Column("input_digest", sa.LargeBinary),
        sa.Column("owner", sa.Text),
        sa.Column("owner_expires", sa.REAL),
    )


def _create_cache_and_blocks() -> None:
    op.create_table(
        "cache_entry",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created", sa.REAL, nullable=False),
        sa.Column("expires", sa.REAL),
        sa.Column("task_run_uid", sa.LargeBinary(16)),
    )
    op.create_table(
        "block",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uid", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("secrets", sa.Text),
        sa.UniqueConstraint("type", "name"),
    )


def _create_limits() -> None:
    op.create_table(
        "concurrency_limit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uid", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("tag", sa.Text, nullable=False, unique=True),
        sa.Column("concurrency_limit", sa.Integer, nullable=False),
        sa.Column("created", sa.REAL, nullable=False),
    )
    op.create_table(
        "concurrency_slot",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("run_uid", sa.LargeBinary(16), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.UniqueConstraint("tag", "run_uid"),
    )


def _reference(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column, deferrable=True, initially="DEFERRED")


def _progress() -> list[sa.Column[Any]]:
    return [
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tags", sa.Text),
        sa.Column("run_count", sa.Integer, nullable=False),
        sa.Column("start_time", sa.REAL),
        sa.Column("end_time", sa.REAL),
        sa.Column("state_type", sa.SmallInteger),
        sa.Column("state_name", sa.Text),
        sa.Column("states", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("failure", sa.Text),
    ]


def _create_indexes() -> None:
    op.create_index("ix_flow_run_flow_name", "flow_run", ["flow_name", "uid"])
    op.create_index(
        "ix_flow_run_flow_name_state_type", "flow_run", ["flow_name", "state_type", "uid"]
    )
    op.create_index(
        "ix_flow_run_parent",
        "flow_run",
        ["parent_task_run_id"],
        sqlite_where=sa.text("parent_task_run_id IS NOT NULL"),
    )
    op.create_index("ix_flow_run_state_type", "flow_run", ["state_type", "uid"])
    op.create_index(
        "ix_flow_run_tags",
        "flow_run",
        ["tags", "flow_name", "state_type", "uid"],
        sqlite_where=sa.text("tags IS NOT NULL AND state_type IS NOT NULL"),
    )
    op.create_index("ix_concurrency_slot_run_uid", "concurrency_slot", ["run_uid"])
    op.create_index("ix_task_run_flow_run_id", "task_run", ["flow_run_id"])
    op.create_index(
        "ix_task_run_state_type",
        "task_run",
        ["state_type"],
        sqlite_where=sa.text("state_type <> 3"),
    )
