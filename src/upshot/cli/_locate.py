"""From what a user writes (a reference, a run's id, a key) to the result that is meant."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from upshot import blocks
from upshot._blob import BlobDescription
from upshot.blocks import default_storage
from upshot.cli._errors import Exit, Refusal
from upshot.cli._find import find_run, range_of
from upshot.cli._storages import known_storages, reference_of, storage_text
from upshot.documents import BaseResult, LiteralResult, PersistedResult
from upshot.exceptions import StorageError, UpshotError
from upshot.filesystems import FileSystem
from upshot.records import Run
from upshot.results import place_of
from upshot.runstore import RunStore
from upshot.settings import get_current_settings


@dataclass(frozen=True, kw_only=True)
class Located:
    """A result, by what is known of it.

    Attributes:
        document: what was recorded of it; None where only a key was given.
        storage: where its blob is; None for a literal, which has none.
        key: the blob's key there.
        run: the run whose id was given.
    """

    document: LiteralResult[Any] | PersistedResult[Any] | None
    storage: FileSystem | None = None
    key: str = ""
    run: Run | None = None


def locate(text: str, store: RunStore, *, trust: bool) -> Located:
    """The result that is meant by a reference, a run's id, a key, or `-` for standard input.

    Args:
        text: what the user wrote.
        store: where runs and storages are.
        trust: take a reference to a place that is in no known storage.

    Raises:
        Refusal: if there is none, or more than one.
        UntrustedReference: if its place is in no known storage.
    """
    text = (sys.stdin.read() if text == "-" else text).strip()
    if text.startswith("{"):
        return _of_document(text, None, trust)
    ids = range_of(text)
    if ids is not None and store.runs_between(*ids, limit=1):
        run = find_run(text, store)
        if run.result is None:
            state = f"it is {run.state_name}" if run.state_name != "Completed" else "in memory only"
            problem = f"{run.kind} {run.name} has no persisted result: {state}"
            raise Refusal(problem, Exit.NOT_FOUND)
        return _of_document(run.result, run, trust)
    storage, key = _of_uri(text, store) if "://" in text else _of_key(text, store)
    return Located(document=None, storage=storage, key=key)


def _of_document(text: str, run: Run | None, trust: bool) -> Located:
    try:
        document = BaseResult[Any].model_validate_json(text)
    except (ValidationError, UpshotError) as error:
        raise Refusal(f"this is no reference: {_said(error)}", Exit.USAGE) from error
    if isinstance(document, LiteralResult):
        return Located(document=document, run=run)
    if not isinstance(document, PersistedResult):
        problem = f"a result of type {document.type!r} is kept nowhere"
        raise Refusal(problem, Exit.NOT_FOUND)
    storage, key = place_of(document, trust=trust)
    return Located(document=document, storage=storage, key=key, run=run)


def _said(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))


def _of_uri(uri: str, store: RunStore) -> tuple[FileSystem, str]:
    configured = default_storage(get_current_settings())
    inside = configured.key_of(uri)
    found = (configured, inside) if inside is not None else blocks.find_by_uri(uri, store)
    if found is None:
        raise Refusal(f"{uri!r} is in no known storage", Exit.NOT_FOUND)
    return found


def _of_key(key: str, store: RunStore) -> tuple[FileSystem, str]:
    found, problems = [], []
    for storage in known_storages(store):
        try:
            if storage.size(key) is not None:
                found.append(storage)
        except ValueError:  # it is no key there
            continue
        except (StorageError, OSError) as error:
            problems.append(str(error))
    if len(found) > 1:
        places = ", ".join(map(storage_text, found))
        problem = f"{key!r} is in more than one storage: {places}; give the reference"
        raise Refusal(problem, Exit.USAGE)
    if not found:
        problem = f"{key!r} is no run's id, and no known storage has a blob under it"
        code = Exit.UNAVAILABLE if problems else Exit.NOT_FOUND
        raise Refusal("; ".join((problem, *problems)), code)
    return found[0], key


def made_by(key: str, blob: BlobDescription, store: RunStore) -> Run | None:
    """The run that wrote a blob; None if the store does not know it.

    It was made before the blob, and its reference has the blob's digest.
    """
    text = f'"storage_key":{json.dumps(key, ensure_ascii=False)}'
    for run in store.search_results(text, until=blob.created.timestamp(), limit=100):
        if run.state_name == "Cached" or getattr(run, "child_uid", None) is not None:
            continue  # it took the result from the cache, or stands for the run that made it
        reference = reference_of(run)
        if reference is not None and reference.digest in (None, blob.digest):
            return run
    return None
