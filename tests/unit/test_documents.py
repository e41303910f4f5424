"""Documents: their JSON, and that nothing but a `get` sees the value that one holds."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any, NoReturn
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from upshot.documents import (
    DROPPED,
    BaseResult,
    Failure,
    LiteralResult,
    PersistedResult,
    UnknownResult,
    UnpersistedResult,
    of_text,
    to_text,
)
from upshot.exceptions import DroppedFromMemory, NotPersisted, UnknownPlugin

ID = UUID("0190a0a0-0000-7000-8000-000000000001")
REFERENCE = (
    f'{{"type":"reference","serializer_type":"pickle","storage_block_id":"{ID}",'
    '"storage_key":"key","uri":null,"size":null,"digest":null,"format":1}'
)
WRITABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)

literals = st.builds(LiteralResult, value=st.none() | st.booleans() | st.uuids() | WRITABLE)
references = st.builds(
    PersistedResult,
    serializer_type=WRITABLE,
    storage_block_id=st.uuids(),
    storage_key=WRITABLE,
    uri=st.none() | WRITABLE,
    size=st.none() | st.integers(0, 2**60),
    digest=st.none() | WRITABLE,
)
documents = literals | references | st.just(UnpersistedResult()) | st.just(UnknownResult())
failures = st.recursive(
    st.builds(Failure, exception_type=st.text(), message=st.text(), notes=st.tuples(st.text())),
    lambda inner: st.builds(
        Failure, exception_type=WRITABLE, message=st.text(), causes=st.tuples(inner)
    ),
    max_leaves=4,
)


class Hostile:
    """A value that cannot be looked at in any way."""

    def _refuse(self, *args: object) -> NoReturn:
        raise AssertionError("the value was looked at")

    __eq__ = __hash__ = __repr__ = __str__ = _refuse  # type: ignore[assignment]
    __bool__ = __len__ = __copy__ = __deepcopy__ = __reduce_ex__ = _refuse  # type: ignore[assignment]


def holding(document: BaseResult[Any], value: object) -> BaseResult[Any]:
    held = document.copy()
    held.hold(value)
    return held


def reference(**fields: Any) -> PersistedResult[Any]:
    return PersistedResult(
        **{"serializer_type": "pickle", "storage_block_id": ID, "storage_key": "key", **fields}
    )


@given(documents)
def test_json_comes_back_through_the_own_class_and_through_the_base(
    document: BaseResult[Any],
) -> None:
    class Holder(BaseModel):
        result: BaseResult[Any]

    text = document.json()
    back = [
        type(document).parse_raw(text),
        BaseResult.parse_raw(text),
        BaseResult.parse_obj(json.loads(text)),
        BaseResult.parse_obj(document.dict()),
        Holder.model_validate_json(f'{{"result": {text}}}').result,
        Holder(result=document).result,
    ]
    assert {type(other) for other in back} == {type(document)}
    assert all(other == document and other.json() == text for other in back)
    assert {hash(other) for other in back} == {hash(document)}


@given(documents)
def test_the_run_store_s_text_is_the_document_s_json_and_gives_it_back(
    document: BaseResult[Any],
) -> None:
    text = to_text(document)
    assert text == document.model_dump_json()
    back = of_text(text)
    assert type(back) is type(document)
    assert back == document
    assert back.model_fields_set == BaseResult.model_validate_json(text).model_fields_set
    assert hash(back) == hash(document)
    assert copy.deepcopy(back) == pickle.loads(pickle.dumps(back)) == document


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 2),
        ("format", None),
        ("type", "hologram"),
        ("size", "many"),
        ("storage_block_id", "mine"),
        ("storage_key", 5),
        ("uri", ["file:///tmp"]),
        ("digest", {}),
        ("added", 1),
    ],
)
def test_a_text_that_is_not_as_this_release_writes_it_is_looked_at_by_pydantic(
    field: str, value: object
) -> None:
    text = json.dumps({**json.loads(REFERENCE), field: value})
    with pytest.raises((ValidationError, UnknownPlugin)) as expected:
        BaseResult.model_validate_json(text)
    with pytest.raises(type(expected.value)) as raised:
        of_text(text)
    assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "5", "null", '{"type": ["reference"]}'])
def test_a_text_that_is_no_document_is_refused_as_pydantic_refuses_it(text: str) -> None:
    with pytest.raises(ValidationError):
        of_text(text)


@given(documents)
def test_the_value_is_in_no_equality_hash_text_or_copy(document: BaseResult[Any]) -> None:
    held = holding(document, Hostile())
    assert held.has_cached_object()
    assert held == document
    assert hash(held) == hash(document)
    assert (repr(held), str(held)) == (repr(document), str(document))
    assert (held.json(), held.dict()) == (document.json(), document.dict())
    for other in (copy.copy(held), copy.deepcopy(held), held.copy(deep=True), held.model_copy()):
        assert other == document
        assert not hasattr(other, "_value")


@given(references | literals | st.just(UnknownResult()))
def test_the_value_is_in_no_pickle_of_a_result_that_is_elsewhere(document: BaseResult[Any]) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        other = pickle.loads(pickle.dumps(holding(document, Hostile()), protocol))
        assert type(other) is type(document)
        assert other == document
        assert not hasattr(other, "_value")


@given(st.none() | st.booleans() | st.text() | st.lists(st.integers()))
def test_the_value_of_an_unpersisted_result_goes_with_its_pickle(value: object) -> None:
    other = pickle.loads(pickle.dumps(holding(UnpersistedResult(), value)))
    assert other.fetch() == value


def test_an_unpersisted_result_without_a_value_stays_so_in_its_pickle() -> None:
    empty, dropped = UnpersistedResult[int](), UnpersistedResult[int]()
    dropped.drop()
    with pytest.raises(NotPersisted):
        pickle.loads(pickle.dumps(empty)).fetch()
    with pytest.raises(DroppedFromMemory):
        pickle.loads(pickle.dumps(dropped)).fetch()
    assert pickle.loads(pickle.dumps(DROPPED)) is DROPPED


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (LiteralResult(value=None), '{"type":"literal","value":null}'),
        (LiteralResult(value=True), '{"type":"literal","value":true}'),
        (LiteralResult(value=ID), f'{{"type":"literal","value":"{ID}"}}'),
        (UnpersistedResult(), '{"type":"unpersisted"}'),
        (UnknownResult(), '{"type":"unknown","value":null}'),
        (reference(), REFERENCE),
    ],
)
def test_the_json_of_a_document_is_what_all_releases_read(
    document: BaseResult[Any], text: str
) -> None:
    assert document.json() == text


def test_a_literal_keeps_the_type_of_its_value() -> None:
    for value in (None, True, False, ID, "text", "True", ""):
        again = LiteralResult.parse_raw(LiteralResult(value=value).json())
        assert type(again.value) is type(value)
        assert again.value == again.fetch() == value


@pytest.mark.parametrize("value", [1, 0, 1.5, [], {}, [True], b"text"])
def test_a_literal_takes_no_other_value(value: object) -> None:
    with pytest.raises(ValidationError):
        LiteralResult(value=value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type":null}',
        '{"type":"literal"}',
        '{"type":"literal","value":1}',
        '{"type":"literal","value":null,"more":1}',
        '{"type":"unpersisted","value":1}',
        '{"type":"unknown","value":1}',
        REFERENCE.replace('"format":1', '"format":2'),
        REFERENCE.replace('"key"', "null"),
        REFERENCE.replace(str(ID), "no-uuid"),
        REFERENCE[:-1] + ',"password":"x"}',
    ],
)
def test_json_of_no_document_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        BaseResult.parse_raw(text)


def test_a_type_that_is_not_known_is_named() -> None:
    with pytest.raises(UnknownPlugin, match=r"no result is called 'litteral': did you mean"):
        BaseResult.parse_raw('{"type":"litteral","value":null}')


def test_a_document_is_frozen() -> None:
    with pytest.raises(ValidationError):
        reference().storage_key = "another"


@given(failures)
def test_a_failure_can_be_written_whatever_its_text(failure: Failure) -> None:
    assert Failure.parse_raw(failure.json()) == failure


def test_half_of_a_surrogate_pair_is_spelled_out() -> None:
    failure = Failure(exception_type="builtins.ValueError", message="a\udcff", notes=("\ud800",))
    assert (failure.message, failure.notes) == ("a\\udcff", ("\\ud800",))


def test_a_failure_of_a_later_release_is_read() -> None:
    text = '{"exception_type":"a.B","message":"m","added_later":[1]}'
    assert Failure.parse_raw(text) == Failure(exception_type="a.B", message="m")
