"""A table in canonical form: one Arrow type per kind of value, columns by name, and its cells as 64-bit words.

Belongs here: which column types a fingerprint accepts and what each becomes.
Does not: hashing, which is `fingerprint`.

| accepted | tag | canonical Arrow type |
| --- | --- | --- |
| any integer that fits 64 bits with sign | `int64` | int64 |
| boolean | `bool` | bool |
| any float | `float64` | float64 with one NaN and no -0.0 |
| decimal of any precision and scale | `decimal` | decimal256(76, 38): 1.50 is 1.5 |
| date32, date64 | `date` | date32 |
| timestamp without time zone | `timestamp[us]` | timestamp[us] |
| timestamp with any time zone | `timestamp[us, UTC]` | timestamp[us, UTC], the same instant |
| string, large_string, string_view | `string` | large_string |
| binary, large_binary, binary_view, fixed_size_binary | `binary` | large_binary |

Dictionary-encoded columns count as their values; every other type is refused.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

ACCEPTED = "integers, booleans, floats, decimals, dates, timestamps, strings or binary"
# decimal256 holds 76 digits: half before and half after the point takes every decimal128, so all of Spark's.
_DECIMAL_PRECISION, _DECIMAL_SCALE = 76, 38


def canonical(table: pa.Table) -> pa.Table:
    """Bring a table into canonical form; canonical tables come back equal.

    Args:
        table: Any number of rows and columns, in any chunks.

    Returns:
        The same rows in the same order: columns sorted by name, canonical types, one chunk per column, no metadata.

    Raises:
        BadInput: Two columns share a name, a type is not accepted, or a value has no place in its canonical type
            (an integer above int64, a decimal above 38 digits on a side, part of a microsecond, part of a day).
    """
    import pyarrow as pa

    names = sorted(table.column_names)
    for first, second in pairwise(names):
        if first == second:
            raise BadInput("two columns have the same name", where=f"column {first!r}", fix="Rename one of them.")
    columns = {name: _canonical_column(name, table.column(name)) for name in names}
    fields = [pa.field(name, column.type) for name, column in columns.items()]
    if not fields:
        return table.replace_schema_metadata(None)
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields)).combine_chunks()


def tags(table: pa.Table) -> tuple[tuple[str, str], ...]:
    """Name and type tag of each column of a canonical table, by name."""
    return tuple((field.name, _tag(field.type)) for field in table.schema)


def validity(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Which rows of a column are not null, shape `(rows,)`."""
    return column.is_valid().to_numpy()


def words(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Cells of a canonical column of fixed width as little-endian words, zero where null.

    Returns:
        Shape `(rows, 4)` for decimals, `(rows, 1)` otherwise.
    """
    import numpy as np
    import pyarrow as pa

    array = _one_array(column)
    if pa.types.is_decimal(array.type):
        return _decimal_words(array)
    if pa.types.is_floating(array.type):
        return array.fill_null(0.0).to_numpy(zero_copy_only=False).astype("<f8").view(np.uint64).reshape(-1, 1)
    if pa.types.is_date32(array.type):
        array = array.cast(pa.int32())
    integers = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return integers.astype("<i8").view(np.uint64).reshape(-1, 1)


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether cells of this canonical column vary in length (strings and binary), so that `text` reads them."""
    import pyarrow as pa

    return pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)


def text(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Cells of a canonical string or binary column.

    Returns:
        Length of each cell in bytes, shape `(rows,)`, 0 where null, and all bytes one after the other.
    """
    import numpy as np

    # Filling copies, which leaves out the bytes that may stand under a null.
    array = _one_array(column).fill_null(b"" if str(column.type) == "large_binary" else "")
    if len(array) == 0:
        return np.zeros(0, "<i8"), np.zeros(0, np.uint8)
    _, offset_buffer, data = array.buffers()
    offsets = np.frombuffer(offset_buffer, "<i8")[array.offset : array.offset + len(array) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return np.diff(offsets), content[offsets[0] : offsets[-1]]


def _canonical_column(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    stored = column.type
    while pa.types.is_dictionary(column.type):
        decoded = [chunk.dictionary_decode() for chunk in column.chunks]
        column = pa.chunked_array(decoded, type=column.type.value_type)
    target = _target(column.type)
    if target is None:
        raise BadInput(
            "a column's type has no fingerprint",
            where=f"column {name!r}",
            stored=stored,
            expected=ACCEPTED,
            fix="Cast or drop the column.",
        )
    if column.type != target:
        try:
            column = column.cast(target)
        except pa.ArrowInvalid as error:
            raise BadInput(
                "a column holds a value that a fingerprint can't",
                where=f"column {name!r}",
                stored=f"{stored} ({error})",
                expected=f"values that fit {target} without loss",
                fix="Cast the column.",
            ) from error
    return _one_nan_no_negative_zero(column) if pa.types.is_floating(target) else column


def _one_nan_no_negative_zero(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import numpy as np
    import pyarrow as pa

    array = _one_array(column)
    with np.errstate(invalid="ignore"):  # adding to a signalling NaN would warn
        # IEEE 754: -0.0 + 0.0 is 0.0, and no other number changes.
        values = array.fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0
    values[np.isnan(values)] = np.nan
    return pa.chunked_array([pa.array(values, mask=~validity(column), from_pandas=False)])


def _target(found: pa.DataType) -> pa.DataType | None:
    import pyarrow as pa

    kinds = pa.types
    choices = (
        (kinds.is_boolean(found), pa.bool_()),
        (kinds.is_integer(found), pa.int64()),
        (kinds.is_floating(found), pa.float64()),
        (kinds.is_decimal(found), pa.decimal256(_DECIMAL_PRECISION, _DECIMAL_SCALE)),
        (kinds.is_date(found), pa.date32()),
        (kinds.is_timestamp(found), pa.timestamp("us", tz="UTC" if getattr(found, "tz", None) else None)),
        (kinds.is_string(found) or kinds.is_large_string(found) or kinds.is_string_view(found), pa.large_string()),
        (_is_binary(found), pa.large_binary()),
    )
    return next((target for accepted, target in choices if accepted), None)


def _is_binary(found: pa.DataType) -> bool:
    import pyarrow as pa

    kinds = pa.types
    checks = (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary)
    return any(check(found) for check in checks)


def _tag(canonical_type: pa.DataType) -> str:
    return {
        f"decimal256({_DECIMAL_PRECISION}, {_DECIMAL_SCALE})": "decimal",
        "date32[day]": "date",
        "double": "float64",
        "large_binary": "binary",
        "large_string": "string",
        "timestamp[us, tz=UTC]": "timestamp[us, UTC]",
    }.get(str(canonical_type), str(canonical_type))


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _decimal_words(array: pa.Array) -> NDArray[np.uint64]:
    import numpy as np

    if len(array) == 0:
        return np.zeros((0, 4), np.uint64)
    per_value = np.frombuffer(array.buffers()[1], "<u8").reshape(-1, 4)[array.offset : array.offset + len(array)]
    return np.where(array.is_valid().to_numpy(zero_copy_only=False)[:, None], per_value, np.uint64(0))
