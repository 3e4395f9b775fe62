"""Equal rows have equal fingerprints, however they are held; any other rows have another."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_assets.pins import fingerprint as module
from repro_assets.pins.fingerprint import (
    bucket_count,
    bucket_digest,
    bucket_numbers,
    fingerprint,
    root,
    row_hashes,
)

SCHEMA = pa.schema(
    [
        ("flag", pa.bool_()),
        ("count", pa.int64()),
        ("rate", pa.float64()),
        ("share", pa.decimal128(12, 3)),
        ("day", pa.date32()),
        ("moment", pa.timestamp("us", "UTC")),
        ("local", pa.timestamp("us")),
        ("city", pa.string()),
        ("raw", pa.binary()),
    ]
)
MIXED = pa.table(
    {
        "city": pa.array(["a", "", None, "Zürich"]),
        "count": pa.array([1, 0, None, -(2**63)], pa.int64()),
        "day": pa.array([date(2020, 3, 1), date(1969, 12, 31), None, date(2020, 3, 1)]),
        "flag": pa.array([True, False, None, True]),
        "local": pa.array([datetime(2020, 3, 1, 12), datetime(1960, 1, 1), None, datetime(2020, 3, 1, 12)]),
        "moment": pa.array([datetime(2020, 3, 1, tzinfo=UTC), datetime(1960, 1, 1, tzinfo=UTC), None, None]),
        "rate": pa.array([0.1, 0.0, None, float("nan")]),
        "raw": pa.array([b"\x00", b"", None, b"\xff"]),
        "share": pa.array([Decimal("1.5"), Decimal("0"), None, Decimal("-7.125")], pa.decimal128(12, 3)),
    }
)

_cells = {
    "flag": st.booleans(),
    "count": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2),
    "rate": st.floats() | st.sampled_from([0.0, -0.0, 1.0]),
    "share": st.integers(-(10**12) + 1, 10**12 - 1).map(lambda unscaled: Decimal(unscaled).scaleb(-3)),
    "day": st.dates(),
    "moment": st.datetimes(timezones=st.just(UTC)),
    "local": st.datetimes(),
    "city": st.text(max_size=4),
    "raw": st.binary(max_size=4),
}
_rows = st.lists(st.fixed_dictionaries({name: st.none() | cell for name, cell in _cells.items()}), max_size=12)


def table_of(rows: list[dict[str, object]], schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def column(*values: object, of: pa.DataType | None = None) -> pa.Table:
    return pa.table({"c": pa.array(values, of)})


def meaning(cell: object) -> object:
    """A cell as the fingerprint must see it: one NaN, no -0.0."""
    if isinstance(cell, float):
        return "NaN" if cell != cell else cell + 0.0
    return cell


def float_of_bits(bits: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


@settings(deadline=None)
@given(rows=_rows, seed=st.integers(0, 9), buckets_of=st.sampled_from([1, 3, 2**20]))
def test_row_order_column_order_and_chunks_do_not_count(
    rows: list[dict[str, object]], seed: int, buckets_of: int
) -> None:
    shuffled, names = list(rows), list(SCHEMA.names)
    random.Random(seed).shuffle(shuffled)
    random.Random(seed).shuffle(names)
    half = len(rows) // 2
    other = pa.concat_tables([table_of(shuffled[:half]), table_of(shuffled[half:])]).select(names)

    expected = fingerprint(table_of(rows), single_bucket_rows=buckets_of)

    assert fingerprint(other, single_bucket_rows=buckets_of) == expected


@settings(deadline=None)
@given(rows=_rows.filter(bool), data=st.data())
def test_any_changed_cell_changes_the_digest(rows: list[dict[str, object]], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(SCHEMA.names))
    old = meaning(rows[row][name])
    new = data.draw((st.none() | _cells[name]).filter(lambda cell: meaning(cell) != old))
    changed = [*rows[:row], {**rows[row], name: new}, *rows[row + 1 :]]

    assert fingerprint(table_of(changed)).digest != fingerprint(table_of(rows)).digest


@settings(deadline=None)
@given(rows=_rows.filter(bool))
def test_a_repeated_row_counts_as_often_as_it_stands(rows: list[dict[str, object]]) -> None:
    assert fingerprint(table_of([*rows, rows[0]])).digest != fingerprint(table_of(rows)).digest


@settings(deadline=None)
@given(rows=_rows)
def test_equal_rows_share_a_bucket_wherever_they_stand(rows: list[dict[str, object]]) -> None:
    together = bucket_numbers(table_of(rows), 64).tolist()
    alone = [int(bucket_numbers(table_of([row]), 64)[0]) for row in rows]

    assert together == alone


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(column(1, None, of=pa.int8()), column(1, None, of=pa.int64()), id="width-of-integers"),
        pytest.param(column(1, None, of=pa.uint64()), column(1, None, of=pa.int32()), id="sign-of-integers"),
        pytest.param(column(0.5, of=pa.float16()), column(0.5, of=pa.float64()), id="width-of-floats"),
        pytest.param(column(-0.0), column(0.0), id="sign-of-zero"),
        pytest.param(
            column(float_of_bits(0x7FF8000000000000)), column(float_of_bits(0xFFF8000000000001)), id="payload-of-nan"
        ),
        pytest.param(column(float("nan")), column(float_of_bits(0x7FF0000000000001)), id="signalling-nan"),
        pytest.param(
            column(Decimal("1.50"), of=pa.decimal128(10, 2)),
            column(Decimal("1.5"), of=pa.decimal256(60, 1)),
            id="scale-and-precision-of-decimals",
        ),
        pytest.param(
            column(date(2020, 1, 1), of=pa.date32()), column(date(2020, 1, 1), of=pa.date64()), id="width-of-dates"
        ),
        pytest.param(
            column(1, of=pa.timestamp("s", "UTC")),
            column(10**9, of=pa.timestamp("ns", "Europe/Berlin")),
            id="zone-and-unit-of-an-instant",
        ),
        pytest.param(column("a", None, of=pa.string()), column("a", None, of=pa.string_view()), id="layout-of-strings"),
        pytest.param(column(b"ab", None, of=pa.binary(2)), column(b"ab", None, of=pa.large_binary()), id="of-binary"),
        pytest.param(
            column("a", None, "a"),
            pa.table({"c": pa.array(["a", None, "a"]).dictionary_encode()}),
            id="dictionary-encoding",
        ),
        pytest.param(
            column("a", "b"),
            pa.table({"c": pa.chunked_array([pa.array(["b"]), pa.array([], pa.string()), pa.array(["a"])])}),
            id="chunks",
        ),
        pytest.param(
            column("b", None, "c"),
            pa.table({"c": pa.array(["a", "b", None, "c", "d"])}).slice(1, 3),
            id="offset-of-strings",
        ),
        pytest.param(
            column(True, None, False),
            pa.table({"c": pa.array([False] * 3 + [True, None, False])}).slice(3),
            id="offset-of-bitmaps",
        ),
        pytest.param(
            column(Decimal(2), None, of=pa.decimal256(76, 38)),
            column(Decimal(1), Decimal(2), None, of=pa.decimal256(76, 38)).slice(1),
            id="offset-of-decimals",
        ),
    ],
)
def test_how_a_value_is_held_does_not_count(one: pa.Table, other: pa.Table) -> None:
    assert fingerprint(one) == fingerprint(other)
    assert set(row_hashes(one).tolist()) == set(row_hashes(other).tolist())


@pytest.mark.parametrize(
    ("arrow_type", "buffers"),
    [
        pytest.param(pa.int64(), [np.array([7, 99]).tobytes()], id="integer"),
        pytest.param(pa.float64(), [np.array([7.0, np.nan]).tobytes()], id="float"),
        pytest.param(pa.decimal256(76, 38), [bytes(32) + b"\x01" * 32], id="decimal"),
        pytest.param(pa.bool_(), [b"\x03"], id="bool"),
        pytest.param(pa.large_string(), [np.array([0, 1, 3]).tobytes(), b"abc"], id="string"),
    ],
)
def test_what_stands_under_a_null_does_not_count(arrow_type: pa.DataType, buffers: list[bytes]) -> None:
    first_only_valid = pa.py_buffer(b"\x01")
    dirty = pa.Array.from_buffers(arrow_type, 2, [first_only_valid, *map(pa.py_buffer, buffers)])
    clean = pa.array([dirty[0].as_py(), None], arrow_type)

    assert fingerprint(pa.table({"c": dirty})) == fingerprint(pa.table({"c": clean}))
    assert row_hashes(pa.table({"c": dirty})).tolist() == row_hashes(pa.table({"c": clean})).tolist()


def test_a_bitmap_without_any_null_does_not_count() -> None:
    all_valid = pa.py_buffer(b"\x03")
    with_bitmap = pa.Array.from_buffers(pa.int64(), 2, [all_valid, pa.py_buffer(np.array([1, 2]).tobytes())])

    assert fingerprint(pa.table({"c": with_bitmap})) == fingerprint(column(1, 2))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(column(None, of=pa.string()), column(""), id="null-and-empty-string"),
        pytest.param(column(None, of=pa.int64()), column(0), id="null-and-zero"),
        pytest.param(column(None, of=pa.float64()), column(float("nan")), id="null-and-nan"),
        pytest.param(column(None, of=pa.bool_()), column(False), id="null-and-false"),
        pytest.param(column(1), column(1.0), id="integer-and-float"),
        pytest.param(column(1), column(True), id="integer-and-bool"),
        pytest.param(column(1.0), column(Decimal(1)), id="float-and-decimal"),
        pytest.param(column("a"), column(b"a"), id="string-and-binary"),
        pytest.param(column(0, of=pa.date32()), column(0), id="date-and-integer"),
        pytest.param(column(1, of=pa.timestamp("us")), column(1, of=pa.timestamp("us", "UTC")), id="naive-and-zoned"),
        pytest.param(column("ab", "c"), column("a", "bc"), id="boundary-between-cells"),
        pytest.param(column("a", "a\0"), column("a\0", "a\0"), id="trailing-zero-byte"),
        pytest.param(
            pa.table({"a": ["ab"], "b": ["c"]}), pa.table({"a": ["a"], "b": ["bc"]}), id="boundary-between-columns"
        ),
        pytest.param(
            pa.table({"a": [1, 2], "b": [1, 2]}), pa.table({"a": [1, 2], "b": [2, 1]}), id="cells-of-two-rows-swapped"
        ),
        pytest.param(pa.table({"a": [1], "b": [2]}), pa.table({"a": [2], "b": [1]}), id="columns-swapped"),
        pytest.param(pa.table({"ab": [1], "c": [2]}), pa.table({"a": [1], "bc": [2]}), id="boundary-between-names"),
        pytest.param(column(1), pa.table({"d": [1]}), id="name"),
        pytest.param(column(1), column(1).slice(0, 0), id="no-row"),
        pytest.param(column(1).slice(0, 0), column("a").slice(0, 0), id="types-of-empty-tables"),
    ],
)
def test_different_rows_have_different_digests(one: pa.Table, other: pa.Table) -> None:
    assert fingerprint(one).digest != fingerprint(other).digest


def test_a_fingerprint_says_rows_and_canonical_schema() -> None:
    found = fingerprint(pa.table({"b": pa.array([1, 2], pa.int16()), "a": ["x", None]}))

    assert (found.rows, found.schema) == (2, (("a", "string"), ("b", "int64")))
    assert len(found.digest) == 64


def test_the_digest_of_a_known_table_never_changes() -> None:
    assert fingerprint(MIXED).digest == "7a257fab4d001f535922a603b4a456a0c839cb10c4040a77e6f57b2fbf861a5e"


def test_the_digest_of_a_known_table_in_buckets_never_changes() -> None:
    assert (
        fingerprint(MIXED, single_bucket_rows=1).digest
        == "e0d830747314076ceaaa5557841bae42bd35c3bee40bb4aa883f399960b81bab"
    )


def test_the_digest_is_what_the_documented_algorithm_gives() -> None:
    def sized(part: bytes) -> bytes:
        return len(part).to_bytes(8, "little") + part

    def number(value: int) -> bytes:
        return sized(value.to_bytes(8, "little"))

    names_and_tags = [sized(b"n") + sized(b"int64"), sized(b"s") + sized(b"string")]
    sorted_integers = sized(b"\x01") + sized(struct.pack("<2q", 5, 0))
    their_strings = sized(b"\x01") + sized(struct.pack("<2q", 2, 0)) + sized(b"ab")
    bucket = number(2) + names_and_tags[0] + sorted_integers + names_and_tags[1] + their_strings
    document = sized(b"tblfp/1") + number(2) + number(2) + b"".join(names_and_tags) + number(1)
    expected = hashlib.sha256(document + sized(hashlib.sha256(bucket).digest())).hexdigest()

    assert fingerprint(pa.table({"s": [None, "ab"], "n": [None, 5]})).digest == expected


@pytest.mark.parametrize(
    ("rows", "buckets"),
    [(0, 1), (2**20, 1), (2**20 + 1, 8), (2**21, 8), (2**21 + 1, 16), (10**9, 4096)],
)
def test_the_bucket_count_is_a_function_of_the_row_count(rows: int, buckets: int) -> None:
    assert bucket_count(rows) == buckets


def test_rows_spread_evenly_over_buckets() -> None:
    table = pa.table({"uid": np.arange(64_000) // 800, "day": np.arange(64_000) % 800, "s": ["a", "b"] * 32_000})

    sizes = np.bincount(bucket_numbers(table, 64), minlength=64)

    assert sizes.min() > 800
    assert sizes.max() < 1_200


def test_row_hashes_do_not_depend_on_the_rows_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = row_hashes(MIXED).tolist()
    monkeypatch.setattr(module, "_HASHED_ROWS_AT_ONCE", 3)

    assert row_hashes(MIXED).tolist() == whole


def test_one_bucket_goes_through_the_root_too() -> None:
    found = fingerprint(MIXED)

    assert found.digest == root(found.rows, found.schema, [bucket_digest(MIXED)])


def test_buckets_with_and_without_rows_all_go_through_the_root() -> None:
    buckets = bucket_count(MIXED.num_rows, single_bucket_rows=1)
    numbers = bucket_numbers(MIXED, buckets)
    digests = [bucket_digest(MIXED.filter(pa.array(numbers == bucket))) for bucket in range(buckets)]
    found = fingerprint(MIXED, single_bucket_rows=1)

    assert len(set(numbers.tolist())) < buckets
    assert found.digest == root(found.rows, found.schema, digests)


@pytest.mark.parametrize(
    ("rows", "digests"),
    [
        pytest.param(3, [b"a" * 32, b"b" * 32], id="rows"),
        pytest.param(2, [b"b" * 32, b"a" * 32], id="order-of-buckets"),
        pytest.param(2, [b"a" * 32 + b"b" * 32], id="boundary-between-buckets"),
        pytest.param(2, [b"a" * 32, b"b" * 32, b""], id="number-of-buckets"),
    ],
)
def test_the_root_covers_rows_and_every_bucket(rows: int, digests: list[bytes]) -> None:
    schema = (("c", "int64"),)

    assert root(rows, schema, digests) != root(2, schema, [b"a" * 32, b"b" * 32])


def test_importing_fingerprints_loads_no_arrow() -> None:
    code = "import sys, repro_assets.pins.fingerprint; sys.exit('pyarrow' in sys.modules or 'numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
