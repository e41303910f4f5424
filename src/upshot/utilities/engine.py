"""What programs may ask of the engine."""

from __future__ import annotations

from typing import Any

from upshot import _registry


def get_state_for_result(obj: Any) -> Any:
    """The state of the run that returned this very object, or a collection that it is an item of.

    Known are the results of the runs that the present flow run has made, as long as their states
    hold them in memory. Of `None`, bools and small ints there is only one each, so that nobody
    knows where they come from.

    Returns:
        A `State`; None if no such run is known.
    """
    return _registry.load("room", "state for result")(obj)
