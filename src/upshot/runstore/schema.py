"""The run store's tables, in SQLAlchemy Core: the source of everything that speaks SQL here.

`python -m upshot.runstore.generate` makes `_sql_sqlite.py` of it; at run time nothing imports this
module. A change of it is a new revision in `migrations/versions`, whose name becomes `VERSION`.

A run's history is one column, `states`: a JSON array of ``[code, name, timestamp, message?,
scheduled?]``, the codes being those of `_steps.CODES`. Times are seconds since the epoch in UTC.
Rows are numbered in the order in which they came; `uid` sorts by the time of creation, so its index
serves for ranges of time as well.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    text,
)

from upshot._steps import CODES
from upshot.records import StateType

VERSION = "0001"
metadata = MetaData()


def _reference(column: str) -> ForeignKey:
    """A run and its parent may come in one transaction in any order."""
    return ForeignKey(column, deferrable=True, initially="DEFERRED")


flow_run = Table(
    "flow_run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", LargeBinary(16), nullable=False, unique=True),
    Column("parent_task_run_id", Integer, _reference("task_run.id")),
    Column("flow_name", Text, nullable=False),
    Column("flow_version", Text),
    Column("name", Text, nullable=False),
    Column("tags", Text),  # JSON array, sorted; null for none
    Column("run_count", Integer, nullable=False),
    Column("start_time", REAL),
    Column("end_time", REAL),
    Column("state_type", SmallInteger),  # the last of `states`
    Column("state_name", Text),
    Column("states", Text, nullable=False),
    Column("result", Text),  # JSON of the final state's document
    Column("failure", Text),  # JSON of a failed run's exception
    Column("parameters", Text),  # JSON
    Column("owner", Text),  # host:pid of the process that runs it
    Column("expected_start_time", REAL),
    Column("owner_expires", REAL),  # resuming will fill it: until when the owner is taken to live
    Column("input_digest", LargeBinary),  # resuming will fill it
)
task_run = Table(
    "task_run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", LargeBinary(16), nullable=False, unique=True),
    Column("flow_run_id", Integer, _reference("flow_run.id")),
    Column("task_key", Text, nullable=False),
    Column("task_name", Text, nullable=False),
    Column("task_version", Text),
    Column("call_index", Integer, nullable=False),
    Column("own_key", Text),  # what tells a run from others that no call has made
    Column("name", Text, nullable=False),
    Column("tags", Text),  # JSON array; null for none
    Column("run_count", Integer, nullable=False),
    Column("start_time", REAL),
    Column("end_time", REAL),
    Column("state_type", SmallInteger),  # the last of `states`
    Column("state_name", Text),
    Column("states", Text, nullable=False),
    Column("result", Text),  # JSON of the final state's document
    Column("failure", Text),  # JSON of a failed run's exception
    Column("cache_key", Text),
    Column("child_uid", LargeBinary(16)),  # the flow run that this one stands for
    Column("inputs", Text),  # JSON: parameter to the ids of the runs whose results it takes
    Column("parameters", Text),  # resuming will fill it
    Column("input_digest", LargeBinary),  # resuming will fill it
    Column("owner", Text),  # resuming will fill it: who computes the value
    Column("owner_expires", REAL),  # resuming will fill it: until when its lease lasts
)
cache_entry = Table(
    "cache_entry",
    metadata,
    Column("key", Text, primary_key=True),
    Column("document", Text, nullable=False),  # JSON of the result's document
    Column("created", REAL, nullable=False),
    Column("expires", REAL),  # null for never
    Column("task_run_uid", LargeBinary(16)),
)
block = Table(
    "block",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", LargeBinary(16), nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("fields", Text, nullable=False),  # JSON of what is no secret
    Column("name", Text),  # null for a storage that was registered, not saved
    Column("secrets", Text),  # the other fields, encrypted; null for none
    UniqueConstraint("type", "name"),
)
concurrency_limit = Table(
    "concurrency_limit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", LargeBinary(16), nullable=False, unique=True),
    Column("tag", Text, nullable=False, unique=True),
    Column("concurrency_limit", Integer, nullable=False),
    Column("created", REAL, nullable=False),
)
concurrency_slot = Table(
    "concurrency_slot",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tag", Text, nullable=False),
    Column("run_uid", LargeBinary(16), nullable=False),  # whose row may not be there yet
    Column("owner", Text, nullable=False),  # the process, as `_owner` tells it
    UniqueConstraint("tag", "run_uid"),
)
alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# listings are in the order of `uid`, which comes last: each is a range of one index
Index("ix_flow_run_flow_name", flow_run.c.flow_name, flow_run.c.uid)
Index("ix_flow_run_state_type", flow_run.c.state_type, flow_run.c.uid)
Index(
    "ix_flow_run_flow_name_state_type", flow_run.c.flow_name, flow_run.c.state_type, flow_run.c.uid
)
# runs without tags are not in it; `_listing_tags` says what it is for
Index(
    "ix_flow_run_tags",
    flow_run.c.tags,
    flow_run.c.flow_name,
    flow_run.c.state_type,
    flow_run.c.uid,
    sqlite_where=and_(flow_run.c.tags.is_not(None), flow_run.c.state_type.is_not(None)),
)
Index(
    "ix_flow_run_parent",
    flow_run.c.parent_task_run_id,
    sqlite_where=flow_run.c.parent_task_run_id.is_not(None),
)
Index("ix_concurrency_slot_run_uid", concurrency_slot.c.run_uid)
Index("ix_task_run_flow_run_id", task_run.c.flow_run_id)
# completed runs, nearly all of a million, are not in it: who wants those walks the table backwards,
# and who wants others says `state_type <> 3` as well, or SQLite does not think of it
Index(
    "ix_task_run_state_type",
    task_run.c.state_type,
    sqlite_where=text(f"state_type <> {CODES[StateType.COMPLETED.value]}"),
)
