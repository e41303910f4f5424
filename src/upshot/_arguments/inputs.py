"""What is called and with what, as a digest by which a retry of its flow knows a call again."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterable, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from pydantic import BaseModel

from upshot._arguments.hashing import Digesting, Unhashable, has_contents, pickled
from upshot._arguments.identities import Identities, pickler_class
from upshot._future import UpshotFuture
from upshot._runs.replay import Place
from upshot.annotations import BaseAnnotation
from upshot.context import FlowRunContext, TaskRunContext
from upshot.documents import BaseResult
from upshot.filesystems import FileSystem
from upshot.states import State

# the options that a run shows, or that say where its result is
_SEEN = (
    "name",
    "version",
    "tags",
    "task_run_name",
    "flow_run_name",
    "persist_result",
    "result_storage",
    "result_storage_key",
    "result_serializer",
)


def place_of(
    flow: FlowRunContext | None,
    key: str,
    called: Any,
    parameters: Mapping[str, Any],
    wait_for: Iterable[Any] | None = None,
) -> Place | None:
    """The place of a call among those that a retry of the flow makes again.

    Args:
        called: the task or the flow.

    Returns:
        None if the flow is not retried. Calls that its tasks make are these tasks' own matter.
    """
    if flow is None or flow.replay is None or TaskRunContext.get() is not None:
        return None
    identities = flow.replay.identities
    what = _digest_of_called(called, identities)
    digest = what and digest_of([what, dict(parameters), wait_for], identities)
    return flow.replay.take(key, digest)


def _digest_of_called(called: Any, identities: Identities) -> bytes | None:
    """What makes a task or a flow what it is."""
    fn, options = called.fn, [*map(vars(called).get, _SEEN)]
    if type(fn) is not FunctionType:  # an object may change from call to call
        return digest_of([fn, options], identities)
    parts = [weakref.ref(fn), *options]  # not to hold the task, which its function may hold
    return identities.of_unchanged(called, parts, lambda: digest_of([fn, options], identities))


def digest_of(inputs: Any, identities: Identities) -> bytes | None:
    """The same for a call of the same function with the same, another one for all others.

    Collections, dataclasses and models are taken by what they hold, futures and states by the
    runs behind them, functions and classes by who they are, and all else by its pickle; what has
    none is the same as long as it is there.

    Returns:
        16 bytes; None where a class of the user's cannot be looked into.
    """
    try:
        return _Inputs(identities).of(inputs)
    except Exception:  # whatever that raises
        return None


class _Inputs(Digesting):
    """What a call is made with, being gone through."""

    def __init__(self, identities: Identities) -> None:
        super().__init__()
        self._identities = identities
        self._looks_into_one = False

    def parts_of(self, value: Any) -> list[Any] | None:
        """What makes a future, a state, a mark, a result or a model what it is."""
        if isinstance(value, UpshotFuture):
            # a run that is begun anew is another input, for it may give another value
            begun = [step for step in value.task_run.history if step.name == "Pending"]
            return [value.task_run.uid, len(begun)]
        if isinstance(value, State):
            return _parts_of_state(value)
        if isinstance(value, BaseAnnotation):
            return [value.unwrap()]
        if isinstance(value, BaseResult) and value.has_cached_object():
            # the value that a result holds belongs to no field of it
            return [vars(value), value.fetch()]
        return self._parts_beside_fields(value)

    def _parts_beside_fields(self, value: Any) -> list[Any] | None:
        """All that a dataclass or a model holds, which may be more than it has fields for."""
        if isinstance(value, BaseModel) and not isinstance(value, FileSystem | BaseResult):
            return [type(value), vars(value), value.__pydantic_extra__, value.__pydantic_private__]
        if dataclasses.is_dataclass(value) and not has_contents(value):
            names = [field.name for field in dataclasses.fields(value)]
            fields = {name: getattr(value, name) for name in names if hasattr(value, name)}
            return [type(value), {**fields, **getattr(value, "__dict__", {})}]
        if type(value) is partial:
            return [value.func, value.args, value.keywords]
        if type(value) is MethodType:
            # what an object leaves out of its pickle its method may use
            said = vars(value.__self__) if _pickles_itself(value.__self__) else None
            return [value.__func__, value.__self__, said]
        return None

    def pickled(self, value: Any) -> bytes:
        """The digest of a value's pickle; of who it is, where it has none."""
        if isinstance(value, FunctionType | type):
            return self._definition(value)
        try:
            return pickled(value, partial(pickler_class(), self._definition))
        except Unhashable:
            known = self._identities.of_object(value)
        if self._looks_into_one:
            return known
        self._looks_into_one = True  # but not into what that one holds
        try:
            return self.of([known, getattr(value, "__dict__", {})])
        finally:
            self._looks_into_one = False

    def _definition(self, defined: Any) -> bytes:
        return self._identities.of_definition(defined, self)


def _pickles_itself(value: Any) -> bool:
    """Whether the class of an object says what of its attributes goes into a pickle."""
    kind, names = type(value), ("__getstate__", "__reduce__", "__reduce_ex__")
    own = any(getattr(kind, name, None) is not getattr(object, name, None) for name in names)
    return own and not isinstance(value, type | BaseModel) and hasattr(value, "__dict__")


def _parts_of_state(state: State[Any]) -> list[Any]:
    details = state.state_details
    ids = [id and id.bytes for id in (details.task_run_id, details.flow_run_id)]
    if any(ids):
        return [*ids, state.timestamp.isoformat(), state.name]
    return [state.type.value, state.name, state.message, state.data]
