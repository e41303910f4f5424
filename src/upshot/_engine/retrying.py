"""Whether a failed run is tried again, if the user has a say in it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from upshot._engine.effects import Invoke, Outcome, Steps
from upshot.records import Run

_log = logging.getLogger("upshot.engine")


def may_retry(ask: Callable[[], Any], awaits: bool, run: Run) -> Steps[bool]:
    """Ask the user's function; one that raises has not said yes.

    Raises:
        BaseException: what interrupted it.
    """
    outcome: Outcome = yield Invoke(ask, bool, awaits, False)
    if outcome.error is None:
        return bool(outcome.kept)
    if not isinstance(outcome.error, Exception):
        raise outcome.error
    _log.error(
        "retry_condition_fn of %s %r raised, so it is not tried again",
        run.kind,
        run.name,
        exc_info=outcome.error,
    )
    return False
