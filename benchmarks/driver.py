"""Stays up in a peer's environment, and runs a row when it is asked to.

Each line of its input names a row and how many; each line that it answers has the seconds of each
of them, or says why there are none.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from types import ModuleType
from typing import Any, TextIO


def main(peer: str) -> None:
    questions, answers = _private_pipes()
    try:
        adapter = importlib.import_module(f"benchmarks.peers.{peer}")
    except Exception as error:
        _say(answers, {"error": _named(error)})
        raise
    _say(answers, {})
    for line in questions:
        _say(answers, answer(adapter, **json.loads(line)))


def answer(adapter: ModuleType, function: str, n: int) -> dict[str, Any]:
    """Run a row once."""
    run = getattr(adapter, function, None)
    if run is None:
        return {"absent": adapter.ABSENT.get(function, "has nothing like it")}
    gc.collect()
    start = time.perf_counter()
    try:
        others = run(n) or {}
    except Exception as error:
        return {"error": _named(error)}
    each = (time.perf_counter() - start) / n
    return {"each": each, **{name: value / n for name, value in others.items()}}


def _private_pipes() -> tuple[TextIO, TextIO]:
    """Input and output that neither a peer's words nor its children get to."""
    pipes = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return pipes


def _say(answers: TextIO, what: dict[str, Any]) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main(sys.argv[1])
