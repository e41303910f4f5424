"""The example `stdlib_report.py` with each task runner, and killed in the middle."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_demo import EXAMPLES, run_demo, without_times

COUNT = 10
RUNNERS = [[], ["--threads"], ["--sequential"], ["--workers", "3"]]

linux = pytest.mark.skipif(sys.platform != "linux", reason="platform: reads /proc")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Ten files, one of which is broken."""
    root = tmp_path / "sources"
    root.mkdir()
    for number in range(COUNT):
        (root / f"m{number}.py").write_text(f"def f(x): return x and {number}\n")
    (root / "m3.py").write_text("def f(:\n")
    return root


def test_each_runner_gives_the_same_report_and_hits_what_another_has_kept(
    tmp_path: Path, sources: Path
) -> None:
    fresh = [run_demo(tmp_path, "--root", str(sources), "--fresh", *more) for more in RUNNERS]
    assert {run["report"] for run in fresh} == {fresh[0]["report"]}
    assert {without_times(run["page"]) for run in fresh} == {without_times(fresh[0]["page"])}
    assert {run["times"]["executed"] for run in fresh} == {COUNT - 1}
    for more in RUNNERS:
        again = run_demo(tmp_path, "--root", str(sources), *more)
        assert again["times"]["executed"] == 0
        assert again["times"]["hits"] == COUNT - 1
        assert again["times"]["gain"] is None
        assert again["report"] == fresh[0]["report"]


@pytest.mark.parametrize(
    ("more", "kind"),
    [(["--workers", "2"], "processes"), (["--threads", "--workers", "2"], "threads")],
)
def test_it_says_what_several_workers_gained(
    tmp_path: Path, sources: Path, more: list[str], kind: str
) -> None:
    run = run_demo(tmp_path, "--root", str(sources), *more)
    gain = run["times"]["gain"]
    assert (gain["runner"], gain["workers"], gain["calls"]) == (kind, 2, COUNT)
    assert gain["alone"] > 0
    assert 0 < gain["seconds"] <= run["times"]["seconds"]
    assert f"Gain:    2 {kind} measured {COUNT} files in " in run["said"]
    assert (
        run_demo(tmp_path, "--root", str(sources), "--fresh", "--sequential")["times"]["gain"]
        is None
    )


class Blocked:
    """The example in a process, which stops at a file that nobody writes."""

    def __init__(self, folder: Path, sources: Path, *options: str) -> None:
        self._fifo = sources / "z.py"
        os.mkfifo(self._fifo)
        environment = {key: value for key, value in os.environ.items() if key[:7] != "UPSHOT_"}
        script = [sys.executable, EXAMPLES / "stdlib_report.py", "--root", sources]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WITH_SIGINT, *map(str, [*script[1:], *options])],
            cwd=folder,
            env={**environment, "UPSHOT_HOME": str(folder / "home")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, line: str) -> None:
        """Wait until the example says this."""
        assert self.process.stdout is not None
        said = iter(self.process.stdout.readline, "")
        assert any(each.strip() == line for each in said), self.process.stderr

    def workers(self) -> Iterator[int]:
        """Its child processes, as file descriptors that can be waited for."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, rest = stat.read_text().split(" (", 1)
            except OSError:
                continue
            if int(rest.rpartition(")")[2].split()[1]) == self.process.pid:
                yield os.pidfd_open(int(pid))

    def kill(self, number: signal.Signals) -> str:
        """End it; what it said then."""
        self.process.send_signal(number)
        said, _ = self.process.communicate()
        self._fifo.unlink()
        return said


# a shell may have SIGINT ignored in what it starts
_WITH_SIGINT = """
import runpy, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
del sys.argv[0]
sys.path[0] = str(Path(sys.argv[0]).parent)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("options", [["--workers", "2"], ["--threads"], ["--sequential"]])
def test_killed_and_started_again_it_goes_on_with_what_the_cache_holds(
    tmp_path: Path, sources: Path, number: signal.Signals, options: list[str]
) -> None:
    blocked = Blocked(tmp_path, sources, *options)
    blocked.wait_for("10 of 11 files")
    workers = list(blocked.workers())
    said = blocked.kill(number)
    for worker in workers:
        assert select.select([worker], [], [], 30)[0]  # it has ended, too
        os.close(worker)
    assert blocked.process.returncode == (130 if number == signal.SIGINT else -9)
    assert ("started again, this goes on" in said) == (number == signal.SIGINT)

    (sources / "z.py").write_text("last = True\n")
    again = run_demo(tmp_path, "--root", str(sources), *options)
    expected = {"executed": 1, "hits": COUNT - 1, "failed": 1}
    assert again["times"].items() >= expected.items()
    assert json.loads(again["report"])["totals"]["files"] == COUNT + 1
    left = [path.name for path in (tmp_path / "home" / "storage").rglob(".*") if path.is_file()]
    assert left == []
