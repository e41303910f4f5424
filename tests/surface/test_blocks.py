"""Storages that are saved, loaded and named; the registry of surface.md, section 8."""

from __future__ import annotations

import asyncio
import json
import pickle
import traceback
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fsspec import AbstractFileSystem, register_implementation
from pydantic import BaseModel, Field, SecretBytes, SecretStr, SerializeAsAny, ValidationError

from upshot import flow, task
from upshot.blocks import BlockDocument, read_document
from upshot.client import get_client
from upshot.context import get_run_context
from upshot.exceptions import (
    BlockExists,
    InvalidOptionValue,
    StorageUnavailable,
    UnknownBlock,
    UnreadableBlock,
)
from upshot.filesystems import (
    GCS,
    S3,
    Azure,
    FileSystem,
    LocalFileSystem,
    MemoryFileSystem,
    RemoteFileSystem,
)
from upshot.results import PersistedResult
from upshot.runstore import open_store
from upshot.runstore.current import close_stores
from upshot.settings import get_current_settings
from upshot.task_runners import ProcessPoolTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


class Login(BaseModel):
    user: str
    password: SecretStr


class Vaulted(FileSystem):
    """A storage of a program, with secrets of all kinds."""

    token: SecretStr
    raw: SecretBytes = SecretBytes(b"\xff\x00")
    login: Login | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    path: str = "x"

    def read_path(self, path: str) -> bytes:
        return MemoryFileSystem(name=self.path).open(path).read()

    def write_path(self, path: str, content: bytes) -> None:
        with MemoryFileSystem(name=self.path).writing(path) as file:
            file.write(content)


class Local(LocalFileSystem):
    """A folder, with a secret that it has no use for."""

    token: SecretStr


FULL = {
    "token": "hunter2",
    "raw": b"\xfe\xffhunter2",
    "login": {"user": "me", "password": "hunter2"},
    "settings": {"key": "hunter2", "anon": False, "client_kwargs": {"region": "eu"}},
}


def test_a_storage_that_was_saved_is_loaded_by_its_name(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    id = storage.save("mine")
    assert isinstance(id, UUID)
    assert (storage._block_document_id, storage._block_document_name) == (id, "mine")
    assert storage._is_anonymous is False
    loaded = LocalFileSystem.load("mine")
    assert loaded == storage
    assert (loaded._block_document_id, loaded._block_document_name) == (id, "mine")
    assert loaded._is_anonymous is False


def test_a_storage_may_be_loaded_with_its_type_before_its_name(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    storage.save("mine")
    assert LocalFileSystem.load("local-file-system/mine") == storage
    assert FileSystem.load("local-file-system/mine") == storage
    with pytest.raises(ValueError, match="Unable to find block document named"):
        MemoryFileSystem.load("local-file-system/mine")


def test_a_storage_is_saved_without_a_name(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    id = storage._save(is_anonymous=True)
    assert isinstance(id, UUID)
    assert (storage._block_document_id, storage._is_anonymous) == (id, True)
    assert storage._block_document_name is None
    assert LocalFileSystem(basepath=str(tmp_path))._save(is_anonymous=True) == id


def test_async_code_awaits_save_and_load(tmp_path: Path) -> None:
    async def main() -> None:
        storage = LocalFileSystem(basepath=str(tmp_path))
        id = await storage.save("mine")
        assert (await LocalFileSystem.load("mine"))._block_document_id == id
        other = LocalFileSystem(basepath=str(tmp_path / "other"))
        assert await other._save(is_anonymous=True) == other._block_document_id
        assert await other.save.aio("other") == other._block_document_id
        assert await LocalFileSystem.load.aio("other") == other

    asyncio.run(main())


def test_save_blocks_in_a_sync_flow_that_async_code_has_called(tmp_path: Path) -> None:
    @flow
    def sync() -> Any:
        id = LocalFileSystem(basepath=str(tmp_path)).save("mine")
        return [id == LocalFileSystem.load("mine")._block_document_id]

    async def main() -> Any:
        return sync()

    assert asyncio.run(main()) == [True]


def test_a_name_in_use_is_refused(tmp_path: Path) -> None:
    LocalFileSystem(basepath=str(tmp_path)).save("mine")
    other = LocalFileSystem(basepath=str(tmp_path / "other"))
    with pytest.raises(ValueError, match="already in use") as caught:
        other.save("mine")
    assert isinstance(caught.value, BlockExists)
    assert other._block_document_id is None
    MemoryFileSystem().save("mine")  # of another type


def test_a_storage_takes_the_place_of_another_if_it_is_told_to(tmp_path: Path) -> None:
    id = LocalFileSystem(basepath=str(tmp_path)).save("mine")
    other = LocalFileSystem(basepath=str(tmp_path / "other"))
    assert other.save("mine", overwrite=True) == id
    assert LocalFileSystem.load("mine") == other
    assert LocalFileSystem(basepath="/new").save("unused", overwrite=True) != id


def test_a_saved_storage_is_saved_again_without_saying_its_name(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    id = storage.save("mine")
    storage.basepath = str(tmp_path / "moved")
    assert storage.save(overwrite=True) == id
    assert LocalFileSystem.load("mine").basepath == str(tmp_path / "moved")
    with pytest.raises(ValueError, match="a name"):
        LocalFileSystem().save()


@pytest.mark.parametrize("name", ["Mine", "my storage", "my_storage", "a/b", "ä", "a.b", "a\n"])
def test_a_name_is_of_small_letters_digits_and_dashes(name: str) -> None:
    with pytest.raises(InvalidOptionValue, match="lower-case letters, digits and dashes"):
        LocalFileSystem().save(name)


def test_a_storage_that_nobody_saved_is_not_found() -> None:
    with pytest.raises(ValueError, match="Unable to find block document named nothing") as caught:
        LocalFileSystem.load("nothing")
    assert isinstance(caught.value, UnknownBlock)


def test_a_class_of_storages_has_a_slug() -> None:
    assert LocalFileSystem.get_block_type_slug() == "local-file-system"
    assert LocalFileSystem().get_block_type_slug() == "local-file-system"
    assert Vaulted.get_block_type_slug() == "vaulted"


def test_results_go_to_the_saved_storage_that_is_named(tmp_path: Path) -> None:
    id = LocalFileSystem(basepath=str(tmp_path / "kept")).save("mine")

    @flow(result_storage="local-file-system/mine", persist_result=True)
    def kept() -> Any:
        return [1]

    state = kept(return_state=True)
    assert state.data.storage_block_id == id
    assert (tmp_path / "kept" / state.data.storage_key).exists()
    assert PersistedResult.parse_raw(state.data.json()).get() == [1]


def test_a_storage_may_be_saved_after_a_flow_was_told_its_name(tmp_path: Path) -> None:
    @flow(result_storage="local-file-system/late", persist_result=True)
    def kept() -> Any:
        return [get_run_context().result_factory.storage_block]

    with pytest.raises(ValueError, match="Unable to find block document named late"):
        kept()
    storage = LocalFileSystem(basepath=str(tmp_path))
    storage.save("late")
    assert kept() == [storage]


@pytest.mark.parametrize("type", ["no-such-type", "no.such:Type"])
def test_a_type_that_nothing_has_is_a_storage_that_is_not_found(type: str) -> None:
    @flow(result_storage=f"{type}/mine")
    def kept() -> Any:
        return 1

    with pytest.raises(ValueError, match=f"named mine for block type {type}"):
        kept()


def test_a_storage_of_a_program_is_named_by_its_class(tmp_path: Path) -> None:
    Vaulted(**FULL).save("mine")

    @flow(result_storage="vaulted/mine", persist_result=True)
    def kept() -> Any:
        return [1]

    state = kept(return_state=True)
    assert PersistedResult.parse_raw(state.data.json()).get() == [1]


def test_secrets_come_back_as_they_were() -> None:
    storage = Vaulted(**FULL)
    storage.save("mine")
    loaded = Vaulted.load("mine")
    assert loaded == storage
    assert loaded.login.password.get_secret_value() == "hunter2"
    assert loaded.raw.get_secret_value() == b"\xfe\xffhunter2"
    assert loaded.settings == FULL["settings"]


def test_equal_storages_with_secrets_have_one_identity() -> None:
    first, second, other = Vaulted(**FULL), Vaulted(**FULL), Vaulted(**{**FULL, "token": "b"})
    ids = [storage._save(is_anonymous=True) for storage in (first, second, other)]
    assert ids[0] == ids[1] != ids[2]


def test_a_storage_is_made_of_its_document(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    id = storage.save("mine")
    document = read_document(id, open_store())
    assert isinstance(document, BlockDocument)
    assert (document.id, document.name, document.is_anonymous) == (id, "mine", False)
    assert document.block_type_slug == "local-file-system"
    assert document.data == {"basepath": str(tmp_path)}
    made = LocalFileSystem._from_block_document(document)
    assert (made, made._block_document_id, made._is_anonymous) == (storage, id, False)
    assert read_document(uuid4(), open_store()) is None


def test_a_client_reads_the_document_of_a_storage(tmp_path: Path) -> None:
    async def main() -> None:
        storage = LocalFileSystem(basepath=str(tmp_path))
        id = await storage._save(is_anonymous=True)
        async with get_client() as client:
            document = await client.read_block_document(id)
        assert LocalFileSystem._from_block_document(document) == storage

    asyncio.run(main())


def test_the_document_of_an_anonymous_storage_says_so(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    id = storage._save(is_anonymous=True)
    document = read_document(id, open_store())
    assert document is not None
    assert document.is_anonymous
    made = LocalFileSystem._from_block_document(document)
    assert (made._block_document_id, made._is_anonymous) == (id, True)


def test_a_document_hides_secrets_and_has_them() -> None:
    id = Vaulted(**FULL).save("mine")
    document = read_document(id, open_store())
    assert document is not None
    for text in (repr(document), document.json(), str(document.data)):
        assert "hunter2" not in text
    assert Vaulted._from_block_document(document) == Vaulted(**FULL)


def test_a_document_without_secrets_makes_no_storage() -> None:
    id = Vaulted(**FULL).save("mine")
    document = read_document(id, open_store(), include_secrets=False)
    assert document is not None
    assert document.data["token"] == "**********"
    assert document.data["path"] == "x"
    with pytest.raises(UnreadableBlock, match="include_secrets=True"):
        Vaulted._from_block_document(document)


def test_the_text_of_a_storage_has_no_secret() -> None:
    text = repr(Vaulted(**FULL))
    assert "hunter2" not in text
    assert "'user': 'me'" in text
    assert "'region': 'eu'" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": ["hunter2"]},
        {"token": "hunter2", "more": "hunter2"},
        {"settings": {"key": "hunter2"}},
        {"token": "hunter2", "login": {"password": "hunter2"}},
    ],
)
def test_the_error_for_fields_that_do_not_fit_has_no_secret(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Vaulted(**wrong)
    assert "hunter2" not in str(caught.value)
    assert b"hunter2" not in pickle.dumps(caught.value)


CLOUDS = [
    S3(bucket_path="b", aws_secret_access_key="hunter2", settings={"endpoint_url": "http://h"}),
    S3(bucket_path="b", settings={"client_kwargs": {"aws_session_token": "hunter2"}}),
    GCS(bucket_path="b", service_account_info='{"private_key": "hunter2"}', project="p"),
    Azure(bucket_path="b", azure_storage_connection_string="AccountKey=hunter2;"),
    Azure(bucket_path="b", azure_storage_account_name="a", azure_storage_client_secret="hunter2"),
    RemoteFileSystem(basepath="memory://b", settings={"key": "hunter2", "skip": True}),
    RemoteFileSystem(basepath="memory://b", settings={"url": "http://me:hunter2@host"}),
]


@pytest.mark.parametrize("storage", CLOUDS, ids=repr)
def test_storages_in_clouds_are_saved_with_their_secrets(storage: FileSystem) -> None:
    id = storage.save("mine")
    block = open_store().block(id)
    assert block is not None
    assert block.secrets is not None
    assert "hunter2" not in repr(block)
    assert "hunter2" not in f"{storage!r}{storage}"
    loaded = type(storage).load("mine")
    assert loaded == storage
    for path in get_current_settings().home.rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()


@pytest.mark.parametrize("storage", CLOUDS, ids=repr)
def test_the_json_of_a_storage_has_its_secrets_only_if_they_are_included(
    storage: FileSystem,
) -> None:
    class Holder(BaseModel):
        it: SerializeAsAny[FileSystem]

    for text in (
        storage.json(),
        storage.model_dump_json(),
        str(storage.dict(mode="json")),
        Holder(it=storage).model_dump_json(),
        storage.model_dump_json(context={"include_secrets": False}),
    ):
        assert "hunter2" not in text
        assert "**********" in text
    text = storage.json(include_secrets=True)
    assert "hunter2" in text
    assert type(storage).parse_raw(text) == storage
    assert type(storage)(**storage.dict()) == storage
    assert pickle.loads(pickle.dumps(storage)) == storage
    with_secrets = storage.model_dump(context={"include_secrets": True})
    assert type(storage)(**with_secrets) == storage


def test_json_of_a_storage_tells_what_is_no_secret() -> None:
    settings = {"client_kwargs": {"aws_secret_access_key": "x", "region": "eu"}, "anon": False}
    remote = RemoteFileSystem(basepath="memory://b", settings=settings)
    hidden = {"client_kwargs": {"aws_secret_access_key": "**********", "region": "eu"}}
    assert json.loads(remote.json())["settings"] == {**hidden, "anon": False}
    assert json.loads(remote.json(exclude={"settings"})) == {"basepath": "memory://b"}
    assert remote.dict()["settings"] == settings
    plain = RemoteFileSystem(basepath="memory://b", settings={"region": "eu"})
    assert RemoteFileSystem.parse_raw(plain.json()) == plain
    vaulted = json.loads(Vaulted(**FULL).json())
    assert "hunter2" not in str(vaulted)


def test_a_storage_that_a_task_returns_comes_back_with_its_secrets() -> None:
    storage = RemoteFileSystem(basepath="memory://b", settings={"password": "hunter2"})
    for serializer in ("json", "pickle", "compressed/json"):

        @task(persist_result=True, result_serializer=serializer)
        def returns() -> Any:
            return storage

        state = returns(return_state=True)
        read = PersistedResult.parse_raw(state.data.json())
        assert read.get() == storage


class Refusing(AbstractFileSystem):
    """A file system that says what it was made with."""

    protocol = "refusing"

    def __init__(self, **options: Any) -> None:
        if options.get("url") is None:
            raise ValueError(f"cannot be made with {options}")
        self.options = options

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            raise KeyError(self.options["password"])
        except KeyError as error:
            raise ValueError(f"no login with {self.options}") from error

    info = open = makedirs = get = put_file = pipe_file = _refuse


@pytest.mark.parametrize(
    "use",
    [
        lambda storage: storage.read_path("a"),
        lambda storage: storage.write_path("a", b""),
        lambda storage: storage.get_directory("a", "b"),
        lambda storage: storage.size("a"),
        lambda storage: storage.filesystem,
    ],
)
def test_what_a_file_system_says_of_its_settings_is_hidden(use: Any) -> None:
    register_implementation("refusing", Refusing, clobber=True)
    url = None if use.__code__.co_names == ("filesystem",) else "redis://me:hunter%2F3@host"
    settings = {"password": "hunter2", "url": url, "client_kwargs": {"secret_key": "hunter'4"}}
    storage = RemoteFileSystem(basepath="refusing://b", settings=settings)
    with pytest.raises(StorageUnavailable, match=r"\*\*\*\*\*") as caught:
        use(storage)
    text = "".join(traceback.format_exception(caught.value))
    assert "hunter" not in text
    assert b"hunter" not in pickle.dumps(caught.value)


def test_what_a_file_system_says_is_told_with_its_cause_where_it_holds_no_secret() -> None:
    register_implementation("refusing", Refusing, clobber=True)
    settings = {"password": "", "url": "redis://host"}
    storage = RemoteFileSystem(basepath="refusing://b", settings=settings)
    with pytest.raises(StorageUnavailable, match="no login with") as caught:
        storage.read_path("a")
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_is_no_secret_of_a_cloud_needs_no_key() -> None:
    GCS(bucket_path="b", settings={"token": "anon", "endpoint_url": "http://h"}).save("mine")
    S3(bucket_path="b", settings={"anon": True}).save("mine")
    assert not (get_current_settings().home / "secret.key").exists()


def test_a_password_in_a_url_is_refused_since_references_would_show_it() -> None:
    with pytest.raises(ValidationError, match="must hold no password") as caught:
        RemoteFileSystem(basepath="sftp://me:hunter2@host/folder")
    assert "hunter2" not in str(caught.value)


def test_a_saved_storage_that_is_changed_is_another_one(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path / "a"))
    id = storage.save("mine")
    storage.basepath = str(tmp_path / "b")

    @flow(persist_result=True, result_storage=storage)
    def kept() -> Any:
        return [1]

    state = kept(return_state=True)
    assert state.data.storage_block_id != id
    close_stores()
    assert PersistedResult.parse_raw(state.data.json()).get() == [1]
    assert LocalFileSystem.load("mine").basepath == str(tmp_path / "a")


def test_a_relative_folder_is_where_it_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = LocalFileSystem(basepath="here")
    id = storage.save("mine")

    @flow(persist_result=True, result_storage=storage)
    def kept() -> Any:
        return [1]

    assert kept(return_state=True).data.storage_block_id == id
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    state = kept(return_state=True)
    assert state.data.storage_block_id != id
    close_stores()
    assert PersistedResult.parse_raw(state.data.json()).get() == [1]


def test_results_of_a_storage_that_was_saved_anew_elsewhere_are_found(tmp_path: Path) -> None:
    LocalFileSystem(basepath=str(tmp_path / "old")).save("mine")
    LocalFileSystem(basepath=str(tmp_path))._save(is_anonymous=True)  # which the old one is in

    @flow(persist_result=True, result_storage="local-file-system/mine")
    def kept() -> Any:
        return [1]

    state = kept(return_state=True)
    LocalFileSystem(basepath=str(tmp_path / "new")).save("mine", overwrite=True)
    assert PersistedResult.parse_raw(state.data.json()).get() == [1]
    (tmp_path / "old").rename(tmp_path / "new")
    assert PersistedResult.parse_raw(state.data.json()).get() == [1]


def kept_in_a_process() -> Any:
    return [1]


def test_worker_processes_write_to_storages_with_secrets(tmp_path: Path) -> None:
    storage = Local(basepath=str(tmp_path / "kept"), token="hunter2")

    @flow(result_storage=storage, task_runner=ProcessPoolTaskRunner(max_workers=1))
    def around() -> Any:
        return task(kept_in_a_process, persist_result=True).submit(return_state=True)

    state = around(return_state=True).result()
    close_stores()
    assert PersistedResult.parse_raw(state.data.json()).get() == [1]
    for path in (*tmp_path.rglob("*"), *get_current_settings().home.rglob("*")):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()
