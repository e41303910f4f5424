"""Child processes that die on purpose, at an instant that a test chooses, and tell what they did.

A *scenario* is a function in a file of its own, ``def name(folder: Path, tell: Tell) -> None``: it
works in `folder` and tells, by a pipe that outlives it, what a caller would have been told by now
("this run is complete"). A `Nursery` is a process that imports the scenario's file once and then
forks a child for each try, so a try costs a few milliseconds::

    with Nursery(SCRIPT, "persisted_calls", traced=["upshot.runstore", "upshot.filesystems"]) as it:
        for folder, outcome in it.killed_at_every_line(tmp_path):
            check(folder, outcome.told)       # in the test's own process: a reader that came later

- `run(folder)` lets it end by itself; `run(folder, kill_at=n)` has it send itself SIGKILL when it
  is about to execute the n-th line of what is traced (modules, packages, and files or folders by
  their absolute paths), counted over all of its threads;
- `killed_at_every_line(parent)` does so for n = 1, 2, … until a child ends before its line comes;
- `run(folder, kill_after=k)` kills it from outside, untraced, once it has told k things (and is
  going on meanwhile);
- `run_together(folder, count)` forks many children, lets them begin at one instant, and waits for
  all of them; each finds its number in the argument `number` of its scenario, if that has one.

The scenario's file should import all that it needs at its top, and must leave no thread behind
there. A child that raises, or that says a warning, makes the test fail with its traceback.
"""

from __future__ import annotations

import inspect
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self

Tell = Callable[[str], None]


class Outcome(NamedTuple):
    """How a child ended: what it told, and whether it was killed."""

    told: list[str]
    killed: bool


class Nursery:
    """A process that forks children which run one scenario; see the module's docstring."""

    def __init__(self, script: Path, scenario: str, traced: Sequence[str] = ()) -> None:
        arguments = [str(script), scenario, *traced]
        paths = [path for path in sys.path if path]
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._process:
            self._process.kill()

    def run(self, folder: Path, *, kill_at: int = 0, kill_after: int = 0) -> Outcome:
        """Run the scenario in `folder`, which is made if it is not there."""
        return self._ask(folder, kill_at=kill_at, kill_after=kill_after, count=1)[0]

    def run_together(self, folder: Path, count: int) -> list[Outcome]:
        """Run the scenario `count` times at once, all in the same folder."""
        return self._ask(folder, kill_at=0, kill_after=0, count=count)

    def killed_at_every_line(self, parent: Path) -> Iterator[tuple[Path, Outcome]]:
        """Kill a child at its first line, one at its second, …, each in a new folder."""
        number, outcome = 0, Outcome([], killed=True)
        while outcome.killed:
            number += 1
            folder = parent / str(number)
            outcome = self.run(folder, kill_at=number)
            yield folder, outcome
        assert number > 1, "not one line of the traced modules was executed"

    def _ask(self, folder: Path, **how: int) -> list[Outcome]:
        folder.mkdir(parents=True, exist_ok=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"folder": str(folder), **how}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery itself has died"
        outcomes = json.loads(answer)
        for outcome in outcomes:
            assert not outcome["problem"], outcome["problem"]
        return [Outcome(outcome["told"], outcome["killed"]) for outcome in outcomes]


class _Child:
    """One forked child, as the nursery sees it."""

    def __init__(self, begin: Callable[[int], None], gate: tuple[int, int]) -> None:
        told, tell = os.pipe()
        failed, fail = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(gate[1])
            os.read(gate[0], 1)  # ends when the nursery closes the other side
            try:
                begin(tell)
                os._exit(0)
            except BaseException:
                os.write(fail, traceback.format_exc().encode()[-60_000:])
                os._exit(1)
        os.close(tell)
        os.close(fail)
        self._told, self._failed = os.fdopen(told, "rb"), failed

    def outcome(self, kill_after: int) -> dict[str, Any]:
        told = []
        for line in self._told:
            told.append(line.decode().rstrip("\n"))
            if len(told) == kill_after:
                os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        with self._told, os.fdopen(self._failed, "rb") as failed:
            problem = failed.read().decode()
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and status != 0:
            problem = problem or f"the child ended with status {status}"
        return {"told": told, "killed": killed, "problem": problem}


def _serve(script: str, scenario: str, *modules: str) -> None:
    work = runpy.run_path(script, run_name="scenario")[scenario]
    traced = tuple(_place(module) for module in modules)
    numbered = "number" in inspect.signature(work).parameters
    for line in sys.stdin:
        asked = json.loads(line)

        def begin(tell: int, number: int, asked: dict[str, Any] = asked) -> None:
            if asked["kill_at"]:
                _die_at(asked["kill_at"], traced)
            options = {"number": number} if numbered else {}
            work(
                Path(asked["folder"]), lambda text: os.write(tell, f"{text}\n".encode()), **options
            )
            sys.settrace(None)

        gate = os.pipe()
        numbers = range(asked["count"])
        children = [_Child(lambda tell, own=own: begin(tell, own), gate) for own in numbers]
        for end in gate:
            os.close(end)
        print(json.dumps([child.outcome(asked["kill_after"]) for child in children]), flush=True)


def _place(module: str) -> str:
    if os.path.isabs(module):
        return module
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None, module
    return (
        str(Path(spec.origin).parent) + os.sep if spec.submodule_search_locations else spec.origin
    )


def _die_at(number: int, traced: tuple[str, ...]) -> None:
    """Send this process SIGKILL when it is about to execute that line of the traced files."""
    count = 0

    def in_file(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return in_file

    def anywhere(frame: Any, event: str, argument: Any) -> Any:
        return in_file if frame.f_code.co_filename.startswith(traced) else None

    threading.settrace(anywhere)
    sys.settrace(anywhere)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
