"""Secrets of storages: encrypted, and to be found nowhere else."""

from __future__ import annotations

import base64
import logging
import os
import stat
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote
from uuid import UUID

import pytest
from fsspec import AbstractFileSystem, register_implementation
from pydantic import BaseModel, SecretBytes, SecretStr

from tests.unit.cli_runs import upshot
from upshot import flow, task
from upshot.blocks import read_document, rotate
from upshot.blocks._keys import keys_in_force
from upshot.exceptions import StorageUnavailable, UnreadableBlock, UnusableKey
from upshot.filesystems import FileSystem, MemoryFileSystem, RemoteFileSystem
from upshot.results import PersistedResult
from upshot.runstore import open_store
from upshot.runstore.current import close_stores
from upshot.settings import forget_settings, get_current_settings

pytestmark = pytest.mark.usefixtures("upshot_home")

SECRET = "hunter2/?+secret ü"
OTHER_KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


class Login(BaseModel):
    user: str
    password: SecretStr


class Bucket(FileSystem):
    """A storage with secrets of all kinds, which may be out of reach."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"plain"})

    token: SecretStr
    raw: SecretBytes
    login: Login
    plain: str
    url: str
    settings: dict[str, Any]
    place: str = "a"
    reachable: bool = True

    def read_path(self, path: str) -> bytes:
        return self._memory().open(path).read()

    def write_path(self, path: str, content: bytes) -> None:
        with self._memory().writing(path) as file:
            file.write(content)

    def uri(self, key: str) -> str:
        return f"bucket://{self.place}/{key}"

    def key_of(self, uri: str) -> str | None:
        start = f"bucket://{self.place}/"
        return uri.removeprefix(start) if uri.startswith(start) else None

    def _memory(self) -> MemoryFileSystem:
        if not self.reachable:
            raise OSError(f"{self} cannot be reached")
        return MemoryFileSystem(name=self.place)


def bucket(**more: Any) -> Bucket:
    return Bucket(
        token=SECRET,
        raw=b"\xff" + SECRET.encode(),
        login={"user": "me", "password": SECRET},
        plain=SECRET,
        url=f"https://me:{quote(SECRET, safe='')}@host/path",
        settings={"anon": False, "client_kwargs": {"aws_secret_access_key": SECRET}},
        **more,
    )


def spellings() -> list[bytes]:
    raw = SECRET.encode()
    found = {raw, SECRET.encode("ascii", "backslashreplace"), SECRET.encode("utf-16-le")}
    found |= {quote(SECRET).encode(), quote(SECRET, safe="").encode(), raw.hex().encode()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):  # it may stand anywhere in what is encoded
            middle = encode(b"\0" * shift + raw)[4 if shift else 0 :]
            found.add(middle.rstrip(b"=")[:-1])
    found.add(b"hunter2")
    return sorted(found)


def scan(where: str, content: bytes) -> None:
    for spelling in spellings():
        assert spelling not in content, f"{spelling!r} in {where}"


def scan_home() -> list[str]:
    home = get_current_settings().home
    files = [path for path in home.rglob("*") if path.is_file()]
    for path in files:
        scan(str(path), path.read_bytes())
    return sorted(path.name for path in files)


def lose_key() -> Path:
    path = get_current_settings().home / "secret.key"
    path.rename(path.with_name("put-aside"))
    return path


def a_new_process() -> None:
    close_stores()


@pytest.fixture
def use_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(*keys: str) -> None:
        monkeypatch.setenv("UPSHOT_SECRET_KEY", ",".join(keys))
        forget_settings()

    yield use
    monkeypatch.undo()
    forget_settings()


@flow(persist_result=True)
def kept(where: Any, login: Login, token: SecretStr) -> Any:
    return [1]


def test_a_scan_finds_secrets_nowhere(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    storage, shown = bucket(), []
    storage.save("mine")
    run = kept.with_options(result_storage=storage, flow_run_name="with {token}")
    state = run(storage, storage.login, SECRET, return_state=True)
    anonymous = bucket(place="b")
    second = kept.with_options(result_storage=anonymous)(
        {"in": [anonymous]}, {"user": "me", "password": SECRET}, SECRET, return_state=True
    )
    refused = kept(storage, {"user": "me", "password": SECRET, "x": 1}, [SECRET], return_state=True)
    unreachable = kept.with_options(result_storage=bucket(reachable=False))
    failed = unreachable(None, storage.login, SECRET, return_state=True)
    assert second.is_completed()
    assert refused.is_failed()
    assert not failed.is_completed()

    @flow
    def misbuilt() -> Any:
        return Bucket(**{**dict(storage), "settings": SECRET})

    wrong = misbuilt(return_state=True)
    a_new_process()
    reference = PersistedResult.parse_raw(state.data.json())
    assert reference.get() == [1]
    document = read_document(UUID(str(reference.storage_block_id)), open_store())
    shown += [Bucket.load("mine"), storage, state, second, failed, refused, wrong, reference]
    shown += [document, get_current_settings(), open_store().blocks()]
    found = open_store().flow_runs(limit=10) if hasattr(open_store(), "flow_runs") else []
    shown += [(run, run.parameters) for run in found]
    lose_key()
    a_new_process()
    reference = PersistedResult.parse_raw(reference.json())
    for attempt in (lambda: Bucket.load("mine"), reference.get, failed.result, refused.result):
        with pytest.raises(Exception) as caught:
            attempt()
        text = "".join(traceback.format_exception(caught.value))
        scan("a traceback", text.encode())
        shown.append(caught.value)
    for one in shown:
        html = getattr(one, "_repr_html_", str)
        scan(type(one).__name__, f"{one!r}{one}{html()}".encode())
    commands = [["runs", "ls"], ["results", "ls"], ["blocks", "ls", "--all"], ["config", "view"]]
    commands += [["doctor"], ["runs", "show", str(state.state_details.flow_run_id)]]
    commands += [["runs", "show", str(failed.state_details.flow_run_id)]]
    commands += [["results", "show", str(state.state_details.flow_run_id)]]
    for command in commands:
        for arguments in (command, [*command, "--json"]):
            ran = upshot(*arguments)
            scan(" ".join(arguments), f"{ran.out}{ran.err}".encode())
    scan("the log", "".join(map(str, [r.__dict__ for r in caplog.records])).encode())
    scan("the log", caplog.text.encode())
    out = capsys.readouterr()
    scan("the output", f"{out.out}{out.err}".encode())
    assert {"runs.db", "put-aside"} <= set(scan_home())


class Refusing(AbstractFileSystem):
    """A file system that says what it was made with."""

    protocol = "refusing"

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            raise PermissionError(f"no login with {self.storage_options['password']}")
        except PermissionError as error:
            raise OSError(f"{self.storage_options} are refused") from error

    info = open = makedirs = put_file = pipe_file = _refuse


@pytest.mark.parametrize("as_url", [False, True])
def test_what_a_file_system_says_of_its_settings_is_nowhere(
    as_url: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    register_implementation("refusing", Refusing, clobber=True)
    url = f"redis://me:{quote(SECRET, safe='')}@host"
    settings = {"password": SECRET, "client_kwargs": {"aws_secret_access_key": SECRET}}
    settings |= {"url": url} if as_url else {}
    storage = RemoteFileSystem(basepath="refusing://b", settings=settings)

    @task
    def reads(where: Any) -> Any:
        return where.read_path("a")

    @flow
    def around(where: Any) -> Any:
        states = [reads(where, return_state=True), reads.submit(where, return_state=True)]
        states.append(kept.with_options(result_storage=where)(1, logged_in, SECRET, return_state=1))
        return states

    logged_in = Login(user="me", password=SECRET)
    state = around(storage, return_state=True)
    failures = [one.result(raise_on_failure=False) for one in state.data]
    assert all(isinstance(failure, StorageUnavailable) for failure in failures)
    for failure in failures:
        scan("a traceback", "".join(traceback.format_exception(failure)).encode())
    a_new_process()
    scan("the states", f"{state!r}{state.json()}{state.data!r}".encode())
    scan("the storage", f"{storage!r}{storage}{storage.json()}".encode())
    scan("the log", "".join(map(str, [r.__dict__ for r in caplog.records])).encode())
    scan_home()


def test_what_a_function_raises_is_recorded_as_it_is() -> None:
    @task
    def tells(token: SecretStr) -> None:
        raise ValueError(f"no login with {token} or {token.get_secret_value()}")

    state = tells(SecretStr("t0ps3cret"), return_state=True)
    text = "no login with ********** or t0ps3cret"
    assert str(state.result(raise_on_failure=False)) == text
    assert text in state.message


def test_parameters_are_recorded_without_secrets() -> None:
    state = kept(None, Login(user="me", password=SECRET), SECRET, return_state=True)
    run = open_store().flow_run(state.state_details.flow_run_id)
    assert run is not None
    assert run.parameters["token"] == "**********"
    scan("parameters", str(run.parameters).encode())


def test_what_is_to_be_a_secret_is_none_before_it_was_checked_either() -> None:
    @flow
    def checked(token: SecretStr, login: Login, n: int) -> None: ...

    state = checked(SECRET, {"user": "me", "password": SECRET}, "no number", return_state=True)
    assert state.is_failed()
    run = open_store().flow_run(state.state_details.flow_run_id)
    assert run is not None
    assert run.parameters["token"] == "**********"
    assert run.parameters["n"] == "no number"
    scan_home()


def test_the_name_of_a_run_hides_a_secret() -> None:
    @flow(flow_run_name="for {token}")
    def named(token: SecretStr) -> Any:
        @task(task_run_name="with {token}")
        def child(token: SecretStr) -> int:
            return 1

        return child(token, return_state=True)

    state = named(SecretStr(SECRET), return_state=True)
    run = open_store().flow_run(state.state_details.flow_run_id)
    assert run is not None
    assert run.name == "for **********"
    scan_home()


def test_the_key_is_in_a_file_for_its_owner_only() -> None:
    bucket().save("mine")
    path = get_current_settings().home / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_bytes().strip()
    for other in path.parent.rglob("*"):
        assert other == path or other.is_dir() or key not in other.read_bytes(), other


def test_no_key_is_made_where_there_is_no_secret(tmp_path: Path) -> None:
    from upshot.filesystems import LocalFileSystem

    LocalFileSystem(basepath=str(tmp_path)).save("mine")
    assert not (get_current_settings().home / "secret.key").exists()


def test_a_run_that_persists_nothing_needs_no_key() -> None:
    @flow(result_storage=bucket())
    def fast() -> Any:
        return [1]

    assert fast() == [1]
    assert not (get_current_settings().home / "secret.key").exists()


def test_without_its_key_a_storage_is_named_and_what_to_do() -> None:
    bucket().save("mine")
    path = lose_key()
    with pytest.raises(UnreadableBlock, match=r"Bucket/mine.*overwrite=True") as caught:
        Bucket.load("mine")
    assert str(path) in str(caught.value)

    path.with_name("put-aside").rename(path)
    assert Bucket.load("mine") == bucket()


def test_a_storage_whose_key_is_lost_can_be_saved_again() -> None:
    id = bucket().save("mine")
    lose_key()
    assert bucket().save("mine", overwrite=True) == id
    assert Bucket.load("mine") == bucket()


def test_results_are_found_by_their_place_when_a_key_is_lost() -> None:
    state = kept.with_options(result_storage=bucket())(None, bucket().login, SECRET, return_state=1)
    reference = PersistedResult.parse_raw(state.data.json())
    lose_key()
    a_new_process()
    with pytest.raises(UnreadableBlock, match=str(reference.storage_block_id)):
        reference.get()
    bucket().save("again")
    assert reference.get() == [1]


def test_a_cached_result_whose_key_is_lost_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []
    storage = bucket()

    @task(cache_key_fn=lambda context, parameters: "k", result_storage=storage)
    def made() -> Any:
        calls.append(1)
        return [1]

    assert made() == made() == [1]
    assert len(calls) == 1
    lose_key()
    a_new_process()
    storage.place = "b"  # the place of the first is not known any more
    assert made() == [1]
    assert made() == [1]
    assert len(calls) == 2
    assert "with a key that is not here" in caplog.text


def test_a_cached_result_whose_key_cannot_be_trusted_is_an_error() -> None:
    @task(cache_key_fn=lambda context, parameters: "k", persist_result=True)
    def made() -> Any:
        return [1]

    made.with_options(result_storage=bucket())()
    a_new_process()
    (get_current_settings().home / "secret.key").chmod(0o644)
    state = made(return_state=True)
    assert state.is_failed()
    with pytest.raises(StorageUnavailable, match="chmod 600"):
        state.result()


def test_a_key_of_a_setting_needs_no_file(use_key: Any) -> None:
    use_key(OTHER_KEY)
    bucket().save("mine")
    assert not (get_current_settings().home / "secret.key").exists()
    assert Bucket.load("mine") == bucket()
    use_key(base64.urlsafe_b64encode(b"x" * 32).decode(), OTHER_KEY)
    assert Bucket.load("mine") == bucket()
    use_key(base64.urlsafe_b64encode(b"x" * 32).decode())
    with pytest.raises(UnreadableBlock, match="UPSHOT_SECRET_KEY"):
        Bucket.load("mine")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused_and_doctor_says_so(mode: int) -> None:
    bucket().save("mine")
    path = get_current_settings().home / "secret.key"
    path.chmod(mode)
    with pytest.raises(UnusableKey, match="chmod 600"):
        Bucket.load("mine")
    ran = upshot("doctor")
    assert ran.code == 1
    assert f"chmod 600 {path}" in ran.out
    path.chmod(0o600)
    assert Bucket.load("mine") == bucket()
    assert upshot("doctor").code == 0


def test_a_damaged_key_file_is_refused_without_its_text() -> None:
    bucket().save("mine")
    path = get_current_settings().home / "secret.key"
    path.write_text("half a k")
    with pytest.raises(UnusableKey, match="holds no keys") as caught:
        Bucket.load("mine")
    assert "half" not in str(caught.value)


def test_a_rotation_encrypts_all_secrets_with_a_new_key() -> None:
    id = bucket().save("mine")
    anonymous = bucket(place="b")._save(is_anonymous=True)
    before = [open_store().block(one) for one in (id, anonymous)]
    old = keys_in_force(get_current_settings(), make=False)
    done = rotate(open_store(), get_current_settings())
    assert [block.id for block in done.rotated] == [id, anonymous]
    keys = keys_in_force(get_current_settings(), make=False)
    assert (len(keys), keys[1:]) == (2, old)
    after = [open_store().block(one) for one in (id, anonymous)]
    assert all(a and b and a.secrets != b.secrets for a, b in zip(after, before, strict=True))
    rotate(open_store(), get_current_settings(), forget=True)
    keys = keys_in_force(get_current_settings(), make=False)
    assert len(keys) == 1
    assert not set(keys) & set(old)
    assert Bucket.load("mine") == bucket()


def test_a_key_moves_from_the_file_to_a_setting(use_key: Any) -> None:
    bucket().save("mine")
    use_key(OTHER_KEY)
    assert Bucket.load("mine") == bucket()
    ran = upshot("blocks", "rotate", "--forget")
    assert (ran.code, ran.out) == (0, "encrypted the secrets of 1 with the newest key\n")
    assert not (get_current_settings().home / "secret.key").exists()
    assert Bucket.load("mine") == bucket()


def test_a_rotation_tells_what_it_cannot_decrypt() -> None:
    bucket().save("mine")
    lose_key()
    bucket(place="b").save("other")
    ran = upshot("blocks", "rotate")
    assert ran.code == 4
    assert "Bucket/mine" in ran.err
    assert "other" not in ran.err
    assert Bucket.load("other") == bucket(place="b")


def test_of_two_rotations_one_is_refused() -> None:
    bucket().save("mine")
    lock = get_current_settings().home / ".secret.key.lock"
    lock.touch()
    with pytest.raises(UnusableKey, match="another process"):
        rotate(open_store(), get_current_settings())
    lock.unlink()
    rotate(open_store(), get_current_settings())
    assert not lock.exists()


def test_of_many_processes_one_makes_the_key(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    program = (
        "import sys; from upshot.blocks._vault import Vault;"
        "from upshot.settings import get_current_settings as s;"
        "sys.stdin.readline();"
        "print(Vault(s(), make=True).encrypt('told'))"
    )
    environment = {**os.environ, "UPSHOT_HOME": str(home)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in started:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write("go\n")
            process.stdin.flush()
    told = [process.communicate()[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * 6
    assert [path.name for path in home.iterdir()] == ["secret.key"]
    assert len((home / "secret.key").read_text().split()) == 1
    from upshot.blocks._vault import Vault

    settings = get_current_settings().model_copy(update={"home": home})
    assert {Vault(settings, make=False).decrypt(token) for token in told} == {"told"}
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600


def test_a_key_cannot_be_made_where_nothing_can_be_written(monkeypatch: Any) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UnusableKey, match="No space left on device"):
        bucket().save("mine")
    assert not list(get_current_settings().home.glob("*secret*"))
    monkeypatch.undo()
    bucket().save("mine")
    assert Bucket.load("mine") == bucket()


@pytest.mark.parametrize("before", [None, b"", b"x", b"xy"])
def test_the_scan_finds_a_secret_that_is_there(before: bytes | None) -> None:
    home = get_current_settings().home
    home.mkdir(exist_ok=True)
    raw = SECRET.encode()
    (home / "leak").write_bytes(raw if before is None else base64.b64encode(before + raw + b"z"))
    with pytest.raises(AssertionError, match="leak"):
        scan_home()
