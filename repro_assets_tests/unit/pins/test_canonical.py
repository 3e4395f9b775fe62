"""One document, one sequence of bytes."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_assets.errors import BadInput
from repro_assets.pins.canonical import canonical_json, digest

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=10
)


def test_keys_are_sorted_and_nothing_stands_between() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": True}) == b'{"a":true,"b":[1,2.5,null]}'


def test_text_is_utf_8_and_not_escaped() -> None:
    assert canonical_json("→ é") == '"→ é"'.encode()


def test_the_order_of_insertion_does_not_show() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})


def test_the_order_of_a_list_shows() -> None:
    assert digest([1, 2]) != digest([2, 1])


def test_a_tuple_is_a_list() -> None:
    assert canonical_json((1, (2,))) == canonical_json([1, [2]])


@given(DOCUMENTS)
def test_a_document_survives_the_way_through_its_bytes(document) -> None:
    assert json.loads(canonical_json(document)) == document


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_bit_of_a_number_is_lost(number) -> None:
    assert struct.pack("<d", json.loads(canonical_json(number))) == struct.pack("<d", number)


def test_the_digest_is_the_one_that_was_published() -> None:
    expected = "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"

    assert digest({"b": 2, "a": 1}) == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(1, 1.0, id="integer and float"),
        pytest.param(1, True, id="one and true"),
        pytest.param(None, "", id="nothing and an empty text"),
        pytest.param("1", 1, id="text and number"),
        pytest.param({}, [], id="object and list"),
        pytest.param({"a": None}, {}, id="null and missing"),
    ],
)
def test_values_that_are_easily_confused_have_digests_of_their_own(left, right) -> None:
    assert digest(left) != digest(right)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf], ids=str)
def test_a_number_that_json_can_t_write_is_refused_where_it_stands(number) -> None:
    with pytest.raises(BadInput, match=r"number.*\[\$\.metrics\[1\]\]"):
        canonical_json({"metrics": [1.0, number]})


@pytest.mark.parametrize("key", [1, None, ("a",), True], ids=repr)
def test_a_key_that_is_no_text_is_refused(key) -> None:
    with pytest.raises(BadInput, match="key is not text"):
        canonical_json({"outer": {key: 1}})


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"bytes", id="bytes"),
        pytest.param({1, 2}, id="set"),
        pytest.param(object(), id="object"),
        pytest.param(np.int64(1), id="numpy integer"),
        pytest.param(np.array([1]), id="numpy array"),
        pytest.param(np.bool_(True), id="numpy boolean"),
    ],
)
def test_a_value_without_a_stable_text_is_refused(value) -> None:
    with pytest.raises(BadInput, match=r"without a canonical form.*\$\.a\[0\]"):
        canonical_json({"a": [value]})


@pytest.mark.parametrize("document", ["\ud800", {"\udfff": 1}], ids=["a value", "a key"])
def test_text_that_is_no_unicode_is_refused(document) -> None:
    with pytest.raises(BadInput):
        canonical_json(document)
