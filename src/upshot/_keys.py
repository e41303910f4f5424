"""Templates of storage keys: `{parameters[x]}`, `{flow_run.name}`, `{task_run.id}`, …"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Formatter
from typing import Any

from upshot import _registry
from upshot._mocks import mock_of, mocked
from upshot.exceptions import (
    InvalidOption,
    InvalidOptionValue,
    InvalidStorageKey,
    did_you_mean,
)
from upshot.filesystems._keys import relative_key
from upshot.records import FlowRun, TaskRun

_RUN = {"id", "name", "parameters", "run_count", "start_time", "tags"}
_FLOW_RUN = _RUN | {"flow_name", "flow_version", "parent_flow_run_id", "scheduled_start_time"}
_TASK_RUN = _RUN | {"call_index", "task_name"}
_UNTOLD = {"call_index", "start_time"}  # which `upshot.runtime` does not have
_ANY_TIME = datetime.min.replace(tzinfo=UTC)
_OUTSIDE = {"parameters": {}, "run_count": 0, "scheduled_start_time": _ANY_TIME, "tags": []}
_OF_FLOW = {"flow_name": "name", "flow_version": "version"}
_KNOWN = {"flow_run": frozenset(_FLOW_RUN), "task_run": frozenset(_TASK_RUN)}


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a template may ask of the run that is going on.

    Attributes:
        parameters: of the function whose run it is.
        flow_run: the run of the flow, or of the flow around the task.
        task_run: the run of the task.
        flow_parameters: what that flow was called with, where that is at hand.
        flow: the flow itself, likewise.
    """

    parameters: Mapping[str, Any]
    flow_run: FlowRun | None = None
    task_run: TaskRun | None = None
    flow_parameters: Mapping[str, Any] | None = None
    flow: Any = None

    @classmethod
    def within(cls, parameters: Mapping[str, Any], flow: Any, task_run: Any = None) -> Runtime:
        """What there is to be asked where the context of a flow run is `flow`, or None."""
        if flow is None:
            return cls(parameters, None, task_run)
        return cls(parameters, flow.flow_run, task_run, flow.parameters, flow.flow)

    def attribute(self, root: str, name: str) -> Any:
        """What `upshot.runtime` has under a name, which variables of the environment can mock.

        Raises:
            ValueError: if there is no such run here, or nothing has the name.
        """
        text = mock_of(root, name)
        if text is None or name not in _KNOWN[root] or name in _UNTOLD:
            return self._real(root, name) if text is None else text
        try:
            real = self._real(root, name)
        except _NoRun:
            real = _OUTSIDE.get(name)
        return mocked(root, name, text, real)

    def _real(self, root: str, name: str) -> Any:
        run = self.flow_run if root == "flow_run" else self.task_run
        if name not in _KNOWN[root]:
            hint = did_you_mean(name, _KNOWN[root])
            raise ValueError(f"{{{root}.{name}}} is unknown: {hint}")
        if name in _OF_FLOW and (found := getattr(self.flow, _OF_FLOW[name], None)):
            return found
        if run is None and root == "flow_run":  # perhaps one that the environment names
            run = _registry.load("room", "flow run here")()
        if run is None:
            raise _NoRun("no such run is going on here")
        if name == "parameters":
            own = self.parameters if root == "task_run" else self.flow_parameters
            return own or getattr(run, "parameters", self.parameters)
        if name == "parent_flow_run_id":
            around = getattr(getattr(run, "parent", None), "flow_run_id", None)
            return around and str(around)
        found = getattr(run, "expected_start_time" if name == "scheduled_start_time" else name)
        if name == "tags":
            return sorted(found)
        return str(found) if name == "id" else found


class _NoRun(ValueError):
    """There is no run of the kind that a template asks for."""


class _KeyFormatter(Formatter):
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        root, name, key = _parse(field_name)
        found = self._runtime.parameters if not name else self._runtime.attribute(root, name)
        if key is not None:
            if key not in found:
                raise ValueError(f"the function has no parameter {key!r}")
            found = found[key]
        return found, root


def format_key(template: str, runtime: Runtime) -> str:
    """The key that a template gives in a run.

    Raises:
        InvalidOption: if it names a parameter that the function does not have, or a flow run
            where there is none, or a value cannot be made text in the way that it says.
    """
    try:
        return _KeyFormatter(runtime).vformat(template, (), {})
    except Exception as error:  # a value makes its text itself
        problem = f"{template!r} cannot be filled: {error}"
        raise InvalidOption("result_storage_key", problem) from error


def check_template(template: str, parameters: Collection[str] | None = None) -> None:
    """Refuse a template that no run could fill.

    Args:
        template: the template.
        parameters: the names of the function's parameters, if it is known.

    Raises:
        InvalidOption: naming the variable that does not exist.
        InvalidOptionValue: if it is empty, or leads out of each storage.
    """
    if not template:
        problem = "is empty; leave it out for a key of its own"
        raise InvalidOptionValue("result_storage_key", problem)
    try:
        _check_fields(template, parameters)
    except ValueError as error:
        raise InvalidOption("result_storage_key", f"{template!r}: {error}") from error
    _check_place(template)


def _check_place(template: str) -> None:
    """Refuse a template whose beginning leads out of a storage, whatever comes behind."""
    parts = list(Formatter().parse(template))
    key = parts[0][0]
    if len(parts) > 1 or parts[0][1] is not None:
        key = key.rpartition("/")[0] + "/x"
    if key.startswith("/"):
        return  # perhaps inside of the storage's folder
    try:
        relative_key(key, "/")
    except InvalidStorageKey as error:
        outside = ".." in key.split("/")
        problem = f"{template!r} {'leads out of its storage' if outside else error.problem}"
        raise InvalidOptionValue("result_storage_key", problem) from error


def _check_fields(template: str, parameters: Collection[str] | None, inner: bool = False) -> None:
    for _, field, spec, conversion in Formatter().parse(template):
        if field is None:
            continue
        root, _, name = _parse(field)
        if root == "parameters" and parameters is not None and name not in parameters:
            raise ValueError(f"{{{field}}} is unknown: {did_you_mean(str(name), parameters)}")
        if conversion not in (None, "a", "r", "s"):
            raise ValueError(f"`!{conversion}` is unknown: it can be !a, !r or !s")
        if spec and inner:
            raise ValueError(f"`:{spec}` is nested too deep")
        _check_fields(spec or "", parameters, inner=True)


def _parse(field: str) -> tuple[str, str, str | None]:
    """The run, its attribute and the parameter that a field names; no attribute for `parameters`.

    Raises:
        ValueError: if nothing has that name.
    """
    base, bracket, key = field.partition("[")
    if bracket and not (key.endswith("]") and base.endswith("parameters")):
        base = field
    root, _, name = base.partition(".")
    of_parameter = key[:-1] if bracket and base != field else None
    if root in _KNOWN and name:
        if name not in _KNOWN[root] and (not name.isidentifier() or mock_of(root, name) is None):
            raise ValueError(f"{{{field}}} is unknown: {did_you_mean(name, _KNOWN[root])}")
        return root, name, of_parameter
    if base == "parameters" and of_parameter is not None:
        return root, "", of_parameter
    known = ["parameters[x]", *(f"{root}.{name}" for root in _KNOWN for name in _KNOWN[root])]
    raise ValueError(f"{{{field}}} is unknown: {did_you_mean(field, known)}")


class RunView:
    """A run as templates of names see it."""

    def __init__(self, root: str, runtime: Runtime) -> None:
        self._root, self._runtime = root, runtime

    def __getattr__(self, name: str) -> Any:
        return self._runtime.attribute(self._root, name)
