"""Retries of a flow: no call is ever given the value of another one."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, PrivateAttr

from upshot import Task, flow, task, unmapped
from upshot.runtime import task_run

pytestmark = pytest.mark.usefixtures("upshot_home")

Calls = Counter[Any]
Pair = tuple[Callable[[], Any], Callable[[], Any]]


class Locked:
    """Something that cannot be pickled."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()


@dataclass
class Point:
    x: int

    def at(self, number: int) -> Point:
        self.number = number
        return self


class Model(BaseModel):
    _number: int = PrivateAttr(0)

    def at(self, number: int) -> Model:
        self._number = number
        return self


def methods(calls: Calls) -> Pair:
    class Source:
        def __init__(self, number: int) -> None:
            self.number = number

        @task
        def get(self) -> int:
            calls[self.number] += 1
            return self.number

    return Source(1).get, Source(2).get


def methods_of_what_cannot_be_pickled(calls: Calls) -> Pair:
    class Source(Locked):
        @task
        def get(self) -> int:
            calls[self.number] += 1
            return self.number

    return Source(1).get, Source(2).get


def methods_of_what_says_how_it_is_pickled(calls: Calls) -> Pair:
    class Source:
        def __init__(self, number: int) -> None:
            self.number = number

        def __getstate__(self) -> Any:
            return {}

        @task
        def get(self) -> int:
            calls[self.number] += 1
            return self.number

    return Source(1).get, Source(2).get


def methods_of_classes(calls: Calls) -> Pair:
    class Source:
        number = 1

        @classmethod
        @task
        def get(cls) -> int:
            calls[cls.number] += 1
            return cls.number

    class Other(Source):
        number = 2

    return Source.get, Other.get


def flows_that_are_methods(calls: Calls) -> Pair:
    class Source:
        def __init__(self, number: int) -> None:
            self.number = number

        @flow
        def get(self) -> int:
            calls[self.number] += 1
            return self.number

    return Source(1).get, Source(2).get


def static_methods_of_classes_made_alike(calls: Calls) -> Pair:
    def made(number: int) -> Any:
        class Source:
            @staticmethod
            @task
            def get() -> int:
                calls[number] += 1
                return number

        return Source

    return made(1).get, made(2).get


def closures(calls: Calls) -> Pair:
    def made(number: int) -> Any:
        @task
        def get() -> int:
            calls[number] += 1
            return number

        return get

    return made(1), made(2)


def defaults(calls: Calls) -> Pair:
    def made(number: int) -> Any:
        @task
        def get(number: int = number) -> int:
            calls[number] += 1
            return number

        return get

    return made(1), made(2)


def partials(calls: Calls) -> Pair:
    def get(number: int) -> int:
        calls[number] += 1
        return number

    return Task(functools.partial(get, 1)), Task(functools.partial(get, 2))


def functions_of_other_namespaces(calls: Calls) -> Pair:
    def made(number: int) -> Any:
        names = {"calls": calls, "NUMBER": number, "__name__": "somewhere"}
        exec("def get():\n    calls[NUMBER] += 1\n    return NUMBER", names)
        return Task(names["get"])

    return made(1), made(2)


def callable_objects(calls: Calls) -> Pair:
    class Source:
        def __init__(self, number: int) -> None:
            self.number = number

        def __call__(self) -> int:
            calls[self.number] += 1
            return self.number

    return Task(Source(1)), Task(Source(2))


def bound_methods(calls: Calls) -> Pair:
    class Source:
        def __init__(self, number: int) -> None:
            self.number = number

        def get(self) -> int:
            calls[self.number] += 1
            return self.number

    return Task(Source(1).get), Task(Source(2).get)


def decorated_functions(calls: Calls) -> Pair:
    def made(number: int) -> Any:
        def get() -> int:
            calls[number] += 1
            return number

        @task
        @functools.wraps(get)
        def around() -> int:
            return get()

        return around

    return made(1), made(2)


def names(calls: Calls) -> Pair:
    @task
    def get() -> int:
        number = int(task_run.task_name)
        calls[number] += 1
        return number

    return get.with_options(name="1"), get.with_options(name="2")


def _of_arguments(calls: Calls, one: Any, two: Any, number: Callable[[Any], int]) -> Pair:
    @task
    def get(x: Any) -> int:
        calls[number(x)] += 1
        return number(x)

    return functools.partial(get, one), functools.partial(get, two)


def arguments_that_cannot_be_pickled(calls: Calls) -> Pair:
    return _of_arguments(calls, Locked(1), Locked(2), lambda x: x.number)


def arguments_that_are_equal(calls: Calls) -> Pair:
    return _of_arguments(calls, 1, True, lambda x: 1 if type(x) is int else 2)


def collections_that_are_equal(calls: Calls) -> Pair:
    return _of_arguments(calls, {"a": 0}, {"a": 0.0}, lambda x: 1 if type(x["a"]) is int else 2)


def dataclasses_with_more_than_fields(calls: Calls) -> Pair:
    return _of_arguments(calls, Point(0).at(1), Point(0).at(2), lambda x: x.number)


def models_with_private_attributes(calls: Calls) -> Pair:
    return _of_arguments(calls, Model().at(1), Model().at(2), lambda x: x._number)


def functions_as_arguments(calls: Calls) -> Pair:
    def made(number: int) -> Any:
        return lambda: number

    return _of_arguments(calls, made(1), made(2), lambda x: x())


def objects_of_classes_of_one_name(calls: Calls) -> Pair:
    one, two = (type("Source", (), {"number": number})() for number in (1, 2))
    return _of_arguments(calls, one, two, lambda x: x.number)


def futures(calls: Calls) -> Pair:
    @task
    def number(x: int) -> int:
        return x

    @task
    def get(x: int) -> int:
        calls[x] += 1
        return x

    return lambda: get(number.submit(1)), lambda: get(number.submit(2))


def mapped(calls: Calls) -> Pair:
    @task
    def get(x: int, number: int) -> int:
        calls[number] += 1
        return number

    return (
        lambda: get.map([0], unmapped(1))[0].result(),
        lambda: get.map([0], unmapped(2))[0].result(),
    )


WAYS = [
    methods,
    methods_of_what_cannot_be_pickled,
    methods_of_what_says_how_it_is_pickled,
    methods_of_classes,
    flows_that_are_methods,
    static_methods_of_classes_made_alike,
    closures,
    defaults,
    partials,
    functions_of_other_namespaces,
    callable_objects,
    bound_methods,
    decorated_functions,
    names,
    arguments_that_cannot_be_pickled,
    arguments_that_are_equal,
    collections_that_are_equal,
    dataclasses_with_more_than_fields,
    models_with_private_attributes,
    functions_as_arguments,
    objects_of_classes_of_one_name,
    futures,
    mapped,
]


@pytest.mark.parametrize("made", WAYS, ids=lambda made: made.__name__)
def test_calls_that_changed_their_order_get_each_its_own_value(made: Any) -> None:
    calls: Calls = Counter()
    one, two = made(calls)
    attempts: list[Any] = []

    @flow(retries=1)
    def parent() -> Any:
        order = [one, two] if not attempts else [two, one]
        attempts.append([call() for call in order])
        if len(attempts) == 1:
            raise ValueError
        return attempts

    assert parent() == [[1, 2], [2, 1]]
    assert calls == {1: 1, 2: 1}  # and what completed is not run again


@pytest.mark.parametrize("made", WAYS, ids=lambda made: made.__name__)
def test_a_retry_that_makes_only_the_other_call_gets_its_value(made: Any) -> None:
    one, two = made(Counter())
    attempts: list[Any] = []

    @flow(retries=1)
    def parent() -> Any:
        attempts.append(one() if not attempts else two())
        if len(attempts) == 1:
            raise ValueError
        return attempts

    assert parent() == [1, 2]


# what is known only as long as it is there runs again when it is made anew
ANEW = [
    way
    for way in WAYS
    if way not in (methods_of_what_cannot_be_pickled, arguments_that_cannot_be_pickled)
]


@pytest.mark.parametrize("made", ANEW, ids=lambda made: made.__name__)
def test_what_each_attempt_makes_anew_is_known_by_what_it_is_made_of(made: Any) -> None:
    calls: Calls = Counter()
    attempts: list[Any] = []

    @flow(retries=1)
    def parent() -> Any:
        one, two = made(calls)
        order = [one, two] if not attempts else [two, one]
        attempts.append([call() for call in order])
        if len(attempts) == 1:
            raise ValueError
        return attempts

    assert parent() == [[1, 2], [2, 1]]


def test_tasks_that_are_made_in_the_flow_are_not_run_again() -> None:
    calls: Calls = Counter()

    @flow(retries=1)
    def parent() -> int:
        class Source:
            @task
            def get(self) -> int:
                calls["method"] += 1
                return 1

        @task
        def get() -> int:
            calls["function"] += 1
            return 2

        found = Source().get() + get()
        calls["flow"] += 1
        if calls["flow"] == 1:
            raise ValueError
        return found

    assert parent() == 3
    assert calls == {"flow": 2, "method": 1, "function": 1}


@pytest.mark.parametrize("make", [lambda: (x for x in (1,)), lambda: Locked(1)])
def test_what_can_be_neither_compared_nor_recognized_is_run_again(make: Any) -> None:
    calls: Calls = Counter()

    @task
    def child(x: Any) -> int:
        calls["child"] += 1
        return calls["child"]

    @flow(retries=1)
    def parent() -> int:
        found = child(make())
        calls["flow"] += 1
        if calls["flow"] == 1:
            raise ValueError
        return found

    assert parent() == 2


def test_an_object_that_was_changed_since_is_another_input() -> None:
    class Source:
        number = 0

        @task
        def get(self) -> int:
            return self.number

    source = Source()
    found: list[int] = []

    @flow(retries=1)
    def parent() -> list[int]:
        for number in (1, 2) if not found else (2, 1):
            source.number = number
            found.append(source.get())
        if len(found) == 2:
            raise ValueError
        return found

    assert parent() == [1, 2, 2, 1]


def test_methods_that_are_awaited_together_get_each_its_own_value() -> None:
    calls: Calls = Counter()

    class Source:
        def __init__(self, number: int) -> None:
            self.number = number

        @task
        async def get(self) -> int:
            calls[self.number] += 1
            await asyncio.sleep(0)
            return self.number

    sources = [Source(number) for number in range(5)]

    @flow(retries=1)
    async def parent() -> list[int]:
        order = sources if not calls["flow"] else sources[::-1]
        found = await asyncio.gather(*(source.get() for source in order))
        calls["flow"] += 1
        if calls["flow"] == 1:
            raise ValueError
        return found

    assert asyncio.run(parent()) == [4, 3, 2, 1, 0]
    assert calls == {"flow": 2, **dict.fromkeys(range(5), 1)}


def test_the_states_of_replayed_calls_lead_to_each_call_s_own_result() -> None:
    @task(persist_result=True)
    def get() -> int:
        return 1

    attempts: list[Any] = []

    @flow(retries=1)
    def parent() -> Any:
        keys = ["a", "b"] if not attempts else ["b", "a"]
        states = [get.with_options(result_storage_key=key)(return_state=True) for key in keys]
        attempts.append([state.data.storage_key for state in states])
        if len(attempts) == 1:
            raise ValueError
        return attempts

    assert parent() == [["a", "b"], ["b", "a"]]
