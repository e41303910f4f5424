"""Tasks: what they are known by, the names and states of their runs, and what they depend on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from upshot import Task, allow_failure, flow, get_run_context, task
from upshot.context import TaskRunContext
from upshot.exceptions import UpshotError
from upshot.runstore import open_store
from upshot.settings import temporary_settings
from upshot.states import Completed
from upshot.task_runners import SequentialTaskRunner
from upshot.utilities.annotations import quote

pytestmark = pytest.mark.usefixtures("upshot_home")


@task
def fails() -> None:
    raise ValueError("on purpose")


@task
def same(x: Any) -> Any:
    return x


def test_the_name_of_a_task_is_that_of_its_function() -> None:
    @task
    def a_name_with_underscores() -> None: ...

    assert a_name_with_underscores.name == "a_name_with_underscores"
    assert task(a_name_with_underscores.fn, name="Another Name").name == "Another Name"


def test_a_task_is_made_with_its_class_as_well() -> None:
    made = Task(fn=lambda x: x + 1, name="more")
    assert (made.name, made(1)) == ("more", 2)


def test_an_object_that_can_be_called_makes_a_task_named_like_its_class() -> None:
    class Adder:
        def __call__(self, x: int) -> int:
            return x + 1

    made = task(Adder())
    assert made.name == "Adder"
    assert made.submit(1).result() == 2
    assert made.task_key.startswith("Adder-")


def test_the_key_of_a_task_is_its_functions_name_and_a_hash_of_its_code() -> None:
    def one(x: int) -> int:
        return x + 1

    first = task(one)

    def one(x: int) -> int:  # type: ignore[no-redef]
        return x + 2

    name, _, digest = first.task_key.rpartition("-")
    assert name == "one"
    assert len(digest) == 8
    assert int(digest, 16) >= 0
    assert task(name="another")(first.fn).task_key == first.task_key
    assert task(one).task_key != first.task_key


def test_the_key_of_an_object_with_a_qualname_is_made_of_its_last_part_and_the_code_of_call() -> (
    None
):
    class Odd:
        def __call__(self, x: int) -> int:
            return x

    class Other:
        def __call__(self, x: int) -> int:
            return x + 1

    odd, like_odd, other = Odd(), Odd(), Other()
    for each in (odd, like_odd, other):
        each.__qualname__ = "__main__.Funky"  # type: ignore[attr-defined]
    keys = [task(each).task_key for each in (odd, like_odd, other)]
    assert all(key.startswith("Funky-") for key in keys)
    assert keys[0] == keys[1] != keys[2]


def test_a_task_has_no_version_unless_it_is_given_one() -> None:
    assert task(lambda: 1).version is None
    assert task(version="7")(lambda: 1).version == "7"


def test_the_retries_of_a_task_are_those_of_the_setting_unless_it_says_otherwise() -> None:
    plain, own = task(lambda: 1), task(retries=0)(lambda: 1)
    assert plain.retries == 0
    with temporary_settings({"UPSHOT_TASK_DEFAULT_RETRIES": 3}):
        assert (plain.retries, own.retries) == (3, 0)


def test_the_option_for_names_of_runs_is_kept_as_it_was_given() -> None:
    def naming() -> str:
        return "x"

    assert task(lambda: 1).task_run_name is None
    assert task(task_run_name="{x}")(lambda x: 1).task_run_name == "{x}"
    assert task(task_run_name=naming)(lambda x: 1).task_run_name is naming
    assert task(task_run_name="a")(lambda: 1).with_options(retries=1).task_run_name == "a"


def test_a_name_of_runs_that_is_neither_text_nor_callable_is_refused() -> None:
    expected = "Expected string or callable for 'task_run_name'; got InvalidTaskRunNameArg instead."

    class InvalidTaskRunNameArg: ...

    with pytest.raises(TypeError) as caught:
        task(task_run_name=InvalidTaskRunNameArg())(lambda: 1)  # type: ignore[call-overload]
    assert str(caught.value) == expected


def test_runs_are_named_after_their_task_and_numbered() -> None:
    @task
    def load() -> str:
        return get_run_context().task_run.name  # type: ignore[union-attr]

    @flow
    def around() -> list[str]:
        return [load(), load(), load.with_options(name="other")()]

    assert around() == ["load-0", "load-1", "other-2"]


def test_a_template_names_the_run_with_its_parameters_defaults_included() -> None:
    @task(task_run_name="{what} of {year:04d} for {who[0]}")
    def report(year: int, who: list[str], what: str = "report") -> str:
        return get_run_context().task_run.name  # type: ignore[union-attr]

    @flow
    def around() -> str:
        return report(26, who=["us"])

    state = around(return_state=True)
    assert state.result() == "report of 0026 for us"
    (run,) = open_store().task_runs(state.state_details.flow_run_id)  # type: ignore[arg-type]
    assert run.name == "report of 0026 for us"


def test_a_template_sees_the_values_of_futures() -> None:
    @task(task_run_name="of {x}")
    def name(x: int) -> str:
        return get_run_context().task_run.name  # type: ignore[union-attr]

    @flow
    def around() -> str:
        return name.submit(same.submit(5)).result()  # type: ignore[no-any-return]

    assert around() == "of 5"


@pytest.mark.parametrize("how", ["call", "submit", "map"])
def test_a_callable_names_the_run_once_and_not_once_for_each_attempt(how: str) -> None:
    asked = []

    def naming() -> str:
        asked.append(dict(TaskRunContext.get().parameters))  # type: ignore[union-attr]
        return "made"

    @task(task_run_name=naming, retries=2)
    def flaky(x: int, y: int = 7) -> str:
        if get_run_context().task_run.run_count < 3:  # type: ignore[union-attr]
            raise ValueError
        return get_run_context().task_run.name  # type: ignore[union-attr]

    @flow
    def around() -> Any:
        if how == "call":
            return flaky(1)
        return flaky.submit(1).result() if how == "submit" else flaky.map([1])[0].result()

    assert around() == "made"
    assert asked == [{"x": 1, "y": 7}]


def test_an_async_task_is_named_as_well() -> None:
    @task(task_run_name="of {x}")
    async def name(x: int) -> str:
        return get_run_context().task_run.name  # type: ignore[union-attr]

    @flow
    async def around() -> list[str]:
        return [await name(1), await (await name.submit(2)).aresult()]

    assert asyncio.run(around()) == ["of 1", "of 2"]


def test_a_callable_that_gives_no_text_fails_the_run() -> None:
    def naming() -> None: ...

    @task(task_run_name=naming)  # type: ignore[call-overload]
    def named() -> None:
        raise AssertionError("it must not be called")

    @flow
    def around() -> None:
        named()

    with pytest.raises(TypeError) as caught:
        around()
    assert str(caught.value) == (
        f"Callable {naming} for 'task_run_name' returned type NoneType but a string is required."
    )


def test_a_name_that_was_put_there_later_is_looked_at_when_the_task_runs() -> None:
    named = task(lambda: 1)
    named.task_run_name = 5  # type: ignore[assignment]
    with pytest.raises(TypeError, match="for 'task_run_name'; got int instead"):
        named()


def test_a_template_that_cannot_be_filled_fails_the_run_with_an_error_of_ours() -> None:
    @task(task_run_name="{missing}")
    def named(x: int) -> int:
        return x

    state = named(1, return_state=True)
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), UpshotError)


def test_a_task_runs_outside_of_flows() -> None:
    @task
    def nested(x: int) -> int:
        return same(x) + same.submit(x).result()  # type: ignore[no-any-return]

    assert nested(2) == 4
    assert nested(2, return_state=True).result() == 4


def test_nested_async_tasks_run_outside_of_flows() -> None:
    @task
    async def inner(x: int) -> int:
        return x + 1

    @task
    async def outer(x: int) -> int:
        return await inner(x) + 1

    assert asyncio.run(outer(1)) == 3


@pytest.mark.parametrize("runner", [None, SequentialTaskRunner])
def test_tasks_call_submit_and_map_tasks(runner: Any) -> None:
    @task
    def outer(x: int) -> int:
        mapped = [future.result() for future in same.map([x, x])]
        return sum(mapped) + same(x) + same.submit(x).result()  # type: ignore[no-any-return]

    @flow(task_runner=runner)
    def around() -> int:
        return outer(1) + outer.submit(1).result()  # type: ignore[no-any-return]

    assert around() == 8


def test_the_failure_of_a_nested_task_is_not_one_of_the_flows_own_states() -> None:
    @task
    def forgiving() -> str:
        fails(return_state=True)
        fails.submit().wait()
        return "well"

    @flow
    def around() -> None:
        forgiving()

    state = around(return_state=True)
    assert state.is_completed()
    assert state.message == "All states completed."


def test_submit_gives_a_future_or_the_final_state() -> None:
    @flow
    def around() -> tuple[Any, str]:
        return same.submit(x=1).result(), same.submit(1, return_state=True).name

    assert around() == (1, "Completed")


@dataclass
class Box:
    content: Any


class Crate(BaseModel):
    content: Any


@pytest.mark.parametrize(
    ("around_it", "expected"),
    [
        (lambda x: x, 5),
        (lambda x: [x, {"k": (x, {x})}], [5, {"k": (5, {5})}]),
        (lambda x: {x: x}, {5: 5}),
        (lambda x: Box([x]), Box([5])),
        (lambda x: Crate(content={"k": x}), Crate(content={"k": 5})),
    ],
)
def test_futures_and_states_are_replaced_by_their_values_wherever_they_are(
    around_it: Any, expected: Any
) -> None:
    @flow
    def flow_around() -> list[Any]:
        made = same.submit(5)
        return [same(around_it(made)), same.submit(around_it(made.wait())).result()]

    assert flow_around() == [expected, expected]


def test_a_run_behind_one_that_did_not_complete_is_not_ready_and_names_it() -> None:
    @flow
    def around() -> list[Any]:
        upstream = fails.submit()
        first = same.submit([upstream])
        return [upstream.task_run.id, first.wait(), first.task_run.id, same.submit(first).wait()]

    id, behind, id_behind, chained = around()
    for state, before in ((behind, id), (chained, id_behind)):
        assert state.is_pending()
        assert state.name == "NotReady"
        assert state.message == (f"Upstream task run '{before}' did not reach a 'COMPLETED' state.")


def test_a_run_may_wait_for_others_that_must_have_completed() -> None:
    @flow
    def around() -> list[str]:
        failed = fails.submit()
        waits = same.submit(1, wait_for=[failed]).wait()
        allowed = same.submit(1, wait_for=[allow_failure(failed)]).wait()
        return [waits.name, allowed.name]

    assert around() == ["NotReady", "Completed"]


def test_a_failure_that_is_allowed_comes_as_the_exception() -> None:
    @flow
    def around() -> list[Any]:
        failed = fails.submit()
        state = failed.wait()
        mapped = same.map([allow_failure(failed), 2])
        return [
            same(allow_failure(failed)),
            same(allow_failure([failed]))[0],
            same({"k": allow_failure(state)})["k"],
            mapped[0].result(),
            same.map([1], wait_for=[allow_failure(failed)])[0].result(),
        ]

    *errors, last = around()
    assert [repr(error) for error in errors] == ["ValueError('on purpose')"] * 4
    assert last == 1


def test_what_is_quoted_is_passed_as_it_is() -> None:
    # not returned: a task that returns futures ends in the sum of their states
    given: list[Any] = []
    take = task(given.append, name="take")

    @flow
    def around() -> list[bool]:
        future, state = same.submit(1), same.submit(1).wait()
        held = [future, {"k": state}]
        take.submit(quote(held)).wait()
        take(quote(future))
        take([quote(state)])
        take(allow_failure(quote(state)))
        return [
            given[0] is held,
            given[1] is future,
            given[2][0] is state,
            given[3] is state,
        ]

    assert around() == [True] * 4


def test_what_is_quoted_is_no_dependency() -> None:
    size = task(lambda given: len(given), name="size")

    @flow
    def around() -> list[Any]:
        failed = fails.submit()
        return [size.submit(quote([failed])).wait().name, size.submit([failed]).wait().name]

    assert around() == ["Completed", "NotReady"]


def test_what_is_quoted_is_not_gone_through() -> None:
    class Watched(list[Any]):
        looked_into = False

        def __iter__(self) -> Any:
            Watched.looked_into = True
            return super().__iter__()

    @task
    def kind(x: Any) -> str:
        return type(x).__name__

    watched = Watched([1])
    assert kind(quote(watched)) == "Watched"
    assert not Watched.looked_into
    kind(watched)
    assert Watched.looked_into


def test_marks_hold_a_value_and_are_equal_with_equal_ones() -> None:
    assert quote([1]).unquote() == quote([1]).unwrap() == [1]
    assert quote(1) == quote(1) != allow_failure(1)
    assert quote(1).rewrap(2) == quote(2)
    assert same(quote(5)) == 5


def test_a_state_made_by_hand_is_the_value_that_it_holds() -> None:
    assert same(Completed(data=5)) == 5


def states_of(called: Any) -> list[str]:
    state = called(return_state=True)
    run = open_store().task_run(state.state_details.task_run_id)
    assert run is not None
    return [step.name for step in run.history]


def test_a_run_goes_from_pending_to_running_to_its_end() -> None:
    assert states_of(task(lambda: 1)) == ["Pending", "Running", "Completed"]
    assert states_of(fails) == ["Pending", "Running", "Failed"]
