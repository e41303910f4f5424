"""Processes of peers: those that stay up, and those that are started for one measurement."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.catalogue import Peer
from benchmarks.environments import BUILD, ROOT, PeerFailed, in_brief, python_of

WORK = BUILD / "work"
LONGEST = 180.0  # seconds that one question may take
_OURS = ("BENCH_", "PREFECT_", "UPSHOT_", "DBOS_")


def environment_of(peer: Peer, folder: Path) -> dict[str, str]:
    """The environment variables of its processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    own = {name: value.format(folder=folder) for name, value in peer.settings.items()}
    return {**kept, **own, "BENCH_FOLDER": str(folder), "PYTHONDONTWRITEBYTECODE": ""}


class Driver:
    """A peer's process that stays up."""

    def __init__(self, peer: Peer) -> None:
        self.folder = new_folder(f"{peer.name}-driver")
        with open(BUILD / f"{peer.name}.log", "ab") as log:
            self._process = subprocess.Popen(
                [python_of(peer.environment or peer.name), "-m", "benchmarks.driver", peer.name],
                cwd=ROOT,
                env=environment_of(peer, self.folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )
        hello = self._hear()
        if "error" in hello:
            raise PeerFailed(in_brief(hello["error"]))

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def ask(self, function: str, n: int) -> dict[str, Any]:
        """What it answers.

        Raises:
            PeerFailed: if it raised, died or did not answer.
        """
        question = json.dumps({"function": function, "n": n}) + "\n"
        with suppress(BrokenPipeError):  # heard below
            self._process.stdin.write(question.encode())
        heard = self._hear()
        if "error" in heard:
            raise PeerFailed(in_brief(heard["error"]))
        return heard

    def _hear(self) -> dict[str, Any]:
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            if not ready.select(LONGEST):
                self.close(patience=0)
                raise PeerFailed(f"had not answered after {LONGEST:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise PeerFailed(f"its process ended, with {self._process.returncode}")
        return json.loads(line)

    def close(self, patience: float = 20) -> None:
        """End the process and those that it started, and remove what they wrote."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        end_group(self._process)
        self._process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def new_folder(name: str) -> Path:
    """An empty folder of this name."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a process that was started as the leader of a group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_fresh(peer: Peer, arguments: list[str], folder: Path) -> tuple[str, float]:
    """What a new process of its Python prints, and the seconds from its start to its end.

    Raises:
        PeerFailed: if it failed, or had not ended in time.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [python_of(peer.environment or peer.name), *arguments],
        cwd=ROOT,
        env=environment_of(peer, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, errors = process.communicate(timeout=LONGEST)
        seconds = time.perf_counter() - start
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"had not ended after {LONGEST:.0f} s") from None
    finally:
        end_group(process)
    with open(BUILD / f"{peer.name}.log", "ab") as log:
        log.write(errors)
    if process.returncode:
        raise PeerFailed(in_brief(errors.decode(errors="replace")))
    return out.decode(errors="replace"), seconds
