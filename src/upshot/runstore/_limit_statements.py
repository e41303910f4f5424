"""The statements about limits and their slots, in SQLAlchemy Core."""

from __future__ import annotations

from sqlalchemy import ClauseElement, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from upshot.runstore.schema import concurrency_limit, concurrency_slot

_LIMIT = ("uid", "tag", "concurrency_limit", "created")
_SLOT = ("tag", "run_uid", "owner")


def _put_limit() -> ClauseElement:
    put = insert(concurrency_limit).values({name: bindparam(f"new_{name}") for name in _LIMIT})
    most = {"concurrency_limit": put.excluded.concurrency_limit}
    return put.on_conflict_do_update(index_elements=["tag"], set_=most)


_limits = select(*(concurrency_limit.c[name] for name in _LIMIT))

LIMIT_STATEMENTS: dict[str, ClauseElement] = {
    "PUT_LIMIT": _put_limit(),
    "READ_LIMIT": _limits.where(concurrency_limit.c.tag == bindparam("tag")),
    "READ_LIMITS": _limits.order_by(concurrency_limit.c.tag),
    "DELETE_LIMIT": delete(concurrency_limit).where(concurrency_limit.c.tag == bindparam("tag")),
    "READ_SLOTS": select(concurrency_slot.c.run_uid, concurrency_slot.c.owner)
    .where(concurrency_slot.c.tag == bindparam("tag"))
    .order_by(concurrency_slot.c.id),
    "TAKE_SLOT": insert(concurrency_slot)
    .values({name: bindparam(f"new_{name}") for name in _SLOT})
    .on_conflict_do_nothing(index_elements=["tag", "run_uid"]),
    "FREE_SLOTS": delete(concurrency_slot).where(
        concurrency_slot.c.run_uid == bindparam("run_uid")
    ),
    "FREE_SLOTS_OF_TAG": delete(concurrency_slot).where(concurrency_slot.c.tag == bindparam("tag")),
    "FREE_SLOTS_OF_OWNER": delete(concurrency_slot).where(
        concurrency_slot.c.owner == bindparam("owner")
    ),
}
