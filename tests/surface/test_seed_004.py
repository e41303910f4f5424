"""The code of the document on results that the project starts from runs, block by block."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import cloudpickle
import pytest

from upshot.filesystems import S3

SEED = Path(__file__).parents[3] / "shared" / "seeds" / "004_15267e8743f4f7bd.md"
HERE = SEED.exists()

# what only the block has that needs a bucket
NEEDS_S3 = 'S3(bucket_path="my-bucket")'
# names that blocks take from those before them
TAKEN = "from upshot import flow, task\n"

pytestmark = [
    pytest.mark.usefixtures("upshot_home"),
    pytest.mark.skipif(not HERE, reason="platform: shared/ is not beside the project"),
]

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of Python, and the line above it."""

    code: str
    line: int


def blocks() -> list[Block]:
    text = SEED.read_text("utf-8") if HERE else ""
    return [
        Block(found[1].replace("prefect", "upshot"), text.count("\n", 0, found.start(1)))
        for found in _BLOCK.finditer(text)
    ]


BLOCKS = blocks()


def run(block: Block) -> dict[str, Any]:
    """What the block defines; tracebacks show its lines as they stand in the document."""
    namespace: dict[str, Any] = {"__name__": "seed"}
    exec(TAKEN, namespace)
    exec(compile("\n" * block.line + block.code, SEED, "exec"), namespace)
    return namespace


@pytest.fixture
def my_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file system of the bucket that the document writes to."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "name")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    files = S3(bucket_path="my-bucket").filesystem.filesystem
    files.mkdir("my-bucket")
    yield files
    files.rm("my-bucket", recursive=True)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line + 1}")
def test_a_block_of_the_document_runs(
    block: Block, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if NEEDS_S3 in block.code:
        request.getfixturevalue("my_bucket")
    library: Any = ModuleType("custompickle")
    library.dumps, library.loads = cloudpickle.dumps, cloudpickle.loads
    monkeypatch.setitem(sys.modules, "custompickle", library)
    run(block)


def test_all_blocks_are_found() -> None:
    assert len(BLOCKS) == 20


def test_the_flow_that_is_given_s3_keeps_its_results_there(
    my_bucket: Any, upshot_home: Path
) -> None:
    assert my_bucket.find("my-bucket") == []
    assert _with(NEEDS_S3)
    assert my_bucket.find("my-bucket")


def _with(text: str) -> dict[str, Any]:
    (block,) = [block for block in BLOCKS if text in block.code]
    return run(block)


def test_the_flow_whose_retries_persist_its_task_runs() -> None:
    assert _with("@flow(retries=2)")["my_flow"](return_state=True).is_completed()


def test_the_flow_whose_task_is_cached_under_a_key_of_no_arguments_runs() -> None:
    assert _with('cache_key_fn=lambda: "always"')["my_flow"](return_state=True).is_completed()


def test_the_flow_that_is_persisted_and_its_task_that_never_is_run() -> None:
    found = _with("@flow(persist_result=True)\ndef my_flow():\n    # This flow")
    assert found["my_flow"](return_state=True).is_completed()
    assert found["my_task"](return_state=True).is_completed()


def test_the_flow_and_the_task_that_are_not_kept_in_memory_run() -> None:
    found = _with("def foo():\n    return")
    assert found["foo"]() == "pretend this is large data"
    assert found["bar"]() == "pretend this is biiiig data"


def test_the_flow_that_reads_its_results_from_the_storage_runs() -> None:
    assert _with("# The result will be retrieved from storage here")["foo"](return_state=True)


def test_the_flow_whose_results_are_nowhere_fails() -> None:
    state = _with("@task(persist_result=False, cache_result_in_memory=False)")["foo"](
        return_state=True
    )
    assert state.is_failed()
