"""Flows: functions whose calls are runs, and in which calls of tasks and flows are recorded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, overload

from upshot._arguments.validation import Validator, check_names
from upshot._calls.at_call import at_call
from upshot._calls.decorated import Decorated
from upshot._options import checks
from upshot._options.run_names import checked_run_name
from upshot._options.runners import checked_runner
from upshot._options.types import FLOW_CHANGES, FLOW_DEFAULTS, FlowOptions, shows
from upshot.task_runners import BaseTaskRunner
from upshot.utilities.hashing import known_file_hash

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Flow(Decorated[P, R_co]):
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
    terminable = True
    options = frozenset(FLOW_DEFAULTS)
    changes = frozenset(FLOW_CHANGES)

    _steps = at_call("flow steps")
    _factory = at_call("flow factory")

    @shows(FLOW_DEFAULTS, FlowOptions, "self", "fn")
    def __init__(self, fn: Callable[P, R_co], **options: Unpack[FlowOptions]) -> None:
        super().__init__(fn, options)
        given = options.get
        if given("name") is not None:
            checks.check_characters(self.name)
        if self.version is None:
            self.version = _version_of_source(fn)
        self.flow_key = checks.key_of(fn)
        self.flow_run_name = checked_run_name("flow_run_name", given("flow_run_name"))
        self.task_runner: BaseTaskRunner = checked_runner(given("task_runner"))
        self.should_validate_parameters = checks.checked_switch(
            "validate_parameters", options.get("validate_parameters", True)
        )
        if self.should_validate_parameters:
            check_names(self._signature)
        self._validator = Validator(fn, self._signature)
        self.on_cancellation = self._hooks("on_cancellation")
        self.on_crashed = self._hooks("on_crashed")
        self.on_running = self._hooks("on_running")
        self._is_made = True

    def _checked(self, option: str, value: Any) -> Any:
        if option == "task_runner":
            return checked_runner(value)
        return super()._checked(option, value)

    def validate_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """These parameters, checked and coerced by the function's annotations.

        Raises:
            ParameterTypeError: if one does not fit, or is missing.
            SignatureMismatchError: if the function has no parameter of a name.
        """
        return self._validator.validate(parameters, self._signature)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Flow[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> Flow[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Of a method, the flow for one instance."""
        return self if instance is None else self._bound_to(instance)

    @shows(FLOW_CHANGES, FlowOptions, "self")
    def with_options(self, **changes: Unpack[FlowOptions]) -> Flow[P, R_co]:
        """A flow of the same function with other options; what is not given stays as it is."""
        return self._with(changes)

    def _secret_parameters(self) -> frozenset[str]:
        """The names of the parameters that validation makes secrets of."""
        checked = self.should_validate_parameters and self._validator.is_needed
        return self._validator.secret if checked else frozenset()


def _version_of_source(fn: Callable[..., Any]) -> str | None:
    """The hash of the file that a function stands in; None where there is none."""
    try:
        return known_file_hash(inspect.getsourcefile(inspect.unwrap(fn)) or "")
    except (TypeError, OSError):  # not made of Python; typed in
        return None


@overload
def flow(__fn: Callable[P, R]) -> Flow[P, R]: ...
@overload
def flow(
    __fn: None = None, **options: Unpack[FlowOptions]
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
@shows(FLOW_DEFAULTS, FlowOptions, "__fn=")
def flow(__fn: Any = None, **options: Any) -> Any:
    """Make a function a flow.

    Args:
        name: what it is called; by default the function's name, with `-` for `_`.
        description: by default the function's docstring.
        version: the flow's version, for people; by default the hash of its source file.
        flow_run_name: what a run is called: a template (`"sum of {x}"`), or a function of nothing.
        retries: how often the function is called again after it raised.
        retry_delay_seconds: seconds before each retry; of a list, the last for all later ones.
        timeout_seconds: how long each call of it may take; a late run is failed, "TimedOut".
        persist_result: write the flow's own result to the storage. By default where a feature in
            use needs it: results that are not kept in memory, retries of the flow around it.
        result_storage: where to, as a storage or the name of one, also for the tasks and flows
            inside that name no other; by default the folder `UPSHOT_LOCAL_STORAGE_PATH`.
        result_serializer: how, likewise; by default `UPSHOT_RESULTS_DEFAULT_SERIALIZER`.
        cache_result_in_memory: also keep the value in memory with the state.
        task_runner: a task runner or a class of one; by default threads, and the flow's loop.
        validate_parameters: check and coerce the parameters by the function's annotations.
        log_prints: log what the function prints.
        on_running: called as `hook(flow=…, flow_run=…, state=…)`, sync or async, in the order of
            the list, before the function is called for the first time. What a hook raises is
            logged, and changes nothing.
        on_completion: called likewise when the run has completed,
        on_failure: when it has failed and is not retried any more,
        on_cancellation: when it enters a state of the type CANCELLING, or is ended from outside
            after a client has put it into one,
        on_crashed: when it is ended from outside otherwise.

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
    checks.check_known("flow", options, Flow.options)
    return Flow(__fn, **options) if __fn is not None else lambda fn: Flow(fn, **options)
