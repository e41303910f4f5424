"""Reading the run store: what the clients have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self
from uuid import UUID

from upshot._engine.endings import recorded_states
from upshot.blocks import read_document
from upshot.client import _listing
from upshot.client.schemas.filters import FlowFilter, FlowRunFilter, TaskRunFilter
from upshot.client.schemas.objects import BlockDocument, Flow, FlowRun, TaskRun
from upshot.client.schemas.sorting import FlowRunSort, TaskRunSort
from upshot.exceptions import ObjectNotFound
from upshot.records import FlowRun as FlowRunRecord
from upshot.records import TaskRun as TaskRunRecord
from upshot.records import flow_id
from upshot.runstore import RunStore, open_store
from upshot.states import State


class Reading:
    """What can be read of a run store; a part of `SyncUpshotClient`."""

    def __init__(self, store: RunStore | None = None) -> None:
        self._store = store or open_store()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing is held, so there is nothing to let go of."""

    def read_flow_run(self, flow_run_id: UUID | str) -> FlowRun:
        """A flow run.

        Raises:
            ObjectNotFound: if there is none with that identity.
        """
        return FlowRun.of(self._flow_run(as_uuid(flow_run_id)))

    def read_task_run(self, task_run_id: UUID | str) -> TaskRun:
        """A task run.

        Raises:
            ObjectNotFound: if there is none with that identity.
        """
        return TaskRun.of(self._task_run(as_uuid(task_run_id)))

    def read_flow_run_states(self, flow_run_id: UUID | str) -> list[State[Any]]:
        """All states that a flow run has been in, one after the other.

        Raises:
            ObjectNotFound: if there is none with that identity.
        """
        return recorded_states(self._flow_run(as_uuid(flow_run_id)))

    def read_task_run_states(self, task_run_id: UUID | str) -> list[State[Any]]:
        """All states that a task run has been in, one after the other.

        Raises:
            ObjectNotFound: if there is none with that identity.
        """
        return recorded_states(self._task_run(as_uuid(task_run_id)))

    def read_flow_runs(
        self,
        *,
        flow_filter: FlowFilter | None = None,
        flow_run_filter: FlowRunFilter | None = None,
        task_run_filter: TaskRunFilter | None = None,
        sort: FlowRunSort | str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[FlowRun]:
        """Flow runs.

        Args:
            flow_filter: of which flows.
            flow_run_filter: which of their runs.
            task_run_filter: those with a task run that it leaves.
            sort: in which order; by default those that were made last come first.
            limit: how many at most; by default 200.
            offset: how many to leave out at the beginning.

        Raises:
            ValueError: if a filter or an order is not known, or a number is negative.
        """
        filters = (flow_filter, flow_run_filter, task_run_filter)
        query = _listing.flow_run_query(self._store, *filters, sort, limit, offset)
        return [FlowRun.of(run) for run in self._store.find_flow_runs(query)]

    def read_task_runs(
        self,
        *,
        flow_filter: FlowFilter | None = None,
        flow_run_filter: FlowRunFilter | None = None,
        task_run_filter: TaskRunFilter | None = None,
        sort: TaskRunSort | str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[TaskRun]:
        """Task runs, also those that stand for runs of flows in flows.

        Args:
            flow_filter: in runs of which flows.
            flow_run_filter: in which flow runs.
            task_run_filter: which task runs.
            sort: in which order; by default those that were made last come first.
            limit: how many at most; by default 200.
            offset: how many to leave out at the beginning.

        Raises:
            ValueError: if a filter or an order is not known, or a number is negative.
        """
        filters = (flow_filter, flow_run_filter, task_run_filter)
        query = _listing.task_run_query(self._store, *filters, sort, limit, offset)
        return [TaskRun.of(run) for run in self._store.find_task_runs(query)]

    def read_flow(self, id: UUID | str) -> Flow:
        """A flow that has runs, by its identity.

        Raises:
            ObjectNotFound: if there is none.
        """
        found = {flow.id: flow for flow in self._flows(self._store.flow_names())}
        if (flow := found.get(as_uuid(id))) is None:
            raise ObjectNotFound("flow", id)
        return flow

    def read_flow_by_name(self, flow_name: str) -> Flow:
        """A flow that has runs, by its name.

        Raises:
            ObjectNotFound: if there is none.
        """
        if flow_name not in self._store.flow_names():
            raise ObjectNotFound("flow", repr(flow_name))
        return Flow(id=flow_id(flow_name), name=flow_name)

    def read_flows(
        self,
        *,
        flow_filter: FlowFilter | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Flow]:
        """The flows that have runs, sorted by name; `limit` and `offset` as for runs."""
        names = _listing.chosen_flows(self._store, flow_filter)
        return self._flows(_listing.part(names, limit, offset))

    def read_block_document(
        self, block_document_id: UUID | str, include_secrets: bool = True
    ) -> BlockDocument:
        """A storage as it is kept.

        Args:
            block_document_id: its identity.
            include_secrets: decrypt what is secret of it; a storage can be made of the document
                then. Its texts hide that all the same.

        Raises:
            ObjectNotFound: if there is none with that identity.
            UnreadableBlock: if its secrets are to be included, and no key here decrypts them.
        """
        id = as_uuid(block_document_id)
        document = read_document(id, self._store, include_secrets=include_secrets)
        if document is None:
            raise ObjectNotFound("block document", block_document_id)
        return document

    def _flow_run(self, id: UUID) -> FlowRunRecord:
        run = self._store.flow_run(id)
        if run is None:
            raise ObjectNotFound("flow run", id)
        return run

    def _task_run(self, id: UUID) -> TaskRunRecord:
        run = self._store.task_run(id)
        if run is None:
            raise ObjectNotFound("task run", id)
        return run

    def _flows(self, names: Iterable[str]) -> list[Flow]:
        return [Flow(id=flow_id(name), name=name) for name in names]


def as_uuid(id: UUID | str) -> UUID:
    """An identity, which may have been given as text.

    Raises:
        ValueError: if it is none.
    """
    try:
        return id if isinstance(id, UUID) else UUID(id)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"identities are UUIDs; got {id!r}") from error
