"""The pydantic base of documents, states, serializers and storages; records that pass for one."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic_core import core_schema

from upshot import _registry

_set = object.__setattr__
_DICT: Any = vars(BaseModel)["__dict__"]


class Model(BaseModel):
    """A pydantic model that also answers to the short names which its users write."""

    def json(self, **options: Any) -> str:
        """This model as JSON text; `options` as for `model_dump_json`."""
        return self.model_dump_json(**options)

    def dict(self, **options: Any) -> dict[str, Any]:
        """This model as a dict; `options` as for `model_dump`."""
        return self.model_dump(**options)

    def copy(  # type: ignore[override]
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """A copy of this model, with the fields in `update` replaced."""
        return self.model_copy(update=update, deep=deep)

    @classmethod
    def parse_raw(cls, text: str | bytes, **options: Any) -> Self:  # type: ignore[override]
        """The model that JSON `text` describes."""
        return cls.model_validate_json(text, **options)

    @classmethod
    def parse_obj(cls, fields: Any) -> Self:
        """The model that a dict describes."""
        return cls.model_validate(fields)

    @classmethod
    def made_of(cls, fields: MutableMapping[str, Any]) -> Self:
        """A model of all its fields, which are known to be right; a third of the usual price.

        Args:
            fields: by name, in their order; they are the model's from now on.
        """
        made = object.__new__(cls)
        made._take(fields)
        return made

    def _take(self, fields: MutableMapping[str, Any]) -> None:
        _set(self, "__dict__", fields)
        # one for all: where all fields were given, none can be added
        _set(self, "__pydantic_fields_set__", _names_of(type(self)))
        _set(self, "__pydantic_extra__", None)
        _set(self, "__pydantic_private__", None)

    @classmethod
    def construct(cls, _fields_set: set[str] | None = None, **fields: Any) -> Self:
        """A model of `fields` as they are, unchecked."""
        return cls.model_construct(_fields_set, **fields)  # type: ignore[return-value]


@cache
def _names_of(model: type[BaseModel]) -> set[str]:
    return {*model.model_fields}


class Source(Protocol):
    """Knows the fields of a model."""

    def fields(self) -> MutableMapping[str, Any]:
        """All fields by name, in their order."""


class Unfolding(Model):
    """A model that can be made of a source, which is asked when something of it is looked at.

    A flow's state is made of those of all its runs, and hardly ever does anybody look at these.
    """

    __slots__ = ("_source",)

    @classmethod
    def of(cls, source: Source) -> Self:
        """The model of the fields that the source will tell."""
        made = object.__new__(cls)
        _set(made, "_source", source)
        return made

    def _unfold(self) -> bool:
        """Ask the source; False if there is none, or if it was asked."""
        try:
            source: Source | None = object.__getattribute__(self, "_source")
        except AttributeError:  # it was made in another way
            return False
        if source is None:
            return False
        self._take(source.fields())
        _set(self, "_source", None)  # last: another thread may look at the same moment
        return True

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # asked for what is not there: fields are, from then on
            if self._unfold():
                return getattr(self, name)
            return super().__getattr__(name)

        @property
        def __dict__(self) -> dict[str, Any]:
            # who copies, compares, pickles or writes a model goes through all of it
            self._unfold()
            fields: dict[str, Any] = _DICT.__get__(self)
            return fields

        @__dict__.setter
        def __dict__(self, fields: dict[str, Any]) -> None:
            _DICT.__set__(self, fields)


class Recorded:
    """A record that answers to the short names, too, as the model that programs read of it."""

    __slots__ = ()

    def json(self, **options: Any) -> str:
        """This record as JSON text; `options` as for `model_dump_json`."""
        return str(self._model().json(**options))

    def dict(self, **options: Any) -> Mapping[str, Any]:
        """This record as a dict; `options` as for `model_dump`."""
        found: Mapping[str, Any] = self._model().dict(**options)
        return found

    def copy(self, *, update: Mapping[str, Any] | None = None) -> Any:
        """What a client reads of this record now, with the fields in `update` replaced."""
        return self._model().copy(update=update)

    def _model(self) -> Any:
        return _registry.load("room", "model of")(self)


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _Typed(ModelMetaclass):
    """Takes `type = "mine"` in a class for a field, as if its annotation stood beside it."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> Any:
        if isinstance(namespace.get("type"), str) and "__annotate_func__" not in namespace:
            namespace.setdefault("__annotations__", {}).setdefault("type", str)
        return super().__new__(mcls, name, bases, namespace, **options)


class Dispatched(Model, metaclass=_Typed):
    """A model whose subclasses are told apart by their field `type`.

    The class that names a `registry_kind` is the root: validating through it, or calling it with
    `type=`, gives an instance of the subclass that goes by that type.

    Attributes:
        passed_over: names of fields that others write, and that are read over.
    """

    registry_kind: ClassVar[str] = ""
    passed_over: ClassVar[frozenset[str]] = frozenset()

    def __new__(cls, *args: Any, **fields: Any) -> Self:
        chosen = cls._chosen(fields)
        if chosen is None or issubclass(chosen, cls):
            return super().__new__(chosen or cls)
        return chosen(**fields)  # no subclass of a root with parameters: `__init__` is not called

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        schema = handler(source)
        if cls._is_root():
            # a field of the root's type is written with all fields of what is in it
            innermost: Any = schema
            while innermost["type"] == "definitions":
                innermost = innermost["schema"]
            innermost["serialization"] = core_schema.simple_ser_schema("any")
        return schema

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        field = cls.model_fields.get("type")
        parametrized = cls.__pydantic_generic_metadata__["origin"]
        if field is not None and isinstance(field.default, str) and not parametrized:
            _registry.register(cls.registry_kind, field.default, cls)

    @classmethod
    def _chosen(cls, fields: Any) -> type[Self] | None:
        """The subclass that `fields` are of, if this class is the root; None for any other."""
        if not cls._is_root():
            return None
        kind = fields.get("type") if isinstance(fields, dict) else None
        return _registry.load(cls.registry_kind, kind) if isinstance(kind, str) else None

    @classmethod
    def _is_root(cls) -> bool:
        return "registry_kind" in cls._unparametrized().__dict__

    @classmethod
    def _unparametrized(cls) -> type[Self]:
        return cls.__pydantic_generic_metadata__["origin"] or cls  # type: ignore[return-value]

    @model_validator(mode="wrap")
    @classmethod
    def _dispatch(cls, fields: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if cls._is_root() and isinstance(fields, cls._unparametrized()):
            return fields
        if isinstance(fields, dict) and not cls.passed_over.isdisjoint(fields):
            fields = {name: fields[name] for name in fields.keys() - cls.passed_over}
        chosen = cls._chosen(fields)
        return handler(fields) if chosen is None else chosen.model_validate(fields)
