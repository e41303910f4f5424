"""What a call takes from other runs: futures, states and results among its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from upshot._arguments.signatures import bind
from upshot._arguments.upstreams import Found, Upstream, fill, find
from upshot._concurrency.waiting import Completion
from upshot._future import UpshotFuture
from upshot._runs.lineage import Lineage
from upshot.annotations import BaseAnnotation
from upshot.context import FlowRunContext
from upshot.exceptions import InvalidOption, PausedRun, UnfinishedRun
from upshot.records import TaskRun
from upshot.states import State

Inputs = Mapping[str, list[str]]  # a parameter's name to the ids of runs
_CAN_BE_WAITED_FOR = (list, tuple, Mapping, UpshotFuture, State, BaseAnnotation)


def checked_wait_for(value: Any) -> Any:
    """What a run is to wait for, which can be gone through again; None if nothing.

    Raises:
        InvalidOption: if it is neither a future or state, nor a collection.
    """
    if value is None or isinstance(value, _CAN_BE_WAITED_FOR):
        return value
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return list(value)
    raise InvalidOption("wait_for", f"must be a future, a state, or several; got {value!r}")


@dataclass(slots=True, eq=False)
class Dependent:
    """One call of a function, with arguments that may depend on other runs.

    Attributes:
        fn: the function.
        args: what it is called with; futures and states in it are replaced by `resolve`.
        context: of its run.
        upstreams: the futures and states among the arguments, and those to wait for.
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    context: Any
    upstreams: Sequence[Found] = field(default=(), kw_only=True)

    def find_upstreams(
        self,
        run: TaskRun | None,
        flow: FlowRunContext | None,
        wait_for: Any = None,
        more: Inputs | None = None,
    ) -> list[Completion] | None:
        """Look for futures, states and results in the arguments, and note them in a record.

        Args:
            run: the record; None for a flow run around which there is no other.
            flow: the flow run around.
            wait_for: what else must have ended before, as `checked_wait_for` gives it.
            more: what is known besides.

        Returns:
            The runs that must end before; None if there is nothing to wait for or to `resolve`.
        """
        if run is None:
            return None
        resolves, lineage = False, flow.lineage if flow else None
        inputs: dict[str, list[str]] = {}
        for name, value in self.context.parameters.items():
            ids, marked = self._look_into(value, lineage)
            resolves |= marked
            if more is not None and name in more:
                ids = list(dict.fromkeys([*ids, *more[name]]))
            if ids:
                inputs[name] = ids
        if wait_for is not None:
            inputs["wait_for"] = self._look_into(wait_for, lineage)[0]
        if inputs:
            empty: dict[str, list[str]] = {name: [] for name in self.context.parameters}
            run.inputs = orjson.dumps(empty | inputs).decode()
        if not (resolves or self.upstreams):
            return None
        futures = [item.upstream for item in self.upstreams]
        return [future.done for future in futures if isinstance(future, UpshotFuture)]

    def _look_into(self, value: Any, lineage: Lineage | None) -> tuple[list[str], bool]:
        """The ids of the runs whose results are in `value`, and whether `fill` changes it."""
        found: list[Found] = []
        marked = find(value, found)
        origins = lineage.origins(value) if lineage is not None else []
        if found:
            self.upstreams = [*self.upstreams, *found]
            origins = list(dict.fromkeys([*_ids(found), *origins]))
        return origins, marked

    def obstacle(self) -> str | None:
        """Why this run cannot start, once those before it have ended; None if it can."""
        for item in self.upstreams:
            state = state_of(item.upstream)
            if not (item.may_fail or state.is_completed()):
                run = run_id(item.upstream)
                which = "state of no run" if run is None else f"task run '{run}'"
                return f"Upstream {which} did not reach a 'COMPLETED' state."
        return None

    def resolve(self, signature: inspect.Signature) -> None:
        """Put values in the place of futures and states; may read them from their storages."""
        self.args = fill(self.args, _data_of)
        self.kwargs = fill(self.kwargs, _data_of)
        self.upstreams = ()
        self.context.parameters = bind(signature, self.fn, self.args, self.kwargs)


def inputs_of(parameters: Mapping[str, Any], lineage: Lineage | None) -> Inputs:
    """The runs that parameters as a whole are the results of; not what is in them."""
    found: dict[str, list[str]] = {}
    for name, value in parameters.items():
        if isinstance(value, UpshotFuture | State):
            found[name] = _ids([Found(value)])
        elif lineage is not None and (state := lineage.state(value)) is not None:
            found[name] = _ids([Found(state)])
    return {name: ids for name, ids in found.items() if ids}


def state_of(upstream: Upstream) -> State[Any]:
    """The present state of a future's run, or the state itself."""
    return upstream.state() if isinstance(upstream, UpshotFuture) else upstream


def run_id(upstream: Upstream) -> Any:
    """The identity of the run behind a future or a state; None if it has none."""
    if isinstance(upstream, UpshotFuture):
        return upstream.task_run and upstream.task_run.id
    details = upstream.state_details
    return details.task_run_id or details.flow_run_id


def _ids(found: list[Found]) -> list[str]:
    """The identities of the runs behind these, each once; a state made by hand has none."""
    ids = [run_id(item.upstream) for item in found]
    return list(dict.fromkeys(str(id) for id in ids if id is not None))


def _data_of(upstream: Upstream) -> Any:
    state = state_of(upstream)
    try:
        value, error = state.outcome()
    except (
        PausedRun,
        UnfinishedRun,
    ) as problem:  # its failure is allowed, and it could not even start
        return problem
    return value if error is None else error
