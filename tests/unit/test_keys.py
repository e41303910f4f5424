"""Templates of storage keys: what they may ask for, and that they give away nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upshot._keys import Runtime, check_template, format_key
from upshot.exceptions import InvalidOption
from upshot.records import FlowRun, TaskRun

FLOW_RUN = FlowRun(
    uid=b"f" * 16, name="brave-fox", flow_name="my-flow", flow_version="v1", run_count=2
)
TASK_RUN = TaskRun(
    uid=b"t" * 16, name="t-0", task_name="t", task_key="t-123", call_index=4, flow_run=FLOW_RUN
)
RUNTIME = Runtime({"x": 1, "y": "a/b", "self": object()}, FLOW_RUN, TASK_RUN)

PIECES = """
{ } {{ }} [ ] . : ! !r !x :>9 {} 0 _x __class__ __init__ __globals__ ü \0 \ud800
parameters parameters[x] {parameters[x]} {parameters[_x]} {parameters[x].__class__}
flow_run.name flow_run.uid flow_run.__class__ {flow_run.name} task_run {task_run.id!s:.8}
"""
pieces = st.sampled_from([*PIECES.split(), " "])
templates = st.lists(pieces, max_size=6).map("".join) | st.text(max_size=20)


class Secretive:
    """Names that begin with an underscore, and what must not be seen of them."""

    _x = "SECRET"

    def __getattr__(self, name: str) -> str:
        return "SECRET"

    def __getitem__(self, name: str) -> str:
        return "SECRET"

    def __format__(self, spec: str) -> str:
        return "plain"

    __str__ = __repr__ = lambda self: "plain"


def is_accepted(template: str, *parameters: str) -> bool:
    try:
        check_template(template, parameters or None)
    except InvalidOption:
        return False
    return True


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("plain", "plain"),
        ("a/{{b}}", "a/{b}"),
        ("{parameters[x]}", "1"),
        ("{parameters[x]:03}-{parameters[y]!r}", "001-'a/b'"),
        ("{parameters[y]:{parameters[x]}}", "a/b"),
        ("{flow_run.flow_name}__bar", "my-flow__bar"),
        ("{flow_run.flow_version}/{flow_run.name}.{flow_run.run_count}", "v1/brave-fox.2"),
        ("{task_run.task_name}/{task_run.call_index}", "t/4"),
        ("{flow_run.id}/{task_run.id}", f"{FLOW_RUN.id}/{TASK_RUN.id}"),
    ],
)
def test_a_template_is_filled_from_the_run(template: str, key: str) -> None:
    check_template(template, ["x", "y"])
    assert format_key(template, RUNTIME) == key


@given(templates)
@example("{" * 500)
@example("{parameters[x]:" * 300 + "}" * 300)
@example("{parameters[x]!}")
def test_a_template_is_accepted_or_an_invalid_option(template: str) -> None:
    for parameters in (None, [], ["x"]):
        try:
            check_template(template, parameters)
        except InvalidOption:
            continue
        assert template


@given(templates)
@example("{parameters[x]!r:{parameters[x]._x}}")
@example("{flow_run.name:{parameters[x].__class__}}")
@example("{parameters[x][_x]}")
@example("{parameters[x._x]}")
def test_no_template_shows_more_than_the_values_themselves(template: str) -> None:
    hidden = FlowRun(name=Secretive(), flow_name="f")  # type: ignore[arg-type]
    values = {"x": Secretive(), "_x": "own", "__class__": "own"}
    try:
        key = format_key(template, Runtime(values, hidden, None))
    except InvalidOption:
        return
    assert isinstance(key, str)
    assert "SECRET" not in key
    assert "<" not in key or "<" in template


@given(templates)
def test_what_is_accepted_can_be_filled_in_a_run(template: str) -> None:
    if is_accepted(template, "x") and ":" not in template:
        assert isinstance(format_key(template, RUNTIME), str)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", "is empty; leave it out"),
        ("{", "'{': "),
        ("{}", "{} is unknown"),
        ("{0}", "{0} is unknown"),
        ("{flow_run}", "{flow_run} is unknown: did you mean 'flow_run."),
        ("{flow_run.nam}", "{flow_run.nam} is unknown: did you mean 'name'?"),
        ("{flow_run.uid}", "is unknown: did you mean 'id'?"),
        ("{flow_run.parameter}", "is unknown: did you mean 'parameters'?"),
        ("{flow_run.name[0]}", "is unknown"),
        ("{task_run.flow_run.name}", "is unknown"),
        ("{flow_run.__class__}", "is unknown"),
        ("{parameters}", "is unknown: did you mean 'parameters[x]'?"),
        ("{parameters[x].real}", "is unknown"),
        ("{parameters[z]}", "{parameters[z]} is unknown: known are: x, y"),
        ("{parameters[yy]}", "did you mean 'y'?"),
        ("{parameters[x][0]}", "is unknown"),
        ("{parameters[x]!z}", "`!z` is unknown: it can be !a, !r or !s"),
        ("{parameters[x]:{nope}}", "{nope} is unknown"),
        ("{parameters[x]:{parameters[y]:{parameters[x]}}}", "is nested too deep"),
    ],
)
def test_a_template_that_no_run_could_fill_is_refused(template: str, said: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        check_template(template, ["x", "y"])
    assert said in str(caught.value)
    assert str(caught.value).startswith("'result_storage_key': ")


def test_without_the_signature_any_parameter_may_be_there() -> None:
    check_template("{parameters[anything at all]}")


class Stubborn:
    def __str__(self) -> str:
        raise ZeroDivisionError("no text for you")


@pytest.mark.parametrize(
    ("template", "runtime", "said"),
    [
        ("{parameters[z]}", RUNTIME, "the function has no parameter 'z'"),
        ("{parameters[x]}", Runtime({"x": Stubborn()}), "no text for you"),
        ("{parameters[x]:>9}", Runtime({"x": [1]}), "unsupported format string"),
        ("{parameters[x]:zz}", RUNTIME, "cannot be filled"),
        ("{flow_run.name}", Runtime({}), "no such run is going on here"),
        ("{task_run.id}", Runtime({}, FLOW_RUN), "no such run is going on here"),
    ],
)
def test_a_template_that_this_run_cannot_fill_is_named(
    template: str, runtime: Runtime, said: str
) -> None:
    with pytest.raises(InvalidOption) as caught:
        format_key(template, runtime)
    assert f"{template!r} cannot be filled: " in str(caught.value)
    assert said in str(caught.value)


def test_values_are_made_text_as_they_are() -> None:
    # a storage refuses what leaves its root; a template in a value stays what it is
    value = "../../{flow_run.id}"
    assert format_key("{parameters[x]}", Runtime({"x": value})) == value
