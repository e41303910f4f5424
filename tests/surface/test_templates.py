"""Templates: of storage keys, and of the names of runs."""

from __future__ import annotations

import asyncio
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from upshot import Flow, flow, get_run_context, runtime, tags, task
from upshot.client.schemas import FlowRun
from upshot.context import FlowRunContext
from upshot.exceptions import InvalidOption, InvalidStorageKey
from upshot.filesystems import LocalFileSystem
from upshot.task_runners import ProcessPoolTaskRunner
from upshot.testing import isolated

pytestmark = pytest.mark.usefixtures("upshot_home")


def in_a_flow(call: Any, **options: Any) -> Any:
    """What a call gives in a flow."""
    given = []

    def my_flow(z: Any = "c") -> int:
        given.append(call())
        return 1

    Flow(my_flow, **options)()
    return given[0]


def key_of(template: str, *args: Any, **kwargs: Any) -> Any:
    """The key of a task's result, in a flow."""

    @task(persist_result=True, result_storage_key=template)
    def my_task(x: Any = 1, y: Any = "b") -> Any:
        return "value"

    with tags("day"):
        state = in_a_flow(
            lambda: my_task(*args, return_state=True, **kwargs),
            version="v1",
            flow_run_name="the-run",
        )
    data = state.data
    assert data.get() == "value"
    return data.storage_key


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("plain", "plain"),
        ("{parameters[x]}/{parameters[y]}.json", "1/b.json"),
        ("{parameters[x]:03}", "001"),
        ("{flow_run.flow_name}__bar", "my-flow__bar"),
        ("{flow_run.flow_version}", "v1"),
        ("{flow_run.name}-{task_run.name}", "the-run-my_task-0"),
        ("{task_run.task_name}-{task_run.run_count}-{flow_run.run_count}", "my_task-1-1"),
        ("{flow_run.parameters[z]}{task_run.parameters[x]}", "c1"),
        ("{flow_run.tags}{task_run.tags}", "['day']['day']"),
        ("{flow_run.parent_flow_run_id}", "None"),
    ],
)
def test_a_key_is_made_of_parameters_and_of_the_runtime(template: str, key: str) -> None:
    assert key_of(template) == key


@pytest.mark.parametrize(
    "name", sorted({f"flow_run.{name}" for name in runtime.flow_run.FIELDS}
                   | {f"task_run.{name}" for name in runtime.task_run.FIELDS})
)  # fmt: skip
def test_all_that_the_runtime_has_can_be_in_a_key(name: str) -> None:
    seen = []

    @task(persist_result=True, result_storage_key=f"<{{{name}}}>")
    def inner() -> int:
        root, _, attribute = name.partition(".")
        seen.append(getattr(getattr(runtime, root), attribute))
        return 1

    with tags("a"):
        state = in_a_flow(lambda: inner(return_state=True))
    assert state.data.storage_key == f"<{seen[0]}>"


def test_async_tasks_have_keys_too() -> None:
    @task(persist_result=True, result_storage_key="{flow_run.flow_name}-{parameters[x]}")
    async def inner(x: int = 3) -> int:
        return x

    @flow
    async def around() -> Any:
        states.append(await inner(return_state=True))

    states: list[Any] = []
    asyncio.run(around())
    assert states[0].data.storage_key == "around-3"


@task(persist_result=True, result_storage_key="{flow_run.parameters[z]}-{parameters[x]}")
def keyed(x: int) -> str:
    return "value"


def test_worker_processes_make_keys() -> None:
    state = in_a_flow(
        lambda: keyed.submit(3, return_state=True),
        task_runner=ProcessPoolTaskRunner(max_workers=1),
    )
    assert state.data.storage_key == "c-3"


@pytest.mark.parametrize(
    "template",
    [
        "{x}", "{parameters}", "{parameters[nope]}", "{flow_run.nope}", "{task_run.flow_name}",
        "{flow_run}", "{}", "{", "{nope.x}", "{flow_run.__class__}",
    ],
)  # fmt: skip
def test_an_unknown_variable_is_refused_at_definition(template: str) -> None:
    with pytest.raises(InvalidOption, match="result_storage_key"):
        task(lambda x: x, name="t", result_storage_key=template)
    with pytest.raises(InvalidOption, match="result_storage_key"):
        keyed.with_options(result_storage_key=template)


@pytest.mark.parametrize(
    "template",
    ["", "..", "../x", "a/../../x", "../{parameters[x]}", "a/../../{parameters[x]}/b", ".",
     "a\0b", "a\\b", "C:/x", "x" * 300],
)  # fmt: skip
def test_what_can_be_no_key_is_refused_at_definition(template: str) -> None:
    with pytest.raises(ValueError, match="result_storage_key"):
        task(lambda x: x, name="t", result_storage_key=template)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{parameters[x]}", "../secret"),
        ("{parameters[x]}", "a/../../secret"),
        ("{parameters[x]}", "/etc/secret"),
        ("a/{parameters[x]}", "../../secret"),
        ("{parameters[x]}", ""),
        ("{parameters[x]}", "."),
        ("{parameters[x]}", "a\0b"),
        ("{parameters[x]}", "x" * 300),
    ],
)
def test_a_key_that_leaves_its_root_is_refused_before_anything_is_written(
    template: str, value: str, tmp_path: Path
) -> None:
    storage = LocalFileSystem(basepath=tmp_path / "results")

    @task(persist_result=True, result_storage=storage, result_storage_key=template)
    def inner(x: str) -> str:
        return "value"

    with pytest.raises(InvalidStorageKey):
        inner(value)
    assert list(tmp_path.iterdir()) == []


PARTS = [
    "..",
    ".",
    "",
    "a",
    "/",
    "//",
    "\\",
    "\0",
    "C:",
    "~",
    "{",
    "}",
    "ü",
    " ",
    "a/../..",
    "x" * 9,
]
texts = st.lists(st.sampled_from(PARTS), max_size=6).map("/".join) | st.text(max_size=12)
pieces = st.sampled_from(
    ["{parameters[x]}", "{parameters[x]!r}", "{flow_run.name}", "{task_run.name}", "..", "/", "a",
     "{{", "}}", "../", ".", "{parameters[x]:>3}", "{parameters[y]}", "{nope}", "~/"]
)  # fmt: skip


@how(deadline=None, max_examples=50)
@given(st.lists(pieces, max_size=5).map("".join), texts)
@example("{parameters[x]}", "../x")
@example("/{parameters[x]}", "etc/x")
def test_no_template_and_no_value_lead_out_of_the_storage(template: str, value: str) -> None:
    with isolated() as settings:
        home = settings.home
        folder = home / "results"
        try:
            inner = task(lambda x: "value", name="t", persist_result=True,
                         result_storage=LocalFileSystem(basepath=folder),
                         result_storage_key=template)  # fmt: skip
        except (InvalidOption, ValueError):
            return
        state = in_a_flow(lambda: inner(value, return_state=True))
        known = {home / "results", home / "runs.db", home / "runs.db-shm", home / "runs.db-wal"}
        written = [path for path in home.rglob("*") if path.is_file()]
        assert {path for path in written if not path.is_relative_to(folder)} <= known
        if state.is_completed():
            key = state.data.storage_key
            assert LocalFileSystem(basepath=folder).read_path(key)
            assert [path for path in written if path.is_relative_to(folder)]
        else:
            assert not folder.exists()


@how(deadline=None, max_examples=50)
@given(st.lists(pieces, max_size=5).map("".join))
def test_what_is_accepted_at_definition_can_be_filled(template: str) -> None:
    try:
        inner = task(lambda x: "v", name="t", persist_result=True, result_storage="memory",
                     result_storage_key=template)  # fmt: skip
    except (InvalidOption, ValueError):
        return
    with isolated():
        state = in_a_flow(lambda: inner("a", return_state=True))
        failure = None if state.is_completed() else state.result(raise_on_failure=False)
    assert failure is None or isinstance(failure, InvalidStorageKey)


def names(flow_template: str, task_template: str) -> tuple[Any, Any]:
    @task(task_run_name=task_template)
    def my_task(x: Any, y: Any = 2) -> Any:
        return runtime.task_run.name

    @flow(flow_run_name=flow_template, version="v1")
    def my_flow(z: Any = "c") -> Any:
        return runtime.flow_run.name, my_task(1)

    given: tuple[Any, Any] = my_flow()
    return given


def test_names_of_runs_are_made_of_parameters_defaults_included() -> None:
    assert names("f {z}", "t {x}-{y}") == ("f c", "t 1-2")


def test_names_of_runs_may_name_what_keys_may() -> None:
    assert names(
        "{flow_run.flow_name} {flow_run.flow_version} {parameters[z]} {z}",
        "{flow_run.parameters[z]} {task_run.task_name} {parameters[x]} {y} {flow_run.name}",
    ) == ("my-flow v1 c c", "c my_task 1 2 my-flow v1 c c")


def test_a_parameter_hides_what_has_its_name() -> None:
    @flow(flow_run_name="{flow_run}-{parameters}")
    def my_flow(flow_run: int, parameters: int) -> Any:
        return runtime.flow_run.name

    assert my_flow(1, 2) == "1-2"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{nope}", "'nope'"),
        ("{flow_run.nope}", r"{flow_run.nope} is unknown"),
        ("{task_run.name}", "no such run is going on here"),
        ("{parameters[nope]}", "'nope'"),
    ],
)
def test_a_name_that_cannot_be_made_fails_the_run(template: str, said: str) -> None:
    @flow(flow_run_name=template)
    def my_flow(z: int = 1) -> Any:
        return z

    with pytest.raises(InvalidOption, match=said):
        my_flow()


def set_mock(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(f"UPSHOT__RUNTIME__{name}".upper().replace(".", "__"), text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flow_run.flow_name", "mocked"),
        ("flow_run.flow_version", "v2"),
        ("flow_run.name", "mocked"),
        ("flow_run.id", "an id"),
        ("flow_run.run_count", "7"),
        ("flow_run.scheduled_start_time", "2023-04-01T12:00:00"),
        ("flow_run.parent_flow_run_id", "another id"),
        ("task_run.id", "an id"),
        ("task_run.name", "mocked"),
        ("task_run.task_name", "mocked"),
        ("task_run.run_count", "3"),
    ],
)
def test_keys_and_names_see_the_mocks_that_the_runtime_sees(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    template = f"<{{{name}}}>"

    @task(persist_result=True, result_storage_key=template, task_run_name=template)
    def inner() -> str:
        seen.append(attrgetter(name)(runtime))
        return str(get_run_context().task_run.name)  # type: ignore[union-attr]

    @flow(flow_run_name=template if name.startswith("flow_run") else None)
    def around() -> Any:
        return get_run_context().flow_run.name, inner(return_state=True)  # type: ignore[union-attr]

    real = around()[1].data.storage_key
    set_mock(monkeypatch, name, text)  # after the definition
    named, state = around()
    assert state.data.storage_key == state.result() == f"<{seen[1]}>" != real
    assert named == f"<{seen[1]}>" or name.startswith("task_run")
    monkeypatch.undo()
    assert around()[1].data.storage_key == f"<{seen[2]}>"
    assert str(seen[2]) != str(seen[1])


def test_async_runs_see_mocks_in_their_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    @task(persist_result=True, result_storage_key="{flow_run.flow_name}__bar")
    async def inner() -> int:
        return 3

    @flow(flow_run_name="{flow_run.flow_name}")
    async def around() -> Any:
        return runtime.flow_run.name, await inner(return_state=True)

    set_mock(monkeypatch, "flow_run.flow_name", "foo")
    name, state = asyncio.run(around())
    assert (name, state.data.storage_key) == ("foo", "foo__bar")


def test_a_mock_stands_in_a_template_where_there_is_no_such_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @task(persist_result=True, result_storage_key="{flow_run.flow_name}-{flow_run.run_count:02}")
    def alone() -> str:
        return "value"

    with pytest.raises(InvalidOption, match="no such run"):
        alone()
    set_mock(monkeypatch, "flow_run.flow_name", "mocked")
    set_mock(monkeypatch, "flow_run.run_count", "7")
    assert alone(return_state=True).data.storage_key == "mocked-07"


def test_a_mock_may_add_a_name_to_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{flow_run.new_key}-{task_run.other}"
    set_mock(monkeypatch, "flow_run.new_key", "a")
    set_mock(monkeypatch, "task_run.other", "b")

    @task(persist_result=True, result_storage_key=template, task_run_name=template)
    def inner() -> str:
        return runtime.task_run.name

    state = in_a_flow(lambda: inner(return_state=True))
    assert state.data.storage_key == state.result() == "a-b"
    monkeypatch.undo()
    with pytest.raises(InvalidOption, match=r"flow_run.new_key} is unknown"):
        in_a_flow(inner.with_options)
    with pytest.raises(InvalidOption, match=r"flow_run.new_key} is unknown"):
        in_a_flow(inner)


@pytest.mark.parametrize("text", ["../x", "", "a/../../x", "/etc/x"])
def test_a_key_that_a_mock_leads_out_of_its_root_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    storage = LocalFileSystem(basepath=tmp_path / "results")

    @task(persist_result=True, result_storage=storage, result_storage_key="{flow_run.name}")
    def inner() -> str:
        return "value"

    set_mock(monkeypatch, "flow_run.name", text)
    with pytest.raises(InvalidStorageKey):
        in_a_flow(inner)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["flow_run.tags", "task_run.parameters"])
def test_a_template_cannot_be_filled_with_what_cannot_be_mocked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task(persist_result=True, result_storage_key=f"{{{name}}}")
    def inner() -> str:
        return "value"

    set_mock(monkeypatch, name, "x")
    with pytest.raises(InvalidOption, match="cannot be mocked"):
        in_a_flow(inner)


def test_templates_are_filled_in_a_context_that_was_made_by_hand() -> None:
    template = "{flow_run.flow_name}-{flow_run.name}-{task_run.task_name}"

    @task(persist_result=True, result_storage_key=template, task_run_name=template)
    def inner() -> str:
        return runtime.task_run.name

    @flow
    def by_hand() -> None: ...

    with FlowRunContext.construct(flow=by_hand, flow_run=FlowRun.construct(name="bar")):
        state = inner(return_state=True)
    assert state.data.storage_key == state.result() == "by-hand-bar-inner"


def test_a_template_sees_the_flow_run_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    template = "{flow_run.flow_name}-{flow_run.id}-{flow_run.parameters[x]}"

    @flow
    def before(x: int) -> Any:
        return runtime.flow_run.id

    @task(persist_result=True, result_storage_key=template, task_run_name=template)
    def alone() -> str:
        return f"before-{runtime.flow_run.id}-{runtime.flow_run.parameters['x']}"

    with pytest.raises(InvalidOption, match="no such run"):
        alone()
    monkeypatch.setenv("UPSHOT__FLOW_RUN_ID", before(3))
    state = alone(return_state=True)
    assert state.data.storage_key == state.result()
    monkeypatch.setenv("UPSHOT__FLOW_RUN_ID", "nothing")
    with pytest.raises(ValueError, match="'nothing' is no id of a flow run"):
        alone()
