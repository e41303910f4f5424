"""The command line: `upshot`, for looking at what ran and at what was kept.

A command is one module and one row in the lazy table; `upshot --help` loads none of them.
"""

from upshot.cli._main import main

__all__ = ["main"]
