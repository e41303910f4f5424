"""SIGTERM while a flow runs."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
import trio

from upshot import flow, get_run_context, task
from upshot.client import get_client
from upshot.exceptions import TerminationSignal
from upshot.runstore import open_store
from upshot.states import Cancelling

pytestmark = pytest.mark.usefixtures("upshot_home")


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def the_hosts_handler_stays() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    after = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)
    assert after is before


@pytest.fixture
def told() -> Iterator[list[int]]:
    """What a handler of the host's own is told."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    yield told
    signal.signal(signal.SIGTERM, before)


def recorded() -> dict[str, str]:
    store = open_store()
    runs = store.flow_runs()
    tasks = [run for flow_run in runs for run in store.task_runs(flow_run.id)]
    return {run.flow_name: run.state_name for run in runs} | {
        run.task_name: run.state_name for run in tasks
    }


@flow
def terminated() -> None:
    terminate()
    threading.Event().wait()


@flow(name="terminated")
async def aterminated() -> None:
    terminate()
    await anyio.sleep_forever()


@flow(name="terminated")
async def waiting() -> None:
    threading.Thread(target=terminate).start()
    await anyio.sleep_forever()


def on_asyncio(call: Callable[..., Any]) -> Any:
    async def main() -> Any:
        found = await call()
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
        return found

    return asyncio.run(main())


def on_trio(call: Callable[..., Any]) -> Any:
    async def main() -> Any:
        return await call()

    return trio.run(main)


CALLS: dict[str, Callable[..., Any]] = {
    "sync": terminated,
    "asyncio": lambda **options: on_asyncio(lambda: aterminated(**options)),
    "trio": lambda **options: on_trio(lambda: aterminated(**options)),
    "asyncio, waiting": lambda **options: on_asyncio(lambda: waiting(**options)),
    "trio, waiting": lambda **options: on_trio(lambda: waiting(**options)),
}


@pytest.mark.parametrize("options", [{}, {"return_state": True}], ids=str)
@pytest.mark.parametrize("call", CALLS)
def test_sigterm_crashes_the_run_and_leaves_the_call(call: str, options: Any) -> None:
    with pytest.raises(TerminationSignal, match="SIGTERM") as caught:
        CALLS[call](**options)

    assert caught.value.signal == signal.SIGTERM
    assert recorded() == {"terminated": "Crashed"}
    (run,) = open_store().flow_runs()
    assert "TerminationSignal" in str(run.message)


def test_the_signal_is_no_exception_that_handlers_of_errors_hide() -> None:
    assert not issubclass(TerminationSignal, Exception)
    assert pickle.loads(pickle.dumps(TerminationSignal(15))).signal == 15
    assert TerminationSignal(signal=signal.SIGTERM).signal == 15

    @flow
    def hides() -> str:
        try:
            terminate()
        except Exception:
            return "hidden"
        return "not even that"

    with pytest.raises(TerminationSignal):
        hides()


def test_where_an_async_caller_is_it_can_be_caught() -> None:
    async def main() -> list[str]:
        with pytest.raises(TerminationSignal):
            await waiting()
        await asyncio.sleep(0)  # the cancellation is over
        return ["goes on"]

    assert asyncio.run(main()) == ["goes on"]


@task
def inner() -> None:
    terminate()
    threading.Event().wait()


@flow
def below() -> None:
    inner()


@task
async def ainner() -> None:
    threading.Thread(target=terminate).start()
    await anyio.sleep_forever()


@flow(name="below")
async def abelow() -> None:
    await ainner()


@pytest.mark.parametrize("colour", ["sync", "asyncio", "trio", "async in sync"])
def test_all_that_runs_inside_crashes_too(colour: str) -> None:
    @flow
    def above() -> None:
        abelow() if colour == "async in sync" else below()

    @flow(name="above")
    async def aabove() -> None:
        await abelow()

    calls: dict[str, Callable[[], Any]] = {
        "asyncio": lambda: asyncio.run(aabove()),  # type: ignore[arg-type]
        "trio": lambda: on_trio(aabove),
    }
    with pytest.raises(TerminationSignal):
        calls.get(colour, above)()

    name = "inner" if colour == "sync" else "ainner"
    assert recorded() == {"above": "Crashed", "below": "Crashed", name: "Crashed"}


@pytest.mark.parametrize("colour", ["sync", "asyncio", "trio"])
def test_submitted_tasks_crash_too(colour: str) -> None:
    begun = threading.Event()

    @task
    async def hosted() -> None:
        begun.set()
        await anyio.sleep_forever()

    @task(retries=1, retry_delay_seconds=1_000)
    def retried() -> None:
        raise ValueError

    def kill() -> None:
        begun.wait(20)
        terminate()

    @flow
    def above() -> None:
        hosted.submit()
        retried.submit()
        kill()

    @flow(name="above")
    async def aabove() -> None:
        await hosted.submit()
        retried.submit()
        threading.Thread(target=kill).start()

    calls: dict[str, Callable[[], Any]] = {
        "sync": above,
        "asyncio": lambda: asyncio.run(aabove()),  # type: ignore[arg-type]
        "trio": lambda: on_trio(aabove),
    }
    with pytest.raises(TerminationSignal):
        calls[colour]()

    assert recorded() == {"above": "Crashed", "hosted": "Crashed", "retried": "Crashed"}


def test_flows_that_run_side_by_side_all_crash() -> None:
    async def main() -> list[Any]:
        others = [aforever.with_options(name=f"other-{i}")() for i in range(2)]
        return await asyncio.gather(*others, waiting(), return_exceptions=True)

    found = asyncio.run(main())
    assert [type(error) for error in found] == [TerminationSignal] * 3
    assert recorded() == dict.fromkeys(["other-0", "other-1", "terminated"], "Crashed")


@flow
async def aforever() -> None:
    await anyio.sleep_forever()


@pytest.mark.parametrize("call", CALLS)
def test_a_handler_of_the_hosts_own_is_called_when_the_run_has_ended(
    call: str, told: list[int]
) -> None:
    states: list[str] = []
    host = signal.getsignal(signal.SIGTERM)

    def ends(number: int, frame: Any) -> None:
        assert signal.getsignal(signal.SIGTERM) is ends
        states.extend(recorded().values())
        told.append(number)

    signal.signal(signal.SIGTERM, ends)
    with pytest.raises(TerminationSignal):
        CALLS[call]()
    signal.signal(signal.SIGTERM, host)

    assert (told, states) == ([signal.SIGTERM], ["Crashed"])


def test_what_the_hosts_handler_raises_leaves_the_call(told: list[int]) -> None:
    host = signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    with pytest.raises(SystemExit) as caught:
        terminated()
    signal.signal(signal.SIGTERM, host)
    assert caught.value.code == 7


def test_a_host_that_ignores_the_signal_goes_on_to_do_so() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)

    @flow
    def goes_on() -> int:
        terminate()
        return 1

    assert goes_on() == 1
    signal.signal(signal.SIGTERM, before)


def test_a_flow_off_the_main_thread_leaves_the_signal_to_its_host(told: list[int]) -> None:
    begun, let_go = threading.Event(), threading.Event()

    @flow
    def elsewhere() -> str:
        begun.set()
        let_go.wait(20)
        return "ended"

    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(elsewhere()))
    thread.start()
    begun.wait()
    terminate()
    let_go.set()
    thread.join()
    assert (told, found) == ([signal.SIGTERM], ["ended"])


def test_a_handler_that_a_flow_installs_stays() -> None:
    def own(number: int, frame: Any) -> None: ...

    @flow
    def installs() -> None:
        signal.signal(signal.SIGTERM, own)

    before = signal.getsignal(signal.SIGTERM)
    installs()
    assert signal.signal(signal.SIGTERM, before) is own


def test_a_flow_that_catches_the_signal_goes_on(told: list[int]) -> None:
    @flow
    def catches() -> str:
        try:
            terminate()
        except TerminationSignal:
            return get_run_context().flow_run.flow_name  # type: ignore[union-attr]
        return "not caught"

    assert catches() == "catches"
    assert told == [signal.SIGTERM]


def test_a_forked_child_has_the_hosts_handler() -> None:
    @flow
    def forks() -> int:
        pid = os.fork()
        if pid == 0:
            terminate()
            os._exit(1)
        return os.waitpid(pid, 0)[1]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork among threads of other tests
        assert forks() == signal.SIGTERM


def hooks_on_sigterm(*, is_async: bool, cancelling: bool) -> list[str]:
    """What is called when SIGTERM ends a flow that perhaps was to be cancelled before."""
    called: list[str] = []

    @task
    async def cancel(id: Any) -> None:
        if cancelling:
            async with get_client() as client:
                await client.set_flow_run_state(id, Cancelling(), force=True)

    def cancelled(flow: Any, flow_run: Any, state: Any) -> None:
        called.append(f"cancelled {flow_run.name} {state.name}")

    def crashed(flow: Any, flow_run: Any, state: Any) -> None:
        called.append(f"crashed {flow_run.name} {state.name}")

    def around() -> None:
        cancel(get_run_context().flow_run.id)
        terminate()
        threading.Event().wait()

    async def aaround() -> None:
        await cancel(get_run_context().flow_run.id)
        terminate()
        await anyio.sleep_forever()

    options: Any = {
        "flow_run_name": "it",
        "on_cancellation": [cancelled],
        "on_crashed": [crashed],
    }
    terminates = flow(aaround if is_async else around, **options)
    with pytest.raises(TerminationSignal):
        on_asyncio(terminates)
    return called


@pytest.mark.parametrize("is_async", [False, True])
def test_a_run_that_was_to_be_cancelled_has_on_cancellation_called_instead(is_async: bool) -> None:
    assert hooks_on_sigterm(is_async=is_async, cancelling=True) == ["cancelled it Cancelling"]
    assert hooks_on_sigterm(is_async=is_async, cancelling=False) == ["crashed it Crashed"]
