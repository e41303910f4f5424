"""Programs that are interrupted (Ctrl-C) in the middle of a call; `python … <program>`.

Each says that it is ready, and then waits for what never comes, or for a line on its input.
"""

import asyncio
import sys
import threading
import time

import trio

from upshot import flow, task
from upshot.exceptions import TerminationSignal


def ready():
    print("ready", flush=True)


class Gate:
    """A value whose pickling tells that it has begun, and goes on when it is let."""

    def __reduce__(self):
        ready()
        if asyncio_runs_elsewhere():
            sys.stdin.readline()
        else:
            threading.Event().wait()
        return str, ("through",)


def asyncio_runs_elsewhere():
    return threading.current_thread() is not threading.main_thread()


@task(persist_result=True)
def waiting():
    ready()
    threading.Event().wait()


@task(persist_result=True)
def writing():
    return Gate()


@task(retries=1, retry_delay_seconds=1000)
def retrying():
    ready()
    raise ValueError


@task(persist_result=True)
async def awaiting():
    ready()
    await asyncio.Event().wait()


@task(persist_result=True)
async def trio_awaiting():
    ready()
    await trio.sleep_forever()


@task(persist_result=True)
async def awriting():
    return Gate()


@task(retries=1, retry_delay_seconds=1000)
async def aretrying():
    ready()
    raise ValueError


@task
def patient():
    try:
        ready()
        while True:
            time.sleep(0.001)
    except (KeyboardInterrupt, TerminationSignal):
        return "went on"


@flow
def outer(call):
    return call()


@flow(name="outer")
async def aouter(call):
    return await call()


@flow
def outermost(call):
    return aouter(call)


PROGRAMS = {
    "sync": lambda: outer(waiting),
    "sync, writing": lambda: outer(writing),
    "sync, retrying": lambda: outer(retrying),
    "sync, caught": lambda: print(outer(patient)),
    "asyncio": lambda: asyncio.run(aouter(awaiting)),
    "asyncio, writing": lambda: asyncio.run(aouter(awriting)),
    "asyncio, retrying": lambda: asyncio.run(aouter(aretrying)),
    "trio": lambda: trio.run(aouter, trio_awaiting),
    "trio, writing": lambda: trio.run(aouter, awriting),
    "async in sync": lambda: outer(awaiting),
    "async in sync, writing": lambda: outer(awriting),
    "async in sync, retrying": lambda: outer(aretrying),
    "flow in flow": lambda: outermost(awaiting),
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]]()
