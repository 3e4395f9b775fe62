"""What a publication changes in a table: the rows to insert, update and delete.

Pure: Arrow tables in, one Arrow table of changes out. Null equals null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

OPERATION = "_operation"
STORED = "__stored"
"""Ends the name of a column that holds a corrected row's value as it stood."""

_IN_STORED = "__in_stored"
_IN_PUBLISHED = "__in_published"


@dataclass(frozen=True)
class Counts:
    """How many rows a publication changed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Gone:
    """Keys of a table that a publication no longer has.

    Attributes:
        column: The key column.
        gone: How many of its values are gone.
        of: How many the table has.
        example: One of them.
    """

    column: str
    gone: int
    of: int
    example: object


def difference(stored: pa.Table, published: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Compare the rows of a table with those of a publication.

    Args:
        stored: Rows as they stand; same columns and types as `published`, in any order.
        published: Rows as they should be.
        keys: Columns that identify a row; unique in both.

    Returns:
        The changed rows only, in key order: the columns of `published` (of a deleted row as it stands) and
        `_operation`: `insert`, `update` or `delete`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    names = published.column_names
    stored = stored.select(names).append_column(_IN_STORED, pa.array([True]).take(_zeros(stored.num_rows)))
    left = published.append_column(_IN_PUBLISHED, pa.array([True]).take(_zeros(published.num_rows)))
    both = left.join(stored, list(keys), join_type="full outer", right_suffix=STORED)
    is_published, is_stored = pc.is_valid(both[_IN_PUBLISHED]), pc.is_valid(both[_IN_STORED])
    changed = pc.xor(is_published, is_stored)
    for name in names:
        if name not in keys:
            changed = pc.or_(changed, _differs(both[name], both[name + STORED]))
    both = both.filter(changed)
    is_published, is_stored = pc.is_valid(both[_IN_PUBLISHED]), pc.is_valid(both[_IN_STORED])
    operation = pc.if_else(is_published, pc.if_else(is_stored, "update", "insert"), "delete")
    columns = {
        name: both[name] if name in keys else pc.if_else(is_published, both[name], both[name + STORED])
        for name in names
    }
    changes = pa.table({**columns, OPERATION: operation})
    return changes.sort_by([(key, "ascending") for key in keys])


def corrections(stored: pa.Table, changes: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The updates among the changes, each row with its values as they stood beside the new ones.

    Args:
        stored: Rows as they stand.
        changes: From `difference`.
        keys: Columns that identify a row.

    Returns:
        One row per update of a row of `stored`: its keys, every other column, and the same with `STORED` at its end.
    """
    import pyarrow.compute as pc

    updates = changes.filter(pc.equal(changes[OPERATION], "update")).drop_columns([OPERATION])
    return updates.join(stored.select(updates.column_names), list(keys), join_type="inner", right_suffix=STORED)


def count(changes: pa.Table) -> Counts:
    """How many changes of each kind."""
    import pyarrow.compute as pc

    found = {item["values"]: item["counts"] for item in pc.value_counts(changes[OPERATION]).to_pylist()}
    return Counts(found.get("insert", 0), found.get("update", 0), found.get("delete", 0))


def keys_gone(stored: pa.Table, published: pa.Table, keys: Sequence[str]) -> list[Gone]:
    """Per key column, the values that stand in the table and nowhere in the publication; none where there are none."""
    import pyarrow.compute as pc

    found = []
    for key in keys:
        values = pc.unique(stored[key])
        gone = values.filter(pc.invert(pc.is_in(values, value_set=pc.unique(published[key]))))
        if len(gone):
            found.append(Gone(key, len(gone), len(values), pc.min(gone).as_py()))
    return found


def first_shared_key(published: pa.Table, others: pa.Table, keys: Sequence[str]) -> int | None:
    """Position in `published` of the first row whose key also stands in `others`; None where they share none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = published.select(list(keys)).append_column("__position", pa.array(range(published.num_rows), pa.int64()))
    return pc.min(rows.join(others.select(list(keys)), list(keys), join_type="left semi")["__position"]).as_py()


def _differs(published: pa.ChunkedArray, stored: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    one_is_null = pc.xor(pc.is_null(published), pc.is_null(stored))
    return pc.or_(one_is_null, pc.fill_null(pc.not_equal(published, stored), False))


def _zeros(length: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.zeros(length, dtype="int64"))
