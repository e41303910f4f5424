"""What a run does before it starts: wait for the runs whose results it takes."""

from __future__ import annotations

from collections.abc import Sequence

from upshot._concurrency.waiting import Completion
from upshot._engine.attempts import concluded_by, record, settle
from upshot._engine.call import Call, Ports
from upshot._engine.effects import Io, Steps, Wait
from upshot._engine.endings import Ended, not_ready
from upshot.exceptions import RunStoreError


def await_upstreams(
    call: Call, upstreams: Sequence[Completion], ports: Ports
) -> Steps[Ended | None]:
    """Wait for the runs before this one; the end of it, if it cannot start."""
    if record(call.run, ports):
        yield Io(ports.store.flush)
    try:
        if upstreams:
            yield Wait(upstreams)
        obstacle = call.obstacle()
        if obstacle is None:
            yield Io(call.resolve)
            return None
    except (GeneratorExit, RunStoreError):
        raise
    except BaseException as error:
        return (yield from settle(call, concluded_by(error, call.run), ports))
    return (yield from settle(call, not_ready(obstacle), ports))
