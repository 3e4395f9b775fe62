"""Equal rows have one digest in whatever order, types, chunks and files they are held; one cell changed has another."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_assets.pins.fingerprint import Fingerprint, fingerprint
from repro_assets_tests.fuzzing import EXAMPLES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Values of a column that every one of its types holds exactly.
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.integers(-99_999, 99_999).map(lambda cents: Decimal(cents).scaleb(-2)),
    "bytes": st.binary(min_size=3, max_size=3),
    "count": st.integers(0, 2**31 - 1) | st.integers(0, 2),
    "day": st.dates(),
    "flag": st.booleans(),
    "moment": st.integers(-(2**31), 2**31).map(lambda seconds: _EPOCH + timedelta(seconds=seconds)),
    "rate": st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0]),
    "text": st.text(max_size=4) | st.sampled_from(["", "a", "a\0", "aa"]),
}
TYPES: dict[str, list[pa.DataType]] = {
    "amount": [pa.decimal128(7, 2), pa.decimal128(20, 5), pa.decimal256(60, 30)],
    "bytes": [pa.binary(), pa.large_binary(), pa.binary(3), pa.binary_view()],
    "count": [pa.int64(), pa.int32(), pa.uint32(), pa.uint64(), pa.dictionary(pa.int16(), pa.int64())],
    "day": [pa.date32(), pa.date64()],
    "flag": [pa.bool_()],
    "moment": [*(pa.timestamp(unit, "UTC") for unit in ("s", "ms", "us", "ns")), pa.timestamp("us", "Asia/Tokyo")],
    "rate": [pa.float64(), pa.float32()],
    "text": [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | cell for name, cell in CELLS.items()}), max_size=10)
BUCKETS = st.sampled_from([1, 3, 2**20])


def table_of(rows: list[dict[str, Any]], types: dict[str, pa.DataType] | None = None) -> pa.Table:
    chosen = types or {name: types_[0] for name, types_ in TYPES.items()}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in chosen.items()})


@st.composite
def layouts(draw: Any, rows: list[dict[str, Any]]) -> pa.Table:
    """The same rows held in another way."""
    chance = random.Random(draw(st.integers(0, 2**16)))
    shuffled, names = list(rows), list(TYPES)
    chance.shuffle(shuffled)
    chance.shuffle(names)
    types = {name: chance.choice(TYPES[name]) for name in names}
    # A slice of more: offsets and validity bitmaps that do not begin at a byte.
    padding = chance.randint(0, 9) if rows else 0
    table = table_of([*shuffled[:1] * padding, *shuffled, *shuffled[:padding]], types).slice(padding, len(rows))
    cut = chance.randint(0, len(rows))
    table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    return through_a_file(table, chance) if chance.random() < 0.5 else table


def through_a_file(table: pa.Table, chance: random.Random) -> pa.Table:
    """Written to Parquet and read again."""
    file = io.BytesIO()
    views = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    plain = pa.schema([(field.name, views.get(field.type, field.type)) for field in table.schema])
    pq.write_table(
        table.cast(plain),
        file,
        row_group_size=chance.randint(1, 5),
        compression=chance.choice(["none", "snappy", "zstd"]),
        use_dictionary=chance.random() < 0.5,
        data_page_version=chance.choice(["1.0", "2.0"]),
    )
    file.seek(0)
    return pq.read_table(file)


def meaning(cell: object) -> object:
    """A cell as the fingerprint must see it: one NaN, no -0.0."""
    if isinstance(cell, float):
        return "NaN" if cell != cell else cell + 0.0
    return cell


def digests(table: pa.Table, buckets_of: int) -> Fingerprint:
    return fingerprint(table, single_bucket_rows=buckets_of)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_how_rows_are_held_does_not_count(examples: int) -> None:
    @settings(max_examples=80 * examples)
    @given(ROWS, BUCKETS, st.data())
    def check(rows: list[dict[str, Any]], buckets_of: int, data: st.DataObject) -> None:
        assert digests(data.draw(layouts(rows)), buckets_of) == digests(table_of(rows), buckets_of)

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_one_changed_cell_counts_however_the_rows_are_held(examples: int) -> None:
    @settings(max_examples=80 * examples)
    @given(ROWS.filter(bool), BUCKETS, st.data())
    def check(rows: list[dict[str, Any]], buckets_of: int, data: st.DataObject) -> None:
        row, name = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from(list(CELLS)))
        old = meaning(rows[row][name])
        new = data.draw((st.none() | CELLS[name]).filter(lambda cell: meaning(cell) != old))
        changed = [*rows[:row], {**rows[row], name: new}, *rows[row + 1 :]]
        assert digests(data.draw(layouts(changed)), buckets_of).digest != digests(table_of(rows), buckets_of).digest

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_row_more_or_fewer_counts(examples: int) -> None:
    @settings(max_examples=30 * examples)
    @given(ROWS.filter(bool), BUCKETS)
    def check(rows: list[dict[str, Any]], buckets_of: int) -> None:
        found = {digests(table_of(some), buckets_of).digest for some in (rows, rows[1:], [*rows, rows[0]])}
        assert len(found) == 3

    check()
