"""S3, Google Cloud Storage and Azure, on servers that speak as they do."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from uuid import uuid4

import pytest
from pydantic import SecretStr, ValidationError

from tests import servers
from upshot import filesystems, flow, task
from upshot.exceptions import InvalidStorageKey, StorageUnavailable, UntrustedReference
from upshot.filesystems import GCS, S3, Azure, FileSystem, GitHub, RemoteFileSystem
from upshot.results import PersistedResult
from upshot.testing import isolated

LARGE = os.urandom(2**20) * 40
# what the libraries of Google and Azure send they send as bytes
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> S3:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "name")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    return S3(bucket_path=uuid4().hex)


@pytest.fixture
def gcs(gcs_server: str) -> GCS:
    settings = {"endpoint_url": gcs_server, "token": "anon"}
    return GCS(bucket_path=uuid4().hex, project="test", settings=settings)


@pytest.fixture
def azure(azure_server: str) -> Azure:
    return Azure(bucket_path=uuid4().hex, azure_storage_connection_string=azure_server)


@pytest.fixture(params=["s3", "gcs", "azure"])
def storage(request: pytest.FixtureRequest) -> Any:
    storage = request.getfixturevalue(request.param)
    storage.filesystem.filesystem.mkdir(storage.bucket_path)
    return storage


def test_what_was_written_is_read(storage: Any) -> None:
    url = storage.write_path("folder/file", b"bytes")
    assert url == f"{storage.basepath}/folder/file"
    assert storage.read_path("folder/file") == storage.read_path(url) == b"bytes"
    assert storage.size("folder/file") == 5


def test_new_bytes_replace_old_ones(storage: Any) -> None:
    storage.write_path("file", b"old and longer")
    storage.write_path("file", b"new")
    assert storage.read_path("file") == b"new"
    assert storage.size("file") == 3


def test_many_bytes_go_in_parts(storage: Any) -> None:
    storage.write_path("large", LARGE)
    assert storage.size("large") == len(LARGE)
    assert storage.read_path("large") == LARGE
    storage.write_path("large", LARGE[:-1])
    assert storage.read_path("large") == LARGE[:-1]


def test_what_is_not_there_is_a_file_not_found(storage: Any) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read_path("missing")
    assert storage.size("missing") is None


def test_a_size_is_that_of_now_after_a_listing(storage: Any) -> None:
    storage.write_path("folder/a", b"1")
    storage.filesystem.filesystem.ls(f"{storage.bucket_path}/folder")
    storage.write_path("folder/a", b"123")
    storage.write_path("folder/b", b"12")
    assert (storage.size("folder/a"), storage.size("folder/b")) == (3, 2)


def test_a_bucket_that_is_not_there_cannot_be_written_to(
    request: pytest.FixtureRequest,
) -> None:
    for name in ("s3", "gcs", "azure"):
        with pytest.raises(StorageUnavailable):
            request.getfixturevalue(name).write_path("file", b"bytes")


def test_directories_are_put_and_got(storage: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    for name in ("a.txt", "sub/b.txt", "c.log"):
        (source / name).write_text(name)
    ignore = tmp_path / "ignore"
    ignore.write_text("*.log\n")
    assert storage.put_directory(str(source), "there", ignore_file=str(ignore)) == 2
    storage.get_directory("there", str(tmp_path / "target"))
    found = [path for path in (tmp_path / "target").rglob("*") if path.is_file()]
    assert sorted(path.name for path in found) == ["a.txt", "b.txt"]
    assert (tmp_path / "target" / "sub" / "b.txt").read_text() == "sub/b.txt"


@task(persist_result=True)
def double(number: int) -> list[int]:
    return [number, number]


@pytest.mark.usefixtures("upshot_home")
def test_results_are_persisted_to_s3(s3: S3) -> None:
    s3.filesystem.filesystem.mkdir(s3.bucket_path)

    @flow(result_storage=s3)
    def keep() -> Any:
        return double(3, return_state=True)

    reference = keep().data
    assert reference.uri == f"s3://{s3.bucket_path}/{reference.storage_key}"
    assert PersistedResult.model_validate_json(reference.json()).get() == [3, 3]
    assert s3.size(reference.storage_key) == reference.size


@pytest.mark.usefixtures("upshot_home")
def test_a_result_that_s3_no_longer_has_is_computed_again(s3: S3) -> None:
    s3.filesystem.filesystem.mkdir(s3.bucket_path)
    calls = []

    @task(cache_key_fn=lambda context, parameters: "key", result_storage=s3)
    def count() -> list[int]:
        calls.append(1)
        return [len(calls)]

    @flow
    def twice() -> Any:
        first = count(return_state=True)
        assert count() == [1]
        s3.filesystem.filesystem.rm(f"{s3.bucket_path}/{first.data.storage_key}")
        return count()

    assert twice() == [2]


def test_a_reference_leads_to_its_bucket_in_another_home_that_trusts_it(s3: S3) -> None:
    s3.filesystem.filesystem.mkdir(s3.bucket_path)
    with isolated():
        reference = double.with_options(result_storage=s3)(3, return_state=True).data
    again = PersistedResult.model_validate_json(reference.json())
    with isolated():
        with pytest.raises(UntrustedReference):
            again.get()
        assert again.get(trust=True) == [3, 3]


def _calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of S3 from now on."""
    import s3fs

    calls = []
    call = s3fs.S3FileSystem._call_s3

    async def noted(self: Any, method: str, *args: Any, **options: Any) -> Any:
        calls.append(method)
        return await call(self, method, *args, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", noted)
    return calls


def test_one_request_reads_from_s3_and_one_writes(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.filesystem.filesystem.mkdir(s3.bucket_path)
    calls = _calls(monkeypatch)
    s3.write_path("small", b"bytes")
    s3.write_path("small", b"others")
    assert s3.read_path("small") == b"others"
    assert calls == ["put_object", "put_object", "get_object"]
    calls.clear()
    s3.write_path("large", LARGE)
    assert (calls[0], *sorted({*calls[1:-1]}), calls[-1]) == (
        *("create_multipart_upload", "upload_part", "complete_multipart_upload"),
    )
    calls.clear()
    assert s3.read_path("large") == LARGE
    assert calls == ["get_object"]


def test_an_upload_that_fails_in_the_middle_leaves_the_old_bytes(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    s3.filesystem.filesystem.mkdir(s3.bucket_path)
    s3.write_path("large", b"old")
    call = s3fs.S3FileSystem._call_s3

    async def failing(self: Any, method: str, *args: Any, **options: Any) -> Any:
        if method == "upload_part" and options["PartNumber"] == 3:
            raise PermissionError("the third part")
        return await call(self, method, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "_call_s3", failing)
        with pytest.raises(StorageUnavailable, match="the third part"):
            s3.write_path("large", LARGE)
    assert s3.read_path("large") == b"old"
    assert s3.filesystem.filesystem.list_multipart_uploads(s3.bucket_path.partition("/")[0]) == []


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="platform: no signals for threads")
def test_an_upload_that_is_interrupted_is_aborted(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    s3.filesystem.filesystem.mkdir(s3.bucket_path)
    s3.write_path("large", b"old")
    call, waiting = s3fs.S3FileSystem._call_s3, threading.get_ident()
    interrupted, aborted = threading.Event(), threading.Event()

    async def interrupting(self: Any, method: str, *args: Any, **options: Any) -> Any:
        if method == "upload_part":
            if options["PartNumber"] == 1:
                signal.pthread_kill(waiting, signal.SIGINT)
            await asyncio.to_thread(interrupted.wait, 30)
        assert method != "complete_multipart_upload"
        given = await call(self, method, *args, **options)
        if method == "abort_multipart_upload":
            aborted.set()
        return given

    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "_call_s3", interrupting)
        with pytest.raises(KeyboardInterrupt):
            s3.write_path("large", LARGE)
        interrupted.set()
        assert aborted.wait(30)
    assert s3.read_path("large") == b"old"
    assert s3.filesystem.filesystem.list_multipart_uploads(s3.bucket_path.partition("/")[0]) == []


def test_a_file_of_azure_that_is_replaced_while_it_is_read_is_read_again(azure: Azure) -> None:
    class ResourceModifiedError(Exception):
        pass

    def get_file(path: str, name: str, **options: Any) -> None:
        tries.append(path)
        if len(tries) < 3:
            raise ResourceModifiedError
        Path(name).write_bytes(b"new")

    tries: list[str] = []
    azure.filesystem._filesystem = MagicMock(get_file=get_file)
    assert azure.read_path("file") == b"new"
    assert len(tries) == 3


def _unreachable(port: int) -> list[FileSystem]:
    url = f"http://127.0.0.1:{port}"
    impatient = {"connect_timeout": 1, "retries": {"max_attempts": 0}}
    return [
        S3(
            bucket_path="bucket",
            aws_access_key_id="name",
            aws_secret_access_key="hunter2",
            settings={"endpoint_url": url, "config_kwargs": impatient},
        ),
        GCS(bucket_path="bucket", project="x", settings={"endpoint_url": url, "token": "anon"}),
        Azure(
            bucket_path="bucket",
            azure_storage_connection_string=(
                f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
                f"AccountKey={servers.AZURE_KEY};BlobEndpoint={url}/devstoreaccount1;"
            ),
        ),
    ]


async def _no_rest(*args: Any, **options: Any) -> None:
    """What the libraries do between two tries."""


@pytest.mark.parametrize("which", [0, 1, 2], ids=["s3", "gcs", "azure"])
def test_a_server_that_cannot_be_reached_is_an_error_and_no_miss(
    which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import aiohttp  # noqa: F401  the libraries below have it
    import azure.storage.blob._shared.policies_async as azure_policies
    import gcsfs.retry
    import s3fs.core

    monkeypatch.setattr(s3fs.core.asyncio, "sleep", _no_rest)
    monkeypatch.setattr(gcsfs.retry.asyncio, "sleep", _no_rest)
    monkeypatch.setattr(azure_policies.AsyncStorageRetryPolicy, "sleep", _no_rest)
    storage: Any = _unreachable(servers.free_port())[which]
    with pytest.raises(StorageUnavailable, match="could not read 'file'") as caught:
        storage.read_path("file")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(StorageUnavailable, match="could not write 'file'"):
        storage.write_path("file", b"bytes")
    with pytest.raises(StorageUnavailable):
        storage.size("file")


def _made(monkeypatch: pytest.MonkeyPatch, storage: Any) -> MagicMock:
    """How a storage makes its remote file system."""
    made = MagicMock()
    monkeypatch.setattr(filesystems, "RemoteFileSystem", made)
    assert storage.filesystem is made.return_value
    return made


def test_azure_is_a_remote_file_system_of_what_its_fields_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = Azure(
        bucket_path="bucket",
        azure_storage_account_name="account",
        azure_storage_account_key="key",
        azure_storage_tenant_id="tenant",
        azure_storage_client_id="client",
        azure_storage_client_secret="secret",
    )
    _made(monkeypatch, storage).assert_called_once_with(
        basepath="az://bucket",
        settings={
            "account_name": "account",
            "account_key": "key",
            "tenant_id": "tenant",
            "client_id": "client",
            "client_secret": "secret",
            "anon": True,
        },
    )


def test_azure_has_its_container_in_the_url() -> None:
    storage = Azure(
        bucket_path="path",
        azure_storage_account_name=SecretStr("account"),
        azure_storage_container="container",
        azure_storage_anon=False,
    )
    remote = storage.filesystem
    assert isinstance(remote, RemoteFileSystem)
    assert remote.basepath == "az://container@account.dfs.core.windows.net/path"
    assert remote.settings == {"account_name": "account", "anon": False}
    assert storage.filesystem is remote


def test_a_container_of_no_account_is_refused() -> None:
    with pytest.raises(ValidationError, match="azure_storage_account_name"):
        Azure(bucket_path="path", azure_storage_container="container")


def test_s3_is_a_remote_file_system_of_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = S3(
        bucket_path="bucket/path",
        aws_access_key_id="name",
        aws_secret_access_key="key",
        settings={"endpoint_url": "http://here"},
    )
    _made(monkeypatch, storage).assert_called_once_with(
        basepath="s3://bucket/path",
        settings={"key": "name", "secret": "key", "endpoint_url": "http://here"},
    )


def test_gcs_is_a_remote_file_system_of_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = GCS(bucket_path="bucket", service_account_info='{"project_id": "mine"}')
    _made(monkeypatch, storage).assert_called_once_with(
        basepath="gcs://bucket", settings={"token": {"project_id": "mine"}, "project": "mine"}
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: S3(bucket_path="b", aws_access_key_id="hunter2", aws_secret_access_key="hunter2"),
        lambda: S3(bucket_path="b", settings={"secret": "hunter2"}),
        lambda: GCS(bucket_path="b", service_account_info='{"private_key": "hunter2"}'),
        lambda: Azure(bucket_path="b", azure_storage_connection_string="hunter2"),
        lambda: Azure(bucket_path="b", azure_storage_account_key="hunter2"),
        lambda: Azure(bucket_path="b", azure_storage_client_secret="hunter2"),
        lambda: GitHub(repository="r", access_token="hunter2"),
        lambda: GitHub(repository="https://me:hunter2@host/r"),
    ],
)
def test_secrets_are_shown_nowhere(make: Callable[[], Any]) -> None:
    storage = make()
    shown = f"{storage!r} {storage} {storage.json()}"
    assert "hunter2" not in shown
    assert pickle.loads(pickle.dumps(storage)) == storage


def test_what_is_no_key_file_is_refused_without_being_shown() -> None:
    with pytest.raises(ValidationError, match="JSON text") as caught:
        GCS(bucket_path="b", service_account_info="hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("bucket_path", ["", "/", "s3://bucket"])
def test_a_bucket_path_has_a_bucket_and_no_scheme(bucket_path: str) -> None:
    with pytest.raises(ValidationError, match="bucket_path is a bucket"):
        S3(bucket_path=bucket_path)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "repository"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "someone")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "someone@example.org")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "files"], ["tag", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder.as_uri()


def test_the_files_of_a_repository_can_be_had(repository: str, tmp_path: Path) -> None:
    GitHub(repository=repository, access_token="hunter2").get_directory(
        local_path=str(tmp_path / "all")
    )
    assert sorted(path.name for path in (tmp_path / "all").rglob("*")) == ["a.txt", "b.txt", "sub"]
    GitHub(repository=repository, reference="first").get_directory("sub", tmp_path / "one")
    assert [path.name for path in (tmp_path / "one").rglob("*")] == ["b.txt"]


def test_a_repository_that_cannot_be_had_is_an_error(repository: str, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="could not clone"):
        GitHub(repository=f"{repository}-2").get_directory(local_path=tmp_path)
    with pytest.raises(StorageUnavailable, match="second"):
        GitHub(repository=repository, reference="second").get_directory(local_path=tmp_path)
    with pytest.raises(InvalidStorageKey, match="outside"):
        GitHub(repository=repository).get_directory("../..", tmp_path)
