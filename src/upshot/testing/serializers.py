"""What every serializer must do, as tests."""

# ruff: noqa: D102  what a test wants is said by its name

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from upshot._blob import read_blob, write_blob
from upshot.exceptions import UnserializableValue
from upshot.filesystems import MemoryFileSystem
from upshot.serializers import Serializer


class SerializerContract:
    """Subclass it with three fixtures.

    `serializer` gives the serializer; `value`, best with `params`, each of the values that come
    back equal; `refused` a list that holds one value that it cannot take, or nothing if there is
    no such value.
    """

    def test_a_value_comes_back_equal(self, serializer: Serializer, value: Any) -> None:
        restored = serializer.loads(serializer.dumps(value))
        assert type(restored) is type(value)
        assert restored == value

    def test_it_comes_back_in_pieces_as_well(self, serializer: Serializer, value: Any) -> None:
        text = b"".join(_pieces(serializer, value))
        restored = [
            serializer.loads(text),
            serializer.load_from(io.BytesIO(text)),
            serializer.load_from(io.BytesIO(serializer.dumps(value))),
        ]
        assert restored == [value] * 3

    def test_its_text_is_utf_8(self, serializer: Serializer, value: Any) -> None:
        for text in (serializer.dumps(value), b"".join(_pieces(serializer, value))):
            assert isinstance(text, bytes)
            text.decode()

    def test_its_text_needs_no_escapes_if_it_says_so(
        self, serializer: Serializer, value: Any
    ) -> None:
        text = b"".join(_pieces(serializer, value)).decode()
        if serializer.escape_free:
            assert json.dumps(text) == f'"{text}"'

    def test_pieces_are_bytes_that_do_not_change(self, serializer: Serializer, value: Any) -> None:
        assert {type(piece) for piece in _pieces(serializer, value)} <= {bytes}

    def test_its_description_makes_an_equal_one(self, serializer: Serializer) -> None:
        description = json.loads(json.dumps(serializer.description()))
        assert description["type"] == serializer.type
        restored = Serializer.model_validate(description)
        assert type(restored) is type(serializer)
        assert restored == serializer

    def test_a_copy_of_it_reads_what_it_wrote(self, serializer: Serializer, value: Any) -> None:
        restored = Serializer.model_validate(serializer.description())
        assert restored.loads(serializer.dumps(value)) == value

    def test_a_blob_gives_the_value_back(self, serializer: Serializer, value: Any) -> None:
        storage = MemoryFileSystem(name="upshot.testing")
        written = write_blob(storage, "key", serializer, value, created=datetime.now(UTC))
        assert read_blob(storage, "key", digest=written.digest, size=written.size) == value

    def test_what_it_cannot_take_is_named(self, serializer: Serializer, refused: list[Any]) -> None:
        for value in refused:
            for dump in (serializer.dumps, lambda value: _pieces(serializer, value)):
                with pytest.raises(UnserializableValue) as caught:
                    dump({"fine": 1, "at fault": [0, value]})
                assert caught.value.path.startswith("value['at fault'][1]")


def _pieces(serializer: Serializer, value: Any) -> list[bytes]:
    pieces: list[bytes] = []
    serializer.dump_to(value, pieces.append)
    return pieces
