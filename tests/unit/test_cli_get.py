"""`upshot results get`: the value of a result as a file."""

from __future__ import annotations

import os
import pickle
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli_runs import a_kept_result, a_task_run, kept, refused, upshot
from upshot.cli import _files
from upshot.cli._errors import Refusal
from upshot.filesystems import LocalFileSystem
from upshot.testing import isolated

WARNED = "this result is a pickle: reading it runs code that its writer chose\n"


@pytest.fixture(autouse=True)
def home() -> Iterator[Path]:
    with isolated() as settings:
        yield settings.home


@pytest.mark.parametrize(
    ("value", "as_json", "content", "format"),
    [
        (b"\x00raw\xff", False, b"\x00raw\xff", "bytes"),
        ("größe", False, "größe".encode(), "text"),
        ("größe", True, "größe".encode(), "text"),
        ({"a": [1, None]}, False, b'{\n  "a": [\n    1,\n    null\n  ]\n}\n', "json"),
        ({"a": [1]}, True, b'{\n  "a": [\n    1\n  ]\n}\n', "json"),
    ],
)
def test_a_value_is_written_as_it_is_or_as_json(
    value: Any, as_json: bool, content: bytes, format: str, tmp_path: Path
) -> None:
    run = a_kept_result(value, as_json=as_json)
    target = tmp_path / "value"
    ran = upshot("results", "get", str(run.id), "--to", str(target))

    assert (ran.code, ran.err) == (0, "" if as_json else WARNED)
    assert ran.out == f"{format}, {len(content)} B: {target}\n"
    assert target.read_bytes() == content


def test_what_was_written_has_this_shape_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_kept_result([1], as_json=True)
    monkeypatch.chdir(tmp_path)
    told = upshot("results", "get", str(run.id), "--to", "v.json", "--json").json()

    assert told == {"file": str(tmp_path / "v.json"), "format": "json", "size": 8}


@pytest.mark.parametrize(
    ("document", "content"),
    [("null", b"null\n"), ("false", b"false\n"), (f'"{"0" * 8}-{"0000-" * 3}{"0" * 12}"', None)],
)
def test_a_literal_is_written_too(document: str, content: bytes | None, tmp_path: Path) -> None:
    run = a_task_run(None, result=f'{{"type":"literal","value":{document}}}')
    ran = upshot("results", "get", str(run.id), "--to", str(tmp_path / "value"))

    assert ran.code == 0
    assert (tmp_path / "value").read_bytes() == content or document.strip('"').encode()


@pytest.mark.parametrize("as_json", [True, False])
def test_any_value_can_be_written_as_a_pickle(as_json: bool, tmp_path: Path) -> None:
    value = {"a": [1, 2]} if as_json else ({1, 2}, (3,))
    run = a_kept_result(value, as_json=as_json)
    ran = upshot("results", "get", str(run.id), "--to", str(tmp_path / "v"), "--pickle")

    assert ran.out.startswith("pickle, ")
    assert pickle.loads((tmp_path / "v").read_bytes()) == value


def test_a_blob_is_written_as_it_is_stored_and_not_read(home: Path, tmp_path: Path) -> None:
    run = a_kept_result(b"x" * 3_000_000, key="k")
    ran = upshot("results", "get", str(run.id), "--to", str(tmp_path / "blob"), "--raw")

    assert ran.err == ""
    assert (tmp_path / "blob").read_bytes() == (home / "storage" / "k").read_bytes()


def test_a_damaged_blob_can_be_had_raw_and_not_otherwise(home: Path, tmp_path: Path) -> None:
    run = a_kept_result([1], key="k", as_json=True)
    blob = home / "storage" / "k"
    blob.write_bytes(blob.read_bytes().replace(b"[1]", b"[2]"))
    target = tmp_path / "v"

    refused(
        upshot("results", "get", str(run.id), "--to", str(target)), 4, "its digest does not fit"
    )
    assert not target.exists()
    assert upshot("results", "get", str(run.id), "--to", str(target), "--raw").code == 0
    assert target.read_bytes() == blob.read_bytes()


def test_a_value_goes_to_standard_output_without_another_word() -> None:
    run = a_kept_result(b"\x00\xff\n", as_json=False)
    ran = upshot("results", "get", str(run.id), "--to", "-")

    assert ran.content == b"\x00\xff\n"
    assert upshot("results", "get", str(run.id), "--to", "-", "--raw").content[:1] == b"{"


def test_any_other_value_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    run = a_kept_result((1, 2))
    ran = upshot("results", "get", str(run.id), "--to", str(tmp_path / "v"))

    assert ran.code == 4
    assert ran.err.splitlines()[1].startswith("upshot: the value is a tuple that is neither bytes")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--raw", "--pickle"], "--raw: it cannot be combined with --pickle"),
        (["--json", "--to", "-"], "--json: standard output is for the value"),
    ],
)
def test_options_that_exclude_each_other_are_refused(
    more: list[str], said: str, tmp_path: Path
) -> None:
    run = a_kept_result([1])
    refused(upshot("results", "get", str(run.id), "--to", str(tmp_path / "v"), *more), 2, said)


def test_a_literal_has_no_blob(tmp_path: Path) -> None:
    run = a_task_run(None, result='{"type":"literal","value":true}')
    target = str(tmp_path / "v")
    refused(upshot("results", "get", str(run.id), "--to", target, "--raw"), 1, "has no blob")


@pytest.mark.parametrize("more", [[], ["--raw"]])
def test_a_blob_that_is_gone_is_told(more: list[str], home: Path, tmp_path: Path) -> None:
    run = a_kept_result([1], key="k", as_json=True)
    (home / "storage" / "k").unlink()
    ran = upshot("results", "get", str(run.id), "--to", str(tmp_path / "v"), *more)

    refused(ran, 1, "has nothing under 'k'")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_by_force_alone(tmp_path: Path) -> None:
    run = a_kept_result("new", as_json=True)
    target = tmp_path / "v"
    target.write_text("old")
    target.chmod(0o640)
    command = ["results", "get", str(run.id), "--to", str(target)]

    refused(upshot(*command), 2, "is there already; --force replaces it")
    assert target.read_text() == "old"
    assert upshot(*command, "--force").code == 0
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("", 2, "is a folder"), ("no/such/v", 3, "No such file or directory"), ("v/x", 3, "v/x")],
)
def test_a_place_that_cannot_be_written_is_refused(
    name: str, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "v").touch()
    run = a_kept_result("new", as_json=True)
    refused(upshot("results", "get", str(run.id), "--to", str(tmp_path / name)), code, said)


def test_what_is_no_plain_file_is_written_to_and_not_replaced() -> None:
    run = a_kept_result("new", as_json=True)
    refused(upshot("results", "get", str(run.id), "--to", os.devnull), 2, "--force")

    assert upshot("results", "get", str(run.id), "--to", os.devnull, "--force").code == 0
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_link_is_followed(tmp_path: Path) -> None:
    run = a_kept_result("new", as_json=True)
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    upshot("results", "get", str(run.id), "--to", str(tmp_path / "link"), "--force")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "v"
    with pytest.raises(Refusal, match="is there already"), _files.whole_file(target, force=False):
        target.write_text("theirs")

    assert target.read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_a_file_system_without_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    with _files.whole_file(tmp_path / "v", force=False) as file:
        file.write(b"new")

    assert (tmp_path / "v").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_nothing_is_left_behind_by_a_writer_that_fails(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"part"
        raise KeyError

    with pytest.raises(KeyError), _files.whole_file(tmp_path / "v", force=True) as file:
        file.writelines(pieces())

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_not_known_needs_trust(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    with isolated(tmp_path / "their-home"):
        reference = kept([1], storage=LocalFileSystem(basepath=str(other))).model_dump_json()
    command = ["results", "get", reference, "--to", str(tmp_path / "v")]

    refused(upshot(*command), 4, "is no known storage")
    assert upshot(*command, "--raw").code == 0
    (tmp_path / "v").unlink()
    assert upshot(*command, "--trust").code == 0
    assert (tmp_path / "v").read_bytes() == b"[\n  1\n]\n"
    assert upshot("results", "show", reference, "--json").json()["state"] == "there"


@pytest.mark.skipif(sys.platform == "win32", reason="platform: permissions")
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    run = a_kept_result("new", as_json=True)
    before = os.umask(0o027)
    try:
        upshot("results", "get", str(run.id), "--to", str(tmp_path / "v"))
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "v").stat().st_mode) == 0o640
