"""Every error that upshot raises, in one tree.

::

    UpshotError
    ├── InvalidSettings (ValueError)         a setting's name or value is wrong
    ├── InvalidOption (TypeError)            an option of @flow or @task has the wrong type
    │   └── InvalidOptionValue (ValueError)  it has the right type, and a value that cannot be
    │       └── InvalidNameError             a name has a character that names must not have
    ├── ReservedArgumentError (TypeError)    a parameter has a name that upshot keeps for itself
    ├── ParameterBindError (TypeError)       a call does not fit the function's signature
    ├── ParameterTypeError                   a flow's parameters do not fit their annotations
    ├── SignatureMismatchError (TypeError)   parameters have names that the function does not know
    ├── UnknownPlugin (KeyError)             no serializer, storage, … has that name
    ├── PluginConflict (ValueError)          two classes claim one name
    ├── ObjectNotFound (LookupError)         the run store has nothing with that identity
    ├── UnknownBlock (ValueError)            no storage was saved under that name
    ├── BlockExists (ValueError)             another storage was saved under that name
    ├── UnreadableBlock (ValueError)         a recorded storage cannot be made again
    ├── UnusableKey (RuntimeError)           the key of secrets cannot be read, made or trusted
    ├── MissingContextError (RuntimeError)   asked for the current run outside of one
    ├── ContextMisuse (RuntimeError)         a context was entered twice, or left too often
    ├── MappingMissingIterable (TypeError)   `map` was given nothing to iterate over
    ├── MappingLengthMismatch (ValueError)   `map` was given iterables of different lengths
    ├── WouldBlockLoop (RuntimeError)        a blocking wait could never end
    ├── RunElsewhere (RuntimeError)          a forked child waits for a run of its parent
    ├── WorkerDied (RuntimeError)            a worker process died under a run
    ├── UnserializableValue (TypeError, ValueError)  a serializer cannot take a value
    ├── StorageError                         a storage refuses
    │   ├── InvalidStorageKey (ValueError)   a key is empty, leaves its root, or is no file name
    │   ├── StorageUnavailable (OSError)     not writable, full, or not there
    │   └── MissingExtra (ImportError)       it needs a package that is not installed
    ├── RunStoreError                        the run store refuses
    │   ├── RunStoreTooNew                   a later upshot wrote it
    │   └── RunStoreUnavailable (OSError)    not writable, full, locked, or not a run store
    ├── MissingResult (LookupError)          a run's value cannot be had
    │   ├── NotPersisted                     it was never written
    │   ├── DroppedFromMemory                it was neither written nor kept
    │   ├── BlobMissing                      its storage has nothing under its key any more
    │   ├── BlobReplaced                     its key holds another run's value now
    │   ├── UnreadableResult                 its blob is damaged, or its class cannot be loaded
    │   ├── UntrustedReference               its reference points outside every known storage
    │   ├── UnknownStorage                   nothing here knows the storage that it is in
    │   └── UnfinishedRun (RuntimeError)     its run has not ended
    │       └── UpstreamFailed               nor will it: a run before it failed
    ├── FailedRun                            a failed state that carries no exception of its own
    ├── CrashedRun                           likewise, crashed
    ├── CancelledRun                         likewise, cancelled
    └── PausedRun                            a paused run has no result yet

Beside it stands `TerminationSignal`, which is no `Exception`: SIGTERM ends a flow by it.

Each error's ``args`` are what its class was called with, so all of them survive pickling; the
text is made when it is asked for, and says what to do.
"""

from __future__ import annotations

import inspect
import signal as signals
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Self


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message: the nearest known name if one is near, else all of them."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known) or 'none'}"


class UpshotError(Exception):
    """The base of all errors that upshot raises on its own account."""


class InvalidSettings(UpshotError, ValueError):
    """A setting does not exist or its value cannot be used.

    Args:
        source: where it stands (an environment variable, a file and its key).
        problem: what is wrong and what would be right.
    """

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source, self.problem = source, problem

    def __str__(self) -> str:
        return f"{self.source}: {self.problem}"


class InvalidOption(UpshotError, TypeError):
    """An option of ``@flow`` or ``@task`` cannot be what was given.

    Args:
        option: its name.
        problem: what is wrong; a whole sentence, which says itself what it is about, stands alone.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(option, problem)
        self.option, self.problem = option, problem

    def __str__(self) -> str:
        sentence = self.problem[:1].isupper() or self.problem.startswith("`")
        return self.problem if sentence else f"{self.option!r}: {self.problem}"


class InvalidOptionValue(InvalidOption, ValueError):
    """An option of ``@flow`` or ``@task`` has the right type, and a value that cannot be."""


class InvalidNameError(InvalidOptionValue):
    """A name has a character that names must not have; a text of one's own may stand alone."""

    def __init__(self, option: str, problem: str | None = None) -> None:
        super().__init__("name" if problem is None else option, problem or option)
        if problem is None:
            self.args = (option,)

    def __str__(self) -> str:
        return super().__str__() if len(self.args) > 1 else self.problem


class ReservedArgumentError(UpshotError, TypeError):
    """A flow or task has a parameter whose name upshot needs for itself."""

    def __init__(self, name: str, function: str = "") -> None:
        super().__init__(name, function)
        self.name, self.function = name, function

    def __str__(self) -> str:
        where = f" in the signature of {self.function!r}" if self.function else ""
        return f"{self.name!r} is a reserved argument name{where}; rename the parameter"


class ParameterBindError(UpshotError, TypeError):
    """A call's arguments do not fit the function's signature.

    Args:
        function: its name.
        problem: what Python says.
        signature: its parameters, where known.
        received: the arguments that were given by position, as text.
        names: the names of those that were given by name.
    """

    def __init__(
        self,
        function: str,
        problem: str,
        signature: str | None = None,
        received: str = "()",
        names: tuple[str, ...] = (),
    ) -> None:
        super().__init__(function, problem, signature, received, names)
        self.function, self.problem, self.signature = function, problem, signature
        self.received, self.names = received, names

    @classmethod
    def from_bind_failure(
        cls,
        fn: Callable[..., Any],
        exc: TypeError,
        args: Iterable[Any],
        kwargs: Mapping[str, Any],
    ) -> Self:
        """The error for a call of `fn` whose arguments `inspect.Signature.bind` refused."""
        parameters = [
            each.replace(annotation=_AsWritten(each.annotation))
            if isinstance(each.annotation, str)
            else each
            for each in inspect.signature(fn).parameters.values()
        ]
        name = getattr(fn, "__name__", None) or type(fn).__name__
        signature = str(inspect.Signature(parameters))[1:-1]
        return cls(name, str(exc), signature, _shown(tuple(args)), tuple(kwargs))

    def __str__(self) -> str:
        text = f"Error binding parameters for function '{self.function}': {self.problem}."
        if self.signature is None:
            return text
        return (
            f"{text}\nFunction '{self.function}' has signature '{self.signature}' but received"
            f" args: {self.received} and kwargs: {list(self.names)}."
        )


class ParameterTypeError(UpshotError):
    """A flow was called with parameters that do not fit their annotations.

    Args:
        problems: what is wrong, one line for each parameter, or for each place inside of one.
    """

    def __init__(self, problems: str) -> None:
        super().__init__(problems)
        self.problems = problems

    @classmethod
    def from_validation_error(cls, exc: Any) -> Self:
        """The error for what pydantic found; `exc` is its `ValidationError`."""
        found = exc.errors(include_url=False, include_context=False, include_input=False)
        places = [(".".join(map(str, error["loc"])), error["msg"]) for error in found]
        return cls("\n".join(f"- {place}: {text}" for place, text in places))

    def __str__(self) -> str:
        return f"The flow was called with invalid parameters:\n{self.problems}"


class SignatureMismatchError(UpshotError, TypeError):
    """Parameters were given by names that the function does not have."""

    def __init__(self, expected: tuple[str, ...], provided: tuple[str, ...]) -> None:
        super().__init__(expected, provided)
        self.expected, self.provided = expected, provided

    @classmethod
    def from_bad_params(
        cls, expected_params: Iterable[str], provided_params: Iterable[str]
    ) -> Self:
        """The error for a function that expects some parameters and was given others."""
        return cls(tuple(expected_params), tuple(provided_params))

    def __str__(self) -> str:
        return (
            f"Function expects parameters {list(self.expected)} but was provided with parameters"
            f" {list(self.provided)}"
        )


class _AsWritten(str):
    """An annotation that was not evaluated; it is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


_LONGEST_ARGUMENTS = 1_000  # characters


def _shown(args: tuple[Any, ...]) -> str:
    try:
        text = repr(args)
    except Exception:  # of a class of the user's
        text = f"({', '.join(type(value).__name__ for value in args)})"
    return text if len(text) <= _LONGEST_ARGUMENTS else text[:_LONGEST_ARGUMENTS] + "…"


class UnknownPlugin(UpshotError, KeyError):
    """No serializer, storage, run store, … goes by that name."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(kind, name, known)
        self.kind, self.name, self.known = kind, name, known

    def __str__(self) -> str:
        hint = did_you_mean(self.name, self.known)
        return (
            f"no {self.kind} is called {self.name!r}: {hint}"
            " (a class of your own is known once its module was imported)"
        )


class PluginConflict(UpshotError, ValueError):
    """Two classes claim the same name in the table of plugins."""

    def __init__(self, kind: str, name: str, first: str, second: str) -> None:
        super().__init__(kind, name, first, second)
        self.kind, self.name, self.first, self.second = kind, name, first, second

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.name!r} is claimed by {self.first} and by {self.second};"
            " give one of them another name"
        )


class ObjectNotFound(UpshotError, LookupError):
    """The run store has nothing with that identity.

    Args:
        kind: of what, such as a flow run.
        id: its identity.
    """

    def __init__(self, kind: str, id: object) -> None:
        super().__init__(kind, id)
        self.kind, self.id = kind, id

    def __str__(self) -> str:
        return (
            f"the run store knows no {self.kind} {self.id}; another home (UPSHOT_HOME) may have it"
        )


class UnknownBlock(UpshotError, ValueError):
    """No storage of that type was saved under that name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, name)
        self.kind, self.name = kind, name

    def __str__(self) -> str:
        return (
            f"Unable to find block document named {self.name} for block type {self.kind};"
            f" save a storage under that name, or set UPSHOT_HOME to the home that has it"
        )


class BlockExists(UpshotError, ValueError):
    """Another storage of that type was saved under that name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, name)
        self.kind, self.name = kind, name

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.name!r} is already in use; save this storage under another name, or"
            " take its place with overwrite=True"
        )


class UnreadableBlock(UpshotError, ValueError):
    """A recorded storage cannot be made again, or not with its secrets.

    Args:
        block: the storage, as its type and its name or identity.
        problem: why, and what to do.
    """

    def __init__(self, block: str, problem: str) -> None:
        super().__init__(block, problem)
        self.block, self.problem = block, problem

    @classmethod
    def without_key(cls, block: str, key: str) -> Self:
        """The error for secrets that were encrypted with a key that is not here.

        Args:
            block: the storage.
            key: where the key would be.
        """
        problem = (
            f"its secrets were encrypted with a key that is not here: bring {key} back, or add that"
            " key to UPSHOT_SECRET_KEY; if it is lost, save the storage again with overwrite=True"
        )
        return cls(block, problem)

    def __str__(self) -> str:
        return f"the storage {self.block} cannot be read: {self.problem}"


class UnusableKey(UpshotError, RuntimeError):
    """The file with the key of secrets cannot be read, made or trusted."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path} {self.problem}"


class MissingContextError(UpshotError, RuntimeError):
    """The current run was asked for where no flow or task runs."""

    def __init__(
        self, problem: str = "no flow or task is running here; call this from inside a flow or task"
    ) -> None:
        super().__init__(problem)


class ContextMisuse(UpshotError, RuntimeError):
    """A context was entered twice, or left more often than it was entered."""


class MappingMissingIterable(UpshotError, TypeError):
    """`map` was called with no argument that can be iterated over."""

    def __init__(self, task: str, parameters: tuple[str, ...] = ()) -> None:
        super().__init__(task, parameters)
        self.task, self.parameters = task, parameters

    def __str__(self) -> str:
        return (
            f"no argument of {self.task!r}.map() can be iterated over (parameters:"
            f" {', '.join(self.parameters) or 'none'}); give it a list, or use submit()"
        )


class MappingLengthMismatch(UpshotError, ValueError):
    """`map` was called with iterables of different lengths."""

    def __init__(self, task: str, lengths: dict[str, int] | None = None) -> None:
        super().__init__(task, lengths)
        self.task, self.lengths = task, lengths

    def __str__(self) -> str:
        found = ", ".join(f"{name}: {length}" for name, length in (self.lengths or {}).items())
        return (
            f"the iterables that {self.task!r}.map() was given differ in length"
            f" ({found or 'one ended before another'}); wrap what is the same for all in unmapped()"
        )


class WouldBlockLoop(UpshotError, RuntimeError):
    """A blocking wait for a run that needs the very event loop which the wait would block."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run

    def __str__(self) -> str:
        return (
            f"waiting here for {self.run!r} would block the event loop that it runs on, for ever;"
            " say `await future.aresult()` in an async function, and pass on what that gives"
        )


class RunElsewhere(UpshotError, RuntimeError):
    """A forked child waits for a run that goes on in the process that it was forked from."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run

    def __str__(self) -> str:
        return (
            f"{self.run!r} goes on in the process that this one was forked from, and its end will"
            " never be known here; wait for it before forking, or submit it here"
        )


class WorkerDied(UpshotError, RuntimeError):
    """The worker process in which a run's function was being called has died."""

    def __init__(self, problem: str = "") -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the worker process died under the run: {self.problem or 'the cause is not known'}"


class UnserializableValue(UpshotError, TypeError, ValueError):
    """A serializer cannot take a value, for its type or for what is in it.

    Args:
        serializer: the serializer's type.
        path: where inside the value the trouble is, as an expression on ``value``.
        problem: what the library below said.
    """

    def __init__(self, serializer: str, path: str, problem: str) -> None:
        super().__init__(serializer, path, problem)
        self.serializer, self.path, self.problem = serializer, path, problem

    def __str__(self) -> str:
        return (
            f"the serializer {self.serializer!r} cannot take {self.path}: {self.problem};"
            " return something else, or set result_serializer to one that can"
        )


class StorageError(UpshotError):
    """A storage cannot do what was asked."""


class InvalidStorageKey(StorageError, ValueError):
    """A storage key is no key: it is empty, leaves its root, or cannot be a file name."""

    def __init__(self, key: str, root: str, problem: str) -> None:
        super().__init__(key, root, problem)
        self.key, self.root, self.problem = key, root, problem

    def __str__(self) -> str:
        return f"Provided path {self.key!r} {self.problem} (base path {self.root!r})"


class StorageUnavailable(StorageError, OSError):
    """A storage cannot be written or read: no permission, no room, not there.

    Args:
        storage: which storage.
        operation: what was tried, with the key.
        problem: what the system said.
    """

    def __init__(self, storage: str, operation: str, problem: str) -> None:
        # not OSError's, which would take them for an errno, its text and a file
        Exception.__init__(self, storage, operation, problem)
        self.storage, self.operation, self.problem = storage, operation, problem

    def __str__(self) -> str:
        return (
            f"{self.storage} could not {self.operation}: {self.problem}; make room or give"
            " permission there, or choose another place with result_storage or"
            " UPSHOT_LOCAL_STORAGE_PATH"
        )


class MissingExtra(StorageError, ImportError):
    """A storage or a serializer needs a package that is not installed.

    Args:
        what: what needs it.
        extra: the extra of upshot that brings it; "" if none does.
        package: its name, or what was said about it.
    """

    def __init__(self, what: str, extra: str, package: str) -> None:
        super().__init__(what, extra, package)
        self.what, self.extra, self.package = what, extra, package

    def __str__(self) -> str:
        if not self.extra:
            return f"{self.what} cannot be used here: {self.package}"
        return f"{self.what} needs {self.package}: pip install 'upshot[{self.extra}]'"


class RunStoreError(UpshotError):
    """The run store cannot do what was asked."""


class RunStoreTooNew(RunStoreError):
    """The run store was written by a later upshot than this one."""

    def __init__(self, store: str, found: str, supported: str) -> None:
        super().__init__(store, found, supported)
        self.store, self.found, self.supported = store, found, supported

    def __str__(self) -> str:
        return (
            f"the run store {self.store} has schema version {self.found}, and this upshot knows"
            f" versions up to {self.supported}; upgrade upshot, or set UPSHOT_HOME elsewhere"
        )


class RunStoreUnavailable(RunStoreError, OSError):
    """The run store cannot be opened, read or written."""

    def __init__(self, store: str, operation: str, problem: str) -> None:
        Exception.__init__(self, store, operation, problem)
        self.store, self.operation, self.problem = store, operation, problem

    def __str__(self) -> str:
        return (
            f"the run store {self.store} could not {self.operation}: {self.problem}; make room or"
            " give permission there, or set UPSHOT_HOME elsewhere"
        )


class MissingResult(UpshotError, LookupError):
    """A run's value cannot be had; each cause has a type of its own below.

    ``run`` names the run that returned the value, where that is known.
    """

    run: str | None = None
    remedy = "run it again"

    def __init__(self, problem: str = "the result is missing") -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        of_run = f"the result of {self.run}: " if self.run else ""
        return f"{of_run}{self.problem}; {self.remedy}"


class NotPersisted(MissingResult):
    """The value was kept in memory only, and this is another process, or a copy of the state."""

    remedy = "set persist_result=True (or UPSHOT_RESULTS_PERSIST_BY_DEFAULT) to keep values"

    def __init__(self, problem: str = "the value was not persisted") -> None:
        super().__init__(problem)


class DroppedFromMemory(MissingResult):
    """The value was neither persisted nor kept in memory."""

    remedy = "set persist_result=True, or leave cache_result_in_memory on"

    def __init__(
        self, problem: str = "the value was dropped from memory and is not persisted"
    ) -> None:
        super().__init__(problem)


class UnfinishedRun(MissingResult, RuntimeError):
    """The run has not ended, so it has no result yet."""

    remedy = "wait until it has ended"


class UpstreamFailed(UnfinishedRun):
    """The run was not started, for one that it depends on did not complete."""

    remedy = (
        "see why that one failed and run both again, or wrap it in allow_failure() to start anyway"
    )


class _BlobError(MissingResult):
    """What the errors about one blob share: its key and its storage."""

    def __init__(self, key: str, storage: str, problem: str) -> None:
        Exception.__init__(self, key, storage, problem)
        self.key, self.storage = key, storage
        self.problem = f"{storage} {problem.replace('{key}', repr(key), 1)}"


class BlobMissing(_BlobError):
    """A reference points at a blob that its storage no longer has."""

    remedy = (
        "it expired or was deleted: run the task again, or restore the file; result_storage (or"
        " UPSHOT_LOCAL_STORAGE_PATH) says where results are kept"
    )

    def __init__(self, key: str, storage: str, problem: str = "has nothing under {key}") -> None:
        super().__init__(key, storage, problem)


class BlobReplaced(_BlobError):
    """A blob is whole, and not the one that its reference was made for."""

    remedy = "give each run a key of its own (result_storage_key), or run the task again"

    def __init__(
        self, key: str, storage: str, problem: str = "holds another value under {key} by now"
    ) -> None:
        super().__init__(key, storage, problem)


class UnreadableResult(_BlobError):
    """A blob is there and cannot be turned back into its value."""

    remedy = (
        "restore the file, make its class importable as it was, or run the task again;"
        ' result_serializer="json" keeps what depends on no class'
    )

    def __init__(self, key: str, storage: str, problem: str = "cannot be read") -> None:
        super().__init__(key, storage, f"holds an unreadable blob under {{key}}: {problem}")
        self.args = (key, storage, problem)
        self.reason = problem


class UntrustedReference(_BlobError):
    """A reference's place is in no storage that is configured or recorded here."""

    remedy = (
        "reading a result can run code, so say get(trust=True) if you trust who wrote it,"
        " or configure its storage with UPSHOT_LOCAL_STORAGE_PATH"
    )

    def __init__(
        self, key: str, storage: str, problem: str = "is no known storage (wanted for {key})"
    ) -> None:
        super().__init__(key, storage, problem)


class UnknownStorage(_BlobError):
    """A reference names a storage that is not recorded here, or whose class is not here."""

    remedy = (
        "import the module that defines the storage's class, or set UPSHOT_HOME to the home"
        " under which the result was written"
    )

    def __init__(self, key: str, storage: str, problem: str = "is not known here") -> None:
        super().__init__(key, storage, f"{problem} (wanted for {{key}})")
        self.args = (key, storage, problem)


class _EndedWithoutValue(UpshotError):
    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message or type(self).__doc__ or ""


class FailedRun(_EndedWithoutValue):
    """The run failed."""


class CrashedRun(_EndedWithoutValue):
    """The run crashed."""


class CancelledRun(_EndedWithoutValue):
    """The run was cancelled."""


class PausedRun(_EndedWithoutValue):
    """The run is paused, result is not available."""


class TerminationSignal(BaseException):
    """A signal asked the process to end while a flow ran, and has ended that first.

    No `Exception`, as `KeyboardInterrupt` is none, so that handlers of errors do not hide it.

    Args:
        signal: the signal's number.
    """

    def __init__(self, signal: int = signals.SIGTERM) -> None:
        super().__init__(signal)
        self.signal = signal

    def __str__(self) -> str:
        return f"the process was asked to end by {signals.Signals(self.signal).name}"
