"""What type checkers know of the clients of the run store."""

from typing import Any, assert_type
from uuid import UUID

from upshot import State, flow, task
from upshot.client import SyncUpshotClient, UpshotClient, get_client
from upshot.client.schemas import FlowRun, OrchestrationResult, TaskRun
from upshot.states import Completed


@task
def double(x: int) -> int:
    return 2 * x


@flow
def total(x: int) -> int:
    return double(x)


def blocking(id: UUID) -> None:
    with get_client(sync_client=True) as client:
        assert_type(client, SyncUpshotClient)
        assert_type(client.read_flow_run(id), FlowRun)
        assert_type(client.read_task_runs(limit=3), list[TaskRun])
        client.read_flow_run(3)  # type: ignore[arg-type]


async def awaited(id: UUID) -> None:
    async with get_client() as client:
        assert_type(client, UpshotClient)
        assert_type(await client.read_flow_run(id), FlowRun)
        assert_type(await client.read_flow_run_states(str(id)), list[State[Any]])
        made = await client.create_flow_run(total, parameters={"x": 1})
        assert_type(await client.create_task_run(double, made.id, "0"), TaskRun)
        answer = await client.set_flow_run_state(made.id, Completed(), force=True)
        assert_type(answer, OrchestrationResult)
        await client.read_flow_runs(limti=3)  # type: ignore[call-arg]
