"""What a run does that an earlier attempt of its flow has completed: it gives its result."""

from __future__ import annotations

import logging

from upshot._engine.attempts import concluded_by, settle
from upshot._engine.call import Call, Ports
from upshot._engine.effects import Io, Steps
from upshot._engine.endings import Conclusion, Ended
from upshot.exceptions import MissingResult, StorageError
from upshot.records import StateType

_log = logging.getLogger("upshot.flows")


def reuse(call: Call, ports: Ports) -> Steps[Ended | None]:
    """The end to which an earlier attempt brought this call; None if its result is gone.

    The result is read here, for one that turned out to be damaged later could not be made again.
    """
    completed = call.place and call.place.completed()
    if not completed:
        return None
    run, document, expires = completed
    try:
        value = yield Io(document.fetch)
    except MissingResult as problem:
        _log.warning("%r has completed, but its result is gone, so it runs: %s", run.name, problem)
        return None
    except StorageError as error:  # it refuses: nobody knows whether the result is there
        return (yield from settle(call, concluded_by(error, call.run), ports))
    if run.state_type is not StateType.COMPLETED:
        again = Conclusion(StateType.COMPLETED, "Completed", None, document)
        return (yield from settle(call, again, ports))
    number = len(run.states) - 1
    end = Ended(run, document, value if call.wants_value else None, expires, number)
    if call.on_end is not None:
        call.on_end(end)
    return end
