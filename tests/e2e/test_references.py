"""References in other processes: JSON in, value out, with nothing imported but upshot.results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from upshot import flow, task
from upshot.documents import BaseResult
from upshot.exceptions import (
    BlobMissing,
    BlobReplaced,
    NotPersisted,
    StorageUnavailable,
    UnreadableResult,
    UntrustedReference,
)
from upshot.filesystems import LocalFileSystem, MemoryFileSystem
from upshot.results import LiteralResult, PersistedResult
from upshot.runstore import open_store
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


def test_a_relative_storage_stays_where_it_was_when_the_flow_began(
    upshot_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")

    @task(persist_result=True)
    def made() -> list[int]:
        return [1]

    @flow(result_storage=LocalFileSystem(basepath="kept"))
    def around() -> str:
        monkeypatch.chdir(tmp_path / "there")
        return made(return_state=True).data.uri

    assert around().startswith((tmp_path / "here" / "kept").as_uri())


def test_a_blob_that_was_cut_off_is_no_hit_even_where_it_is_not_read(upshot_home: Path) -> None:
    @task(cache_key_fn=lambda context, parameters: "k", result_storage_key="fixed")
    def made() -> list[int]:
        return [1]

    made()
    path = upshot_home / "storage" / "fixed"
    path.write_bytes(path.read_bytes()[:-1])
    assert made(return_state=True).name == "Completed"


def test_a_storage_that_raises_an_error_of_its_own_on_a_hit_fails_the_run(
    upshot_home: Path,
) -> None:
    class Refusing(MemoryFileSystem):
        def size(self, key: str) -> int | None:
            raise PermissionError("not yours")

    @task(cache_key_fn=lambda context, parameters: "k", result_storage=Refusing(name="refusing"))
    def made() -> list[int]:
        return [1]

    made()
    state = made(return_state=True)
    assert isinstance(state.result(raise_on_failure=False), StorageUnavailable)


def test_a_storage_with_a_secret_is_recorded_without_it(upshot_home: Path) -> None:
    class Guarded(MemoryFileSystem):
        password: SecretStr

    @task(persist_result=True, result_storage=Guarded(password=SecretStr("hush")))
    def made() -> list[int]:
        return [1]

    reference = made(return_state=True).data
    assert PersistedResult.model_validate_json(reference.model_dump_json()).get() == [1]
    (block,) = open_store().blocks()
    assert "hush" not in f"{block}{reference.model_dump_json()}"


def test_a_flow_that_returns_nothing_writes_states_and_not_their_values(upshot_home: Path) -> None:
    @task
    def large() -> bytes:
        return bytes(1_000_000)

    @flow(persist_result=True)
    def around() -> None:
        large()

    state = around(return_state=True)
    assert state.data.size < 10_000
    assert state.result()[0].result() == bytes(1_000_000)
    again = PersistedResult.model_validate_json(state.data.model_dump_json()).get()
    with pytest.raises(NotPersisted):
        again[0].result()
