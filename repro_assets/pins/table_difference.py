"""Where two tables that should be equal differ: rows by key, then columns, with the largest difference of numbers.

Digests say whether two tables differ; this says where. Nothing here decides what a difference means (`pins.verdict`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = 5


@dataclass(frozen=True)
class ColumnDifference:
    """One column in the rows that both tables have.

    Attributes:
        rows: How many rows differ in it.
        largest: Largest absolute difference of its numbers; None where they are none, or one side has no value.
        examples: Keys with both values, at most `EXAMPLES`.
    """

    rows: int
    largest: float | None
    examples: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class TableDifference:
    """All that differs between an expected table and the one that was found.

    Attributes:
        rows_expected: Row count of the first.
        rows_found: Row count of the second.
        missing: Rows of the first whose key the second lacks.
        added: Rows of the second whose key the first lacks.
        changed: Rows that both have, with another value in some column.
        columns: What differs, by column that both have.
        columns_missing: Columns that only the first has.
        columns_added: Columns that only the second has.
        keys: Columns that rows were matched by; empty where no candidate names each row once: then whole rows were
            counted, and `changed` and `columns` say nothing.
    """

    rows_expected: int
    rows_found: int
    missing: int
    added: int
    changed: int
    columns: Mapping[str, ColumnDifference] = field(default_factory=dict)
    columns_missing: tuple[str, ...] = ()
    columns_added: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        shape = (self.missing, self.added, self.changed)
        return not (any(shape) or self.columns_missing or self.columns_added)

    @property
    def largest(self) -> float | None:
        """Largest absolute difference of any number."""
        known = [column.largest for column in self.columns.values() if column.largest is not None]
        return max(known, default=None)

    def as_document(self) -> dict[str, Any]:
        """The difference as JSON values."""
        return {**asdict(self), "largest": self.largest}


def table_difference(expected: pa.Table, found: pa.Table, candidates: Sequence[Sequence[str]] = ()) -> TableDifference:
    """Compare two tables whose row order means nothing.

    Args:
        expected: Shape (rows, columns).
        found: Shape (rows, columns).
        candidates: Sets of columns that may name a row; the first that names each row once in both tables is used.
    """
    common = [name for name in expected.column_names if name in found.column_names]
    keys = next((tuple(names) for names in candidates if _names_rows(names, expected, found)), ())
    shape = {
        "rows_expected": expected.num_rows,
        "rows_found": found.num_rows,
        "columns_missing": tuple(sorted(set(expected.column_names) - set(common))),
        "columns_added": tuple(sorted(set(found.column_names) - set(common))),
    }
    if not keys:
        missing, added = _whole_rows(expected.select(common), found.select(common))
        return TableDifference(**shape, missing=missing, added=added, changed=0)
    left, right = _matched(expected, found, keys)
    columns, changed = _columns(left, right, keys, [name for name in common if name not in keys])
    return TableDifference(
        **shape,
        missing=expected.num_rows - left.num_rows,
        added=found.num_rows - left.num_rows,
        changed=changed,
        columns=columns,
        keys=keys,
    )


def _names_rows(names: Sequence[str], expected: pa.Table, found: pa.Table) -> bool:
    if not all(name in table.column_names for table in (expected, found) for name in names):
        return False
    if any(expected.schema.field(name).type != found.schema.field(name).type for name in names):
        return False
    return all(
        table.select(names).group_by(list(names)).aggregate([]).num_rows == table.num_rows
        and not any(table[name].null_count for name in names)
        for table in (expected, found)
    )


def _matched(expected: pa.Table, found: pa.Table, keys: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Rows of both tables whose keys both have, in the order of the keys."""
    import pyarrow as pa

    def numbered(table: pa.Table, name: str) -> pa.Table:
        return table.select(list(keys)).append_column(name, pa.array(range(table.num_rows), pa.int64()))

    wanted = numbered(expected, "left")
    pairs = wanted.join(numbered(found, "right"), keys=list(keys), join_type="inner").sort_by(
        [(key, "ascending") for key in keys]
    )
    return expected.take(pairs["left"]), found.take(pairs["right"])


def _columns(
    left: pa.Table, right: pa.Table, keys: Sequence[str], names: Sequence[str]
) -> tuple[dict[str, ColumnDifference], int]:
    """Difference of every column that has one, and the number of rows that differ in any."""
    import numpy as np

    any_column = np.zeros(left.num_rows, dtype=bool)
    columns = {}
    for name in names:
        differs = _differs(left[name], right[name])
        if not differs.any():
            continue
        any_column |= differs
        where = np.flatnonzero(differs)
        columns[name] = ColumnDifference(
            len(where), _largest(left[name], right[name], where), _examples(left, right, keys, name, where)
        )
    return columns, int(any_column.sum())


def _differs(left: pa.ChunkedArray, right: pa.ChunkedArray) -> Any:
    """Which rows differ: bool of shape (rows,). Null equals null, and one not-a-number another."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if left.type != right.type:
        # Never the narrower one: casting down would make a difference vanish.
        common = pa.float64() if _is_number(left.type) and _is_number(right.type) else left.type
        try:
            left, right = left.cast(common), right.cast(common)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return np.ones(len(left), dtype=bool)
    if pa.types.is_nested(left.type):
        return np.array(
            [one != other for one, other in zip(left.to_pylist(), right.to_pylist(), strict=True)], dtype=bool
        )
    unequal = pc.fill_null(pc.not_equal(left, right), False)
    if pa.types.is_floating(left.type):
        both = pc.and_(pc.fill_null(pc.is_nan(left), False), pc.fill_null(pc.is_nan(right), False))
        unequal = pc.and_not(unequal, both)
    one_null = pc.xor(pc.is_null(left), pc.is_null(right))
    return pc.or_(unequal, one_null).to_numpy()


def _largest(left: pa.ChunkedArray, right: pa.ChunkedArray, where: Any) -> float | None:
    """Largest absolute difference; None where it can't be said of every row."""
    import numpy as np
    import pyarrow as pa

    if not (_is_number(left.type) and _is_number(right.type)):
        return None
    one, other = (column.take(pa.array(where)).cast(pa.float64(), safe=False) for column in (left, right))
    if one.null_count or other.null_count:
        return None
    largest = float(np.abs(one.to_numpy() - other.to_numpy()).max())
    return largest if np.isfinite(largest) else None


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _examples(
    left: pa.Table, right: pa.Table, keys: Sequence[str], name: str, where: Any
) -> tuple[Mapping[str, Any], ...]:
    rows = [int(row) for row in where[:EXAMPLES]]
    return tuple(
        {
            **{key: _plain(left[key][row].as_py()) for key in keys},
            "expected": _plain(left[name][row].as_py()),
            "found": _plain(right[name][row].as_py()),
        }
        for row in rows
    )


def _plain(value: Any) -> Any:
    """A value that JSON has; anything else as its text."""
    if value is None or isinstance(value, (str, int)):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def _whole_rows(expected: pa.Table, found: pa.Table) -> tuple[int, int]:
    """How many rows only one of the two has, counted with their repetitions."""
    from collections import Counter

    def counted(table: pa.Table) -> Counter[str]:
        return Counter(repr(tuple(row.values())) for row in table.to_pylist())

    one, other = counted(expected), counted(found)
    return (one - other).total(), (other - one).total()
