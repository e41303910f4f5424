"""Columns of Arrow in pandas, which are pickled without the copy that pandas makes of them."""

from __future__ import annotations

import copyreg
import pickle
import sys
from collections import ChainMap
from typing import Any

_new: Any = vars(copyreg)["__newobj__"]
_TABLE: Any = vars(pickle.Pickler)["dispatch_table"]
_NAMES = ("ArrowExtensionArray", "ArrowStringArray")


def without_copies(pickler: Any) -> Any:
    """The pickler, told how to take such columns if a program has any."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and "pyarrow" in sys.modules:
        arrays = getattr(pandas, "arrays", None)
        columns = {getattr(arrays, name, None): _reduced for name in _NAMES}
        others = getattr(pickler, "dispatch_table", copyreg.dispatch_table)
        # a class may have one of its own, which hides where the pickler looks
        _TABLE.__set__(pickler, ChainMap(columns, others))
    return pickler


def _reduced(column: Any) -> Any:
    """What pandas gives for a column, with its chunks as they are where it would join them."""
    fields = vars(column)
    chunks = getattr(fields.get("_pa_array"), "chunks", None)
    if not chunks or not all(map(_is_whole, chunks)) or not hasattr(column, "__setstate__"):
        return column.__reduce_ex__(5)
    blank: dict[str, Any] = {"_cache": {}} if "_cache" in fields else {}
    return _new, (type(column),), {**fields, **blank, "_pa_array": chunks}


def _is_whole(chunk: Any) -> bool:
    # a pickle takes the whole buffers of a slice along
    return bool(chunk.get_total_buffer_size() <= 1.25 * chunk.nbytes + 1024)
