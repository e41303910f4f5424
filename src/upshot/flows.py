"""Flows: functions whose calls are runs, and in which calls of tasks and flows are recorded."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, overload

from upshot._arguments.dependencies import checked_wait_for
from upshot._arguments.identities import Identities
from upshot._arguments.inputs import place_of
from upshot._arguments.validation import Validator, check_names
from upshot._calls.chosen_runner import checked_runner, duplicate_of
from upshot._calls.decorated import Decorated
from upshot._calls.flow_body import FlowBody, record_of
from upshot._concurrency import attempt
from upshot._engine.attempts import Ports
from upshot._engine.effects import Steps
from upshot._engine.endings import Ended
from upshot._engine.flow_run import FlowCall, run_flow
from upshot._options import checks
from upshot._options.run_names import checked_run_name
from upshot._options.types import FLOW_CHANGES, FLOW_DEFAULTS, FlowOptions, shows
from upshot._runs.replay import Place, Replay
from upshot.context import FlowRunContext, logs_prints, told
from upshot.exceptions import InvalidOptionValue, ParameterBindError
from upshot.results import ResultFactory, infer_factory
from upshot.runstore import open_store
from upshot.settings import Settings, get_current_settings
from upshot.task_runners import BaseTaskRunner, TaskRunner
from upshot.utilities.hashing import known_file_hash

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_NOTHING_TO_WAIT_FOR = "is for flows that are called in a flow; there is none around this one"


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

    def _steps(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], wants_value: bool
    ) -> Steps[Ended]:
        attempt.refuse_late()
        wait_for = checked_wait_for(kwargs.pop("wait_for", None))
        parameters, misfit = self._bound(args, kwargs, wants_value)
        around = FlowRunContext.get()
        if wait_for is not None and around is None:
            raise InvalidOptionValue("wait_for", _NOTHING_TO_WAIT_FOR)
        place = place_of(around, self.flow_key, self, parameters, wait_for)
        context = self._context(around, parameters, place)
        body = FlowBody(self.fn, args, kwargs, context)
        run, factory = context.flow_run, context.result_factory
        on_end, on_value = told(around, run, factory, place)
        call = FlowCall(
            run=run,
            function=body.acall if self.isasync else body.call,
            awaits=self.isasync,
            keep=body.keep,
            persists=factory.persist_result,
            retries=context.retries,
            retry_delay=self.retry_delays,
            timeout=self.timeout_seconds,
            wants_value=wants_value,
            on_end=on_end,
            on_value=on_value,
            place=place,
            children=body.unfinished,
            give_up=body.give_up,
            host=context.host_on if self.isasync else None,
            upstreams=body.find_upstreams(run.parent, around, wait_for),
            obstacle=body.obstacle,
            resolve=partial(body.resolve, self._signature),
            hooks=self._called_on,
            release=body.release,
            holds=body.holds,
            validate=self._validation(body, misfit),
            name_run=partial(body.name_run, self.flow_run_name) if self.flow_run_name else None,
        )
        return run_flow(call, Ports(context.store, time.time))

    def _context(
        self, around: FlowRunContext | None, parameters: dict[str, Any], place: Place | None
    ) -> FlowRunContext:
        settings = get_current_settings()
        # others are duplicated when they are first needed
        at_once = type(self.task_runner).duplicate is not TaskRunner.duplicate
        return FlowRunContext(
            flow=self,
            flow_run=record_of(self, around, parameters, place),
            parameters=parameters,
            result_factory=self._factory(around, settings),
            store=open_store(settings),
            settings=settings,
            retries=self.retries,
            log_prints=logs_prints(self.log_prints, around),
            task_runner=duplicate_of(self.task_runner) if at_once else None,
            replay=Replay(Identities(self.fn)) if self.retries else None,
        )

    def _factory(self, around: FlowRunContext | None, settings: Settings) -> ResultFactory:
        """The factory of a call of the flow, in the flow run `around` it."""
        return infer_factory(
            self,
            parent=around.result_factory if around else None,
            settings=settings,
            needs_persistence=bool(around and around.retries),
        )

    def _bound(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], wants_value: bool
    ) -> tuple[dict[str, Any], ParameterBindError | None]:
        """The parameters of a call; those of one that wants a state may not fit."""
        try:
            return self._parameters(args, kwargs), None
        except ParameterBindError as error:
            if wants_value:
                raise
            return {}, error

    def _secret_parameters(self) -> frozenset[str]:
        """The names of the parameters that validation makes secrets of."""
        checked = self.should_validate_parameters and self._validator.is_needed
        return self._validator.secret if checked else frozenset()

    def _validation(
        self, body: FlowBody, misfit: ParameterBindError | None
    ) -> Callable[[], object] | None:
        """What checks the parameters of a call; None if there is nothing to check."""
        if misfit is not None:
            return partial(_raise, misfit)
        if not self.should_validate_parameters or not self._validator.is_needed:
            return None
        return partial(body.validate, self.validate_parameters, self._signature)


def _raise(error: Exception) -> None:
    raise error


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
