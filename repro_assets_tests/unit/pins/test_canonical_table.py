"""Which column types a fingerprint accepts, and what each becomes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from repro_assets.errors import BadInput
from repro_assets.pins.canonical_table import canonical, tags


@pytest.mark.parametrize(
    ("column", "tag"),
    [
        pytest.param(pa.array([1], pa.int8()), "int64", id="int8"),
        pytest.param(pa.array([1], pa.uint64()), "int64", id="uint64"),
        pytest.param(pa.array([True]), "bool", id="bool"),
        pytest.param(pa.array([1.5], pa.float32()), "float64", id="float32"),
        pytest.param(pa.array([Decimal("1.5")], pa.decimal128(5, 2)), "decimal", id="decimal128"),
        pytest.param(pa.array([Decimal("1.5")], pa.decimal32(5, 2)), "decimal", id="decimal32"),
        pytest.param(pa.array([Decimal("100")], pa.decimal128(5, -2)), "decimal", id="negative-scale"),
        pytest.param(pa.array([date(2020, 1, 1)], pa.date64()), "date", id="date64"),
        pytest.param(pa.array([1], pa.timestamp("s")), "timestamp[us]", id="naive-timestamp"),
        pytest.param(pa.array([1], pa.timestamp("ms", "Asia/Tokyo")), "timestamp[us, UTC]", id="zoned-timestamp"),
        pytest.param(pa.array(["a"], pa.string_view()), "string", id="string-view"),
        pytest.param(pa.array([b"a"], pa.binary(1)), "binary", id="fixed-size-binary"),
        pytest.param(pa.array([b"a"], pa.binary_view()), "binary", id="binary-view"),
        pytest.param(pa.array(["a"]).dictionary_encode(), "string", id="dictionary"),
    ],
)
def test_an_accepted_type_gets_its_tag(column: pa.Array, tag: str) -> None:
    assert tags(canonical(pa.table({"c": column}))) == (("c", tag),)


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pa.array([[1]]), id="list"),
        pytest.param(pa.array([{"a": 1}]), id="struct"),
        pytest.param(pa.array([1], pa.time64("us")), id="time"),
        pytest.param(pa.array([1], pa.duration("us")), id="duration"),
        pytest.param(pa.nulls(1), id="null"),
    ],
)
def test_another_type_is_refused_with_column_and_type(column: pa.Array) -> None:
    with pytest.raises(BadInput, match="odd") as refused:
        canonical(pa.table({"fine": [1], "odd": column}))
    assert refused.value.stored == column.type


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pa.array([2**63], pa.uint64()), id="integer-above-int64"),
        pytest.param(pa.array([1_001], pa.timestamp("ns")), id="part-of-a-microsecond"),
        pytest.param(pa.array([2**62], pa.timestamp("s")), id="instant-out-of-range"),
        pytest.param(pa.array(np.array([5]), pa.date64()), id="part-of-a-day"),
        pytest.param(pa.array([Decimal(10) ** 40], pa.decimal256(76, 0)), id="decimal-above-38-digits"),
    ],
)
def test_a_value_that_would_be_changed_is_refused_with_its_column(column: pa.Array) -> None:
    with pytest.raises(BadInput, match="without loss") as refused:
        canonical(pa.table({"odd": column}))
    assert refused.value.where == "column 'odd'"


@pytest.mark.parametrize(
    ("values", "arrow_type"),
    [
        pytest.param(np.array([1, 2**63 + 1], np.uint64), pa.uint64(), id="uint64"),
        pytest.param(np.array([1_000, 1_001]), pa.timestamp("ns"), id="timestamp"),
        pytest.param(np.array([86_400_000, 5]), pa.date64(), id="date64"),
    ],
)
def test_what_stands_under_a_null_is_not_refused(values: np.ndarray, arrow_type: pa.DataType) -> None:
    first_only_valid = pa.py_buffer(b"\x01")
    column = pa.Array.from_buffers(arrow_type, 2, [first_only_valid, pa.py_buffer(values.tobytes())])

    assert canonical(pa.table({"c": column})).column("c").null_count == 1


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match="two columns have the same name"):
        canonical(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))


def test_columns_come_by_name() -> None:
    assert canonical(pa.table({"b": [1], "a": [2], "B": [3]})).column_names == ["B", "a", "b"]


def test_a_canonical_table_stays_as_it_is() -> None:
    once = canonical(
        pa.table(
            {
                "f": pa.array([-0.0, None, float("nan")]),
                "d": pa.array([Decimal("1.50"), None, Decimal("-2")], pa.decimal128(9, 2)),
                "t": pa.array([datetime(2020, 1, 1, tzinfo=UTC), None, None]),
                "s": pa.array(["a", None, ""]).dictionary_encode(),
            }
        )
    )
    again = canonical(once)

    assert again.schema == once.schema
    assert again.drop_columns("f").equals(once.drop_columns("f"))
    assert repr(again.column("f").to_pylist()) == repr(once.column("f").to_pylist())
