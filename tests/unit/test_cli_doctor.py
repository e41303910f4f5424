"""`upshot doctor`: what is well and what is not."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.cli_runs import NOW, a_flow_run, columns, kept, upshot
from upshot.cli import _checks
from upshot.cli._mounts import file_system_of, is_network
from upshot.records import FlowRun
from upshot.runstore import open_store
from upshot.runstore.current import close_stores
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.settings import forget_settings
from upshot.testing import isolated

__all__ = ["columns"]  # a fixture

MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs devtmpfs rw
40 22 0:40 / /home rw,relatime shared:20 - nfs4 server:/home rw,vers=4.2
41 40 0:41 / /home/me/local\\040disk rw - xfs /dev/vdb rw
42 22 0:42 / /mnt/s3 rw - fuse.s3fs s3fs rw
43 22 0:43 / /mnt/s3 rw - ext4 /dev/vdc rw
a line of another kind
"""


@pytest.fixture(autouse=True)
def home() -> Iterator[Path]:
    with isolated() as settings:
        yield settings.home


@pytest.fixture
def used(home: Path) -> Path:
    """A home with a run and a result in it."""
    a_flow_run()
    kept([1], key="k")
    close_stores(home)
    return home


def findings(code: int = 0) -> dict[str, list[dict[str, Any]]]:
    ran = upshot("doctor", "--json")
    told = ran.json()
    assert (ran.code, told["ok"]) == (code, code == 0)
    found: dict[str, list[dict[str, Any]]] = {}
    for check in told["checks"]:
        assert set(check) == {"check", "status", "message", "advice"}
        assert (check["advice"] is None) == (check["status"] == "ok")
        found.setdefault(check["check"], []).append(check)
    return found


def only(found: dict[str, list[dict[str, Any]]], *not_ok: str) -> list[dict[str, Any]]:
    """The findings that are not ok; they must be of these checks."""
    bad = [check for checks in found.values() for check in checks if check["status"] != "ok"]
    assert [check["check"] for check in bad] == list(not_ok)
    return bad


def test_all_is_well_in_a_home_that_is_used(used: Path) -> None:
    before = sorted(used.rglob("*"))
    found = findings()

    assert sorted(used.rglob("*")) == before

    only(found)
    assert list(found) == [
        *("settings", "home", "storage", "disk", "file system", "run store", "clock"),
        "temporary files",
    ]
    assert "schema version" in found["run store"][0]["message"]


def test_all_is_well_in_a_home_that_is_not_there_yet_and_it_is_not_made(home: Path) -> None:
    found = findings()

    only(found)
    assert "not there yet" in found["run store"][0]["message"]
    assert not home.exists()


def test_each_finding_is_a_line(used: Path) -> None:
    ran = upshot("doctor")

    assert ran.out.splitlines()[:2] == ["ok  settings: none is wrong", f"ok  home: {used}"]
    assert {line[0] for line in ran.lines()} == {"ok"}


def test_a_setting_that_is_wrong_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_DURABILITY", "ful")
    forget_settings()
    (bad,) = only(findings(1), "settings")
    assert "'ful'" in bad["message"]


def test_a_run_store_that_does_not_exist_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_RUN_STORE", "sqlit")
    forget_settings()
    (bad,) = only(findings(1), "settings")
    assert "did you mean 'sqlite'?" in bad["message"]


def test_a_store_in_memory_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_RUN_STORE", "memory")
    forget_settings()
    found = findings()
    assert "in memory" in found["run store"][0]["message"]
    assert "file system" not in found


@pytest.mark.skipif(sys.platform == "win32", reason="platform: permissions")
def test_what_others_can_look_into_is_warned_of(used: Path) -> None:
    used.chmod(0o755)
    (used / "storage").chmod(0o750)
    (used / "runs.db").chmod(0o644)
    (used / "profile.toml").touch(mode=0o604)
    (used / "profile.toml").chmod(0o604)
    told = only(findings(), "home", "home", "home", "storage")

    assert [check["advice"] for check in told] == [
        f"chmod 700 {used}",
        f"chmod 600 {used / 'profile.toml'}",
        f"chmod 600 {used / 'runs.db'}",
        f"chmod 700 {used / 'storage'}",
    ]
    assert "(0755)" in told[0]["message"]


def test_a_home_that_is_no_folder_is_bad(home: Path) -> None:
    home.touch()
    told = [check for check in findings(1)["home"] if check["status"] == "bad"]
    assert told[0]["message"] == f"{home} is no folder"


def test_a_home_that_cannot_be_written_or_made_is_bad(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    assert "cannot be written" in findings(1)["home"][0]["message"]
    home.mkdir()
    (bad,) = findings(1)["home"]
    assert (bad["status"], "chmod u+rwx" in bad["advice"]) == ("bad", True)


def test_a_home_that_cannot_be_entered_is_bad(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **options: Any) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    (finding,) = _checks._folder("home", home)
    assert (finding.status, finding.message) == ("bad", f"{home}: Permission denied")


@pytest.mark.parametrize(
    ("free", "status"), [(10**9, "ok"), (10**9 - 1, "warn"), (10**8 - 1, "bad")]
)
def test_a_disk_that_is_nearly_full_is_told(
    free: int, status: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    (disk,) = findings(1 if status == "bad" else 0)["disk"]
    assert disk["status"] == status


def test_each_disk_is_looked_at_once(tmp_path: Path) -> None:
    assert _checks._on_several_disks(tmp_path / "a" / "b", tmp_path / "c") == [tmp_path.resolve()]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/.upshot", "nfs4"),
        ("/home", "nfs4"),
        ("/homes", "ext4"),
        ("/home/me/local disk/x", "xfs"),
        ("/mnt/s3/x", "ext4"),
        ("/", "ext4"),
    ],
)
def test_a_path_is_on_the_file_system_of_the_nearest_mount_above(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind
    assert file_system_of(Path(path), "") is None


def test_network_file_systems_are_known() -> None:
    assert all(map(is_network, ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.s3fs", "9p")))
    assert not any(map(is_network, ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuse")))


def test_a_home_on_a_network_file_system_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("1 0 0:1 / / rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(_checks, "MOUNTS", mounts)
    (told,) = only(findings(), "file system")
    assert "(nfs4)" in told["message"]
    assert "UPSHOT_HOME" in told["advice"]


def test_a_system_that_tells_no_mounts_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checks, "MOUNTS", tmp_path / "nothing")
    only(findings())


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no database at all" * 100, "not a SQLite database"), (b"", "is not a run store")],
)
def test_a_file_that_is_no_run_store_is_bad(content: bytes, said: str, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "runs.db").write_bytes(content)
    (home / "runs.db").chmod(0o600)
    (bad,) = only(findings(1), "run store")

    assert said in bad["message"]
    assert (home / "runs.db").read_bytes() == content


def test_a_damaged_store_is_bad(used: Path) -> None:
    with closing(sqlite3.connect(used / "runs.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
    content = bytearray((used / "runs.db").read_bytes())
    content[4096 * 2 : 4096 * 4] = b"\x55" * 4096 * 2
    (used / "runs.db").write_bytes(content)
    (bad,) = only(findings(1), "run store")
    assert "damaged" in bad["message"]


def test_a_store_that_is_written_to_meanwhile_is_well(used: Path) -> None:
    with SQLiteRunStore(used / "runs.db") as store:
        store.commit(FlowRun(name="r", flow_name="r"))
        only(findings())
        assert (used / "runs.db-wal").exists()


@pytest.mark.parametrize(("version", "status"), [("0000", "warn"), ("9999", "bad")])
def test_a_store_of_another_version_is_told_and_not_changed(
    version: str, status: str, used: Path
) -> None:
    with closing(sqlite3.connect(used / "runs.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    (told,) = only(findings(1 if status == "bad" else 0), "run store")

    assert (told["status"], version in told["message"]) == (status, True)
    with closing(sqlite3.connect(used / "runs.db")) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [(version,)]


def test_a_run_of_the_future_is_warned_of(used: Path) -> None:
    a_flow_run(ago=NOW - time.time() - 10_000)
    open_store().flush()
    (told,) = only(findings(), "clock")
    assert "2 h 4" in told["message"]


def test_files_that_were_left_behind_are_counted(used: Path) -> None:
    old, folder = time.time() - 7200, used / "storage" / "deep"
    folder.mkdir()
    stale = [
        folder / ".upshot-0123456789abcdef0123456789abcdef",
        used / "storage" / ".upshot-fedcba9876543210",
        used / ".runs.db.123-0a1b2c3d",
    ]
    for path in [*stale, folder / ".upshot-mine", used / "runs.db"]:
        path.touch()
        os.utime(path, (old, old))
    (folder / ".upshot-0000000000000000").touch()  # a writer may be at it
    (told,) = only(findings(), "temporary files")

    assert told["message"].startswith("3 files were left behind")
    assert str(min(stale)) in told["message"]
    for path in stale[1:]:
        path.unlink()
    (told,) = only(findings(), "temporary files")
    assert told["message"].startswith("1 file was left behind")


@pytest.mark.parametrize("columns", [40, 80, 200], indirect=True)
def test_findings_fit_the_terminal(columns: int, used: Path) -> None:
    out = upshot("doctor", terminal=True).out
    for style in ("\x1b[1;32m", "\x1b[1m", "\x1b[0m"):
        out = out.replace(style, "")
    assert max(len(line) for line in out.splitlines()) <= columns
