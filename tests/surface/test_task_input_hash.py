"""`task_input_hash`: the cache key made of a task, its code and its arguments."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from upshot import Task, flow, task
from upshot.context import TaskRunContext
from upshot.filesystems import LocalFileSystem
from upshot.tasks import task_input_hash
from upshot.utilities.hashing import file_hash, hash_objects, stable_hash

pytestmark = pytest.mark.usefixtures("upshot_home")


def names(cached: Task[Any, Any], *calls: Any) -> list[str]:
    """The names of the states of calls in one flow run."""
    found: list[str] = []
    flow(
        lambda: found.extend(cached(call, return_state=True).name for call in calls) or 0, name="f"
    )()
    return found


@task(cache_key_fn=task_input_hash)
def same(x: Any) -> Any:
    return x


class Plain:
    def __init__(self, x: Any) -> None:
        self.x = x


class Model(BaseModel):
    name: str
    content: bytes = b""
    more: dict[str, Any] = {}


@dataclass
class Box:
    content: Any
    tags: set[str] = field(default_factory=set)


def test_equal_inputs_hit_within_a_flow_and_between_flows() -> None:
    assert names(same, 1, 2, 2, 1) == ["Completed", "Completed", "Cached", "Cached"]
    assert names(same, 1, 3) == ["Cached", "Completed"]


def test_parameters_count_however_they_are_passed() -> None:
    @task(cache_key_fn=task_input_hash)
    def pair(x: int, y: int = 2) -> int:
        return x + y

    @flow
    def around() -> list[str]:
        calls = (pair(1, return_state=True), pair(y=2, x=1, return_state=True))
        return [state.name for state in (*calls, pair(1, 3, return_state=True))]

    assert around() == ["Completed", "Cached", "Completed"]


def test_another_body_of_the_function_misses() -> None:
    def named(x: int) -> int:
        return x

    first = task(cache_key_fn=task_input_hash)(named)

    def named(x: int) -> int:  # type: ignore[no-redef]
        return x + 1

    assert names(first, 1) == ["Completed"]
    assert names(task(cache_key_fn=task_input_hash)(named), 1) == ["Completed"]
    assert names(first, 1) == ["Cached"]


def test_another_task_misses() -> None:
    def one(x: int) -> int:
        return x

    def other(x: int) -> int:
        return x

    assert names(task(cache_key_fn=task_input_hash)(one), 1) == ["Completed"]
    assert names(task(cache_key_fn=task_input_hash)(other), 1) == ["Completed"]


def test_what_a_partial_brings_along_counts() -> None:
    def add(x: int, y: int) -> int:
        return x + y

    one, two = (task(cache_key_fn=task_input_hash)(functools.partial(add, n)) for n in (1, 2))
    assert names(one, 1) == ["Completed"]
    assert names(two, 1) == ["Completed"]
    assert names(one, 1) == ["Cached"]


def test_the_instance_of_a_method_counts() -> None:
    class Adder:
        def __init__(self, n: int) -> None:
            self.n = n

        @task(cache_key_fn=task_input_hash)
        def add(self, x: int) -> int:
            return self.n + x

    assert names(Adder(1).add, 1) == ["Completed"]
    assert names(Adder(2).add, 1) == ["Completed"]
    assert names(Adder(1).add, 1) == ["Cached"]
    assert Adder(2).add(1) == 3


def test_what_a_callable_object_holds_counts() -> None:
    class Adder:
        def __init__(self, n: int) -> None:
            self.n = n

        def __call__(self, x: int) -> int:
            return self.n + x

    one, two = (Task(Adder(n), cache_key_fn=task_input_hash) for n in (1, 2))
    assert names(one, 1) == ["Completed"]
    assert names(two, 1) == ["Completed"]
    assert names(one, 1) == ["Cached"]


def test_functions_that_remember_what_they_returned_are_hashed_by_what_they_wrap() -> None:
    @task(cache_key_fn=task_input_hash)
    @functools.lru_cache
    def add(x: int) -> int:
        return x + 1

    assert names(add, 1) == ["Completed"]
    assert names(add, 1) == ["Cached"]


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Plain(x),
        lambda x: Plain([Plain(x)]),
        lambda x: Model(name=str(x), content=b"\xff\x00", more={"k": [Plain(x)]}),
        lambda x: Box(Plain(x), {"a", "b"}),
        lambda x: LocalFileSystem(basepath=f"/somewhere/{x}"),
        lambda x: {"b": x, "a": [x, None], 3: (x,)},
        lambda x: f"{x}".encode(),
        lambda x: Path("/") / str(x),
        lambda x: [1.5, True, None, f"{x}", b"b", x],
    ],
    ids=range(9),
)
def test_objects_models_and_storages_are_hashed_by_what_they_hold(make: Any) -> None:
    assert names(same, make(1), make(2), make(1)) == ["Completed", "Completed", "Cached"]


def test_an_object_of_a_class_in_a_function_is_hashed_as_well() -> None:
    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Local) and other.x == self.x

        __hash__ = None  # type: ignore[assignment]

    assert names(same, Local(1), Local(2), Local(1)) == ["Completed", "Completed", "Cached"]


def test_the_key_does_not_depend_on_what_earlier_runs_returned() -> None:
    class Returned:
        def __init__(self, x: Any) -> None:
            self.x = x

    @task(cache_key_fn=task_input_hash)
    def make(x: Any) -> Returned:
        return Returned(x)

    assert names(make, 1, 1) == ["Completed", "Cached"]
    assert names(make, 1) == ["Cached"]


def test_it_plays_no_part_whether_two_places_hold_one_object_or_two_equal_ones() -> None:
    one, other = Plain("text"), Plain("te" + "xt"[:])
    text = "".join(["te", "xt"])
    assert hash_objects([one, one]) == hash_objects([one, other])
    assert hash_objects([Plain([text, text])]) == hash_objects([Plain(["text", "".join(text)])])


def test_dicts_and_sets_are_equal_in_any_order() -> None:
    assert hash_objects({"a": 1, "b": 2}) == hash_objects({"b": 2, "a": 1})
    assert hash_objects({1, 9, 17}) == hash_objects({17, 9, 1})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        ([1], (1,)),
        ({1: 2}, {"1": 2}),
        ("a", b"a"),
        ({1}, frozenset({1})),
        ([[1], 2], [[1, 2]]),
        (["a", "b"], ["ab"]),
        (None, ...),
        ([], {}),
        (Model(name="a"), Box("a")),
        (b"a", bytearray(b"a")),
    ],
)
def test_what_differs_in_type_or_shape_has_another_hash(one: Any, other: Any) -> None:
    assert hash_objects(one) != hash_objects(other)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=10,
)


@given(values, values)
def test_hashes_are_equal_where_values_are_the_same_in_text_and_only_there(
    one: Any, other: Any
) -> None:
    assert (hash_objects(one) == hash_objects(other)) == (_shown(one) == _shown(other))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{sorted((key, _shown(item)) for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}{[_shown(item) for item in value]}"
    return repr(value)


def test_what_holds_itself_is_hashed() -> None:
    def holding(x: int) -> list[Any]:
        value: list[Any] = [x]
        value.append(value)
        return value

    assert hash_objects(holding(1)) == hash_objects(holding(1)) != hash_objects(holding(2))
    assert hash_objects(holding(1)) is not None


def test_a_lambda_is_an_argument_like_any_other() -> None:
    assert hash_objects(lambda x: x + 1) != hash_objects(lambda x: x + 2)
    assert hash_objects(lambda x: x + 1) is not None


def test_what_cannot_be_pickled_gives_no_key_and_no_caching(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @task(cache_key_fn=task_input_hash)
    def kind(x: Any) -> str:
        return type(x).__name__

    assert names(kind, threading.Lock(), threading.Lock()) == ["Completed", "Completed"]
    assert "'kind' is not cached" in caplog.text
    context = TaskRunContext(
        task=same,
        task_run=None,  # type: ignore[arg-type]
        parameters={},
        result_factory=None,  # type: ignore[arg-type]
    )
    assert task_input_hash(context, {"x": [threading.Lock()]}) is None
    assert isinstance(task_input_hash(context, {"x": 1}), str)
    assert hash_objects({"x": threading.Lock()}) is None


def test_the_key_is_the_same_in_another_process() -> None:
    value = '{"a": [1, {"x", "y"}, Path("/"), LocalFileSystem(basepath="/s")]}'
    program = (
        "from pathlib import Path\nfrom upshot.filesystems import LocalFileSystem\n"
        f"from upshot.utilities.hashing import hash_objects\nprint(hash_objects({value}))"
    )
    found = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert found == {f"{hash_objects(eval(value))}\n".encode()}


def test_arrays_and_frames_are_hashed_by_type_shape_and_contents() -> None:
    numpy = pytest.importorskip("numpy")
    one = numpy.arange(6)
    assert hash_objects(one) == hash_objects(numpy.arange(6))
    others = [one.astype("int32"), one.reshape(2, 3), one + 1, one.reshape(2, 3).T, list(one)]
    assert len({hash_objects(other) for other in [one, *others]}) == 6
    pandas = pytest.importorskip("pandas")

    def frame(x: str) -> Any:
        return pandas.DataFrame({"a": [1, 2], "b": [x, "y"]})

    assert hash_objects(frame("x")) == hash_objects(frame("x")) != hash_objects(frame("z"))


def test_texts_and_files_have_the_hash_of_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"foobar")
    md5 = hashlib.md5(b"foobar").hexdigest()
    assert stable_hash("foo", b"bar") == file_hash(tmp_path / "file") == md5
    assert stable_hash("foobar", hash_algo=hashlib.sha256) == hashlib.sha256(b"foobar").hexdigest()


def test_several_objects_are_hashed_together() -> None:
    assert hash_objects(1, "a", key=2) == hash_objects(1, "a", key=2)
    assert hash_objects(1, "a", key=2) != hash_objects(1, "a", other=2)
    assert hash_objects(1) != hash_objects(1, hash_algo=hashlib.sha256)
