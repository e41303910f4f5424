"""No key leaves the root of its storage, whatever is in it."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from upshot.exceptions import InvalidStorageKey
from upshot.filesystems import LocalFileSystem

PARTS = [
    "..",
    ".",
    "",
    "/",
    "//",
    "\\",
    "a",
    "b.c",
    "~",
    "C:",
    "nul\0",
    "%2e%2e",
    "%2F",
    "\u2025",  # two dots in one character
    "\uff0e\uff0e",
    "\u2215",
    "\ud800",
    "e\u0301",
    "\u202e",
    "x" * 255,
    "ß" * 128,
    " ",
    "\n",
    "-",
    "*",
    "${HOME}",
    "{parameters}",
]
keys = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PARTS)).map("/".join),
    st.lists(st.sampled_from(PARTS)).map("".join),
    st.text(st.sampled_from("./\\~:a%")),
)


def resolve(storage: LocalFileSystem, key: str) -> Path | None:
    try:
        resolved = storage._resolve_path(key)
    except InvalidStorageKey:
        return None
    # it is the folder of the storage, and no file in it
    return None if resolved == Path(storage.basepath or "") else resolved


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(keys)
@example("../outside/secret")
@example("a/../../outside/secret")
@example("/outside/secret")
def test_a_key_stays_in_the_root_or_is_refused(key: str) -> None:
    with TemporaryDirectory() as folder:
        outside = Path(folder, "outside")
        outside.mkdir()
        root = Path(folder, "root")
        storage = LocalFileSystem(basepath=root)
        resolved = resolve(storage, key)
        if resolved is None:
            with pytest.raises(InvalidStorageKey):
                storage.write(key, [b"bytes"])
            assert not root.exists()
            return
        assert resolved.is_relative_to(root)
        assert resolved != root
        assert ".." not in resolved.parts
        storage.write(key, [b"bytes"])
        assert [path for path in root.rglob("*") if path.is_file()] == [resolved]
        with storage.open(key) as file:
            assert file.read() == b"bytes"
        assert storage.key_of(storage.uri(key)) == str(resolved.relative_to(root))
        assert list(outside.iterdir()) == []


@pytest.mark.parametrize("key", ["../up", "a/../../up", "/etc/passwd", "/", "..", "//x"])
def test_the_refusal_says_that_the_key_is_outside(key: str, tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=tmp_path)
    with pytest.raises(ValueError, match="is outside of the base path") as caught:
        storage.read_path(key)
    assert str(tmp_path) in str(caught.value)
    assert f"Provided path {key!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "is empty"),
        (None, "is no text"),
        (b"a", "is no text"),
        (".", "the base path itself"),
        ("a/..", "the base path itself"),
        ("a\0", "NUL"),
        ("a\\b", "backslash"),
        ("D:a", "drive letter"),
        ("\udcff", "surrogate"),
        ("a/" + "b" * 256, "255 bytes"),
        ("/".join(["b" * 200] * 30), "too long"),
    ],
)
def test_the_refusal_says_what_is_wrong_with_a_key(key: str, problem: str, tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=tmp_path / "root")
    for use in (storage.read_path, lambda key: storage.write_path(key, b""), storage.size):
        with pytest.raises(InvalidStorageKey, match=problem):
            use(key)


def test_an_absolute_key_inside_of_the_root_is_taken(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=tmp_path)
    storage.write_path(str(tmp_path / "a" / "b"), b"bytes")
    assert storage.read_path("a/b") == b"bytes"
    with pytest.raises(InvalidStorageKey):
        storage.read_path(f"{tmp_path}-other/b")
    with pytest.raises(InvalidStorageKey):
        storage.read_path(str(tmp_path))


def test_the_root_may_be_the_root_of_the_system() -> None:
    assert LocalFileSystem(basepath="/")._resolve_path("/a/b") == Path("/a/b")
    assert LocalFileSystem(basepath="/")._resolve_path("a/b") == Path("/a/b")
    for key in ("/", "//", "."):
        with pytest.raises(InvalidStorageKey):
            LocalFileSystem(basepath="/").read_path(key)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "file://{root}/../x",
        "file://{root}/a%2f..%2f..%2fx",
        "file://{root}/%00",
        "file://{root}/%ff",
        "file://{root}",
        "file://{root}/",
        "file://{root}-other/a",
        "file://localhost{root}/a",
        "file:{root}/a",
        "{root}/a",
        "FILE://{root}/a",
    ],
)
def test_a_place_that_is_not_below_the_root_has_no_key(uri: str, tmp_path: Path) -> None:
    assert LocalFileSystem(basepath=tmp_path).key_of(uri.format(root=tmp_path)) is None


def test_a_place_is_quoted(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=tmp_path)
    assert storage.uri("a b/ß#?%") == f"file://{tmp_path}/a%20b/%C3%9F%23%3F%25"


def test_links_in_the_root_are_followed(tmp_path: Path) -> None:
    # who put them there may write there; a key cannot make one
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "root" / "link")
    LocalFileSystem(basepath=tmp_path / "root").write_path("link/a", b"bytes")
    assert (tmp_path / "elsewhere" / "a").read_bytes() == b"bytes"
