"""What every storage must do, as tests."""

# ruff: noqa: D102  what a test wants is said by its name

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import BinaryIO

import pytest

from upshot.exceptions import InvalidStorageKey
from upshot.filesystems import FileSystem

KEYS = [
    "b7e1c0ffee",
    "report.json",
    "2024/05/report.json",
    "with space/and 'quotes'",
    "größe/☃/😀",
    "%2e%2e/%2Fetc%2Fpasswd",
    "..hidden/...",
    "12:30?c#d&e=f*g|h<i>",
    "\uff0e\uff0e\uff0fetc",  # full-width dots and slash
    "-rf",
    "~/file",
    "line\nend",
    "x" * 255,
]
NO_KEYS = [
    "",
    ".",
    "./",
    "..",
    "../up",
    "a/../..",
    "a/../../up",
    "/etc/passwd",
    "//host/share",
    "C:/windows",
    "c:file",
    "back\\slash",
    "..\\up",
    "nul\0byte",
    "half \ud800 pair",
    "x" * 256,
    "a/" + "ß" * 128,
]
MEGABYTE = bytes(range(256)) * 4096


class _Interrupted(Exception):
    """Ends a block that writes."""


class StorageContract:
    """Subclass it with a fixture `storage` that gives a new `FileSystem`, empty, for each test."""

    @pytest.mark.parametrize("content", [b"", b"\0", b"text\r\n", bytes(range(256)), MEGABYTE])
    def test_what_was_written_is_read_back(self, storage: FileSystem, content: bytes) -> None:
        storage.write("key", [content])
        assert _content(storage, "key") == content

    def test_chunks_stand_in_their_order(self, storage: FileSystem) -> None:
        storage.write("key", iter([b"one ", b"", b"two ", MEGABYTE]))
        assert _content(storage, "key") == b"one two " + MEGABYTE

    def test_a_writer_takes_buffers_of_any_kind_whole(self, storage: FileSystem) -> None:
        with storage.writing("key") as file:
            file.write(bytearray(b"one"))
            file.write(memoryview(MEGABYTE).cast("I"))
        assert _content(storage, "key") == b"one" + MEGABYTE

    @pytest.mark.parametrize("key", KEYS)
    def test_a_key_is_taken_literally(self, storage: FileSystem, key: str) -> None:
        storage.write(key, [key.encode()])
        assert _content(storage, key) == key.encode()

    def test_keys_do_not_share_bytes(self, storage: FileSystem) -> None:
        keys = [*KEYS, "B7E1C0FFEE.json", "größe.json", "2024/05/other"]
        for key in keys:
            storage.write(key, [key.encode()])
        assert [_content(storage, key) for key in keys] == [key.encode() for key in keys]

    def test_one_place_has_one_key_however_it_is_spelled(self, storage: FileSystem) -> None:
        storage.write("a/b", [b"bytes"])
        for key in ("a/./b", "./a/b", "a//b", "a/c/../b"):
            assert _content(storage, key) == b"bytes"

    @pytest.mark.parametrize("key", NO_KEYS)
    def test_what_is_no_key_is_refused(self, storage: FileSystem, key: str) -> None:
        with pytest.raises(InvalidStorageKey):
            storage.write(key, [b"bytes"])
        with pytest.raises(InvalidStorageKey):
            storage.open(key)
        with pytest.raises(InvalidStorageKey):
            storage.size(key)

    def test_a_key_without_bytes_is_a_file_not_found(self, storage: FileSystem) -> None:
        storage.write("folder/other", [b"bytes"])
        for key in ("key", "folder/key", "nowhere/key"):
            with pytest.raises(FileNotFoundError):
                storage.open(key)
            assert storage.size(key) is None

    @pytest.mark.parametrize("content", [b"", b"new", MEGABYTE])
    def test_new_bytes_replace_all_old_ones(self, storage: FileSystem, content: bytes) -> None:
        storage.write("key", [b"what was there before"])
        storage.write("key", [content])
        assert _content(storage, "key") == content
        assert storage.size("key") == len(content)

    def test_a_block_that_raises_changes_nothing(self, storage: FileSystem) -> None:
        storage.write("old", [b"old"])
        for key in ("old", "new", "new folder/new"):
            with pytest.raises(_Interrupted):
                storage.write(key, _breaking_off())
        assert _content(storage, "old") == b"old"
        assert storage.size("new") is None
        assert storage.size("new folder/new") is None

    def test_nothing_is_there_before_the_block_ends(self, storage: FileSystem) -> None:
        storage.write("old", [b"old"])
        with storage.writing("old") as old, storage.writing("new") as new:
            old.write(MEGABYTE)
            new.write(MEGABYTE)
            assert _content(storage, "old") == b"old"
            assert storage.size("new") is None
        assert storage.size("old") == storage.size("new") == len(MEGABYTE)

    def test_a_reader_keeps_its_bytes_when_they_are_replaced(self, storage: FileSystem) -> None:
        storage.write("key", [MEGABYTE])
        with storage.open("key") as file:
            begin = file.read(10)
            storage.write("key", [b"new"])
            assert begin + _rest(file) == MEGABYTE
        assert _content(storage, "key") == b"new"

    def test_a_reader_can_be_moved(self, storage: FileSystem) -> None:
        storage.write("key", [b"0123456789"])
        with storage.open("key") as file:
            assert file.seek(-3, io.SEEK_END) == 7
            assert file.read(2) == b"78"
            assert file.seek(1) == 1
            assert _rest(file) == b"123456789"

    def test_readers_see_whole_values_while_others_write(self, storage: FileSystem) -> None:
        contents = [bytes([letter]) * size for letter, size in ((65, 10), (66, 100_000), (67, 3))]
        storage.write("key", [contents[0]])
        ended = threading.Event()
        failures: list[BaseException] = []

        def write(content: bytes) -> None:
            try:
                for _ in range(30):
                    storage.write("key", [content[:2], content[2:]])
            except BaseException as error:
                failures.append(error)

        def read() -> None:
            try:
                while not ended.is_set():
                    assert _content(storage, "key") in contents
            except BaseException as error:
                failures.append(error)

        def thread(work: Callable[..., None], *args: bytes) -> threading.Thread:
            return threading.Thread(target=copy_context().run, args=(work, *args))

        writers = [thread(write, content) for content in contents]
        reader = thread(read)
        for started in (reader, *writers):
            started.start()
        for writer in writers:
            writer.join()
        ended.set()
        reader.join()
        assert not failures

    @pytest.mark.parametrize("key", KEYS)
    def test_the_place_of_a_key_leads_back_to_it(self, storage: FileSystem, key: str) -> None:
        uri = storage.uri(key)
        if uri is not None:
            assert uri.isascii()
            assert storage.key_of(uri) == key

    def test_a_place_elsewhere_has_no_key(self, storage: FileSystem) -> None:
        places = ["", "key", "file:///", "file://elsewhere/key", "https://example.org/key"]
        assert [storage.key_of(uri) for uri in places] == [None] * len(places)

    def test_its_description_is_an_equal_storage(self, storage: FileSystem) -> None:
        described = storage.described()
        assert described.described() == described
        storage.write("key", [b"bytes"])
        assert _content(described, "key") == b"bytes"

    def test_it_says_its_name_without_line_ends(self, storage: FileSystem) -> None:
        assert str(storage)
        assert str(storage).isprintable()


def _breaking_off() -> Iterator[bytes]:
    yield MEGABYTE
    raise _Interrupted


def _content(storage: FileSystem, key: str) -> bytes:
    with storage.open(key) as file:
        return _rest(file)


def _rest(file: BinaryIO) -> bytes:
    return b"".join(iter(lambda: file.read(64 * 1024), b""))
