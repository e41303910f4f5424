"""Names of runs: from a template or a function."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from upshot._keys import Runtime, RunView
from upshot._options.run_names import checked_run_name
from upshot.context import FlowRunContext, TaskRunContext
from upshot.exceptions import InvalidOption, InvalidOptionValue, did_you_mean

_MORE = ("parameters", "flow_run", "task_run")


def _words(template: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a template may name: the parameters, and behind them what templates of keys do."""
    if not any(f"{{{word}" in template for word in _MORE):
        return parameters
    task = TaskRunContext.get()
    runtime = Runtime.within(parameters, FlowRunContext.get(), task.task_run if task else None)
    more = {"parameters": parameters} | {word: RunView(word, runtime) for word in _MORE[1:]}
    return ChainMap(dict(parameters), more)


def run_name(option: str, value: Any, parameters: Mapping[str, Any]) -> str:
    """The name of a run with these parameters.

    Raises:
        InvalidOption: if the template cannot be filled, or the function returned no text.
    """
    value = checked_run_name(option, value)
    if isinstance(value, str):
        try:
            return value.format_map(_words(value, parameters))
        except ValueError as error:
            raise InvalidOptionValue(option, f"{value!r} cannot be filled: {error}") from error
        except KeyError as error:
            hint = did_you_mean(str(error.args[0]), parameters)
            problem = f"{value!r} names {error.args[0]!r}, which is no parameter: {hint}"
            raise InvalidOption(option, problem) from error
    name = value()
    if not isinstance(name, str):
        got = type(name).__name__
        raise InvalidOption(
            option, f"Callable {value} for '{option}' returned type {got} but a string is required."
        )
    return name
