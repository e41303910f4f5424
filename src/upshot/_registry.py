"""The one lazy table: what upshot has, by kind and name, and where it is defined.

A row names a module and an attribute; the module is imported when the row is first asked for.
Only this file imports by name. Built-in rows stand in `BUILTIN`; rows of other distributions come
from entry points in the group of their kind (`upshot.serializers`, `upshot.storages`, …), and
classes that a program defines register themselves when they are created.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

from upshot.exceptions import PluginConflict, UnknownPlugin

BUILTIN: dict[str, dict[str, str]] = {
    # what `import upshot` offers
    "public name": {
        "Flow": "upshot.flows:Flow",
        "State": "upshot.states:State",
        "Task": "upshot.tasks:Task",
        "allow_failure": "upshot.annotations:allow_failure",
        "context": "upshot.context",
        "exceptions": "upshot.exceptions",
        "flow": "upshot.flows:flow",
        "get_run_context": "upshot.context:get_run_context",
        "get_run_logger": "upshot.logging:get_run_logger",
        "runtime": "upshot.runtime",
        "settings": "upshot.settings",
        "states": "upshot.states",
        "tags": "upshot.context:tags",
        "task": "upshot.tasks:task",
        "unmapped": "upshot.annotations:unmapped",
    },
    # what `upshot.testing` offers; the contracts need pytest
    "testing name": {
        "RunStoreContract": "upshot.testing.runstores:RunStoreContract",
        "SerializerContract": "upshot.testing.serializers:SerializerContract",
        "StorageContract": "upshot.testing.storages:StorageContract",
        "TaskRunnerContract": "upshot.testing.task_runners:TaskRunnerContract",
        "isolated": "upshot.testing.isolation:isolated",
    },
    # what a lower room needs of a higher one
    "room": {
        "blob reader": "upshot._references:read_document",
        "blocks": "upshot.blocks",
        "client": "upshot.client.orchestration:UpshotClient",
        "conclusion": "upshot._returned:conclude_by_hand",
        "context": "upshot.context",
        "events": "upshot.events",
        "failure record": "upshot._references:recorded_failure",
        "flow run here": "upshot.runtime.flow_run:_record",
        "migrations": "upshot.runstore.migrations",
        "model of": "upshot.client.schemas.objects:model_of",
        "raw frames": "upshot._blob.frames",
        "reader": "upshot._references:read_reference",
        "recorded state": "upshot._engine.endings:recorded_state",
        "run logger": "upshot.logging.loggers:get_run_logger",
        "runner of": "upshot._calls.chosen_runner:runner_of",
        "runs by hand": "upshot.task_runners._by_hand:ByHand",
        "state for result": "upshot.context:state_for_result",
        "strike out": "upshot.caching:strike_out",
        "vault": "upshot.blocks._vault:Vault",
        "writer": "upshot._references:write_reference",
    },
    # what flows and tasks need when they are first called: see `_calls.at_call`
    "call": {
        "drive": "upshot._calls.driving:drive",
        "drive async": "upshot._calls.driving:adrive",
        "flow factory": "upshot._calls.flow_calls:factory_of",
        "flow steps": "upshot._calls.flow_calls:steps_of",
        "hooks": "upshot._calls.hook_calls:hooks_of",
        "map": "upshot._calls.task_calls:map_task",
        "must block": "upshot._calls.driving:must_block",
        "retries": "upshot._calls.driving:retries_by_setting",
        "submit": "upshot._calls.submission:submit",
        "task factory": "upshot._calls.task_calls:factory_of",
        "task run": "upshot._calls.task_calls:prepare",
        "task steps": "upshot._calls.task_calls:steps_of",
    },
    "command": {
        "blocks": "upshot.cli.blocks:app",
        "concurrency-limit": "upshot.cli.concurrency_limit:app",
        "config": "upshot.cli.config:app",
        "doctor": "upshot.cli.doctor:app",
        "plugins": "upshot.cli.plugins:app",
        "results": "upshot.cli.results:app",
        "runs": "upshot.cli.runs:app",
        "version": "upshot.cli.version:app",
    },
    "result": {
        "literal": "upshot.documents.kinds:LiteralResult",
        "reference": "upshot.documents.kinds:PersistedResult",
        "unknown": "upshot.documents.kinds:UnknownResult",
        "unpersisted": "upshot.documents.kinds:UnpersistedResult",
    },
    # what `upshot.runstore` offers
    "run store name": {
        "Condition": "upshot.runstore._query:Condition",
        "How": "upshot.runstore._query:How",
        "Page": "upshot.runstore._listing:Page",
        "RunFilter": "upshot.runstore._listing:RunFilter",
        "RunQuery": "upshot.runstore._query:RunQuery",
    },
    "run store": {
        "memory": "upshot.runstore.memory:MemoryRunStore",
        "sqlite": "upshot.runstore.sqlite:SQLiteRunStore",
    },
    "serializer": {
        "compressed": "upshot.serializers.compressed:CompressedSerializer",
        "compressed/json": "upshot.serializers.compressed:CompressedJSONSerializer",
        "compressed/pickle": "upshot.serializers.compressed:CompressedPickleSerializer",
        "framed/pickle": "upshot.serializers.framed:FramedPickleSerializer",
        "json": "upshot.serializers.json:JSONSerializer",
        "pickle": "upshot.serializers.pickle:PickleSerializer",
    },
    "storage": {
        "azure": "upshot.filesystems.azure:Azure",
        "gcs": "upshot.filesystems.gcs:GCS",
        "local-file-system": "upshot.filesystems.local:LocalFileSystem",
        "memory": "upshot.filesystems.memory:MemoryFileSystem",
        "remote-file-system": "upshot.filesystems.remote:RemoteFileSystem",
        "s3": "upshot.filesystems.s3:S3",
    },
    "task runner": {
        "concurrent": "upshot.task_runners.concurrent:ConcurrentTaskRunner",
        "process": "upshot.task_runners.process:ProcessPoolTaskRunner",
        "sequential": "upshot.task_runners.sequential:SequentialTaskRunner",
    },
}
ENTRY_POINT_GROUPS = {"serializer": "upshot.serializers", "storage": "upshot.storages"}

_loaded: dict[tuple[str, str], Any] = {}


class Later(ModuleType):
    """A module by name, which is imported when something in it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


def load(kind: str, name: str) -> Any:
    """The object that goes by `name` among its `kind`, imported now if it was not before.

    Raises:
        UnknownPlugin: if there is none.
        PluginConflict: if two installed distributions offer it.
    """
    try:
        return _loaded[kind, name]
    except KeyError:
        found = _import(_target(kind, name))
        return _loaded.setdefault((kind, name), found)


def import_path(path: str) -> Any:
    """The object at a dotted `path` such as ``json`` or ``upshot.serializers.json.encode``.

    Raises:
        ImportError: if no module is there, or it has no such attribute.
    """
    if not path or path.startswith("."):
        raise ImportError(f"{path!r} is no dotted path")
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        module, dot, attribute = path.rpartition(".")
        if not dot or not path.startswith(error.name or path):
            raise
    owner = import_path(module)
    try:
        return getattr(owner, attribute)
    except AttributeError:
        raise ImportError(f"{module!r} has no attribute {attribute!r}") from None


def register(kind: str, name: str, thing: type) -> None:
    """Let `name` mean `thing` from now on; a class defined anew replaces its former self.

    Raises:
        PluginConflict: if another class goes by that name.
    """
    here = f"{thing.__module__}:{thing.__qualname__}"
    known = _loaded.get((kind, name))
    there = (
        f"{known.__module__}:{known.__qualname__}"
        if known is not None
        else BUILTIN.get(kind, {}).get(name, here)
    )
    if there != here:
        raise PluginConflict(kind, name, there, here)
    _loaded[kind, name] = thing


def names(kind: str) -> tuple[str, ...]:
    """All names of a kind, sorted: built in, installed and defined by the program."""
    # a copy, for another thread may be loading a row
    defined = (name for known_kind, name in list(_loaded) if known_kind == kind)
    return tuple(sorted({*BUILTIN.get(kind, {}), *_installed(kind), *defined}))


def _target(kind: str, name: str) -> str:
    builtin = BUILTIN.get(kind, {}).get(name)
    installed = _installed(kind).get(name, []) if builtin is None else [builtin]
    if not installed:
        raise UnknownPlugin(kind, name, names(kind))
    if len(installed) > 1:
        raise PluginConflict(kind, name, installed[0], installed[1])
    return installed[0]


def _installed(kind: str) -> dict[str, list[str]]:
    group = ENTRY_POINT_GROUPS.get(kind)
    found: dict[str, list[str]] = {}
    if group is not None:
        rows: Iterable[Any] = import_module("importlib.metadata").entry_points(group=group)
        for row in rows:
            found.setdefault(row.name, []).append(row.value)
    return found


def _import(target: str) -> Any:
    module, _, attribute = target.partition(":")
    found = import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found
