"""Templates of storage keys: `{parameters[x]}`, `{flow_run.name}`, `{task_run.id}`, …"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from upshot.exceptions import InvalidOption, did_you_mean
from upshot.records import FlowRun, TaskRun

_FLOW_RUN = frozenset({"flow_name", "flow_version", "id", "name", "run_count", "start_time"})
_TASK_RUN = frozenset({"call_index", "id", "name", "run_count", "start_time", "task_name"})
_KNOWN = {"flow_run": _FLOW_RUN, "task_run": _TASK_RUN}


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a template may ask of the run that is going on."""

    parameters: Mapping[str, Any]
    flow_run: FlowRun | None = None
    task_run: TaskRun | None = None


class _KeyFormatter(Formatter):
    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        root, name = _parse(field_name)
        if root != "parameters":
            return _attribute(kwargs[root], name), root
        if name not in kwargs[root]:
            raise ValueError(f"the function has no parameter {name!r}")
        return kwargs[root][name], root


def format_key(template: str, runtime: Runtime) -> str:
    """The key that a template gives in a run.

    Raises:
        InvalidOption: if it names a parameter that the function does not have, or a flow run
            where there is none, or a value cannot be made text in the way that it says.
    """
    values = {
        "parameters": runtime.parameters,
        "flow_run": runtime.flow_run,
        "task_run": runtime.task_run,
    }
    try:
        return _KeyFormatter().vformat(template, (), values)
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
    """
    if not template:
        raise InvalidOption("result_storage_key", "is empty; leave it out for a key of its own")
    try:
        _check_fields(template, parameters)
    except ValueError as error:
        raise InvalidOption("result_storage_key", f"{template!r}: {error}") from error


def _check_fields(template: str, parameters: Collection[str] | None, inner: bool = False) -> None:
    for _, field, spec, conversion in Formatter().parse(template):
        if field is None:
            continue
        root, name = _parse(field)
        if root == "parameters" and parameters is not None and name not in parameters:
            raise ValueError(f"{{{field}}} is unknown: {did_you_mean(name, parameters)}")
        if conversion not in (None, "a", "r", "s"):
            raise ValueError(f"`!{conversion}` is unknown: it can be !a, !r or !s")
        if spec and inner:
            raise ValueError(f"`:{spec}` is nested too deep")
        _check_fields(spec or "", parameters, inner=True)


def _parse(field: str) -> tuple[str, str]:
    root = next((root for root in _KNOWN if field.startswith(f"{root}.")), None)
    if root is not None:
        name = field.removeprefix(f"{root}.")
        if name not in _KNOWN[root]:
            raise ValueError(f"{{{field}}} is unknown: {did_you_mean(name, _KNOWN[root])}")
        return root, name
    if field.startswith("parameters[") and field.endswith("]"):
        return "parameters", field[len("parameters[") : -1]
    known = ["parameters[x]", *(f"{root}.{name}" for root in _KNOWN for name in _KNOWN[root])]
    raise ValueError(f"{{{field}}} is unknown: {did_you_mean(field, known)}")


def _attribute(run: FlowRun | TaskRun | None, name: str) -> Any:
    if run is None:
        raise ValueError("no such run is going on here")
    return getattr(run, name)
