"""When a failed run is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from upshot._options.checks import LONGEST_DELAY
from upshot.exceptions import InvalidOption, InvalidOptionValue

MOST_DELAYS = 50


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Delays that double from one retry to the next, for `retry_delay_seconds`.

    Args:
        backoff_factor: seconds before the first retry.

    Raises:
        InvalidOption: if it is no number of 0 or more.

    Example:
        >>> exponential_backoff(10)(4)
        [10, 20, 40, 80]
    """
    if not _is_number(backoff_factor) or not 0 <= backoff_factor <= LONGEST_DELAY:
        problem = f"must be seconds, 0 or more; got {backoff_factor!r}"
        raise InvalidOption("backoff_factor", problem)

    def delays_of(retries: int) -> list[float]:
        return [backoff_factor * 2**number for number in range(min(retries, MOST_DELAYS))]

    return delays_of


def delays(value: Any, retries: Callable[[], int] | None = None) -> tuple[float, ...]:
    """Seconds before each retry, from one number, several, or a callable that gives them.

    Args:
        value: what was given.
        retries: how many there will be, for the callable; None if there can be no callable.

    Raises:
        InvalidOption: if it is none of these.
        InvalidOptionValue: if there are more than 50.
    """
    given = value
    if retries is not None and callable(value):
        given = value(retries())
        if isinstance(given, list | tuple):  # what grows with each retry may grow large
            given = [min(item, LONGEST_DELAY) if _is_number(item) else item for item in given]
    seconds = list(given) if isinstance(given, list | tuple) else [given]
    if len(seconds) > MOST_DELAYS:
        problem = f"Can not configure more than {MOST_DELAYS} retry delays per task."
        raise InvalidOptionValue("retry_delay_seconds", problem)
    for item in seconds if given is not None or given is not value else ():
        if not _is_number(item) or not 0 <= item <= LONGEST_DELAY:
            problem = (
                f"Invalid value {given!r}: must be seconds, 0 or more, a list of these, or a"
                " callable that gives one (retry_delay_seconds)"
            )
            raise InvalidOption("retry_delay_seconds", problem)
    return tuple(map(float, seconds)) if any(seconds) else ()


def jittered(delay: float, factor: float) -> float:
    """A delay by chance around `delay`: no shorter than `1 - factor` of it, no longer than `1 +`.

    So runs that failed together do not all come back together.
    """
    # of a generator of its own, for a program that seeds the shared one counts on its order
    return _chance.uniform(delay * max(0.0, 1 - factor), min(delay * (1 + factor), LONGEST_DELAY))


_chance = random.SystemRandom()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
