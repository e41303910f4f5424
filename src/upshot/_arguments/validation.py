"""Parameters that are checked and coerced by their annotations."""

from __future__ import annotations

import inspect
import sys
import typing
from collections import abc
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from types import GenericAlias
from typing import Annotated, Any, Protocol

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from upshot.exceptions import InvalidOptionValue, ParameterTypeError, SignatureMismatchError
from upshot.filesystems._secrets import fields_with_secrets

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # pydantic takes no other there
    from typing_extensions import TypedDict

# a program that goes on to Prefect may have no parameters of these names
RESERVED = ("v__args", "v__kwargs", "v__positional_only", "v__duplicate_kwargs")

_CONFIG = ConfigDict(arbitrary_types_allowed=True)

# what can be gone through once: pydantic would hand out an iterator in its place
_ONCE = (abc.Iterable, abc.Iterator, abc.Generator, abc.AsyncIterable, abc.AsyncIterator)


class Checks(Protocol):
    """What knows the fitting values of parameters."""

    def validate_python(self, given: Any, /) -> Any:
        """The values as they are to be, by name."""


def check_names(signature: inspect.Signature) -> None:
    """Refuse a function whose parameters could not be checked.

    Raises:
        InvalidOptionValue: if one has a name that is needed for that.
    """
    for name in RESERVED:
        if name in signature.parameters:
            raise InvalidOptionValue(
                "validate_parameters",
                "Flow function is not compatible with `validate_parameters`: rename its parameter"
                f" {name!r}, or set validate_parameters=False",
            )


class Validator:
    """Checks and coerces the parameters of one function; built when it is first needed.

    What has no annotation, or one that cannot be resolved or understood, is left as it is. So is
    a default that does not fit its own annotation.
    """

    def __init__(self, fn: Callable[..., Any], signature: inspect.Signature) -> None:
        self._fn, self._signature = fn, signature
        parameters = signature.parameters.items()
        # defaults of the form `Field(default=…)`, which also say what is asked of the parameter
        self._described = {
            name: parameter.default
            for name, parameter in parameters
            if isinstance(parameter.default, FieldInfo)
        }
        self.is_needed = bool(self._described) or any(
            parameter.annotation is not parameter.empty for _, parameter in parameters
        )

    @cached_property
    def _built(self) -> tuple[Checks, frozenset[str], dict[str, Any]]:
        """What checks, the names of the parameters that it knows, and defaults that do not fit."""
        parameters = self._signature.parameters
        fields = {
            name: _annotation(parameters[name], kind)
            for name, kind in _kinds(self._fn, self._signature).items()
        }
        for name, field in self._described.items():
            for asked in field.metadata:
                fields[name] = Annotated[fields.get(name, Any), asked]
        checks = _checks_of(fields)
        defaults = {
            name: parameters[name].default
            for name in fields
            if parameters[name].default is not inspect.Parameter.empty
            and name not in self._described
        }
        unfit = {name: defaults[name] for name in _unfit(checks, defaults)}
        return checks, frozenset(fields), unfit

    @cached_property
    def secret(self) -> frozenset[str]:
        """The names of the parameters that are to be, or to hold, secrets."""
        schema = getattr(self._built[0], "core_schema", None)
        return frozenset() if schema is None else fields_with_secrets(schema)

    def validate(
        self, parameters: Mapping[str, Any], signature: inspect.Signature
    ) -> dict[str, Any]:
        """These parameters, coerced.

        Args:
            parameters: by name.
            signature: the function's; of a bound method without its first parameter.

        Raises:
            ParameterTypeError: if some do not fit their annotations, or are missing.
            SignatureMismatchError: if the function has no parameters of their names.
        """
        expected = signature.parameters
        if not parameters.keys() <= expected.keys():
            raise SignatureMismatchError.from_bad_params(expected, parameters)
        if self._described:
            parameters = self._with_described(parameters)
        problems = [
            f"- {name}: is required"
            for name, parameter in expected.items()
            if name not in parameters and _is_required(parameter)
        ]
        checks, known, unfit = self._built
        coerced = {
            name: value
            for name, value in parameters.items()
            if name in known and not (name in unfit and value is unfit[name])
        }
        try:
            coerced = checks.validate_python(coerced)
        except ValidationError as error:
            problems.append(ParameterTypeError.from_validation_error(error).problems)
        if problems:
            raise ParameterTypeError("\n".join(problems))
        return {**parameters, **coerced}

    def _with_described(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The same, with the defaults that are meant; without those that are required."""
        found = dict(parameters)
        for name, field in self._described.items():
            if found.get(name) is field:
                found[name] = field.get_default(call_default_factory=True, validated_data={})
                if field.is_required():
                    del found[name]
        return found


def _is_required(parameter: inspect.Parameter) -> bool:
    if isinstance(parameter.default, FieldInfo):
        return parameter.default.is_required()
    variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not variadic


def _kinds(fn: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """The annotations that can be resolved, of the parameters that have one."""
    written = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if parameter.annotation is not parameter.empty
    }
    known = _names_known_to(fn) if written else {}
    kinds = {name: _resolved(annotation, known) for name, annotation in written.items()}
    return {name: kind for name, kind in kinds.items() if _can_be_checked(kind)}


def _names_known_to(fn: Callable[..., Any]) -> dict[str, Any]:
    """What the names in the text of a function mean."""
    whole: Any = inspect.unwrap(fn)
    whole = getattr(whole, "func", whole)  # of a partial
    whole = getattr(whole, "__func__", whole)  # of a method
    if not hasattr(whole, "__globals__"):
        whole = type(whole).__call__
    known = dict(getattr(whole, "__globals__", {}))
    names = getattr(getattr(whole, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(whole, "__closure__", None) or (), strict=False):
        with suppress(ValueError):  # it is not bound yet
            known[name] = cell.cell_contents
    return known


def _resolved(annotation: Any, known: dict[str, Any]) -> Any:
    """An annotation without names that are to be looked up; Any if one is not known."""
    holder = type("holder", (), {"__annotations__": {"kind": annotation}})
    try:
        return typing.get_type_hints(holder, known, {}, include_extras=True)["kind"]
    except Exception:  # an annotation may be any expression, and raise whatever it likes
        return Any


def _can_be_checked(kind: Any) -> bool:
    if kind is Any or (typing.get_origin(kind) or kind) in _ONCE:
        return False
    # a protocol that is not made for isinstance() cannot be asked
    is_protocol = getattr(kind, "_is_protocol", False)
    return not is_protocol or bool(getattr(kind, "_is_runtime_protocol", False))


def _annotation(parameter: inspect.Parameter, kind: Any) -> Any:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return GenericAlias(tuple, (kind, ...))
    if parameter.kind is parameter.VAR_KEYWORD:
        origin = typing.get_origin(kind)
        unpacked = origin is not None and getattr(origin, "_name", "") == "Unpack"
        return typing.get_args(kind)[0] if unpacked else GenericAlias(dict, (str, kind))
    return kind


def _checks_of(fields: dict[str, Any]) -> Checks:
    """What checks these fields; of those that pydantic does not understand nothing is left."""
    if not fields:
        return _Nothing()
    try:
        return _adapter(fields)
    except Exception:  # pydantic's own errors, and those of a class that makes its own schema
        if len(fields) == 1:
            fields.clear()
            return _Nothing()
        for name, kind in list(fields.items()):
            if isinstance(_checks_of({name: kind}), _Nothing):
                del fields[name]
        return _adapter(fields) if fields else _Nothing()


def _adapter(fields: dict[str, Any]) -> Checks:
    make: Any = TypedDict
    kind = make("Parameters", dict(fields), total=False)
    kind.__pydantic_config__ = _CONFIG
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return adapter


class _Nothing:
    def validate_python(self, given: Any, /) -> Any:
        return given


def _unfit(checks: Checks, defaults: dict[str, Any]) -> set[str]:
    """The names of the defaults that do not fit."""
    try:
        checks.validate_python(defaults)
    except ValidationError as error:
        return {str(found["loc"][0]) for found in error.errors(include_url=False)}
    except Exception:  # of a validator of the user's: it is asked again when the default is used
        return set()
    return set()
