"""A value as the bytes of a file."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from upshot import _registry
from upshot.cli._errors import Exit, Refusal


def as_bytes(value: Any) -> tuple[bytes, str]:
    """The bytes of a value, and what they are: `bytes`, `text` or `json`.

    Raises:
        Refusal: if the value is neither, nor made of what JSON has.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value), "bytes"
    try:
        if type(value) is str:
            return value.encode(), "text"
        if _is_json(value):
            return f"{json.dumps(value, ensure_ascii=False, indent=2)}\n".encode(), "json"
    except (RecursionError, UnicodeEncodeError, ValueError):
        pass
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise Refusal(
        f"the value is a {kind} that is neither bytes, nor text, nor what JSON can hold:"
        " --pickle writes it as a pickle, --raw the blob as it is stored",
        Exit.UNREADABLE,
    )


def as_pickle(value: Any) -> bytes:
    """The pickle of any value."""
    serializer = _registry.load("serializer", "pickle")()
    return base64.b64decode(serializer.dumps(value))


def _is_json(value: Any) -> bool:
    """Whether JSON gives exactly this value back; a tuple would become a list."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if type(part) is list:
            waiting += part
        elif type(part) is dict:
            waiting += (*part, *part.values())
            if not all(type(key) is str for key in part):
                return False
        elif type(part) is float:
            if not math.isfinite(part):
                return False
        elif type(part) not in (str, int, bool, type(None)):
            return False
    return True


def runs_code(serializer: Any) -> bool:
    """Whether reading what this serializer wrote runs code; it is told by its description."""
    if not isinstance(serializer, dict):
        return False
    return "pickle" in str(serializer.get("type")) or runs_code(serializer.get("serializer"))
