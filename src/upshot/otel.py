"""OpenTelemetry: spans of flow and task runs, and what is counted of them.

Needs `pip install upshot[otel]`, and an SDK that exports what is told here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from uuid import UUID

try:
    from opentelemetry import context, metrics, trace
except ImportError as error:
    raise ImportError("upshot.otel needs OpenTelemetry: pip install upshot[otel]") from error

from upshot._version import __version__
from upshot.events import (
    BlobRead,
    BlobWritten,
    CacheHit,
    CacheMiss,
    Committed,
    Event,
    RunFacts,
    StateEntered,
    subscribe,
)
from upshot.logging._around import surroundings
from upshot.records import Run

_FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED"})
_BAD = frozenset({"FAILED", "CRASHED", "CANCELLED"})


def instrument(
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> Instrumentation:
    """Make a span of each flow run and task run in this process, and count, until it is closed.

    A run's span is current while its function is called: it is the parent of the spans that are
    made there, those of nested runs included. The outermost one is a child of the span that is
    current where the flow is called. Attempts and other states are events of the span.

    Args:
        tracer_provider: gives the tracer; by default the global one.
        meter_provider: gives the meter; by default the global one.
    """
    return Instrumentation(tracer_provider, meter_provider)


class Instrumentation:
    """That runs are told to OpenTelemetry, until this is closed; also as a context manager."""

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None,
        meter_provider: metrics.MeterProvider | None,
    ) -> None:
        self._tracer = trace.get_tracer("upshot", __version__, tracer_provider)
        self._spans: dict[UUID, tuple[trace.Span, StateEntered]] = {}
        meter = metrics.get_meter("upshot", __version__, meter_provider)
        self._runs = meter.create_counter("upshot.runs", "{run}", "runs that have ended")
        self._durations = meter.create_histogram("upshot.run.duration", "s", "from call to end")
        self._lookups = meter.create_counter("upshot.cache.lookups", "{lookup}", "of cache keys")
        self._bytes_written = meter.create_counter("upshot.blob.written", "By", "to storages")
        self._bytes_read = meter.create_counter("upshot.blob.read", "By", "from storages")
        self._rows = meter.create_counter("upshot.commit.rows", "{row}", "in the run store")
        self._commits = meter.create_histogram("upshot.commit.duration", "s", "waits for commits")
        self._subscription = subscribe(self._heard)
        surroundings.append(self._current)

    def close(self) -> None:
        """Tell nothing more; spans of runs that go on are ended."""
        self._subscription.close()
        if self._current in surroundings:
            surroundings.remove(self._current)
        for id in list(self._spans):
            self._end(id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @contextmanager
    def _current(self, run: Run) -> Iterator[None]:
        span, _ = self._spans.get(run.id, (None, None))
        if span is None:
            yield
            return
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield
        finally:
            context.detach(token)

    def _heard(self, event: Event) -> None:
        match event:
            case StateEntered():
                self._state(event)
            case CacheHit():
                self._looked_up(event.run, "hit")
            case CacheMiss():
                self._looked_up(event.run, "miss")
            case BlobWritten():
                self._bytes_written.add(event.size)
            case BlobRead():
                self._bytes_read.add(event.size)
            case Committed():
                self._rows.add(event.rows)
                self._commits.record(event.seconds)

    def _looked_up(self, run: RunFacts, result: str) -> None:
        self._lookups.add(1, {"upshot.cache": result, "upshot.name": run.of})
        if run.id in self._spans:
            self._spans[run.id][0].set_attribute("upshot.cache", result)

    def _state(self, event: StateEntered) -> None:
        run = event.run
        ends = event.type in _FINAL or event.name == "NotReady"
        if run.id not in self._spans:
            if not ends:
                self._spans[run.id] = self._begin(event), event
            return
        span, began = self._spans[run.id]
        span.add_event(event.name, timestamp=_nanoseconds(event.at))
        if not ends:
            return
        for id, (_, child) in list(self._spans.items()):
            if child.run.flow_run_id == run.id:  # its function returned a state as if it went on
                self._end(id, event.at)
        span.update_name(_title(run))
        span.set_attributes(_facts(event))
        if event.type in _BAD:
            span.set_status(trace.StatusCode.ERROR, event.name)
        self._end(run.id, event.at)
        counted = {"upshot.kind": run.kind, "upshot.name": run.of, "upshot.state.type": event.type}
        self._runs.add(1, counted)
        self._durations.record(max(0.0, event.at - began.at), counted)

    def _begin(self, event: StateEntered) -> trace.Span:
        around = event.run.flow_run_id
        parent, _ = self._spans.get(around, (None, None)) if around else (None, None)
        if parent is not None and _trace(parent) == _trace(trace.get_current_span()):
            parent = None  # the current one is below it, and nearer
        return self._tracer.start_span(
            _title(event.run),
            None if parent is None else trace.set_span_in_context(parent),
            attributes=_facts(event),
            start_time=_nanoseconds(event.at),
        )

    def _end(self, id: UUID, at: float | None) -> None:
        span, _ = self._spans.pop(id, (None, None))
        if span is not None:
            span.end(None if at is None else _nanoseconds(at))


def _trace(span: trace.Span) -> int:
    return span.get_span_context().trace_id


def _title(run: RunFacts) -> str:
    return f"{run.kind.removesuffix(' run')} {run.of}"


def _facts(event: StateEntered) -> dict[str, Any]:
    run = event.run
    return {
        "upshot.kind": run.kind,
        "upshot.name": run.of,
        "upshot.run.id": str(run.id),
        "upshot.run.name": run.name,
        "upshot.run.attempts": run.attempts,
        "upshot.run.tags": run.tags,
        "upshot.state.type": str(event.type),
        "upshot.state.name": event.name,
    }


def _nanoseconds(at: float) -> int:
    return int(at * 1_000_000_000)


__all__ = ["Instrumentation", "instrument"]
