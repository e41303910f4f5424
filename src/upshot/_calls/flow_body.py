"""What is done where a flow's function runs: its call, and the keeping of its value."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from upshot._arguments.dependencies import Dependent
from upshot._arguments.parameters import arguments_of, describe
from upshot._bridge import caller_is_async
from upshot._calls.naming import run_name
from upshot._calls.returning import alisted, futures_in, listed, with_states
from upshot._concurrency.signals import behind
from upshot._concurrency.waiting import Completion
from upshot._engine.conclusions import conclude
from upshot._engine.coordinator import coordinator
from upshot._engine.endings import Conclusion
from upshot._runs.replay import Place
from upshot._runs.tags import tags_of_new_run
from upshot.context import FlowRunContext, TaskRunContext, entered
from upshot.documents import BaseResult
from upshot.logging._around import around
from upshot.logging.loggers import apply_level
from upshot.records import FlowRun, TaskRun
from upshot.results import Runtime
from upshot.settings import settings_here


@dataclass(slots=True, eq=False)
class FlowBody(Dependent):
    """One call of a flow's function."""

    context: FlowRunContext
    released: bool = False

    def call(self) -> Any:
        """Call the function."""
        self._start()
        with entered(self._variables(is_async=False)), around(self.context):
            return listed(self.fn(*self.args, **self.kwargs))

    async def acall(self) -> Any:
        """Call the function, if it is async."""
        self._start()
        with entered(self._variables(is_async=True)), around(self.context):
            try:
                return await alisted(self.fn(*self.args, **self.kwargs))
            except BaseException as error:
                if (cause := behind(error)) is not error:
                    raise cause from error
                raise

    def _start(self) -> None:
        apply_level()
        self.context.start_attempt()

    def validate(
        self,
        coerced: Callable[[Mapping[str, Any]], dict[str, Any]],
        signature: inspect.Signature,
    ) -> None:
        """Have the parameters checked, and call the function with what they are coerced to."""
        context = self.context
        before, context.parameters = context.parameters, coerced(context.parameters)
        if any(value is not before[name] for name, value in context.parameters.items()):
            self.args, self.kwargs = arguments_of(signature, context.parameters)
            context.flow_run.parameters_json = describe(context.parameters)

    def name_run(self, how: Any) -> None:
        """Give the run the name that its flow has for it, a template or a function."""
        with entered(self._variables(is_async=False)):
            name = run_name("flow_run_name", how, self.context.parameters)
        self.context.flow_run.name = name

    def _variables(self, *, is_async: bool) -> Mapping[ContextVar[Any], Any]:
        return {
            FlowRunContext.current: self.context,
            TaskRunContext.current: None,
            caller_is_async: is_async,
            settings_here: self.context.settings,
        }

    def keep(self, value: Any) -> Conclusion:
        """The conclusion of a run that returned `value`, with the value where it is to be."""
        self.context.made.settle()
        if self.context.runner is not None:  # else it has no futures
            value = with_states(value)
        factory = self.context.result_factory
        return conclude(
            value,
            self._document_of,
            self.context.made,
            writes=factory.persist_result,
            keeps=factory.only_keeps,
        )

    def unfinished(self, value: Any) -> list[Completion]:
        """The runs that end before a flow does which returned `value`."""
        left = self.context.unfinished()
        return left or (futures_in(value) if self.context.runner is not None else [])

    def resolve(self, signature: inspect.Signature) -> None:
        """Put values in the place of futures and states; may read them from their storages."""
        Dependent.resolve(self, signature)
        context, flow = self.context, cast(Any, self.context.flow)
        secret = flow._secret_parameters()
        context.flow_run.parameters_json = describe(context.parameters, secret)

    def _document_of(self, value: Any) -> BaseResult[Any]:
        context = self.context
        return context.result_factory.create(
            value,
            store=context.store,
            runtime=Runtime.within(context.parameters, context),
        )

    def give_up(self) -> None:
        """Have nobody wait for the runs that were submitted and have not ended."""
        left = self.context.unfinished()
        if left:
            coordinator().give_up(left)

    def holds(self) -> bool:
        """Whether letting go may take a while."""
        runner = None if self.released else self.context.runner
        return runner is not None and (runner.closing_blocks or bool(self.context.unfinished()))

    def release(self) -> None:
        """Let go of what only the run needed: once, also if it is interrupted meanwhile."""
        runner = None if self.released else self.context.runner
        self.released = True
        if runner is None:
            return
        try:
            left = self.context.unfinished()
            if left:  # it was interrupted, else it would have waited for them
                coordinator().end(left)
        finally:
            runner.close()


def record_of(
    flow: Any, around: FlowRunContext | None, parameters: Mapping[str, Any], place: Place | None
) -> FlowRun:
    """The record of a flow's call, with that of the task run that stands for it in its parent."""
    run = FlowRun(
        name="",
        flow_name=flow.name,
        flow_version=flow.version,
        parameters_json=describe(parameters, flow._secret_parameters()),
        owner=f"{socket.gethostname()}:{os.getpid()}",
        tags=tags_of_new_run(around=around.flow_run if around else None),
    )
    run.name = f"{flow.name}-{run.uid.hex()[-6:]}"
    if place is not None and place.task_run is not None:
        run.parent = place.task_run  # it goes on to stand for this call
    elif around is not None:
        index = around.next_call_index(flow.flow_key)
        run.parent = TaskRun(
            name=f"{flow.name}-{index}",
            task_name=flow.name,
            task_key=flow.flow_key,
            task_version=flow.version,
            inputs=flow._no_inputs,
            call_index=index,
            flow_run=around.run_record,
            tags=run.tags,
            child_uid=run.uid,
        )
        if place is not None:
            place.task_run = run.parent
    return run
