"""What `import upshot` offers."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest

import upshot
from upshot.runstore import open_store

NAMES = {
    "Flow": "upshot.flows",
    "State": "upshot.states",
    "Task": "upshot.tasks",
    "allow_failure": "upshot.utilities.annotations",
    "flow": "upshot.flows",
    "get_run_logger": "upshot.logging",
    "tags": "upshot.context",
    "task": "upshot.tasks",
    "unmapped": "upshot.utilities.annotations",
}
MODULES = ["context", "exceptions", "runtime", "settings", "states"]

pytestmark = pytest.mark.usefixtures("upshot_home")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_that_of_its_module(name: str) -> None:
    module = importlib.import_module(NAMES[name])
    assert getattr(upshot, name) is getattr(module, name)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_an_attribute(name: str) -> None:
    assert getattr(upshot, name) is importlib.import_module(f"upshot.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_an_attribute_in_a_process_that_imported_nothing_else(name: str) -> None:
    code = f"import upshot; print(upshot.{name}.__name__)"
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == f"upshot.{name}"


def test_a_program_needs_nothing_but_the_package() -> None:
    @upshot.task
    def fail() -> None:
        raise ValueError("its text")

    @upshot.flow
    def around() -> Any:
        assert upshot.context.get_run_context() is upshot.get_run_context()
        assert upshot.runtime.flow_run.flow_name == "around"
        state = fail(return_state=True)
        assert isinstance(state, upshot.State)
        return upshot.states.Completed(data=state.message)

    assert "ValueError: its text" in around()
    with pytest.raises(upshot.exceptions.MissingContextError):
        upshot.get_run_logger()


def test_all_names_are_listed_and_imported_by_a_star() -> None:
    listed = {*NAMES, *MODULES, "__version__"}
    assert listed <= set(dir(upshot))
    assert listed <= set(upshot.__all__)
    found: dict[str, Any] = {}
    exec("from upshot import *", found)
    assert listed <= set(found)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        upshot.no_such_name  # noqa: B018
    with pytest.raises(ImportError):
        exec("from upshot import no_such_name")


def test_the_version_is_that_of_the_package() -> None:
    assert re.match(r"\d+\.\d+", upshot.__version__)
    assert importlib.metadata.version("upshot") == upshot.__version__


def tags_of(state: Any) -> set[str]:
    """The tags that were recorded of the task run of a state."""
    id = state.state_details.task_run_id
    assert isinstance(id, UUID)
    run = open_store().task_run(id)
    assert run is not None
    return set(run.tags)


@upshot.task(tags=["own"])
def tagged() -> int:
    return 1


def test_tags_nest_and_end_with_their_block() -> None:
    with upshot.tags("a", "b") as outer:
        assert outer == {"a", "b"}
        with upshot.tags("c") as inner:
            assert inner == {"a", "b", "c"}
        with upshot.tags("d") as other:
            assert other == {"a", "b", "d"}
    with upshot.tags() as none:
        assert none == set()


@pytest.mark.parametrize("how", ["call", "_run", "submit"])
def test_task_runs_have_the_tags_of_the_task_the_block_and_the_flow_run(how: str) -> None:
    def run() -> Any:
        if how == "call":
            return tagged(return_state=True)
        return tagged._run() if how == "_run" else tagged.submit(return_state=True)

    @upshot.flow
    def around() -> list[set[str]]:
        found = [tags_of(run())]
        with upshot.tags("inside"):
            found.append(tags_of(run()))
        return [*found, tags_of(run())]

    with upshot.tags("outside"):
        found = around()
    both = {"own", "outside"}
    assert found == [both, both | {"inside"}, both]


@pytest.mark.parametrize("how", ["call", "_run"])
def test_flow_runs_have_the_tags_of_the_block_that_they_were_created_in(how: str) -> None:
    @upshot.flow
    def around() -> set[str]:
        with upshot.tags("later"):
            return set(upshot.runtime.flow_run.tags)

    with upshot.tags("a"):
        assert (around() if how == "call" else around._run().result()) == {"a"}
    assert around() == set()
