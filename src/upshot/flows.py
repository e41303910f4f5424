"""Flows: functions whose calls are runs, and in which calls of tasks and flows are recorded."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from upshot import _options
from upshot._body import FlowBody
from upshot._decorated import Decorated
from upshot._engine.attempts import Ports
from upshot._engine.effects import Steps
from upshot._engine.endings import Ended
from upshot._engine.flow_run import FlowCall, run_flow
from upshot._option_types import FlowOptions
from upshot._parameters import bind, describe
from upshot._submission import checked_runner
from upshot.context import FlowRunContext, TaskRunContext
from upshot.records import FlowRun, TaskRun
from upshot.results import infer_factory
from upshot.runstore import open_store
from upshot.settings import get_current_settings
from upshot.task_runners import TaskRunner

P = ParamSpec("P")
R = TypeVar("R")


class Flow(Decorated[P, R]):
    """A function whose calls are runs, around the tasks and flows that it calls; see `@flow`.

    Calling it runs the function and gives what it returned, or raises what it raised; with
    `return_state=True` the call gives the final `State` instead. An async function's flow is
    awaited; called in a sync flow it blocks.

    Raises:
        InvalidOption: if an option cannot be what was given.
        UnknownPlugin: if a storage or serializer is named that does not exist.
        ReservedArgumentError: if the function has a parameter that upshot keeps for itself.
    """

    kind = "flow"

    options = frozenset(FlowOptions.__annotations__)

    def __init__(self, fn: Callable[P, R], **options: Unpack[FlowOptions]) -> None:
        super().__init__(fn, options)
        self.flow_key = _options.key_of(fn)
        self.task_runner: TaskRunner = checked_runner(options.get("task_runner"))

    def with_options(self, **changes: Unpack[FlowOptions]) -> Flow[P, R]:
        """A flow of the same function with other options; what is not given stays as it is."""
        return self._with(changes)

    def _steps(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], wants_value: bool
    ) -> Steps[Ended]:
        parameters = bind(self._signature, self.name, args, kwargs)
        around, settings = FlowRunContext.get(), get_current_settings()
        context = FlowRunContext(
            flow=self,
            flow_run=self._record(around, parameters),
            parameters=parameters,
            result_factory=infer_factory(
                self,
                parent=around.result_factory if around else None,
                settings=settings,
                needs_persistence=bool(around and around.retries),
            ),
            store=open_store(settings),
            settings=settings,
            retries=self.retries,
        )
        body = FlowBody(self.fn, args, kwargs, context)
        counted = around is not None and TaskRunContext.get() is None
        call = FlowCall(
            run=context.flow_run,
            function=body.acall if self.isasync else body.call,
            awaits=self.isasync,
            keep=body.keep,
            persists=context.result_factory.persist_result,
            retries=context.retries,
            retry_delay=self.retry_delays,
            wants_value=wants_value,
            on_end=around.made.append if around and counted else None,
            children=context.unfinished,
            host=context.host_on if self.isasync else None,
            release=body.release,
            holds=lambda: context.runner is not None,
        )
        return run_flow(call, Ports(context.store, time.time))

    def _record(self, around: FlowRunContext | None, parameters: dict[str, Any]) -> FlowRun:
        run = FlowRun(
            name="",
            flow_name=self.name,
            flow_version=self.version,
            parameters=describe(parameters),
            owner=f"{socket.gethostname()}:{os.getpid()}",
        )
        run.name = f"{self.name}-{run.uid.hex()[-6:]}"
        if around is not None:
            index = around.next_call_index(self.flow_key)
            run.parent = TaskRun(
                name=f"{self.name}-{index}",
                task_name=self.name,
                task_key=self.flow_key,
                task_version=self.version,
                call_index=index,
                flow_run=around.flow_run,
                child_uid=run.uid,
            )
        return run


@overload
def flow(__fn: Callable[P, R]) -> Flow[P, R]: ...
@overload
def flow(
    __fn: None = None, **options: Unpack[FlowOptions]
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(__fn: Any = None, **options: Any) -> Any:
    """Make a function a flow.

    Args:
        name: what it is called; by default the function's name, with `-` for `_`.
        description: by default the function's docstring.
        version: the flow's version, for people.
        retries: how often the function is called again after it raised.
        retry_delay_seconds: seconds before each retry, or a list of these; its last one holds
            for all later retries.
        persist_result: write the flow's own result to the storage. By default where a feature in
            use needs it: results that are not kept in memory, retries of the flow around it.
        result_storage: where to, as a storage or the name of one, also for the tasks and flows
            inside that name no other; by default the folder `UPSHOT_LOCAL_STORAGE_PATH`.
        result_serializer: how, likewise; by default `UPSHOT_RESULTS_DEFAULT_SERIALIZER`.
        cache_result_in_memory: also keep the value in memory with the state.
        task_runner: where submitted tasks run, as a `TaskRunner` or a class of one; by default
            in threads, async ones on the flow's loop.

    Example:
        >>> from upshot import task
        >>> @task
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> @flow
        ... def total(numbers: list[int]) -> int:
        ...     return sum(double(number) for number in numbers)
        >>> total([1, 2, 3])
        12
    """
    _options.check_known("flow", options, Flow.options)
    return Flow(__fn, **options) if __fn is not None else lambda fn: Flow(fn, **options)
