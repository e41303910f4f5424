"""How a command ends: its exit codes, and the line that says what went wrong."""

from __future__ import annotations

from enum import IntEnum

from upshot.exceptions import (
    BlobMissing,
    MissingResult,
    RunStoreError,
    StorageError,
    UnreadableBlock,
    UnusableKey,
    UpshotError,
)


class Exit(IntEnum):
    """The exit codes; `docs/cli.md` and `upshot --help` say the same."""

    DONE = 0
    NOT_FOUND = 1
    USAGE = 2
    UNAVAILABLE = 3
    UNREADABLE = 4
    BUG = 70  # EX_SOFTWARE of sysexits.h


class Refusal(Exception):
    """A command cannot do what was asked.

    Args:
        message: what is wrong and what to do, for people.
        code: what the program ends with.
    """

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message, code)
        self.message, self.code = message, code

    def __str__(self) -> str:
        return self.message


def code_of(error: UpshotError) -> Exit:
    """What the program ends with when an error of ours ends a command."""
    if isinstance(error, BlobMissing):
        return Exit.NOT_FOUND
    if isinstance(error, MissingResult):
        return Exit.UNREADABLE
    if isinstance(error, RunStoreError | StorageError | UnreadableBlock | UnusableKey):
        return Exit.UNAVAILABLE
    return Exit.USAGE


def one_line(text: str) -> str:
    """`text` without line breaks."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
