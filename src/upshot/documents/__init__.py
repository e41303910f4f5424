"""The documents: what a run's result looks like from outside.

They are nouns: they hold facts and turn into JSON and back. The value that a result may carry in
memory belongs to none of that: not to its equality, hash, repr, copies or pickle.
"""

from upshot.documents.base import DROPPED, BaseResult, Mapped, Reader
from upshot.documents.failure import Failure, describe, revive
from upshot.documents.kinds import (
    LITERALS,
    LiteralResult,
    PersistedResult,
    ResultDocument,
    UnknownResult,
    UnpersistedResult,
)
from upshot.documents.text import of_text, to_text

__all__ = [
    "DROPPED",
    "LITERALS",
    "BaseResult",
    "Failure",
    "LiteralResult",
    "Mapped",
    "PersistedResult",
    "Reader",
    "ResultDocument",
    "UnknownResult",
    "UnpersistedResult",
    "describe",
    "of_text",
    "revive",
    "to_text",
]
