"""A program that uses one run store in processes of multiprocessing; `python … <home> <method>`."""

import multiprocessing
import sys

from upshot.runstore import open_store
from upshot.testing._runs import new_flow_run, new_task_run


def work(number, flow_run):
    """Record something and end: what is queued must get there without a flush."""
    open_store().record(new_task_run(flow_run, number))


def main(method):
    store = open_store()
    flow_run = new_flow_run()
    store.record(flow_run)
    context = multiprocessing.get_context(method)
    store.flush()  # its number travels with it to a spawned child
    children = [context.Process(target=work, args=(number, flow_run)) for number in range(3)]
    for child in children:
        child.start()
    store.record(new_task_run(flow_run, 3))
    for child in children:
        child.join()
        assert child.exitcode == 0
    print(flow_run.uid.hex())


if __name__ == "__main__":
    main(sys.argv[1])
