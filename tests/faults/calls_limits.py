"""Programs that the tests of limits run in processes of their own."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from upshot import flow, task


@task(tags=["database"])
def alone(log: str) -> None:
    """Say when it begins and ends; a file that only one can make says that it is alone."""
    mark = Path(log).with_suffix(".mark")
    mark.touch(exist_ok=False)
    with open(log, "a") as file:
        file.write("in\n")
        file.flush()
        time.sleep(0.001)
        file.write("out\n")
    mark.unlink()


@flow
def many(log: str) -> None:
    alone.map([log] * 20)


@task(tags=["database"])
def hold() -> None:
    print("holding", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    {"many": many, "hold": hold}[sys.argv[1]](*sys.argv[2:])
