"""The client of the run store."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial, update_wrapper
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar, overload
from uuid import UUID

from upshot._bridge import in_thread
from upshot.client import _changes
from upshot.client._changes import FlowLike, TaskLike
from upshot.client._limiting import Limiting
from upshot.client._reading import as_uuid
from upshot.client.schemas.objects import FlowRun, TaskRun, TaskRunResult
from upshot.client.schemas.responses import OrchestrationResult
from upshot.runstore import RunStore
from upshot.states import State

P = ParamSpec("P")
T = TypeVar("T")


class SyncUpshotClient(Limiting):
    """Reads the run store, and records runs in it; its methods block, whoever calls them.

    What this process has recorded is written before anything is read. Identities are UUIDs, or
    text of them. All that is read is a copy, as it was then.
    """

    def create_flow_run(
        self,
        flow: FlowLike,
        name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        tags: Iterable[str] | None = None,
        parent_task_run_id: UUID | str | None = None,
        state: State[Any] | None = None,
    ) -> FlowRun:
        """Record a run of a flow, without calling it.

        Args:
            flow: the flow.
            name: what the run is called; by default the flow's name and a suffix.
            parameters: what it is to be called with.
            tags: its tags.
            parent_task_run_id: the task run that stands for it in another flow run.
            state: where it stands; by default pending.

        Raises:
            ObjectNotFound: if there is no such task run.
        """
        parent = None if parent_task_run_id is None else as_uuid(parent_task_run_id)
        run = _changes.new_flow_run(self._store, flow, name, parameters, tags, parent, state)
        return FlowRun.of(run)

    def create_task_run(
        self,
        task: TaskLike,
        flow_run_id: UUID | str | None,
        dynamic_key: str,
        name: str | None = None,
        extra_tags: Iterable[str] | None = None,
        state: State[Any] | None = None,
        task_inputs: Mapping[str, Iterable[TaskRunResult]] | None = None,
    ) -> TaskRun:
        """Record a run of a task, without calling it.

        Args:
            task: the task.
            flow_run_id: the flow run that it belongs to; None for none.
            dynamic_key: what tells it from other runs of the task in that flow run.
            name: what the run is called; by default the task's name and `dynamic_key`.
            extra_tags: tags beside those of the task.
            state: where it stands; by default pending.
            task_inputs: for each parameter the runs whose results it takes.

        Raises:
            ObjectNotFound: if there is no such flow run.
        """
        owner = None if flow_run_id is None else as_uuid(flow_run_id)
        made = _changes.new_task_run(
            self._store, task, owner, dynamic_key, name, extra_tags, state, task_inputs
        )
        return TaskRun.of(made)

    def set_flow_run_state(
        self, flow_run_id: UUID | str, state: State[Any], force: bool = False
    ) -> OrchestrationResult:
        """Put a flow run into a state; only with `force` one that has ended.

        A result or an exception that is the state's data is recorded, and no other value. A run
        whose function is being called goes on, and records what becomes of it over this.

        Raises:
            ObjectNotFound: if there is none with that identity.
        """
        id = as_uuid(flow_run_id)
        return _changes.set_state(self._store, self._flow_run, id, state, force=force)

    def set_task_run_state(
        self, task_run_id: UUID | str, state: State[Any], force: bool = False
    ) -> OrchestrationResult:
        """Put a task run into a state, as `set_flow_run_state` does with a flow run.

        Raises:
            ObjectNotFound: if there is none with that identity.
        """
        id = as_uuid(task_run_id)
        return _changes.set_state(self._store, self._task_run, id, state, force=force)


def _awaited(
    method: Callable[Concatenate[SyncUpshotClient, P], T],
) -> Callable[Concatenate[UpshotClient, P], Coroutine[Any, Any, T]]:
    """The method of the sync client, done in a thread."""

    async def awaited(self: UpshotClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await in_thread(partial(method, self.sync, *args, **kwargs))

    update_wrapper(awaited, method)
    return awaited


class UpshotClient:
    """Reads the run store, and records runs in it, without blocking the loop.

    Attributes:
        sync: the client that blocks; each method here awaits the one of its name there.
    """

    def __init__(self, store: RunStore | None = None) -> None:
        self.sync = SyncUpshotClient(store)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Nothing is held, so there is nothing to let go of."""

    read_flow_run = _awaited(SyncUpshotClient.read_flow_run)
    read_task_run = _awaited(SyncUpshotClient.read_task_run)
    read_flow_run_states = _awaited(SyncUpshotClient.read_flow_run_states)
    read_task_run_states = _awaited(SyncUpshotClient.read_task_run_states)
    read_flow_runs = _awaited(SyncUpshotClient.read_flow_runs)
    read_task_runs = _awaited(SyncUpshotClient.read_task_runs)
    read_flow = _awaited(SyncUpshotClient.read_flow)
    read_flow_by_name = _awaited(SyncUpshotClient.read_flow_by_name)
    read_flows = _awaited(SyncUpshotClient.read_flows)
    create_flow_run = _awaited(SyncUpshotClient.create_flow_run)
    create_task_run = _awaited(SyncUpshotClient.create_task_run)
    set_flow_run_state = _awaited(SyncUpshotClient.set_flow_run_state)
    set_task_run_state = _awaited(SyncUpshotClient.set_task_run_state)
    read_block_document = _awaited(SyncUpshotClient.read_block_document)
    create_concurrency_limit = _awaited(SyncUpshotClient.create_concurrency_limit)
    read_concurrency_limit_by_tag = _awaited(SyncUpshotClient.read_concurrency_limit_by_tag)
    read_concurrency_limits = _awaited(SyncUpshotClient.read_concurrency_limits)
    reset_concurrency_limit_by_tag = _awaited(SyncUpshotClient.reset_concurrency_limit_by_tag)
    delete_concurrency_limit_by_tag = _awaited(SyncUpshotClient.delete_concurrency_limit_by_tag)


@overload
def get_client(*, sync_client: Literal[False] = False) -> UpshotClient: ...
@overload
def get_client(*, sync_client: Literal[True]) -> SyncUpshotClient: ...
def get_client(*, sync_client: bool = False) -> UpshotClient | SyncUpshotClient:
    """A client of the run store that the settings name here.

    Args:
        sync_client: give one whose methods return values and block; without, they are awaited.

    Example:
        >>> from upshot import flow
        >>> @flow
        ... def answer() -> int:
        ...     return 42
        >>> state = answer(return_state=True)
        >>> with get_client(sync_client=True) as client:
        ...     client.read_flow_run(state.state_details.flow_run_id).state_name
        'Completed'
    """
    return SyncUpshotClient() if sync_client else UpshotClient()
