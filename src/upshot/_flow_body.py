"""What is done where a flow's function runs: its call, and the keeping of its value."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from upshot._bridge import caller_is_async
from upshot._engine.conclusions import conclude
from upshot._engine.coordinator import coordinator
from upshot._engine.endings import Conclusion
from upshot._parameters import arguments_of, describe
from upshot._run_names import run_name
from upshot._signals import behind
from upshot.context import FlowRunContext, TaskRunContext, entered
from upshot.documents import BaseResult
from upshot.records import moment
from upshot.results import Runtime


@dataclass(slots=True, eq=False)
class FlowBody:
    """One call of a flow's function."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    context: FlowRunContext
    released: bool = False

    def call(self) -> Any:
        """Call the function."""
        self.context.start_attempt()
        with entered(self._variables(is_async=False)):
            return self.fn(*self.args, **self.kwargs)

    async def acall(self) -> Any:
        """Call the function, if it is async."""
        self.context.start_attempt()
        with entered(self._variables(is_async=True)):
            try:
                return await self.fn(*self.args, **self.kwargs)
            except BaseException as error:
                if (cause := behind(error)) is not error:
                    raise cause from error
                raise

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
            context.flow_run.parameters = describe(context.parameters)

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
        }

    def keep(self, value: Any) -> Conclusion:
        """The conclusion of a run that returned `value`, with the value where it is to be."""
        self.context.made.settle()
        return conclude(value, self._document_of, self.context.made)

    def _document_of(self, value: Any) -> BaseResult[Any]:
        context = self.context
        return context.result_factory.create(
            value,
            at=moment(time.time()),
            store=context.store,
            runtime=Runtime(context.parameters, context.flow_run),
        )

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
