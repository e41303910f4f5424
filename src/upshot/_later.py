"""Modules of others that a program may never need: imported when a name of them is first asked for.

A sync program runs no loop, and most programs have no profile of settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upshot._registry import Later

if TYPE_CHECKING:
    import asyncio as asyncio
    import html as html
    import json as json
    import shlex as shlex
    import tomllib as tomllib
else:
    asyncio = Later("asyncio")
    html = Later("html")
    json = Later("json")
    shlex = Later("shlex")
    tomllib = Later("tomllib")
