"""References in other processes: JSON in, value out, with nothing imported but upshot.results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from upshot import task
from upshot.documents import BaseResult
from upshot.exceptions import BlobMissing, BlobReplaced, UnreadableResult, UntrustedReference
from upshot.filesystems import LocalFileSystem
from upshot.results import LiteralResult, PersistedResult
from upshot.testing import isolated

READER = """
import asyncio, sys
from upshot.results import PersistedResult
async def main(text):
    return await PersistedResult.model_validate_json(text).get()
text = sys.stdin.read()
value = PersistedResult.model_validate_json(text).get()
assert asyncio.run(main(text)) == value
print(value)
"""
VALUE = {"answer": 42, "list": [1, 2, 3]}


def read_elsewhere(reference: PersistedResult[Any], folder: Path, **environ: str) -> str:
    """What a new process in another folder prints for a reference's JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READER],
        input=reference.model_dump_json(),
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def persisted(**options: Any) -> PersistedResult[Any]:
    @task(persist_result=True, **options)
    def made() -> Any:
        return VALUE

    document = made(return_state=True).data
    assert isinstance(document, PersistedResult)
    return document


@pytest.mark.parametrize("serializer", ["pickle", "json", "compressed/pickle", "compressed/json"])
def test_a_reference_gives_its_value_in_another_process(
    upshot_home: Path, tmp_path: Path, serializer: str
) -> None:
    assert read_elsewhere(persisted(result_serializer=serializer), tmp_path) == str(VALUE)


def test_so_does_one_into_a_storage_with_settings_of_its_own(
    upshot_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    reference = persisted(
        result_storage=LocalFileSystem(basepath="relative/to here"),
        result_storage_key="deep/down/key",
    )
    assert (tmp_path / "here" / "relative/to here/deep/down/key").is_file()
    assert read_elsewhere(reference, tmp_path) == str(VALUE)


def test_a_reference_holds_no_value_and_no_more_than_it_says(upshot_home: Path) -> None:
    fields = json.loads(persisted().model_dump_json())
    assert set(fields) == {
        "digest",
        "format",
        "serializer_type",
        "size",
        "storage_block_id",
        "storage_key",
        "type",
        "uri",
    }
    assert fields["size"] == Path(fields["uri"].removeprefix("file://")).stat().st_size


def test_each_kind_of_document_goes_through_json_and_back(upshot_home: Path) -> None:
    document = persisted()
    again = BaseResult.model_validate_json(document.model_dump_json())
    assert type(again) is PersistedResult
    assert again == document
    assert not again.has_cached_object()
    assert again.get() == VALUE
    assert again.has_cached_object()
    assert isinstance(BaseResult.parse_raw('{"type": "literal", "value": null}'), LiteralResult)


def test_a_lost_run_store_leaves_what_the_settings_still_name(
    upshot_home: Path, tmp_path: Path
) -> None:
    storage = upshot_home / "storage"
    reference = persisted()
    with isolated(tmp_path / "new home", local_storage_path=storage):
        assert reference.copy().get() == VALUE


def test_a_place_in_no_known_storage_is_read_only_on_trust(
    upshot_home: Path, tmp_path: Path
) -> None:
    reference = persisted(result_storage=LocalFileSystem(basepath=str(tmp_path / "theirs")))
    with isolated(tmp_path / "new home"):
        with pytest.raises(UntrustedReference, match="trust=True"):
            reference.copy().get()
        assert reference.copy().get(trust=True) == VALUE
    told = read_elsewhere(reference, tmp_path, UPSHOT_HOME=str(tmp_path / "another home"))
    assert told.startswith("upshot.exceptions.UntrustedReference")


def test_a_blob_that_is_gone_replaced_or_damaged_is_an_error_of_its_own(
    upshot_home: Path,
) -> None:
    first = persisted(result_storage_key="fixed")
    path = upshot_home / "storage" / "fixed"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(UnreadableResult, match="'fixed'"):
        first.copy().get()
    persisted(result_storage_key="fixed", result_serializer="json")
    with pytest.raises(BlobReplaced, match="'fixed'"):
        first.copy().get()
    path.unlink()
    with pytest.raises(BlobMissing, match="'fixed'"):
        first.copy().get()


def test_homes_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with isolated(tmp_path / "home"):
            persisted(result_storage_key="a/b")
            modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "home").rglob("*")}
            modes[tmp_path / "home"] = (tmp_path / "home").stat().st_mode & 0o777
    finally:
        os.umask(before)
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_damaged_result_that_a_state_finds_leaves_the_cache(upshot_home: Path) -> None:
    calls: list[int] = []

    @task(cache_key_fn=lambda context, parameters: "k", result_storage_key="fixed")
    def made() -> list[int]:
        calls.append(1)
        return [1]

    made()
    path = upshot_home / "storage" / "fixed"
    whole = path.read_bytes()
    path.write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
    state = made(return_state=True)
    assert state.name == "Cached"
    with pytest.raises(UnreadableResult):
        state.result()
    assert made(return_state=True).result() == [1]
    assert len(calls) == 2
