"""`upshot blocks`: what it lists and removes."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from tests.unit.cli_runs import upshot
from upshot.exceptions import UnknownBlock
from upshot.filesystems import S3, LocalFileSystem, MemoryFileSystem
from upshot.runstore import open_store

pytestmark = pytest.mark.usefixtures("upshot_home")


def test_saved_storages_are_listed_without_their_secrets(tmp_path: Path) -> None:
    LocalFileSystem(basepath=str(tmp_path)).save("mine")
    id = S3(bucket_path="b", aws_secret_access_key="hunter2").save("far")
    MemoryFileSystem(name="a")._save(is_anonymous=True)

    ran = upshot("blocks", "ls")
    assert (ran.code, ran.err) == (0, "")
    assert [line[:2] for line in ran.lines()[1:]] == [["local-file-system", "mine"], ["s3", "far"]]
    told = upshot("blocks", "ls", "--json").json()["blocks"]
    assert told[1]["id"] == str(id)
    assert told[1]["fields"]["aws_secret_access_key"] == "**********"
    assert told[1]["fields"]["bucket_path"] == "b"
    assert len(upshot("blocks", "ls", "--all", "--json").json()["blocks"]) == 3


def test_where_nothing_was_saved_a_note_says_so() -> None:
    ran = upshot("blocks", "ls")
    assert (ran.code, ran.out) == (0, "")
    assert "no storage was saved" in ran.err


def test_a_storage_is_removed_by_its_type_and_name(tmp_path: Path) -> None:
    LocalFileSystem(basepath=str(tmp_path)).save("mine")
    ran = upshot("blocks", "rm", "local-file-system/mine")
    assert (ran.code, ran.out) == (0, "removed local-file-system/mine\n")
    with pytest.raises(UnknownBlock):
        LocalFileSystem.load("mine")
    assert upshot("blocks", "rm", "local-file-system/mine").code == 1


def test_a_storage_is_removed_by_its_id() -> None:
    id = MemoryFileSystem(name="a")._save(is_anonymous=True)
    assert upshot("blocks", "rm", str(id), "--json").json()["removed"]["id"] == str(id)
    assert open_store().blocks() == []


@pytest.mark.parametrize(("name", "code"), [("mine", 2), (str(UUID(int=1)), 1), ("memory/mine", 1)])
def test_what_is_not_there_cannot_be_removed(name: str, code: int) -> None:
    ran = upshot("blocks", "rm", name)
    assert ran.code == code
    assert name in ran.err


def test_a_rotation_says_what_it_did() -> None:
    S3(bucket_path="b", aws_secret_access_key="hunter2").save("far")
    done = upshot("blocks", "rotate", "--json").json()
    assert ([block["name"] for block in done["rotated"]], done["lost"]) == (["far"], [])
    assert S3.load("far") == S3(bucket_path="b", aws_secret_access_key="hunter2")
