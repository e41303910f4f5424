"""Runs as OpenTelemetry's own SDK has them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from upshot import events, flow, task
from upshot.otel import instrument
from upshot.runstore import open_store
from upshot.states import Paused
from upshot.task_runners import ConcurrentTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


class Exported:
    """What an SDK has been told."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._metrics = InMemoryMetricReader()
        self.meters = MeterProvider([self._metrics], shutdown_on_exit=False)

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._spans.get_finished_spans()}

    def all_spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        data: Any = self._metrics.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        return [p for metric in metrics if metric.name == name for p in metric.data.data_points]


@pytest.fixture
def exported() -> Iterator[Exported]:
    found = Exported()
    with instrument(found.tracers, found.meters):
        yield found
    found.tracers.shutdown()
    found.meters.shutdown()


@task
def double(x: int) -> int:
    return 2 * x


@task
def fails() -> None:
    raise ValueError("my password")


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def test_spans_of_runs_are_children_of_those_around_them(exported: Exported) -> None:
    @flow(name="sub")
    def sub() -> int:
        return double(1)

    @flow(name="around", flow_run_name="today")
    def around() -> int:
        return sub()

    state = around(return_state=True)
    spans = exported.spans()
    assert set(spans) == {"flow around", "flow sub", "task double"}
    outer, inner, leaf = (spans[name] for name in ("flow around", "flow sub", "task double"))
    assert parent_of(outer) is None
    assert (parent_of(inner), parent_of(leaf)) == (id_of(outer), id_of(inner))
    assert len({span.context.trace_id for span in spans.values() if span.context}) == 1
    said = dict(outer.attributes or {})
    assert said["upshot.run.id"] == str(state.state_details.flow_run_id)
    assert (said["upshot.run.name"], said["upshot.state.name"]) == ("today", "Completed")
    assert outer.status.status_code is StatusCode.UNSET
    assert outer.start_time is not None
    assert outer.end_time is not None
    assert outer.end_time / 1e9 == pytest.approx(state.timestamp.timestamp())
    assert outer.end_time > outer.start_time


def test_the_outermost_span_is_a_child_of_the_current_one(exported: Exported) -> None:
    tracer = exported.tracers.get_tracer("program")
    with tracer.start_as_current_span("program"):
        flow(name="around")(lambda: double(1))()
        asyncio.run(flow(name="async")(task(_one))())
    spans = exported.spans()
    program = id_of(spans["program"])
    assert parent_of(spans["flow around"]) == parent_of(spans["flow async"]) == program


async def _one() -> int:
    return 1


def test_submitted_runs_have_spans_of_their_own(exported: Exported) -> None:
    @flow(name="around", task_runner=ConcurrentTaskRunner())
    def around() -> None:
        double.map(range(3))

    around()
    around_id = id_of(exported.spans()["flow around"])
    tasks = [span for span in exported.all_spans() if span.name == "task double"]
    assert [parent_of(span) for span in tasks] == [around_id] * 3


def test_a_failure_is_an_error_that_tells_no_secret(exported: Exported) -> None:
    fails.with_options(retries=1)(return_state=True)
    span = exported.spans()["task fails"]
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == [
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Failed",
    ]
    assert (span.attributes or {})["upshot.run.attempts"] == 2
    assert "password" not in span.to_json()


def test_no_span_is_left_open(exported: Exported) -> None:
    @task
    def pauses() -> Any:
        return Paused()

    @flow(name="around", task_runner=ConcurrentTaskRunner())
    def around() -> int:
        first = fails.submit()
        double.submit(1, wait_for=[first])  # not ready
        pauses(return_state=True)
        return 1

    around()
    names = [span.name for span in exported.all_spans()]
    assert sorted(names) == ["flow around", "task double", "task fails", "task pauses"]


def test_runs_and_lookups_and_bytes_and_rows_are_counted(exported: Exported) -> None:
    cached = task(name="cached", cache_key_fn=lambda *_: "key")(lambda: [1])
    cached()
    document = cached(return_state=True).data
    fails(return_state=True)
    open_store().flush()
    runs = {
        (point.attributes["upshot.name"], point.attributes["upshot.state.type"]): point.value
        for point in exported.points("upshot.runs")
    }
    assert runs == {("cached", "COMPLETED"): 2, ("fails", "FAILED"): 1}
    lookups = {
        p.attributes["upshot.cache"]: p.value for p in exported.points("upshot.cache.lookups")
    }
    assert lookups == {"miss": 1, "hit": 1}
    [written] = exported.points("upshot.blob.written")
    assert written.value == document.size  # type: ignore[union-attr]
    [rows] = exported.points("upshot.commit.rows")
    assert rows.value >= 3
    assert sum(point.count for point in exported.points("upshot.run.duration")) == 3


def test_nothing_is_told_after_it_was_closed() -> None:
    found = Exported()
    told = instrument(found.tracers, found.meters)
    double(1)
    told.close()
    double(1)
    assert len(found.all_spans()) == 1
    assert events.listeners == []


def test_spans_of_runs_that_go_on_are_ended_when_it_is_closed() -> None:
    found = Exported()
    told = instrument(found.tracers, found.meters)
    flow(name="around")(told.close)()
    assert [span.name for span in found.all_spans()] == ["flow around"]


def test_the_span_of_a_run_is_current_in_its_function(exported: Exported) -> None:
    tracer = exported.tracers.get_tracer("library")

    def requests() -> int:
        with tracer.start_as_current_span("request"):
            return 1

    @task(name="inner")
    async def inner() -> int:
        return requests()

    @task(name="nests", task_run_name="sync")
    def nests() -> int:
        with tracer.start_as_current_span("block"):
            return double(1)

    @flow(name="around", task_runner=ConcurrentTaskRunner())
    async def around() -> None:
        nests()
        await inner()

    asyncio.run(around())
    spans = exported.spans()
    parents = {
        "request": "task inner",
        "task inner": "flow around",
        "task double": "block",
        "block": "task nests",
        "task nests": "flow around",
    }
    for name, parent in parents.items():
        assert parent_of(spans[name]) == id_of(spans[parent])


def test_the_span_of_a_submitted_run_is_current_in_its_thread(exported: Exported) -> None:
    tracer = exported.tracers.get_tracer("library")

    @task(name="inner")
    def inner(x: int) -> None:
        tracer.start_span(f"request {x}").end()

    @flow(name="around", task_runner=ConcurrentTaskRunner())
    def around() -> None:
        inner.map(range(3))

    around()
    runs = {id_of(span) for span in exported.all_spans() if span.name == "task inner"}
    requests = [span for span in exported.all_spans() if span.name.startswith("request")]
    assert {parent_of(span) for span in requests} == runs
    assert len(runs) == 3
    assert not trace.get_current_span().get_span_context().is_valid


def test_the_traceback_of_an_error_shows_no_frame_of_a_library(exported: Exported) -> None:
    with pytest.raises(ValueError, match="my password") as caught:
        fails()
    here = [frame.name for frame in caught.traceback]
    assert here[0] == "test_the_traceback_of_an_error_shows_no_frame_of_a_library"
    assert here[-1] == "fails"
    assert len(here) == 3
