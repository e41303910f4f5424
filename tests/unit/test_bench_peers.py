"""How `make bench` goes round its peers, and that one which fails stops nobody."""

from __future__ import annotations

import ast
import re
import socket
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import environments, session
from benchmarks.__main__ import _chosen
from benchmarks.catalogue import BUDGETS, PEERS, ROWS
from benchmarks.driver import answer
from benchmarks.environments import PeerFailed, alone, in_brief
from benchmarks.machine import about, versions
from benchmarks.session import Session
from benchmarks.summary import Measured
from upshot import __version__

BENCHMARKS = Path(session.__file__).parent


def test_an_error_is_told_without_addresses_and_places() -> None:
    text = (
        "Traceback\n  File x\nOSError: cannot read /home/someone/build/x.db"
        " of https://packages.example/simple/x\n [ 1., 2.]\n"
    )
    assert in_brief(text) == "OSError: cannot read …/x.db of …"
    assert in_brief("") == "no word"
    assert len(in_brief("x" * 1_000)) == 160


def test_a_driver_times_what_it_is_asked_for_and_says_what_it_cannot_do() -> None:
    def broken(n: int) -> None:
        raise RuntimeError("no")

    adapter: Any = SimpleNamespace(
        ABSENT={"gather": "is alone"}, plain=lambda n: {"returned": 2.0 * n}, broken=broken
    )
    timed = answer(adapter, "plain", 10)
    assert timed["returned"] == 2.0
    assert timed["each"] > 0
    assert answer(adapter, "gather", 10) == {"absent": "is alone"}
    assert answer(adapter, "submit", 10) == {"absent": "has nothing like it"}
    assert answer(adapter, "broken", 10) == {"error": "RuntimeError: no"}


class FakeDriver:
    """Takes a microsecond for each of anything; dies when Prefect 3 is asked to gather."""

    made: list[str]

    def __init__(self, peer: Any) -> None:
        if peer.name == "dbos":
            raise PeerFailed("cannot start")
        self.peer, self.alive = peer.name, True
        self.made.append(peer.name)

    def ask(self, function: str, n: int) -> dict[str, Any]:
        if self.peer == "prefect3" and function == "gather":
            self.alive = False
            raise PeerFailed("its process ended, with -9")
        if self.peer == "joblib":
            return {"absent": "keeps no runs"}
        return {"each": 1e-6}

    def close(self) -> None:
        self.alive = False


def test_a_peer_that_fails_says_why_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def prepare(environment: str) -> None:
        if environment == "prefect2":
            raise PeerFailed("cannot be installed: no")

    def measure_fresh(row: str, peer: Any) -> dict[str, float]:
        if peer.name == "joblib":
            raise PeerFailed("keeps no runs")
        return {row: 0.5}

    FakeDriver.made = []
    monkeypatch.setattr(session, "BUILD", tmp_path)
    monkeypatch.setattr(session, "WORK", tmp_path / "work")
    monkeypatch.setattr(session, "new_folder", lambda name: None)
    monkeypatch.setattr(session, "prepare", prepare)
    monkeypatch.setattr(session, "warm", lambda peer: None)
    monkeypatch.setattr(session, "measure_fresh", measure_fresh)
    monkeypatch.setattr(session, "Driver", FakeDriver)
    peers = dict.fromkeys(["upshot", "prefect2", "prefect3", "dbos", "joblib"], "1.0")
    bench = Measured({}, peers, ["first", "plain", "gather"], 2)
    Session(bench, cap=1.0).run()

    assert bench.absent == {
        **{(row, "prefect2"): "cannot be installed: no" for row in bench.rows},
        **{(row, "dbos"): "cannot start" for row in ("plain", "gather")},
        **{(row, "joblib"): "keeps no runs" for row in bench.rows},
        ("gather", "prefect3"): "its process ended, with -9",
    }
    assert FakeDriver.made == ["upshot", "prefect3", "joblib", "prefect3"]
    assert bench.values("plain", "upshot") == pytest.approx({0: 1.0, 1: 1.0})
    assert bench.values("plain", "prefect3") == pytest.approx({0: 1.0, 1: 1.0})
    assert bench.values("first", "upshot") == {0: 0.5, 1: 0.5}


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_has_a_function_for_each_row_or_says_why_not(peer: str) -> None:
    tree = ast.parse((BENCHMARKS / "peers" / f"{peer}.py").read_text("utf-8"))
    known = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    (absent,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and "ABSENT" in ast.unparse(node)
    ]
    assert isinstance(absent, ast.Dict)
    known |= {key.value for key in absent.keys if isinstance(key, ast.Constant)}
    standing = [row for row in ROWS.values() if not row.fresh and not row.with_row]
    asked = {row.function or row.name.replace("-", "_") for row in standing}
    assert asked | {"write", "read"} <= known


def test_every_environment_is_pinned_and_names_no_index() -> None:
    requirements = BENCHMARKS.parent / "requirements"
    for peer in PEERS.values():
        name = f"bench-{peer.environment or peer.name}"
        assert "==" in (requirements / f"{name}.txt").read_text("utf-8")
        assert "://" not in (requirements / f"{name}.txt").read_text("utf-8")
        assert (requirements / f"{name}.in").exists()


def test_upshot_is_measured_with_all_that_it_needs() -> None:
    project = tomllib.loads((BENCHMARKS.parent / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = versions("upshot")
    needed = {re.split(r"[^\w.-]", need)[0] for need in project["dependencies"]}
    assert needed <= pinned.keys()
    assert pinned["upshot"] == __version__


def test_budgets_and_rows_name_what_there_is() -> None:
    for budget in BUDGETS:
        assert budget.row in ROWS
        assert budget.against is None or (budget.against[0] in ROWS and budget.against[1] in PEERS)
    assert {row.with_row for row in ROWS.values()} <= {"", *ROWS}
    assert {row.only for row in ROWS.values()} <= {"", *PEERS}


def test_two_runs_do_not_go_on_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environments, "BUILD", tmp_path)
    with alone(), pytest.raises(SystemExit, match="another run"), alone():
        pass
    with alone():
        pass


def test_what_is_told_of_the_machine_names_neither_host_nor_place() -> None:
    told = about()
    assert set(told) >= {"made", "cores", "processor", "memory", "system", "python"}
    assert socket.gethostname() not in told.values()
    assert not any("/" in words for words in told.values())


def test_rows_are_chosen_by_the_beginnings_of_their_names() -> None:
    assert _chosen("row", "plain,imp", ROWS) == ["plain", "plain-async", "import", "import-alone"]
    assert _chosen("row", "", ROWS) == list(ROWS)
    with pytest.raises(SystemExit, match="there is no row 'plane'"):
        _chosen("row", "plane", ROWS)
