"""The error tree: as drawn, picklable, and saying what to do."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from upshot import exceptions
from upshot.exceptions import (
    BlobMissing,
    MissingResult,
    RunStoreUnavailable,
    StorageUnavailable,
    UnreadableResult,
    UpshotError,
    did_you_mean,
)


def subclasses(cls: type[UpshotError]) -> Iterator[type[UpshotError]]:
    yield cls
    for below in cls.__subclasses__():
        yield from subclasses(below)


ALL = sorted(
    {cls for cls in subclasses(UpshotError) if cls.__module__ == exceptions.__name__},
    key=lambda cls: cls.__name__,
)
PUBLIC = [cls for cls in ALL if not cls.__name__.startswith("_")]


# of the parameters that take no text, by their annotation
VALUES: dict[str, object] = {
    "dict": {"one": 1, "two": 2},
    "float": 0.25,
    "int": 12_345,
    "tuple": ("one", "two"),
}


def made(cls: type[UpshotError], *, full: bool) -> UpshotError:
    """An instance, with a value of its own for each parameter that must (or can) be given."""
    if not inspect.isfunction(cls.__init__):
        return cls()
    given: list[object] = []
    for number, parameter in enumerate(inspect.signature(cls).parameters.values()):
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if full or parameter.default is parameter.empty:
            text = f"{parameter.name}-{number} {{x}} ü"
            kind = re.match(r"\w*", str(parameter.annotation))[0]  # type: ignore[index]
            given.append(VALUES.get(kind, text))
    return cls(*given)


def drawn() -> dict[str, tuple[str | None, set[str]]]:
    """Each class in the docstring's tree: the class above it, and the builtins beside its name."""
    tree: dict[str, tuple[str | None, set[str]]] = {}
    above: list[str] = []
    for line in (exceptions.__doc__ or "").splitlines():
        found = re.fullmatch(r" {4}([│├└─ ]*)(\w+)(?: \(([\w, ]+)\))?(?: {2,}\S.*)?", line)
        if found is None or not (found[1] or found[2] == "UpshotError"):
            continue
        depth = len(found[1]) // 4
        del above[depth:]
        tree[found[2]] = (
            above[-1] if above else None,
            set(found[3].split(", ") if found[3] else ()),
        )
        above.append(found[2])
    return tree


def test_the_drawn_tree_holds_every_public_class() -> None:
    assert sorted(drawn()) == [cls.__name__ for cls in PUBLIC]
    assert len(PUBLIC) > 20


@pytest.mark.parametrize("cls", PUBLIC, ids=lambda cls: cls.__name__)
def test_the_drawn_tree_agrees_with_the_classes(cls: type[UpshotError]) -> None:
    above, builtins = drawn()[cls.__name__]
    ours = [base.__name__ for base in cls.__mro__[1:] if base in PUBLIC]
    assert above == (ours[0] if ours else None)
    own = {base.__name__ for base in cls.__bases__ if base.__module__ == "builtins"}
    assert builtins == own - {"Exception"}


@pytest.mark.parametrize("full", [False, True], ids=["least", "all"])
@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_error_survives_pickle_and_copy(cls: type[UpshotError], full: bool) -> None:
    error = made(cls, full=full)
    error.add_note("a note")
    copies = [pickle.loads(pickle.dumps(error, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)]
    for again in [*copies, copy.copy(error), copy.deepcopy(error)]:
        assert type(again) is cls
        assert again.args == error.args
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__
        assert again.__notes__ == ["a note"]


@pytest.mark.parametrize("full", [False, True], ids=["least", "all"])
@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_the_args_of_an_error_are_what_makes_it_again(cls: type[UpshotError], full: bool) -> None:
    error = made(cls, full=full)
    again = cls(*error.args)
    assert (str(again), again.args, again.__dict__) == (str(error), error.args, error.__dict__)


@pytest.mark.parametrize("cls", [cls for cls in PUBLIC if "__str__" in vars(cls)])
def test_a_message_holds_what_the_error_was_given(cls: type[UpshotError]) -> None:
    error = made(cls, full=True)
    for given in error.args:
        for part in given if isinstance(given, tuple | dict) else [given]:
            assert str(part) in str(error)


def test_one_line_catches_a_family() -> None:
    for cls in PUBLIC:
        assert issubclass(cls, Exception)
    with pytest.raises(LookupError):
        raise BlobMissing("key", "storage")
    with pytest.raises(OSError, match="could not write"):
        raise StorageUnavailable("the disk", "write 'a'", "no room")


@pytest.mark.parametrize("cls", [StorageUnavailable, RunStoreUnavailable])
def test_the_words_of_an_error_are_not_taken_for_an_errno(cls: type[OSError]) -> None:
    error = cls("a place", "write", "no room")
    assert error.args == ("a place", "write", "no room")
    assert (error.errno, error.strerror, error.filename) == (None, None, None)


@pytest.mark.parametrize("cls", [c for c in PUBLIC if issubclass(c, MissingResult)])
def test_a_missing_result_says_what_to_do_and_whose_it_is(cls: type[MissingResult]) -> None:
    error = made(cls, full=False)
    assert isinstance(error, MissingResult)
    assert error.remedy
    assert str(error).endswith(f"; {error.remedy}")
    error.run = "task run 1"
    assert str(error).startswith("the result of task run 1: ")
    assert pickle.loads(pickle.dumps(error)).run == "task run 1"


def test_what_looks_like_a_placeholder_is_left_as_it_is() -> None:
    assert "{key} has nothing under '{key}'" in str(BlobMissing("{key}", "{key}"))
    error = UnreadableResult("a", "there", "byte {key} of {key}")
    assert "there holds an unreadable blob under 'a': byte {key} of {key}" in str(error)
    assert error.reason == "byte {key} of {key}"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("jsn", ["json", "pickle"], "did you mean 'json'?"),
        ("", ["b", "a"], "known are: a, b"),
        ("json", [], "known are: none"),
    ],
)
def test_a_hint_names_what_is_near_else_all(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint


@pytest.mark.parametrize("cls", PUBLIC, ids=lambda cls: cls.__name__)
def test_the_page_of_promises_says_what_to_do_about_each(cls: type[UpshotError]) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "promises.md"
    table = "".join(re.findall(r"^\|.*\n", page.read_text("utf-8"), re.MULTILINE))
    assert cls is UpshotError or f"`{cls.__name__}`" in table
