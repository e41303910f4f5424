"""Why a result is missing: one type for each cause, and what each of them says.

`python -m tests.surface.test_missing_results` writes the page of the documentation anew.
"""

from __future__ import annotations

import pickle
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upshot import State, flow, task
from upshot.exceptions import (
    BlobMissing,
    BlobReplaced,
    DroppedFromMemory,
    MissingResult,
    NotPersisted,
    UnfinishedRun,
    UnknownStorage,
    UnreadableResult,
    UntrustedReference,
    UpstreamFailed,
)
from upshot.filesystems import LocalFileSystem
from upshot.testing import isolated

PAGE = Path(__file__).parents[2] / "docs" / "missing-results.md"


def _state(folder: Path, value: Any = 1, **options: Any) -> State[Any]:
    storage = LocalFileSystem(basepath=str(folder))

    @task(
        **{"persist_result": True, "result_storage": storage, "result_storage_key": "key"} | options
    )
    def compute() -> Any:
        return value

    state: State[Any] = compute(return_state=True)
    return State.parse_raw(state.json()) if options.get("cache_result_in_memory", True) else state


def not_persisted(folder: Path) -> State[Any]:
    return _state(folder, persist_result=False)


def dropped(folder: Path) -> State[Any]:
    return _state(folder, persist_result=False, cache_result_in_memory=False)


def blob_missing(folder: Path) -> State[Any]:
    state = _state(folder)
    (folder / "key").unlink()
    return state


def blob_replaced(folder: Path) -> State[Any]:
    state = _state(folder)
    _state(folder, "another")
    return state


def unreadable(folder: Path) -> State[Any]:
    state = _state(folder)
    (folder / "key").write_bytes((folder / "key").read_bytes()[:-20])
    return state


def unfinished(folder: Path) -> State[Any]:
    found: list[State[Any]] = []

    @task
    def running() -> None:
        from upshot.states import Running

        found.append(Running())

    running()
    return found[0]


def upstream_failed(folder: Path) -> State[Any]:
    @task
    def fail() -> None:
        raise ValueError("no data")

    @task
    def compute(data: Any) -> Any:
        return data

    @flow
    def around() -> Any:
        found.append(compute.submit(fail.submit()).wait())
        return 0

    found: list[Any] = []
    around()
    state: State[Any] = found[0]
    return state


def unknown_storage(folder: Path) -> State[Any]:
    state = _state(folder)
    gone = state.data.copy(update={"storage_block_id": state.id, "uri": None})
    return state.copy(update={"data": gone})


def untrusted(folder: Path) -> State[Any]:
    state = _state(folder)
    with isolated():
        return state


CAUSES: dict[type[MissingResult], tuple[Callable[[Path], State[Any]], str]] = {
    NotPersisted: (
        not_persisted,
        "The value was kept in memory only, and this is another process.",
    ),
    DroppedFromMemory: (dropped, "The value was neither written nor kept."),
    BlobMissing: (blob_missing, "The storage has nothing under the key any more."),
    BlobReplaced: (blob_replaced, "Another run has put its value under the key."),
    UnreadableResult: (unreadable, "The blob is damaged, or its class cannot be loaded."),
    UnknownStorage: (unknown_storage, "Nothing here knows the storage that it is in."),
    UntrustedReference: (untrusted, "The reference points outside of every known storage."),
    UnfinishedRun: (unfinished, "The run has not ended."),
    UpstreamFailed: (upstream_failed, "The run was not started, for one before it failed."),
}


def met(cause: type[MissingResult], folder: Path) -> MissingResult:
    """The error that a cause gives in a program."""
    make, _ = CAUSES[cause]
    with isolated():
        state = make(folder)
        if cause is not UntrustedReference:
            return _raised(state)
    with isolated():
        return _raised(state)


def _raised(state: State[Any]) -> MissingResult:
    try:
        state.result()
    except MissingResult as error:
        return error
    raise AssertionError("the result is there")


def page() -> str:
    """The page of the documentation on missing results."""
    lines = [PREFACE]
    for cause, (_, why) in CAUSES.items():
        with tempfile.TemporaryDirectory() as folder:
            text = str(met(cause, Path(folder))).replace(folder, "/data")
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "0190a0a0-…", text)
        lines.append(f"## {cause.__name__}\n\n{why}\n\n```text\n{text}\n```\n")
    return "\n".join(lines)


PREFACE = """# Missing results

Who asks for a value that cannot be had gets one of these errors of `upshot.exceptions`. All are
`MissingResult`, which is a `LookupError`; there is one type for each cause. Each names the run,
the key and the storage, where there are any, and what to change. A test makes this page from what
programs met.

None of them is raised for a run that failed: asking for its result raises the exception that it
ended with.
"""


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_has_a_type_of_its_own(cause: type[MissingResult], tmp_path: Path) -> None:
    error = met(cause, tmp_path)
    assert type(error) is cause
    assert isinstance(error, LookupError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("cause", [c for c in CAUSES if c is not UnfinishedRun])
def test_each_says_which_run_it_was(cause: type[MissingResult], tmp_path: Path) -> None:
    error = met(cause, tmp_path)
    assert error.run is not None
    assert f"the result of {error.run}" in str(error)


@pytest.mark.parametrize(
    "cause", [BlobMissing, BlobReplaced, UnreadableResult, UnknownStorage, UntrustedReference]
)
def test_each_of_a_blob_says_its_key_and_its_storage(cause: Any, tmp_path: Path) -> None:
    error: Any = met(cause, tmp_path)
    assert error.key == "key"
    assert "'key'" in str(error)
    assert error.storage in str(error)


@pytest.mark.parametrize(
    ("cause", "setting"),
    [
        (NotPersisted, "UPSHOT_RESULTS_PERSIST_BY_DEFAULT"),
        (DroppedFromMemory, "cache_result_in_memory"),
        (BlobMissing, "result_storage"),
        (BlobReplaced, "result_storage_key"),
        (UnreadableResult, "result_serializer"),
        (UnknownStorage, "UPSHOT_HOME"),
        (UntrustedReference, "UPSHOT_LOCAL_STORAGE_PATH"),
        (UpstreamFailed, "allow_failure"),
    ],
)
def test_each_says_what_to_change(cause: Any, setting: str, tmp_path: Path) -> None:
    assert setting in str(met(cause, tmp_path))


def test_a_call_says_the_name_of_its_run(tmp_path: Path) -> None:
    @task(persist_result=False, cache_result_in_memory=False)
    def compute() -> int:
        return 1

    with isolated(), pytest.raises(DroppedFromMemory, match="the result of task run 'compute-0'"):
        compute()


def test_a_run_that_was_not_started_says_so_to_its_caller() -> None:
    @task
    def fail() -> None:
        raise ValueError("no data")

    @task
    def compute(data: Any) -> Any:
        return data

    @flow
    def around() -> None:
        compute(fail.submit())

    with isolated(), pytest.raises(UnfinishedRun, match="task run 'compute-0'") as caught:
        around()
    assert type(caught.value) is UpstreamFailed
    assert "did not reach a 'COMPLETED' state" in str(caught.value)


def test_the_page_of_the_documentation_shows_them_all() -> None:
    assert PAGE.read_text("utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
