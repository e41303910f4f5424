"""Programs that call flows and tasks in several processes; `python … <program>`.

Each prints the runs that must be found as completed afterwards, those of its children included.
"""

import asyncio
import concurrent.futures
import multiprocessing
import os
import sys
import warnings

from upshot import flow, task

# a fork among our own threads, of which later Pythons warn
warnings.simplefilter("ignore", DeprecationWarning)


@task(persist_result=True)
def kept(x):
    return [x]


@task
def unkept(x):
    return [x]


@task(persist_result=True)
async def akept(x):
    return [x]


@flow
def tasks_of_all_kinds(x):
    return [one(x, return_state=True) for one in (kept, unkept, akept)]


def call(x):
    """Tasks and a flow, in any process."""
    states = [kept(x, return_state=True), unkept(x, return_state=True)]
    states.append(asyncio.run(akept(x, return_state=True)))
    ended = tasks_of_all_kinds(x, return_state=True)
    states += [ended, *ended.result()]
    tell(states)


def tell(states):
    for state in states:
        details = state.state_details
        found = details.task_run_id or details.flow_run_id
        os.write(1, f"{found.hex}\n".encode())


def forked(in_child, how=os._exit):
    """Fork, call something in the child, and wait for its end."""
    pid = os.fork()
    if pid == 0:
        in_child()
        how(0)
    return lambda: check(os.waitpid(pid, 0)[1])


def check(status):
    assert status == 0, status


def fork_outside():
    """Before and after each call of the parent; children end as programs do."""
    for _ in range(2):
        waits = [forked(lambda: call(2), sys.exit) for _ in range(2)]
        call(1)
        for wait in waits:
            wait()


def fork_inside():
    """In a flow, with a child that calls tasks of it and is gone in the middle."""

    def in_child():
        tell([kept(3, return_state=True), akept(3, return_state=True)])

    @flow
    def around():
        before = [kept(1, return_state=True), akept(1, return_state=True)]
        wait = forked(in_child)
        after = [kept(2, return_state=True), akept(2, return_state=True)]
        wait()
        return [*before, *after]

    state = around(return_state=True)
    tell([state, *state.result()])


def fork_in_a_loop():
    """In an async flow, whose child uses tasks of both colours in a loop of its own."""

    def in_child():
        tell([kept(3, return_state=True), *asyncio.run(gathered(3))])

    async def gathered(x):
        return await asyncio.gather(*(akept(x, return_state=True) for _ in range(3)))

    @flow
    async def around():
        before = await gathered(1)
        wait = forked(in_child)
        after = await gathered(2)
        wait()
        return [*before, *after]

    states = asyncio.run(around())
    tell(states)


def processes(method):
    call(0)
    context = multiprocessing.get_context(method)
    children = [context.Process(target=call, args=(x,)) for x in range(2)]
    for child in children:
        child.start()
    call(1)
    for child in children:
        child.join()
        check(child.exitcode)


def pool(method):
    call(0)
    with multiprocessing.get_context(method).Pool(2) as workers:
        workers.map(call, range(4))
        workers.close()
        workers.join()


def executor(method):
    call(0)
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as workers:
        list(workers.map(call, range(4)))


if __name__ == "__main__":
    program, *arguments = sys.argv[1:]
    globals()[program](*arguments)
