"""The lazy table: what it loads, when, and what it says where there is nothing to load."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

import upshot.documents
from upshot import _registry
from upshot.exceptions import PluginConflict, UnknownPlugin

ROWS = [(kind, name) for kind, rows in _registry.BUILTIN.items() for name in rows]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], object]:
    """The table's memory, which is as before after the test."""
    loaded: dict[tuple[str, str], object] = dict(_registry._loaded)
    monkeypatch.setattr(_registry, "_loaded", loaded)
    return loaded


def install(monkeypatch: pytest.MonkeyPatch, *values: str, name: str = "ours") -> None:
    def entry_points(group: str) -> list[EntryPoint]:
        return [EntryPoint(name, value, group) for value in values if group == "upshot.serializers"]

    metadata = ModuleType("importlib.metadata")
    metadata.entry_points = entry_points  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "importlib.metadata", metadata)


@pytest.mark.parametrize(("kind", "name"), ROWS)
def test_every_built_in_row_leads_somewhere(kind: str, name: str) -> None:
    found = _registry.load(kind, name)
    assert found is _registry.load(kind, name)
    module, _, attribute = _registry.BUILTIN[kind][name].partition(":")
    assert found is (getattr(sys.modules[module], attribute) if attribute else sys.modules[module])


@pytest.mark.parametrize("kind", _registry.BUILTIN)
def test_the_rows_of_a_kind_are_sorted(kind: str) -> None:
    assert list(_registry.BUILTIN[kind]) == sorted(_registry.BUILTIN[kind])


def test_the_names_of_a_class_and_of_its_row_agree() -> None:
    for kind in ("serializer", "result"):
        for name in _registry.BUILTIN[kind]:
            assert _registry.load(kind, name).model_fields["type"].default == name
    for name in _registry.BUILTIN["storage"]:
        assert _registry.load("storage", name).slug == name


def test_a_row_is_imported_when_it_is_first_asked_for() -> None:
    code = """
import sys
from upshot import _registry
heavy = {"pydantic", "anyio", "sqlalchemy", "cloudpickle", "upshot.documents", "upshot.serializers"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
_registry.load("serializer", "json")
assert "upshot.serializers.json" in sys.modules
assert "upshot.serializers.pickle" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownPlugin, match=r"no serializer is called 'pickel': .*'pickle'\?"):
        _registry.load("serializer", "pickel")
    with pytest.raises(UnknownPlugin, match=r"known are: .*local-file-system, memory"):
        _registry.load("storage", "")


def test_a_kind_that_is_not_there_has_no_names() -> None:
    assert _registry.names("colour") == ()
    with pytest.raises(UnknownPlugin, match="no colour is called 'red': known are: none"):
        _registry.load("colour", "red")


def test_a_class_registers_itself_and_its_next_definition_replaces_it(
    table: dict[tuple[str, str], object],
) -> None:
    def define() -> type:
        class Thing:
            pass

        return Thing

    first, second = define(), define()
    _registry.register("thing", "t", first)
    _registry.register("thing", "t", second)
    assert _registry.load("thing", "t") is second
    assert _registry.names("thing") == ("t",)


def test_two_classes_cannot_have_one_name(table: dict[tuple[str, str], object]) -> None:
    _registry.register("thing", "t", list)
    with pytest.raises(PluginConflict, match=r"builtins:list and by builtins:dict; give one"):
        _registry.register("thing", "t", dict)
    assert _registry.load("thing", "t") is list


def test_a_built_in_name_cannot_be_taken(table: dict[tuple[str, str], object]) -> None:
    table.pop(("serializer", "json"), None)
    with pytest.raises(PluginConflict, match="JSONSerializer"):
        _registry.register("serializer", "json", dict)


def test_an_installed_row_is_found_by_its_entry_point(
    monkeypatch: pytest.MonkeyPatch, table: dict[tuple[str, str], object]
) -> None:
    install(monkeypatch, "collections:OrderedDict")
    assert "ours" in _registry.names("serializer")
    assert "ours" not in _registry.names("storage")
    assert _registry.load("serializer", "ours").__name__ == "OrderedDict"


def test_two_installed_rows_of_one_name_conflict(
    monkeypatch: pytest.MonkeyPatch, table: dict[tuple[str, str], object]
) -> None:
    install(monkeypatch, "a:One", "b:Two")
    with pytest.raises(PluginConflict, match="claimed by a:One and by b:Two"):
        _registry.load("serializer", "ours")


def test_a_built_in_row_wins_over_an_installed_one(
    monkeypatch: pytest.MonkeyPatch, table: dict[tuple[str, str], object]
) -> None:
    install(monkeypatch, "evil:Serializer", name="pickle")
    table.pop(("serializer", "pickle"), None)
    assert _registry.load("serializer", "pickle").__module__ == "upshot.serializers.pickle"


def test_names_can_be_asked_for_while_rows_are_loaded(table: dict[tuple[str, str], object]) -> None:
    class Kind(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            table["thing", f"t{len(table)}"] = None  # as another thread would
            return str.__eq__(self, other)

    table[Kind("thing"), "first"] = None
    assert "first" in _registry.names("thing")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("sys", sys),
        ("upshot.documents", upshot.documents),
        ("upshot.documents.BaseResult.get", upshot.documents.BaseResult.get),
        ("os.path.join", os.path.join),
    ],
)
def test_a_dotted_path_leads_to_a_module_or_into_one(path: str, found: object) -> None:
    assert _registry.import_path(path) is found


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..sys",
        "sys.",
        "a..b",
        "sys..path",
        "sys.nothing",
        "no_such_module.x",
        "sys\0",
        " ",
    ],
)
def test_any_other_path_is_an_import_error(path: str) -> None:
    with pytest.raises(ImportError):
        _registry.import_path(path)


def test_a_module_that_misses_another_says_which(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "needs_more.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        _registry.import_path("needs_more.Thing")
