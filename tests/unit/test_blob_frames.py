"""Raw frames: what a blob of them holds, who reads it, and what is said when it is damaged."""

import asyncio
import io
import json
import mmap
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
import pandas as pd
import pytest
import xxhash

from tests.unit.blobs import CREATED, OneBlob, put, storage
from upshot import flow, task
from upshot._blob import describe_blob, frames, read_blob, read_whole
from upshot.documents import PersistedResult
from upshot.exceptions import (
    BlobReplaced,
    InvalidOptionValue,
    UnreadableResult,
    UnserializableValue,
)
from upshot.filesystems import FileSystem, LocalFileSystem, RemoteFileSystem
from upshot.serializers import CompressedSerializer, FramedPickleSerializer, Serializer, framed

FRAMED = FramedPickleSerializer()
ARRAY = np.arange(30_000.0)


class Loud:
    """Says when it is made of a pickle."""

    made = 0

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return Loud._make, (self.value,)

    @classmethod
    def _make(cls, value: Any) -> "Loud":
        cls.made += 1
        return cls(value)


@pytest.fixture
def local(tmp_path: Path) -> LocalFileSystem:
    return LocalFileSystem(basepath=tmp_path)


@pytest.fixture
def all_framed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed, "LEAST", 1)


@pytest.fixture(params=["local", "memory", "remote"])
def place(request: pytest.FixtureRequest, local: LocalFileSystem) -> Iterator[FileSystem]:
    if request.param == "remote":
        remote = RemoteFileSystem(basepath="memory://frames/folder")
        yield remote
        remote.filesystem.store.clear()
    else:
        yield local if request.param == "local" else storage("frames")


@pytest.mark.parametrize("mapping", [False, True, "verified"])
@pytest.mark.parametrize(
    "value",
    [
        1,
        {"text": "größe", "none": None},
        bytes(range(256)) * 1_000,
        bytearray(100_000),
        ARRAY,
        np.arange(2_000_000.0),
        np.asfortranarray(np.arange(40_000.0).reshape(200, 200)),
        np.arange(90_000.0).reshape(300, 300)[::2, ::3],
        [ARRAY, {"twice": ARRAY}, b"x" * 70_000, np.arange(3)],
        pd.DataFrame({"a": np.arange(20_000), "b": 1.5, "c": ["x"] * 20_000}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back(place: FileSystem, value: Any, mapping: Any) -> None:
    written = put(place, FRAMED, value)
    restored = read_blob(place, "key", digest=written.digest, size=written.size, mmap=mapping)
    assert type(restored) is type(value)
    if isinstance(value, pd.DataFrame):
        assert restored.equals(value)
    elif isinstance(value, list):
        assert all(map(np.array_equal, restored[:1] + restored[3:], value[:1] + value[3:]))
        assert restored[1]["twice"] is restored[0]
    else:
        assert np.array_equal(restored, value)


def test_an_array_that_is_read_can_be_written_to_and_one_that_could_not_still_cannot(
    place: FileSystem,
) -> None:
    fixed = ARRAY.copy()
    fixed.flags.writeable = False
    for mapping in (False, True):
        put(place, FRAMED, [ARRAY, fixed])
        free, bound = read_blob(place, "key", mmap=mapping)
        free[0] = 5
        assert not bound.flags.writeable
        assert read_blob(place, "key")[0][0] == 0


def test_the_file_is_two_lines_of_json_around_aligned_frames(local: LocalFileSystem) -> None:
    written = put(local, FRAMED, {"array": ARRAY, "other": ARRAY + 1})
    content = local.read_path("key")
    first, last = content[: content.index(b"\n") + 1], content[content.rindex(b"\n") + 1 :]
    assert json.loads(first) == {"layout": "frames", "serializer": FRAMED.description()}
    described = json.loads(last)
    assert list(described) == ["frames", "upshot_version", "created", "digest"]
    for frame in described["frames"]:
        assert frame["offset"] % 64 == 0
        raw = content[frame["offset"] :][: frame["size"]]
        assert frame["digest"] == f"xxh3-128:{xxhash.xxh3_128_hexdigest(raw)}"
    pickled, *buffers = [content[f["offset"] :][: f["size"]] for f in described["frames"]]
    assert buffers == [ARRAY.tobytes(), (ARRAY + 1).tobytes()]
    assert np.array_equal(pickle.loads(pickled, buffers=buffers)["other"], ARRAY + 1)
    covered = first + last[: last.index(b'],"upshot_version"') + 1]
    assert described["digest"] == f"xxh3-128:{xxhash.xxh3_128_hexdigest(covered)}"
    assert (written.digest, written.size) == (described["digest"], len(content))


def test_it_is_described_without_a_look_at_the_pickle(place: FileSystem) -> None:
    written = put(place, FRAMED, Loud(ARRAY))
    before = Loud.made
    described = describe_blob(place, "key")
    assert described.serializer == FRAMED.description()
    assert (described.digest, described.size) == written[::-1]
    assert described.frames is not None
    assert described.frames[1:] == (ARRAY.nbytes,)
    assert Loud.made == before


def test_a_whole_document_of_it_has_all_frames_as_text(place: FileSystem) -> None:
    written = put(place, FRAMED, [ARRAY, "text"])
    document = read_whole(place, "key")
    assert document.digest == written.digest
    assert document.serializer == FRAMED
    restored = document.serializer.loads(document.data)
    assert np.array_equal(restored[0], ARRAY)
    assert restored[1] == "text"
    place.write("other", [document.to_bytes()])
    assert np.array_equal(read_blob(place, "other")[0], ARRAY)


def test_a_mapped_array_lies_in_the_file(local: LocalFileSystem) -> None:
    put(local, FRAMED, ARRAY)
    assert isinstance(_root_of(read_blob(local, "key", mmap=True)), mmap.mmap)
    assert not isinstance(_root_of(read_blob(local, "key")), mmap.mmap)
    put(storage("frames"), FRAMED, ARRAY)
    assert not isinstance(_root_of(read_blob(storage("frames"), "key", mmap=True)), mmap.mmap)


def test_a_mapped_array_stays_as_it_is_when_its_file_is_replaced(local: LocalFileSystem) -> None:
    put(local, FRAMED, ARRAY)
    mapped = read_blob(local, "key", mmap=True)
    put(local, FRAMED, ARRAY + 1)
    assert np.array_equal(mapped, ARRAY)


def _root_of(array: Any) -> Any:
    while isinstance(array, np.ndarray | memoryview):
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return array


@pytest.mark.usefixtures("all_framed")
def test_a_damaged_blob_gives_its_value_or_one_error() -> None:
    value = Loud([np.arange(5.0), np.arange(3)])
    put(storage("frames"), FRAMED, value)
    content = storage("frames").read_path("key")
    read = 0
    for place in range(len(content)):
        changed = [content[:place]]
        changed += [_flipped(content, place, mask) for mask in (0x01, 0x20, 0xFF)]
        for damaged in changed:
            before = Loud.made
            try:
                restored = read_blob(OneBlob(content=damaged), "the key")
            except UnreadableResult:
                assert Loud.made == before
            else:
                read += 1
                assert np.array_equal(restored.value[0], value.value[0])
                assert np.array_equal(restored.value[1], value.value[1])
    # zeros between the frames, and what says when and by which version it was written
    assert read < 3 * (2 * 64 + 60)


@pytest.mark.parametrize("rest", [b"\0", b"\n{}", b"}"])
def test_more_than_the_blob_is_refused(rest: bytes) -> None:
    put(storage("frames"), FRAMED, ARRAY)
    content = storage("frames").read_path("key")
    with pytest.raises(UnreadableResult):
        read_blob(OneBlob(content=content + rest), "key")


def test_a_file_that_was_cut_off_is_said_to_be(local: LocalFileSystem) -> None:
    put(local, FRAMED, ARRAY)
    content = local.read_path("key")
    for size in (0, 10, 63, 64, 1_000, len(content) // 2, len(content) - 1):
        local.write("key", [content[:size]])
        for read in (read_blob, describe_blob, read_whole):
            with pytest.raises(UnreadableResult, match=r"cut off|something else|JSON") as caught:
                read(local, "key")
            assert "'key'" in str(caught.value)


def test_a_mapped_frame_is_verified_on_request(local: LocalFileSystem) -> None:
    put(local, FRAMED, ARRAY)
    content = local.read_path("key")
    place = content.index(ARRAY.tobytes()) + 1_000
    local.write("key", [_flipped(content, place, 0x01)])
    assert not np.array_equal(read_blob(local, "key", mmap=True), ARRAY)
    for mapping in (False, "verified"):
        with pytest.raises(UnreadableResult, match="damaged"):
            read_blob(local, "key", mmap=mapping)


def test_the_pickle_of_a_mapped_blob_is_verified_all_the_same(local: LocalFileSystem) -> None:
    put(local, FRAMED, Loud(ARRAY))
    content = local.read_path("key")
    before = Loud.made
    local.write("key", [_flipped(content, 70 + 64, 0x01)])
    with pytest.raises(UnreadableResult, match="damaged"):
        read_blob(local, "key", mmap=True)
    assert Loud.made == before


def _flipped(content: bytes, place: int, mask: int) -> bytes:
    return content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def test_another_blob_under_the_key_is_no_damage(local: LocalFileSystem) -> None:
    first = put(local, FRAMED, ARRAY)
    put(local, FRAMED, ARRAY + 1)
    with pytest.raises(BlobReplaced):
        read_blob(local, "key", digest=first.digest, size=first.size, mmap=True)


@pytest.mark.usefixtures("all_framed")
def test_there_may_be_many_frames(place: FileSystem) -> None:
    value = [np.arange(index, index + 9) for index in range(3_000)]
    put(place, FRAMED, value)
    restored = read_blob(place, "key")
    assert all(map(np.array_equal, restored, value))
    described = describe_blob(place, "key").frames
    assert described is not None
    assert len(described) == 3_001


def test_large_pieces_are_hashed_and_written_a_bounded_piece_at_a_time() -> None:
    sizes: list[int] = []
    frames.Frames(lambda piece: sizes.append(len(piece))).write(
        FRAMED, [np.zeros(600_000), bytes(3_000_000), bytearray(3_000_000)], CREATED
    )
    assert max(sizes) == frames.PIECE


def test_a_value_that_cannot_be_taken_is_named_and_leaves_what_was_there(
    local: LocalFileSystem,
) -> None:
    put(local, FRAMED, "old")
    with pytest.raises(UnserializableValue) as caught:
        put(local, FRAMED, [ARRAY, {"at": (1, (number for number in range(3)))}])
    assert caught.value.path == "value[1]['at'][1]"
    assert read_blob(local, "key") == "old"


def test_only_libraries_that_know_buffers_are_taken() -> None:
    with pytest.raises(ValueError, match=r"cloudpickle and pickle only\. Got 'json'"):
        FramedPickleSerializer(picklelib="json")


def test_compressed_it_is_a_compressed_pickle(place: FileSystem) -> None:
    put(place, CompressedSerializer(serializer=FRAMED, compressionlib="zlib"), ARRAY)
    assert describe_blob(place, "key").frames is None
    assert np.array_equal(read_blob(place, "key"), ARRAY)


class Picture(Serializer):
    """Pairs of a title and of what it is about, as a user's serializer keeps them."""

    type: Literal["test picture"] = "test picture"
    framed: ClassVar[bool] = True

    def dumps(self, value: tuple[str, bytes]) -> bytes:
        return json.dumps([value[0], value[1].hex()]).encode()

    def loads(self, text: bytes) -> tuple[str, bytes]:
        title, content = json.loads(text)
        return title, bytes.fromhex(content)

    def dump_frames(self, value: tuple[str, bytes], write: Any) -> list[memoryview]:
        write(value[0].encode())
        return [memoryview(value[1])]

    def load_frames(self, reader: BinaryIO, frames: Any) -> tuple[str, bytes]:
        return reader.read().decode(), bytes(frames[0])


def test_a_serializer_of_the_user_s_may_have_frames(place: FileSystem) -> None:
    put(place, Picture(), ("größe", b"\n{" * 9))
    assert read_blob(place, "key") == ("größe", b"\n{" * 9)
    assert describe_blob(place, "key").frames == (7, 18)


@task(persist_result=True, cache_result_in_memory=False)
def numbers(n: int) -> Any:
    return np.arange(n)


@pytest.mark.usefixtures("upshot_home")
def test_a_serializer_that_says_it_has_frames_and_has_none_is_told_what_it_needs() -> None:
    class Empty(FramedPickleSerializer):
        type: Literal["empty-frames"] = "empty-frames"  # type: ignore[assignment]
        dump_frames = Serializer.dump_frames
        load_frames = Serializer.load_frames

    needs = "Empty says `framed = True`, so it needs `dump_frames` and `load_frames`"
    with pytest.raises(NotImplementedError, match=needs):
        Empty().dump_frames(1, bytearray().extend)
    with pytest.raises(NotImplementedError, match=needs):
        Empty().load_frames(io.BytesIO(), [])


def test_a_flow_chooses_it_by_name_for_its_tasks() -> None:
    @flow(result_serializer="framed/pickle")
    def around() -> Any:
        state = numbers(100_000, return_state=True)
        return state.data, state.result().sum()

    reference, total = around()
    assert isinstance(reference, PersistedResult)
    assert reference.serializer_type == "framed/pickle"
    assert total == np.arange(100_000).sum()
    assert Serializer(type="framed/pickle") == FRAMED


@pytest.mark.usefixtures("upshot_home")
def test_a_reference_is_mapped_by_sync_and_async_callers() -> None:
    framed_numbers = numbers.with_options(result_serializer="framed/pickle")
    reference = framed_numbers(100_000, return_state=True).data
    assert isinstance(_root_of(reference.get(mmap=True)), mmap.mmap)

    async def read() -> Any:
        return await reference.get(mmap="verified")

    assert isinstance(_root_of(asyncio.run(read())), mmap.mmap)
    plain = numbers(10, return_state=True).data
    assert np.array_equal(plain.get(mmap=True), np.arange(10))
    with pytest.raises(InvalidOptionValue, match="verified"):
        reference.get(mmap="yes")
