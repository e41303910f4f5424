"""Every flip and every truncation of a blob gives its value or one error, and runs nothing."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.blobs import SERIALIZERS, VALUES, OneBlob, blob_of
from upshot._blob import describe_blob, read_blob
from upshot.exceptions import UnreadableResult

MASKS = (0x01, 0x02, 0x20, 0x80, 0xFF)


class Watch:
    """What the interpreter is told to do that a value could make it do."""

    def __init__(self) -> None:
        self.events: set[str] = set()
        self.on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self.on:
            # what an object's own methods are called with differs each time
            said = args[:2] if event in {"import", "pickle.find_class", "open"} else ()
            self.events.add(f"{event} {said}")

    def during(self, work: Any) -> tuple[Any, set[str]]:
        self.events, self.on = set(), True
        try:
            return work(), self.events
        finally:
            self.on = False


@pytest.fixture(scope="session")
def watch() -> Watch:
    # a hook cannot be taken away again
    return Watch()


def damaged(content: bytes) -> Iterator[bytes]:
    for place in range(len(content)):
        yield content[:place]
        for mask in MASKS:
            yield content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]
    for rest in (b"\0", b"\n{}", b"}", content):
        yield content + rest
    yield content[1:]
    yield b"\0" * len(content)


def outcome(content: bytes) -> Any:
    try:
        return [read_blob(OneBlob(content=content), "the key")]
    except UnreadableResult as error:
        return error


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_damaged_blob_gives_its_value_or_one_error(
    serializer: str, value: str, watch: Watch
) -> None:
    content = blob_of(SERIALIZERS[serializer], VALUES[value])
    intact, allowed = watch.during(lambda: outcome(content))
    assert intact == [VALUES[value]]
    if (serializer, value) == ("pickle", "object"):
        assert any(event.startswith("pickle.find_class") for event in allowed)
    read = 0
    for changed in damaged(content):
        found, events = watch.during(lambda changed=changed: outcome(changed))
        assert events <= allowed
        if isinstance(found, UnreadableResult):
            assert "OneBlob" in str(found)
            assert "'the key'" in str(found)
            assert found.reason
        else:
            read += 1
            assert repr(found) == repr(intact)
    # only what says when and by which version it was written may change unnoticed
    assert read < 60 * len(MASKS)


def test_a_large_blob_is_verified_before_it_is_looked_at(watch: Watch) -> None:
    content = blob_of(SERIALIZERS["pickle"], [VALUES["object"], bytes(200_000)])
    intact, allowed = watch.during(lambda: outcome(content))
    assert intact == [[VALUES["object"], bytes(200_000)]]
    for place in (0, 20, 60, 100, 1000, 65_536, 65_537, len(content) // 2, len(content) - 150):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        for text in (changed, content[:place]):
            found, events = watch.during(lambda text=text: outcome(text))
            assert isinstance(found, UnreadableResult)
            assert not any("pickle" in event for event in events - allowed)
            assert not any("pickle.find_class" in event for event in events)


def test_describing_a_blob_runs_nothing_whatever_it_holds(watch: Watch) -> None:
    content = blob_of(SERIALIZERS["pickle"], VALUES["object"])
    unknown = content.replace(b'"type":"pickle"', b'"type":"no such"')
    described, events = watch.during(lambda: describe_blob(OneBlob(content=unknown), "key"))
    assert described.serializer["type"] == "no such"
    assert not events
