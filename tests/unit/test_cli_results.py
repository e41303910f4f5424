"""`upshot results ls` and `show`: what is known of results, without reading any."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import numpy as np
import pytest
from pydantic import Field, SecretStr

from tests.unit.cli_runs import (
    NOW,
    a_flow_run,
    a_kept_result,
    a_subflow,
    a_task_run,
    columns,
    kept,
    refused,
    upshot,
)
from upshot._blob import describe_blob, write_blob
from upshot.exceptions import StorageUnavailable
from upshot.filesystems import LocalFileSystem, MemoryFileSystem
from upshot.records import FlowRun, StateType, moment
from upshot.runstore import open_store
from upshot.serializers import FramedPickleSerializer
from upshot.settings import get_current_settings
from upshot.testing import isolated

__all__ = ["columns"]  # a fixture


class Exploding:
    """Whoever unpickles it ends the test."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (66,)


class GuardedStorage(MemoryFileSystem):
    """A storage with secrets, which its own text would tell."""

    slug: ClassVar[str] = "guarded"
    password: SecretStr = SecretStr("hunter2")
    keys: dict[str, SecretStr] = Field(default={"a": SecretStr("hunter3")})

    def __repr__(self) -> str:
        return f"GuardedStorage({self.password.get_secret_value()})"


class SilentStorage(LocalFileSystem):
    """A storage that does not answer."""

    slug: ClassVar[str] = "silent"

    def size(self, key: str) -> int | None:
        raise StorageUnavailable("SilentStorage", f"read {key!r}", "no route to host")


@pytest.fixture(autouse=True)
def own_home() -> Iterator[Path]:
    with isolated() as settings:
        yield settings.home
    MemoryFileSystem().clear()


@pytest.fixture
def report() -> FlowRun:
    """A run whose tasks, and those of its subflow, returned something."""
    run = a_flow_run()
    a_kept_result({"a": 1}, run, key="first", as_json=True)
    a_task_run(run, "literal-0", result='{"type":"literal","value":true}')
    _, subflow = a_subflow(run, result=kept("inner", key="whole").model_dump_json())
    a_kept_result(b"x" * 3000, subflow, key="second", storage=MemoryFileSystem(name="ours"))
    a_task_run(run, "failed-0", state=StateType.FAILED)
    run.result = kept(Exploding(), key="own").model_dump_json()
    open_store().record(run)
    return run


def test_the_results_of_a_run_and_of_all_that_it_called_are_listed(report: FlowRun) -> None:
    ran = upshot("results", "ls", str(report.id))
    head, *rows = ran.lines()

    assert (ran.code, ran.err) == (0, "")
    assert head == ["RUN", "KEY", "SIZE", "SERIALIZER", "STORAGE", "AGE", "BLOB"]
    assert [(row[1], row[4], row[5], row[-1]) for row in rows] == [
        ("own", "pickle", "local-file-system", "there"),
        ("first", "json", "local-file-system", "there"),
        ("whole", "pickle", "local-file-system", "there"),  # of the subflow; once
        ("second", "pickle", "memory", "there"),
    ]
    assert rows[3][2:4] == ["4.24", "kB"]
    assert re.fullmatch(r"\d+ (s|min)", " ".join(rows[1][6:8]))


def test_a_listed_result_has_this_shape_in_json(report: FlowRun) -> None:
    told = upshot("results", "ls", str(report.id), "--json").json()

    assert (told["run"], told["more"], len(told["results"])) == (str(report.id), False, 4)
    own, first, *_ = told["results"]
    assert own["run"]["id"] == str(report.id)
    assert own["ended"] == own["run"]["state"]["timestamp"]
    assert first["storage"] == {
        "type": "local-file-system",
        "id": first["document"]["storage_block_id"],
        "fields": {"basepath": str(get_current_settings().local_storage_path)},
    }
    assert first["document"]["storage_key"] == first["key"] == "first"
    assert first["size"] == first["document"]["size"]
    assert set(first) == {
        *("blob", "document", "ended", "key", "run", "serializer", "size", "storage"),
    }


def test_a_list_says_what_became_of_each_blob(own_home: Path) -> None:
    run = a_flow_run()
    for key in ("there", "missing", "longer"):
        a_kept_result([1], run, key=key)
    a_kept_result([1], run, key="mute", storage=SilentStorage(basepath=str(own_home / "far")))
    elsewhere = kept([1], key="elsewhere").model_copy(
        update={"storage_block_id": UUID(int=7), "uri": "s3://bucket/elsewhere"}
    )
    a_task_run(run, result=elsewhere.model_dump_json())
    folder = own_home / "storage"
    (folder / "missing").unlink()
    (folder / "longer").write_bytes((folder / "longer").read_bytes() + b" ")

    told = upshot("results", "ls", str(run.id), "--json").json()["results"]
    assert {one["key"]: one["blob"] for one in told} == {
        "there": "there",
        "missing": "missing",
        "longer": "replaced",
        "mute": "unreachable",
        "elsewhere": "unknown storage",
    }
    assert told[-1]["storage"] is None
    assert upshot("results", "ls", str(run.id)).lines()[-1][-2:] == ["unknown", "storage"]


def test_a_list_of_results_ends_at_its_limit(report: FlowRun) -> None:
    ran = upshot("results", "ls", str(report.id), "--limit", "2")

    assert [row[1] for row in ran.lines()[1:]] == ["own", "first"]
    assert ran.err == "there are more than 2: --limit 0 lists all\n"
    told = upshot("results", "ls", str(report.id), "--limit", "4", "--json").json()
    assert (len(told["results"]), told["more"]) == (4, False)
    assert upshot("results", "ls", str(report.id), "--limit", "0").err == ""


def test_a_document_of_a_later_upshot_is_left_out(report: FlowRun) -> None:
    a_task_run(report, "later-0", result='{"type":"hologram"}')
    a_task_run(report, "later-1", result='{"type":"reference","format":9}')

    assert len(upshot("results", "ls", str(report.id), "--json").json()["results"]) == 4


def test_a_run_that_kept_nothing_has_no_results() -> None:
    run = a_task_run(None)

    assert upshot("results", "ls", str(run.id)).err == "no persisted results\n"
    told = upshot("results", "ls", str(run.id), "--json").json()
    assert told == {"run": str(run.id), "results": [], "more": False}


@pytest.mark.parametrize("columns", [40, 80, 200], indirect=True)
def test_results_fit_the_terminal(columns: int, report: FlowRun) -> None:
    for command in (["ls", str(report.id)], ["show", "second"]):
        text = re.sub(r"\x1b\[[0-9;]*m", "", upshot("results", *command, terminal=True).out)
        assert max(len(line.rstrip()) for line in text.splitlines()) <= columns
        assert "second" in text


def test_a_result_is_shown_by_its_run_its_key_its_place_and_its_reference() -> None:
    run = a_kept_result({"a": 1}, a_flow_run(), key="deep/er")
    assert run.result is not None
    reference = json.loads(run.result)
    told = [
        upshot("results", "show", what, "--json", stdin=stdin).json()
        for what, stdin in (
            (str(run.id), ""),
            (str(run.id)[:18], ""),
            ("deep/er", ""),
            (reference["uri"], ""),
            (run.result, ""),
            ("-", f"\n{run.result}\n"),
        )
    ]

    by_run, by_short_id, by_key, by_uri, by_reference, by_input = told
    assert by_run == by_short_id
    assert by_key == by_uri
    assert by_reference == by_input
    assert by_run | {"document": None} == by_key
    assert by_run == by_reference


def test_a_shown_result_has_this_shape_in_json() -> None:
    flow_run = a_flow_run()
    run = a_kept_result({"a": 1}, flow_run, key="k")
    told = upshot("results", "show", "k", "--json").json()
    storage = LocalFileSystem()
    blob = describe_blob(storage, "k")

    assert told["blob"] == {
        "serializer": blob.serializer,
        "upshot_version": blob.upshot_version,
        "created": blob.created.isoformat(),
        "digest": blob.digest,
        "size": blob.size,
        "frames": None,
    }
    assert (told["state"], told["problem"], told["key"]) == ("there", None, "k")
    assert told["uri"] == storage.uri("k")
    assert told["storage"]["type"] == "local-file-system"
    assert told["run"]["id"] == str(run.id)
    assert set(told) == {
        *("blob", "document", "key", "problem", "run", "state", "storage", "uri"),
    }


def test_a_shown_result_of_raw_frames_says_how_many(upshot_home: Path) -> None:
    write_blob(
        LocalFileSystem(), "k", FramedPickleSerializer(), [1, np.zeros(80_000)], created=moment(NOW)
    )
    shown = upshot("results", "show", "k")
    told = upshot("results", "show", "k", "--json").json()["blob"]

    assert "serializer  framed/pickle (picklelib=cloudpickle)" in shown.out
    assert "raw frames  2, of 6" in shown.out
    assert told["frames"][1:] == [640_000]
    blob = upshot_home / "storage" / "k"
    blob.write_bytes(blob.read_bytes()[:-100])
    cut = upshot("results", "show", "k")
    assert (cut.code, "cut off" in cut.out) == (4, True)


def test_a_shown_result_says_which_run_made_it() -> None:
    flow_run = a_flow_run()
    run = a_kept_result({"a": 1}, flow_run, key="k")
    out = upshot("results", "show", "k").out

    assert f"made by     task run make-0  {str(run.id)[:18]}\n" in out
    assert f"called by   flow run {flow_run.name}  {str(flow_run.id)[:18]}\n" in out
    assert "serializer  pickle (picklelib=cloudpickle" in out


def test_runs_that_took_a_result_from_the_cache_did_not_make_it() -> None:
    run = a_kept_result([1], key="k")
    for _ in range(3):
        hit = a_task_run(None, "make-1", result=run.result)
        hit.enter(StateType.COMPLETED, "Cached", NOW)
        open_store().record(hit)

    assert upshot("results", "show", "k", "--json").json()["run"]["id"] == str(run.id)


def test_a_blob_that_no_run_names_is_shown_without_one() -> None:
    kept([1], key="k")

    assert "made by     no run that is recorded here\n" in upshot("results", "show", "k").out
    assert upshot("results", "show", "k", "--json").json()["run"] is None


def test_a_literal_is_shown_as_it_is() -> None:
    run = a_task_run(None, result='{"type":"literal","value":true}')
    told = upshot("results", "show", str(run.id), "--json").json()

    assert told["document"] == {"type": "literal", "value": True}
    assert (told["state"], told["storage"], told["blob"]) == ("literal", None, None)
    assert upshot("results", "show", str(run.id)).out.startswith("literal  True\n")


def test_nothing_is_unpickled_to_show_a_result(report: FlowRun) -> None:
    upshot("results", "ls", str(report.id))
    for what in (str(report.id), "own"):
        told = upshot("results", "show", what, "--json").json()
        assert told["blob"]["serializer"]["type"] == "pickle"


def test_a_result_whose_blob_is_gone_is_shown_and_ends_with_1(own_home: Path) -> None:
    run = a_kept_result([1], key="k")
    (own_home / "storage" / "k").unlink()
    ran = upshot("results", "show", str(run.id), "--json")

    assert ran.code == 1
    assert ran.json()["state"] == "missing"
    assert "has nothing under 'k'" in ran.json()["problem"]
    assert "missing" in upshot("results", "show", str(run.id)).out


@pytest.mark.parametrize(
    ("content", "state"), [(b"{}", "damaged"), (b"", "damaged"), (None, "replaced")]
)
def test_a_result_whose_blob_is_another_is_shown_and_ends_with_4(
    own_home: Path, content: bytes | None, state: str
) -> None:
    run = a_kept_result([1], key="k")
    if content is None:
        kept([2], key="k")
    else:
        (own_home / "storage" / "k").write_bytes(content)
    ran = upshot("results", "show", str(run.id), "--json")

    assert (ran.code, ran.json()["state"]) == (4, state)
    assert ran.json()["problem"]


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("0193a5b2-c7d1-7abc", 1, "no known storage has a blob under it"),
        ("no-such-key", 1, "'no-such-key' is no run's id, and no known storage"),
        ("../outside", 1, "no known storage has a blob under it"),
        ("s3://bucket/key", 1, "'s3://bucket/key' is in no known storage"),
        ("{}", 2, "this is no reference"),
        ('{"type": "reference"}', 2, "this is no reference: "),
        ('{"type": "refrence"}', 2, "did you mean 'reference'?"),
        ("{", 2, "this is no reference"),
        ('{"type": "unpersisted"}', 1, "kept nowhere"),
    ],
)
def test_a_result_that_is_not_there_is_refused(what: str, code: int, said: str) -> None:
    refused(upshot("results", "show", what), code, said)


def test_a_run_without_a_result_says_why() -> None:
    failed, ended = a_task_run(None, "bad-0", state=StateType.FAILED), a_flow_run()

    refused(upshot("results", "show", str(failed.id)), 1, "task run bad-0", "it is Failed")
    refused(upshot("results", "show", str(ended.id)), 1, ended.name, "in memory only")


def test_a_key_that_two_storages_have_is_refused_naming_both(own_home: Path) -> None:
    kept([1], key="k")
    kept([2], key="k", storage=LocalFileSystem(basepath=str(own_home / "other")))

    refused(upshot("results", "show", "k"), 2, str(own_home / "other"), "give the reference")


def test_a_storage_that_does_not_answer_is_no_absence(own_home: Path) -> None:
    kept([1], key="k", storage=SilentStorage(basepath=str(own_home / "far")))

    refused(upshot("results", "show", "other"), 3, "'other' is no run's id", "no route to host")


def test_no_secret_of_a_storage_is_recorded_or_told() -> None:
    a_kept_result([1], key="k", storage=GuardedStorage(name="guarded"))
    for arguments in (["show", "k"], ["show", "k", "--json"]):
        ran = upshot("results", *arguments)
        assert ran.code == 0
        assert "hunter" not in ran.out + ran.err
    (block,) = open_store().blocks()
    assert "hunter" not in block.fields + str(block.secrets)


@pytest.mark.skipif(sys.platform == "win32", reason="platform: permissions")
@pytest.mark.parametrize("columns", [40], indirect=True)
def test_a_path_is_whole_where_there_is_no_terminal(columns: int, tmp_path: Path) -> None:
    folder = tmp_path / "a-long-name" / "another-long-name-below-it"
    kept([1], key="k", storage=LocalFileSystem(basepath=str(folder)))

    assert f"uri         file://{folder}/k\n" in upshot("results", "show", "k").out
